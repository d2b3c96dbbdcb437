"""Sources whose events a Python function returns, as a pandas frame or an Arrow table.

The rule: the function is called where a day is imported, never where it is declared. With `supports_time_filtering` it is told
which times are wanted and may return others too; what lies outside is left out. The same code is the same source, however
often its file is imported.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import FunctionType
from typing import Any

from tilefold.declaration.elsewhere import FUNCTION_SOURCE, sorted_out
from tilefold.declaration.fingerprint import fingerprint
from tilefold.declaration.pandas_frames import check_pandas
from tilefold.declaration.times import not_negative_us
from tilefold.errors import DeclarationError, complaint

_KNOWN = ("data_delay", "supports_time_filtering", "timestamp_field")


@dataclass(frozen=True, slots=True)
class FilterContext:
    """Which events a source's function is asked for: `start_time <= time < end_time`; None where there is no bound."""

    start_time: datetime | None = None
    end_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """A function that returns a source's events.

    Attributes
    ----------
    kind
        What it returns: `"pandas"` or `"pyarrow"`.
    code
        The text of what it computes: what makes two of them equal.
    data_delay
        How long after its time an event may still arrive, where the source does not say.
    supports_time_filtering
        Whether it takes a `FilterContext`.
    timestamp_field
        The column of the event's time, where the source does not say.
    """

    name: str
    kind: str
    function: Callable[..., Any]
    code: str
    data_delay: timedelta
    supports_time_filtering: bool
    timestamp_field: str | None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FunctionConfig) and self._told() == other._told()

    def __hash__(self) -> int:
        return hash(self._told())

    def _told(self) -> tuple[object, ...]:
        return self.name, self.kind, self.code, self.data_delay, self.supports_time_filtering, self.timestamp_field

    def call(self, context: FilterContext) -> Any:
        """What the function returns."""
        return self.function(context) if self.supports_time_filtering else self.function()


Decorator = Callable[[Callable[..., Any]], FunctionConfig]


def pandas_batch_config(**given: Any) -> Decorator:
    """Declare a function that returns events as a pandas frame, for `BatchSource(batch_config=...)`.

    Parameters
    ----------
    data_delay
        How long after its time an event may still arrive.
    supports_time_filtering
        Whether the function takes a `FilterContext`.
    timestamp_field
        The column of the event's time, where the source does not say.

    Raises
    ------
    DeclarationError
        If a parameter is unknown, pandas is not installed, or what is decorated is no function.
    """
    return _decorator("pandas", given)


def pyarrow_batch_config(**given: Any) -> Decorator:
    """Declare a function that returns events as an Arrow table; parameters and errors as of `pandas_batch_config`."""
    return _decorator("pyarrow", given)


def _decorator(kind: str, given: dict[str, Any]) -> Decorator:
    def declare(function: Callable[..., Any]) -> FunctionConfig:
        name = getattr(function, "__name__", repr(function))
        thing, called = f"source function {name!r}", f"{kind}_batch_config"
        if not isinstance(function, FunctionType):
            mend = f"Write @{called}() above a function made with def."
            raise DeclarationError(complaint(thing, "what is decorated must be a function", function, mend))
        if kind == "pandas":
            check_pandas(thing, called)
        written = sorted_out(thing, called, given, _KNOWN, FUNCTION_SOURCE)
        delay = written.get("data_delay") or timedelta(0)
        not_negative_us(thing, "data_delay", delay)
        filtering = bool(written.get("supports_time_filtering", False))
        return FunctionConfig(name, kind, function, fingerprint(function), delay, filtering, written.get("timestamp_field"))

    return declare
