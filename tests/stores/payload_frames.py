"""Frames of any schema that a source may declare, drawn by hypothesis."""

from datetime import UTC
from typing import Any

import polars as pl
from hypothesis import strategies as st

from tilefold.declaration.names import is_pattern
from tilefold.stores.event_columns import EVENT_ID, RESERVED_PREFIX

UTC_TIME = pl.Datetime("us", "UTC")
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_NAMES = _TEXT.filter(lambda name: name not in ("", EVENT_ID) and not name.startswith(RESERVED_PREFIX) and not is_pattern(name))
_LEAVES: list[tuple[pl.DataType, st.SearchStrategy[Any]]] = [
    (pl.Int8(), st.integers(-(2**7), 2**7 - 1)),
    (pl.Int64(), st.integers(-(2**63), 2**63 - 1)),
    (pl.Float64(), st.floats(allow_nan=True)),
    (pl.Float32(), st.floats(width=32)),
    (pl.Boolean(), st.booleans()),
    (pl.String(), _TEXT),
    (pl.Binary(), st.binary(max_size=8)),
    (pl.Date(), st.dates()),
    (UTC_TIME, st.datetimes(timezones=st.just(UTC))),
    (pl.Decimal(20, 4), st.decimals(-(10**15), 10**15, places=4)),
]


def _nested(inner: tuple[pl.DataType, st.SearchStrategy[Any]]) -> list[tuple[pl.DataType, st.SearchStrategy[Any]]]:
    dtype, values = inner
    optional = st.none() | values
    return [
        (pl.List(dtype), st.lists(optional, max_size=3)),
        (pl.Struct({"b": dtype, "a": pl.Int32()}), st.fixed_dictionaries({"b": optional, "a": st.just(7)})),
    ]


def _columns() -> st.SearchStrategy[tuple[pl.DataType, st.SearchStrategy[Any]]]:
    leaves = st.sampled_from(_LEAVES)
    one_deep = leaves.flatmap(lambda leaf: st.sampled_from([leaf, *_nested(leaf)]))
    return one_deep.flatmap(lambda column: st.sampled_from([column, *_nested(column)]))


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Rows of any schema, nested two deep, with nulls."""
    height = draw(st.integers(0, 4))
    columns = draw(st.lists(_columns(), min_size=1, max_size=4))
    names = draw(st.lists(_NAMES, min_size=len(columns), max_size=len(columns), unique=True))
    series = [
        pl.Series(name, draw(st.lists(st.none() | values, min_size=height, max_size=height)), dtype=dtype, strict=True)
        for name, (dtype, values) in zip(names, columns, strict=True)
    ]
    return pl.DataFrame(series)
