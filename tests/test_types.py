from typing import Any

import polars as pl
import pytest

import tilefold
from tilefold.errors import DeclarationError
from tilefold.types import Array, Bool, Field, Float32, Float64, Int32, Int64, Map, String, Struct, Timestamp


def test_are_polars_types() -> None:
    """Each name is the Polars type itself."""
    assert (String, Int32, Int64, Float32, Float64, Bool) == (
        pl.String, pl.Int32, pl.Int64, pl.Float32, pl.Float64, pl.Boolean,
    )  # fmt: skip
    assert pl.Datetime("us", "UTC") == Timestamp


def test_nested() -> None:
    """Arrays, structs and maps are Polars' lists and structs."""
    assert Array(Int64) == pl.List(pl.Int64)
    assert Struct([Field("a", Int64)]) == pl.Struct({"a": pl.Int64})
    assert Map(String, Int64) == pl.List(pl.Struct({"key": pl.String, "value": pl.Int64}))


def test_field() -> None:
    """A field holds its type as an instance, whichever was given."""
    assert Field("a", pl.Int64) == Field("a", pl.Int64())
    assert isinstance(Field("a", pl.Int64).dtype, pl.Int64)
    assert tilefold.Field is Field


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_utc_units(unit: Any) -> None:
    """A UTC time is held in microseconds."""
    assert Field("at", pl.Datetime(unit, "UTC")).dtype == Timestamp


@pytest.mark.parametrize("dtype", [int, "Int64", None, pl.List, 5])
def test_no_type(dtype: Any) -> None:
    """What is no complete Polars type is refused."""
    with pytest.raises(DeclarationError, match="Field 'a': its dtype must be a complete Polars type; got "):
        Field("a", dtype)


@pytest.mark.parametrize("name", ["", None, 5])
def test_no_name(name: Any) -> None:
    """A field without a name is refused."""
    with pytest.raises(DeclarationError, match="Field: its name must be a string that is not empty; got "):
        Field(name, pl.Int64)
