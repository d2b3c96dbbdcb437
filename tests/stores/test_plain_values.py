"""Which plain values a column takes: those that stay what they are."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilefold.stores.event_values import fit_values
from tilefold.stores.plain_values import check_of, is_naive

TIME = pl.Datetime("us", "UTC")
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
MONEY = pl.Decimal(5, 1)
PAIR = pl.Struct({"a": pl.Int64(), "b": pl.List(pl.String())})
FITS: list[tuple[pl.DataType, list[Any]]] = [
    (pl.Int8(), [-128, 127, np.int64(5)]),
    (pl.Int64(), [2**63 - 1, 0]),
    (pl.Float64(), [1.5, 1, 2**53, float("nan"), float("inf"), np.float32(0.5), np.int32(3)]),
    (pl.Float32(), [0.1, 1e-50, float("-inf"), 7]),
    (pl.Boolean(), [True]),
    (pl.String(), ["", "é\x00", "😀"]),
    (pl.Binary(), [b"\xff"]),
    (pl.Date(), [date(2024, 1, 1)]),
    (TIME, [NOON]),
    (MONEY, [Decimal("9999.9"), Decimal("1.20"), 7, Decimal("1E+3"), Decimal(0)]),
    (pl.List(pl.Int64()), [[], [1, None], (1,)]),
    (PAIR, [{}, {"a": None}, {"a": 1, "b": ["x"]}]),
]
DOES_NOT_FIT: list[tuple[pl.DataType, list[Any]]] = [
    (pl.Int8(), [128, -129, 1.0, True, "1"]),
    (pl.Int64(), [2**63, 1.5, Decimal(1)]),
    (pl.Float64(), [2**53 + 1, 10**400, True, "1.5", Decimal("1.5")]),
    (pl.Float32(), [1e39, 2**24 + 2**60 + 1]),
    (pl.Boolean(), [1, "true"]),
    (pl.String(), [1, b"x", "half \ud800"]),
    (pl.Binary(), ["x", bytearray(b"x")]),
    (pl.Date(), [NOON, "2024-01-01", 1]),
    (TIME, ["2024-01-01T00:00:00Z", date(2024, 1, 1), 5, datetime(2024, 1, 1)]),  # noqa: DTZ001
    (MONEY, [Decimal("1.23"), Decimal("10000.0"), 1.5, "1.5", True, Decimal("NaN"), Decimal("Infinity"), Decimal("1E+4")]),
    (pl.List(pl.Int64()), [["a"], "ab", {1}, [[1]]]),
    (PAIR, [{"c": 1}, {"a": "x"}, {"b": [1]}, [1]]),
]


@pytest.mark.parametrize(("dtype", "value"), [(dtype, value) for dtype, values in FITS for value in values], ids=str)
def test_what_fits_is_taken(dtype: pl.DataType, value: Any) -> None:
    """A value that fits makes a column of the type without complaint."""
    assert check_of(dtype)(value)
    fit = fit_values("c", [value, None], dtype)
    assert (fit.values.dtype, fit.values[1], fit.unfit) == (dtype, None, {})


@pytest.mark.parametrize(("dtype", "value"), [(dtype, value) for dtype, values in DOES_NOT_FIT for value in values], ids=str)
def test_what_would_change_is_not(dtype: pl.DataType, value: Any) -> None:
    """A value that would be parsed, rounded, cut or taken for something else is told by its row, and null in the column."""
    good = next(values[0] for each, values in FITS if each == dtype)
    fit = fit_values("c", [good, value, good], dtype)
    assert list(fit.unfit) == [1]
    assert fit.values.null_count() == 1
    assert fit.values[1] is None


@given(st.integers(-(2**70), 2**70))
def test_ints_become_floats_if_they_stay_the_same(value: int) -> None:
    """An int enters a float column if and only if it comes back as it was."""
    assert check_of(pl.Float64())(value) == (int(float(value)) == value)


def test_naive_times_have_a_reason_of_their_own() -> None:
    """A time without a zone is told how to get one."""
    fit = fit_values("at", [datetime(2024, 1, 1), NOON], TIME)  # noqa: DTZ001
    assert (fit.unfit, fit.mend) == (
        {0: "timestamps must carry a time zone"},
        "Say which zone it is in: value.replace(tzinfo=UTC).",
    )
    assert (is_naive(NOON), is_naive(date(2024, 1, 1))) == (False, False)


def test_other_types_take_nothing() -> None:
    """A type that no source may declare takes no value."""
    assert not check_of(pl.Duration())(1)
