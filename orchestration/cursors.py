"""What sensors remember from tick to tick, as Dagster keeps it: a dataclass as JSON.

The rule: no sensor depends on what it remembers. A cursor of another release is read as far as it is understood, a broken one
is none; then something is told or looked at once more.
"""

import json
from dataclasses import asdict
from typing import Any, TypeVar

T = TypeVar("T")


def cursor_of(kind: type[T], text: str | None) -> T:
    """The cursor of a tick before."""
    try:
        held = json.loads(text or "{}")
    except ValueError:
        return kind()
    fields: dict[str, Any] = getattr(kind, "__dataclass_fields__", {})
    return kind(**{name: value for name, value in held.items() if name in fields}) if isinstance(held, dict) else kind()


def to_text(cursor: Any) -> str:
    """A cursor as Dagster keeps it."""
    return json.dumps(asdict(cursor))
