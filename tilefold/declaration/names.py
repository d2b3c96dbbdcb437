"""Which names declarations may have.

The rule: a name is `[A-Za-z_][A-Za-z0-9_]*`. Those of views, services, sources and entities hold no `__` and do not end in
`_`, so that in a frame's column `view__feature` the first `__` always parts the two. A feature's name may hold `__`.
"""

import re
from collections.abc import Iterable

from tilefold.errors import DeclarationError, complaint

EVENT_ID = "event_id"
"""The column that may stand beside a source's own ones: who the event is (String)."""
RESERVED = ("tf_", "__")
"""How the names of the project's own columns begin."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME_MEND = "Use letters, digits and _, not starting with a digit."
_PART_MEND = "Rename it: view__feature is how features are named in frames."


def check_name(thing: str, name: object) -> None:
    """Refuse a name that is no plain identifier; `thing` is what the error names."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DeclarationError(complaint(thing, "a name must match [A-Za-z_][A-Za-z0-9_]*", name, _NAME_MEND))


def checked_name(thing: str, name: str) -> str:
    """The name, refused if it could not stand before the `__` of `view__feature`."""
    check_name(thing, name)
    if "__" in name or name.endswith("_"):
        raise DeclarationError(complaint(thing, "a name may not hold __ nor end in _", name, _PART_MEND))
    return name


def check_column(thing: str, name: str) -> None:
    """Refuse a column whose name the project uses for its own columns, or that Polars takes for a pattern of names."""
    if name.startswith(RESERVED):
        mend = "Give the column another name."
        raise DeclarationError(complaint(thing, f"a column's name may not begin with {' or '.join(RESERVED)}", name, mend))
    if is_pattern(name):
        rule = "a column's name may not be * nor stand between ^ and $, which Polars takes for a pattern of names"
        raise DeclarationError(complaint(thing, rule, name, "Give the column another name."))


def is_pattern(name: str) -> bool:
    """Whether Polars takes the name for several columns."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))


def first_duplicate(names: Iterable[str]) -> str | None:
    """The first name that already stood before, or None."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
