from datetime import UTC, date, datetime

import polars as pl
import pytest

from tilefold.stores.event_ids import row_ids

GOLDEN = pl.DataFrame(
    {
        "user": ["u1", "", None],
        "at": [datetime(2024, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), None],
        "amount": [1.5, float("nan"), -0.0],
        "count": [7, -7, None],
        "ok": [True, False, None],
        "day": [date(2024, 2, 29), date(1970, 1, 1), None],
        "raw": [b"\x00\xff", b"", None],
        "tags": [["a", None], [], None],
        "place": [{"x": 1, "y": "é"}, {"x": None, "y": None}, None],
    },
    schema_overrides={"at": pl.Datetime("us", "UTC")},
)


def _ids(**columns: object) -> list[str]:
    frame = pl.DataFrame(columns)
    return row_ids(frame, frame.schema).to_list()


def test_golden_ids() -> None:
    """Ids never change: they are on disk, and an event sent again must get the same one."""
    assert row_ids(GOLDEN, GOLDEN.schema).to_list() == [
        "2d97b9e68985c7e9a9b9594c6c830f3a",
        "80f1f6b78564af292f3266d8ee41b224",
        "7f8cb95be8b9b1f0387af74a4ebcb281",
    ]


def test_ids_ignore_the_order_of_columns() -> None:
    """Columns count by name, not by place."""
    frame = GOLDEN.select(reversed(GOLDEN.columns))
    assert row_ids(frame, frame.schema).equals(row_ids(GOLDEN, GOLDEN.schema))


def test_ids_ignore_columns_outside_the_schema() -> None:
    """What is not the source's own column does not make an event another one."""
    assert row_ids(GOLDEN.with_columns(pl.lit(1).alias("tf_epoch")), GOLDEN.schema).equals(row_ids(GOLDEN, GOLDEN.schema))


def test_a_null_column_added_later_changes_no_id() -> None:
    """Declaring a new column leaves the ids of events without it as they were."""
    assert _ids(a=[1], b=pl.Series([None], dtype=pl.String)) == _ids(a=[1])


def test_ids_ignore_the_width_of_numbers() -> None:
    """The same number in a wider type is the same event."""
    assert _ids(a=pl.Series([3], dtype=pl.Int8)) == _ids(a=pl.Series([3], dtype=pl.Int64))
    assert _ids(a=pl.Series([0.5], dtype=pl.Float32)) == _ids(a=pl.Series([0.5], dtype=pl.Float64))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": [""]}, {"a": pl.Series([None], dtype=pl.String)}),
        ({"a": ["1:b"], "b": [""]}, {"a": ["1"], "b": ["1:b"]}),
        ({"ab": [1]}, {"a": [1]}),
        ({"a": ["x;1:b=1:y"]}, {"a": ["x"], "b": ["y"]}),
        ({"a": [[None, 5]]}, {"a": [[-5]]}),
        ({"a": [["x", "y"]]}, {"a": [["x1:y"]]}),
        ({"a": [[[1], [2]]]}, {"a": [[[1, 2]]]}),
        ({"a": [0.1 + 0.2]}, {"a": [0.3]}),
        ({"a": [0.0]}, {"a": [-0.0]}),
        ({"a": [{"x": 1, "y": None}]}, {"a": [{"x": None, "y": 1}]}),
    ],
)
def test_different_rows_have_different_ids(one: dict[str, object], other: dict[str, object]) -> None:
    """Values never run into each other, whatever they contain."""
    assert _ids(**one) != _ids(**other)


def test_equal_rows_have_one_id() -> None:
    """Two identical rows are one event, every NaN is the same."""
    assert len(set(_ids(a=[float("nan"), -float("nan")], b=["x", "x"]))) == 1


def test_no_rows_have_no_ids() -> None:
    """A frame without rows gives an empty column of ids."""
    assert row_ids(GOLDEN.clear(), GOLDEN.schema).dtype == pl.String
    assert row_ids(GOLDEN.clear(), GOLDEN.schema).is_empty()
