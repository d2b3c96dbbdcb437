import polars as pl
import pytest

from tests.stores.delta_samples import Source
from tilefold.errors import InputError
from tilefold.stores.event_columns import declared_columns, storable
from tilefold.types import Field


def test_times_of_any_unit_are_kept_in_microseconds() -> None:
    """A declared time in nanoseconds or milliseconds is stored as microseconds in UTC."""
    columns = declared_columns(Source(schema=(Field("at", pl.Datetime("ns", "UTC")),)))
    assert columns == {"at": pl.Datetime("us", "UTC")}


def test_a_source_without_schema_declares_no_columns() -> None:
    """None stays None; the log then learns the columns."""
    assert declared_columns(Source(schema=None)) is None


@pytest.mark.parametrize(
    ("field", "said"),
    [
        (Field("tf_date", pl.Date), "names that start with tf_ are reserved; got 'tf_date'"),
        (Field("*", pl.Date), "Polars takes for a pattern of names"),
        (Field("n", pl.UInt64), "column 'n' must have a type that Delta can hold; got UInt64"),
        (Field("n", pl.List(pl.Duration("us"))), "column 'n' must have a type that Delta can hold"),
    ],
)
def test_columns_that_cannot_be_stored_are_refused(field: Field, said: str) -> None:
    """Names and types that the table could not give back are refused when the log is opened."""
    with pytest.raises(InputError, match=said):
        declared_columns(Source(schema=(field,)))


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [
        (pl.List(pl.Struct({"a": pl.Int8, "b": pl.List(pl.String)})), True),
        (pl.Decimal(38, 2), True),
        (pl.Binary(), True),
        (pl.Struct({"a": pl.UInt8}), False),
        (pl.Datetime("us"), False),
        (pl.Time(), False),
        (pl.Array(pl.Int64, 2), False),
        (pl.Int128(), False),
    ],
)
def test_which_types_are_stored(dtype: pl.DataType, kept: bool) -> None:
    """A type is stored if Delta gives it back as it was."""
    assert storable(dtype) is kept
