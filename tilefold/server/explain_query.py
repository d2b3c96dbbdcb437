"""What a request for an explanation asks: `?view=spend&keys[user_id]=u1&feature=...&at=...&reference=1`.

The rule: what is not known is refused by name, and nothing is guessed. A form sends what is left empty, so empty is not given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, Self
from urllib.parse import parse_qsl, urlencode

from tilefold.errors import InputError, complaint
from tilefold.serving.definitions import Definitions
from tilefold.serving.explained import Explanation
from tilefold.serving.given import key_types, parsed_time, typed_keys

FIELDS_MAX = 64
_PLAIN = ("view", "feature", "at", "reference", "axis")
AXES = ("even", "recent")
_TRUTHS = {"": False, "0": False, "false": False, "1": True, "true": True}


class Explains(Protocol):
    """What can explain: `Workspace` does."""

    @property
    def definitions(self) -> Definitions:
        """What is declared."""
        ...

    def explain(
        self, view: str, keys: Mapping[str, Any], at: datetime | None = None, *, reference: bool = False
    ) -> Explanation:
        """See `Workspace.explain`."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as it was written; nothing of it is checked against what is declared."""

    view: str = ""
    keys: tuple[tuple[str, str], ...] = ()
    feature: str = ""
    at: str = ""
    reference: bool = False
    axis: str = ""

    @classmethod
    def of(cls, query: bytes | str) -> Self:
        """What a query string asks.

        Raises
        ------
        InputError
            If it is too long, holds an unknown name, one twice, or a truth that is none.
        """
        pairs = _pairs(query)
        names = [name for name, _ in pairs if not _is_key(name)]
        for number, name in enumerate(names):
            if name not in _PLAIN or name in names[:number]:
                rule = f"it takes each of {', '.join(_PLAIN)} once, and keys[...]"
                raise InputError(complaint("explain", rule, name, "Write ?view=VIEW&keys[KEY]=VALUE."))
        plain = dict(pairs)
        axis = plain.get("axis", "")
        if axis and axis not in AXES:
            raise InputError(complaint("parameter 'axis'", f"it must be one of {', '.join(AXES)}", axis, "Leave it out."))
        return replace(cls._filled(pairs), reference=_truth(plain), axis=axis)

    @classmethod
    def readable(cls, query: bytes | str) -> Self:
        """What of a query string that is refused can stand in a form again: nothing where it cannot be taken apart."""
        try:
            return cls._filled(_pairs(query))
        except InputError:
            return cls()

    @classmethod
    def _filled(cls, pairs: Sequence[tuple[str, str]]) -> Self:
        """The texts that people write."""
        plain = dict(pairs)
        view, feature, at = (plain.get(name, "") for name in ("view", "feature", "at"))
        keys = tuple((name[5:-1], value) for name, value in pairs if _is_key(name))
        return cls(view, keys, feature, at.strip())

    def query(self, **changed: Any) -> str:
        """The query string of this request, with some of it changed."""
        asked = replace(self, **changed)
        pairs = [("view", asked.view), *((f"keys[{name}]", value) for name, value in asked.keys)]
        more = {"feature": asked.feature, "at": asked.at, "reference": "1" if asked.reference else "", "axis": asked.axis}
        return urlencode([*pairs, *((name, value) for name, value in more.items() if value)])

    @property
    def is_complete(self) -> bool:
        """Whether it names an entity, beside the view."""
        return bool(self.view and self.keys)

    def answer(self, explains: Explains) -> Explanation:
        """The explanation.

        Raises
        ------
        UnknownNameError, InputError
            If there is no such view or feature, or a key or the time is wrong.
        """
        definitions = explains.definitions
        view = definitions.view(self.view)
        keys = typed_keys(self.view, self.keys, key_types(definitions, view.name))
        self.check_feature(definitions)
        at = parsed_time("parameter 'at'", self.at or None)
        return explains.explain(self.view, keys, at, reference=self.reference)

    def check_feature(self, definitions: Definitions) -> None:
        """Raise InputError where the view has no such feature."""
        names = [feature.name for feature in definitions.view(self.view).features]
        if self.feature and self.feature.removeprefix(f"{self.view}.") not in names:
            mend = f"It has: {', '.join(names)}."
            raise InputError(
                complaint(f"view '{self.view}'", "a feature to explain must be one of its own", self.feature, mend)
            )


def _is_key(name: str) -> bool:
    return name.startswith("keys[") and name.endswith("]")


def _pairs(query: bytes | str) -> list[tuple[str, str]]:
    """Names and values; raises InputError."""
    text = query.decode("ascii", "replace") if isinstance(query, bytes) else query
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError as error:  # wrong UTF-8, or too many
        rule = f"its query must be UTF-8 of at most {FIELDS_MAX} fields"
        raise InputError(complaint("explain", rule, text[:200], "Send it as a form does.")) from error


def _truth(plain: dict[str, str]) -> bool:
    value = plain.get("reference", "")
    if value.lower() not in _TRUTHS:
        raise InputError(complaint("parameter 'reference'", "it must be 1 or 0", value, "Leave it out for 0."))
    return _TRUTHS[value.lower()]
