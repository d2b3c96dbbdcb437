"""Frames to pandas and back."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilefold import Field
from tilefold.declaration.pandas_frames import fitted, from_pandas, to_pandas
from tilefold.errors import InputError
from tilefold.types import Bool, Float64, Int64, String, Timestamp

COLUMNS = [Field("n", Int64), Field("x", Float64), Field("s", String), Field("b", Bool), Field("t", Timestamp)]
VALUES = {
    "n": st.integers(-(2**63), 2**63 - 1),
    "x": st.floats(allow_nan=False),
    "s": st.text(),
    "b": st.booleans(),
    "t": st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive there
}
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}), min_size=1, max_size=8)


@settings(deadline=None)  # the first call imports pandas
@given(ROWS)
def test_there_and_back(rows: list[dict[str, object]]) -> None:
    """Whatever goes to pandas and comes back is what it was, to the last bit of every whole number, nulls included."""
    frame = pl.DataFrame(rows, schema={column.name: column.dtype for column in COLUMNS})
    back = fitted("it", from_pandas("it", to_pandas(frame)), COLUMNS)
    _same(back, frame)


@pytest.mark.parametrize(("number", "dtype"), [(-(2**53) - 1, pl.Int64), (2**53 + 1, pl.Int64), (2**64 - 1, pl.UInt64)])
def test_a_large_number_beside_a_null(number: int, dtype: type[pl.DataType]) -> None:
    """Pandas makes floats of whole numbers where one is missing; those that no float can hold stay whole."""
    frame = pl.DataFrame({"n": pl.Series([None, 0, number], dtype=dtype)})
    assert from_pandas("it", to_pandas(frame))["n"].to_list() == [None, 0, number]


def _same(back: pl.DataFrame, frame: pl.DataFrame) -> None:
    for name in frame.columns:
        assert back[name].to_list() == frame[name].to_list(), name


@given(st.lists(st.none() | st.floats(), min_size=1, max_size=6))
def test_floats_as_whole_numbers(values: list[float | None]) -> None:
    """A float becomes a whole number where it is one, and anything else is refused; none is rounded."""
    frame = pl.DataFrame({"n": pl.Series(values, dtype=pl.Float64)})
    known = [value for value in values if value is not None and value == value]  # noqa: PLR0124 - NaN is null
    if all(value.is_integer() and -(2.0**63) <= value < 2.0**63 for value in known):
        came = fitted("it", frame, [Field("n", Int64)])["n"].drop_nulls().to_list()
        assert came == [int(value) for value in known]
    else:
        with pytest.raises(InputError, match="it: column 'n' is declared Int64, in which each of its numbers must stay"):
            fitted("it", frame, [Field("n", Int64)])
