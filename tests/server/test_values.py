"""Values and types as the wire has them."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import polars as pl
import pytest
from tecton_client import GetFeaturesResponse

from tilefold.functions import OVERFLOW
from tilefold.server.values import converter, data_type
from tilefold.types import Array, Field, Float32, Float64, Int32, Int64, Map, String, Struct, Timestamp

TIME = datetime(2024, 1, 2, 3, 4, 5, 600, tzinfo=UTC)
PAIR = Struct([Field("n", Int64), Field("t", Array(String))])
CASES: dict[str, tuple[Any, Any, Any, Any]] = {
    "int64": (pl.Int64(), 2**53 + 1, "9007199254740993", {"type": "int64"}),
    "int32": (Int32(), -5, "-5", {"type": "int64"}),
    "boolean": (pl.Boolean(), True, True, {"type": "boolean"}),
    "float64": (Float64(), 0.1, 0.1, {"type": "float64"}),
    "float32": (Float32(), 0.5, 0.5, {"type": "float32"}),
    "nan": (Float64(), float("nan"), "NaN", {"type": "float64"}),
    "infinite": (Float64(), float("-inf"), "-Infinity", {"type": "float64"}),
    "string": (String(), "é\u2028", "é\u2028", {"type": "string"}),
    "timestamp": (Timestamp, TIME, "2024-01-02T03:04:05.000600Z", {"type": "timestamp"}),
    "date": (pl.Date(), date(2024, 1, 2), "2024-01-02", {"type": "string"}),
    "overflow": (pl.Int64(), OVERFLOW, None, {"type": "int64"}),
    "array": (Array(Int64), [1, None, 3], ["1", None, "3"], {"type": "array", "elementType": {"type": "int64"}}),
    "array of arrays": (
        Array(Array(Float64)),
        [[1.5, float("nan")], None],
        [[1.5, "NaN"], None],
        {"type": "array", "elementType": {"type": "array", "elementType": {"type": "float64"}}},
    ),
    "struct": (
        PAIR,
        {"t": ["x"], "n": 7},
        ["7", ["x"]],
        {
            "type": "struct",
            "fields": [
                {"name": "n", "dataType": {"type": "int64"}},
                {"name": "t", "dataType": {"type": "array", "elementType": {"type": "string"}}},
            ],
        },
    ),
    "map": (
        Map(String, Int64),
        [{"key": "a", "value": 1}, {"key": "b", "value": None}],
        {"a": "1", "b": None},
        {"type": "map", "keyType": {"type": "string"}, "valueType": {"type": "int64"}},
    ),
    "map of integers": (
        Map(Int64, Float64),
        [{"key": 5, "value": 0.5}],
        {"5": 0.5},
        {"type": "map", "keyType": {"type": "int64"}, "valueType": {"type": "float64"}},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_on_the_wire(case: str) -> None:
    """A value keeps its meaning in JSON, and its type is named as the contract names it."""
    dtype, value, wanted, kind = CASES[case]
    assert msgspec.json.decode(msgspec.json.encode(converter(dtype)(value))) == wanted
    assert data_type(dtype) == kind


@pytest.mark.parametrize("case", CASES)
def test_null(case: str) -> None:
    """Null is null, of whatever type."""
    assert converter(CASES[case][0])(None) is None


@pytest.mark.parametrize("case", ["int64", "array", "struct", "map", "map of integers"])
def test_as_the_client_reads_it(case: str) -> None:
    """The client makes Python values of it again: integers are integers everywhere."""
    dtype, value, wire, kind = CASES[case]
    read = GetFeaturesResponse._get_feature_value(kind, wire)
    pairs = isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct)
    assert read == ({pair["key"]: pair["value"] for pair in value} if pairs else value)
