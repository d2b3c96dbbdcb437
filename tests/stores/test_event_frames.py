from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.stores.delta_samples import NOON, events
from tilefold.errors import FileError, InputError
from tilefold.stores.event_frames import conform, learn_columns

COLUMNS = events().schema


def _conform(frame: Any) -> pl.DataFrame:
    return conform(frame, "spend", COLUMNS, "at", ["user"])


def test_columns_come_out_in_declared_order() -> None:
    """The result has the declared columns in their order, then the event's id."""
    assert _conform(events(1.0).select("amount", "at", "user")).columns == ["user", "at", "amount", "event_id"]


def test_frames_and_records_are_the_same() -> None:
    """A DataFrame, a LazyFrame and records of the same values give the same rows with the same ids."""
    frame = events(1.0, 2.0)
    assert _conform(frame).equals(_conform(frame.lazy()))
    assert _conform(frame).equals(_conform(frame.to_dicts()))


def test_given_ids_are_kept() -> None:
    """An id that is given stays; where it is null the row's hash stands in."""
    given = _conform(events(1.0, 2.0).with_columns(event_id=pl.Series(["mine", None])))
    hashed = _conform(events(1.0, 2.0))
    assert given["event_id"].to_list() == ["mine", hashed["event_id"][1]]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("amount", pl.Series([1.5], dtype=pl.Float32)),
        ("amount", pl.Series([3], dtype=pl.Int64)),
        ("amount", pl.Series([None], dtype=pl.Null)),
        ("at", pl.Series([NOON]).dt.cast_time_unit("ns")),
        ("at", pl.Series([NOON]).dt.cast_time_unit("ms")),
        ("at", pl.Series([NOON]).dt.convert_time_zone("Asia/Tokyo")),
        ("user", pl.Series(["u"], dtype=pl.Categorical)),
        ("user", pl.Series(["u"], dtype=pl.Enum(["u"]))),
    ],
)
def test_the_same_value_in_another_type_is_taken(column: str, values: pl.Series) -> None:
    """Types are changed where every value stays the same."""
    taken = _conform(events(1.0).with_columns(values.alias(column)))
    assert taken.schema == {**COLUMNS, "event_id": pl.String()}
    assert taken[column][0] == values[0]


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("amount", ["12"], r"column 'amount', row 0: must be of type Float64, not String; got '12'\. Convert"),
        ("amount", [2**53 + 1], r"column 'amount', row 0: must fit into Float64 without loss \(1 rows do not\)"),
        ("user", [7], r"column 'user', row 0: must be of type String, not Int64; got 7"),
        ("user", [None], r"column 'user', row 0: is a join key and must not be null; got None\. .*\(1 of 1\)"),
        ("at", [None], r"column 'at', row 0: is the timestamp and must not be null"),
        ("at", [datetime(2024, 1, 1)], r"column 'at', row 0: timestamps must carry a time zone; .*replace_time_zone"),  # noqa: DTZ001
        ("at", [5], r"column 'at', row 0: must be of type Datetime.*, not Int64; got 5"),
        (
            "at",
            pl.Series([2**62]).cast(pl.Datetime("us", "UTC")),
            r"column 'at', row 0: must lie in the years 1 to 9999, as microseconds; got 4611686018427387904",
        ),
        ("other", [1], r"every column must be declared; got 'other'\. Drop the column, or declare it"),
        ("event_id", [1], r"column 'event_id', row 0: must be of type String, not Int64; got 1"),
    ],
)
def test_a_frame_that_breaks_a_rule_is_refused(column: str, values: list[Any], said: str) -> None:
    """Every refusal names the source, the column, the rule, the value and what to do."""
    frame = events(1.0).with_columns(pl.Series(column, values))
    with pytest.raises(InputError, match=r"source 'spend'.*" + said):
        _conform(frame)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"amount": "12"}, r"column 'amount', row 1: must be of type Float64; got '12'"),
        ({"user": None}, r"column 'user', row 1: is a join key and must not be null"),
        ({"at": datetime(2024, 1, 1)}, r"column 'at', row 1: timestamps must carry a time zone"),  # noqa: DTZ001
        ({"more": 1}, r"every column must be declared; got 'more'"),
    ],
)
def test_a_record_that_breaks_a_rule_is_refused(change: dict[str, Any], said: str) -> None:
    """Records are refused with the row that is wrong."""
    good = events(1.0).to_dicts()
    with pytest.raises(InputError, match=said):
        _conform([*good, {**good[0], **change}])


def test_naive_records_are_refused() -> None:
    """Records whose times have no zone are not taken for UTC."""
    with pytest.raises(InputError, match="timestamps must carry a time zone"):
        _conform([{"user": "u", "at": datetime(2024, 1, 1), "amount": 1.0}])  # noqa: DTZ001


def test_zoned_records_are_instants() -> None:
    """A record's time in another zone is the same instant in UTC."""
    at = datetime(2024, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert _conform([{"user": "u", "at": at, "amount": 1.0}])["at"][0] == datetime(2024, 1, 1, 12, tzinfo=UTC)


def test_a_missing_column_is_refused() -> None:
    """A declared column that the frame lacks is named, with what the frame must hold."""
    with pytest.raises(InputError, match=r"column 'amount' is missing; got \['user', 'at'\]\. It must hold user, at, amount"):
        _conform(events(1.0).drop("amount"))


def test_a_key_that_the_source_lacks_is_not_looked_for() -> None:
    """Join keys that only the transformation makes are not the event log's business."""
    assert conform(events(1.0), "spend", COLUMNS, "at", ["derived"]).height == 1


@pytest.mark.parametrize("nothing", [[], pl.DataFrame(), events()])
def test_nothing_is_no_rows(nothing: Any) -> None:
    """No records and empty frames are no rows, not an error."""
    assert _conform(nothing).shape == (0, 4)


def test_learned_columns_can_be_stored() -> None:
    """A source without a schema keeps what its first frame had, in types that Delta gives back."""
    first = pl.DataFrame(
        {"t": pl.Series([NOON]).dt.cast_time_unit("ms"), "n": pl.Series([1], dtype=pl.UInt8), "event_id": ["x"]}
    )
    assert learn_columns(first, "spend") == {"t": pl.Datetime("us", "UTC"), "n": pl.Int64}


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pl.Series("n", [None]), "holds only nulls, so its type is unknown"),
        (pl.Series("n", [timedelta(1)]), "must have a type that Delta can hold"),
        (pl.Series("tf_n", [1]), "names that start with tf_ are reserved"),
    ],
)
def test_columns_that_cannot_be_learned_are_refused(column: pl.Series, said: str) -> None:
    """A type that cannot be known or stored is refused before anything is written."""
    with pytest.raises(InputError, match=said):
        learn_columns(column.to_frame(), "spend")


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    """A LazyFrame whose file is gone or junk is refused with the source's name."""
    (tmp_path / "junk.parquet").write_bytes(b"PAR1 junk")
    for name in ("junk", "gone"):
        with pytest.raises(FileError, match=r"source 'spend': its rows must be readable"):
            _conform(pl.scan_parquet(tmp_path / f"{name}.parquet", schema=COLUMNS))
