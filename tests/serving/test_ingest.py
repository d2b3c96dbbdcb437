"""Pushed events: what is accepted, what is refused and why, and where it stands before the receipt."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import declare
from tests.stores.logs import everything
from tests.streams import NOW, SCHEMA, accepted_ids, logged, opened, record, source, view_of
from tilefold import PushConfig, Workspace
from tilefold.errors import InputError, UnknownNameError
from tilefold.stores.event_ids import row_ids
from tilefold.stores.stream_log import Kind
from tilefold.stores.stream_payload import decode_frame, decode_refused
from tilefold.stores.stream_shards import plain_shards, shards_of

COLUMNS = pl.Schema({field.name: field.dtype for field in SCHEMA})
PUSHED = source(stream_config=PushConfig(shard_by="user", record_bytes_max=500))


@pytest.fixture
def ws(tmp_path: Path, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A workspace with a view, so that `user` is a join key."""
    with opened(tmp_path, online_url, stream_url, view_of(PUSHED)) as workspace:
        yield workspace


def stored(ws: Workspace) -> pl.DataFrame:
    """The events in the stream log."""
    return decode_frame(everything(ws.stream_log("pushed")), COLUMNS, arrivals=True)


def test_a_receipt_counts(ws: Workspace) -> None:
    """Accepted, duplicate and refused events, those older than the horizon, and the days they belong to."""
    given = [
        record("a", 9.25, 1, "one"),
        record("a", 9.25, 2, "one"),
        record("b", 5, 3, "old"),
        record(None, 9, 4),
        record("c", 8, 5),
    ]
    receipt = ws.ingest("pushed", given)
    assert (receipt.accepted, receipt.duplicate, receipt.late) == (3, 1, 1)
    assert [(each.index, each.event_id) for each in receipt.refused] == [(3, None)]
    assert [each.day for each in receipt.days] == [6, 9, 10]
    again = ws.ingest("pushed", given[:3])
    assert (again.accepted, again.duplicate, again.late, again.days, again.positions) == (0, 3, 0, (), {})


def test_accepted_events_are_in_the_log_as_they_came(ws: Workspace) -> None:
    """Each value is as it was given, with its id, the time of arrival, and at the position that the receipt tells."""
    at = datetime(2024, 1, 10, 1, tzinfo=timezone(timedelta(hours=2)))
    receipt = ws.ingest("pushed", [record("a", at, 2**62, "one") | {"amount": 0.1}, record("b", 9, None, "two")])
    rows = stored(ws).sort("event_id")
    assert rows.select("user", "at", "amount", "units", "event_id").rows() == [
        ("a", datetime(2024, 1, 9, 23, tzinfo=UTC), 0.1, 2**62, "one"),
        ("b", datetime(2024, 1, 10, tzinfo=UTC), None, None, "two"),
    ]
    assert rows["tf_ingested_at"].to_list() == [NOW, NOW]
    assert receipt.positions == dict(rows.group_by("tf_shard").agg(pl.col("tf_position").max()).iter_rows())


def test_frames_and_records_are_the_same_events(ws: Workspace) -> None:
    """A frame, a lazy frame and records of the same rows have the same ids, given or not, and enter once."""
    records = [record("a", 9.1, 1), record("b", 9.2, None), record("c", 9.3, 3, "given")]
    frame = pl.DataFrame(records, schema={**COLUMNS, "event_id": pl.String})
    assert ws.ingest("pushed", records).accepted == 3
    for same in (frame, frame.lazy(), frame.drop("amount"), frame.to_dicts(), frame.select(reversed(frame.columns))):
        assert (ws.ingest("pushed", same).duplicate, ws.ingest("pushed", same).accepted) == (3, 0)
    assert sorted(stored(ws)["event_id"]) == sorted([*row_ids(frame[:2].select(list(COLUMNS)), COLUMNS), "given"])


def test_nothing_is_accepted(ws: Workspace) -> None:
    """No records, and frames without rows or columns, are no events."""
    for nothing in ([], pl.DataFrame(), pl.DataFrame(schema=COLUMNS)):
        receipt = ws.ingest("pushed", nothing)
        assert (receipt.accepted, receipt.duplicate, receipt.refused) == (0, 0, [])
    assert stored(ws).is_empty()


_NAIVE = datetime(2024, 1, 9)  # noqa: DTZ001
REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "wrong type": ({"units": "7"}, "column 'units' must be of type Int64; got '7'. Convert the column first."),
    "float for int": ({"units": 7.5}, "column 'units' must be of type Int64; got 7.5"),
    "int too large": ({"units": 2**63}, "column 'units' must be of type Int64; got 9223372036854775808"),
    "truth for int": ({"units": True}, "column 'units' must be of type Int64; got True"),
    "int that a float loses": ({"amount": 2**53 + 1}, "column 'amount' must be of type Float64"),
    "text for time": ({"at": "2024-01-09T00:00:00Z"}, "column 'at' must be of type Datetime"),
    "naive time": ({"at": _NAIVE}, "column 'at' timestamps must carry a time zone"),
    "no time": ({"at": None}, "column 'at' is the timestamp and must not be null"),
    "null key": ({"user": None}, "column 'user' is a join key and must not be null"),
    "unknown column": ({"typo": 1}, "column 'typo' is not declared. Drop the column"),
    "odd column": ({7: 1}, "column 7 is not declared"),
    "id of a wrong type": ({"event_id": 7}, "column 'event_id' must be of type String; got 7"),
    "half a letter": ({"user": "\ud800"}, "column 'user' must be of type String"),
    "too far ahead": (
        {"at": NOW + timedelta(minutes=5, microseconds=1)},
        "column 'at' must not be after 2024-01-10 12:05:00+00:00, the clock and max_future_skew; got 2024-01-10 12:05:00",
    ),
    "too large": ({"user": "x" * 500}, "the record must have at most 500 bytes, as set by record_bytes_max; got 5"),
    "huge": ({"user": ["x"] * 10**6}, "column 'user' must be of type String; got ['x', 'x',"),
    "a number without end": ({"units": 10**5000}, "column 'units' must be of type Int64; got <int>"),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_an_event_is_refused_by_itself(ws: Workspace, why: str) -> None:
    """One that breaks a rule is refused with its index and the reason; those around it are accepted."""
    change, said = REFUSALS[why]
    receipt = ws.ingest("pushed", [record("a", 9, 1), record("b", 9, 2) | change, record("c", 9, 3)])
    assert (receipt.accepted, [each.index for each in receipt.refused]) == (2, [1])
    assert receipt.refused[0].reason.startswith(said)
    assert len(receipt.refused[0].reason) < 500
    assert sorted(stored(ws)["user"]) == ["a", "c"]


def test_a_missing_key_is_refused(ws: Workspace) -> None:
    """A record without a column holds null there: refused for the timestamp and the join keys, taken for the others."""
    receipt = ws.ingest("pushed", [{"user": "a", "at": NOW}, {"user": "a"}, {"at": NOW}])
    assert receipt.accepted == 1
    assert ["user" in each.reason for each in receipt.refused] == [False, True]


def _frame(**columns: pl.Expr) -> pl.DataFrame:
    rows = pl.DataFrame([record("a", 9, 1), record("b", 9, None), record("c", 9, 3)], schema=COLUMNS)
    return rows.with_columns(**columns)


FRAME_REFUSALS: dict[str, tuple[pl.DataFrame, list[int], str]] = {
    "wrong type": (_frame(units=pl.col("units").cast(pl.String)), [0, 2], "column 'units' must be of type Int64, not String"),
    "loss": (
        _frame(amount=pl.col("units") * 2**53 + 1),
        [0, 2],
        "column 'amount' must fit into Float64 without loss; got ",
    ),
    "naive": (_frame(at=pl.col("at").dt.replace_time_zone(None)), [0, 1, 2], "column 'at' timestamps must carry a time zone"),
    "null key": (_frame(user=pl.when(pl.col("units") == 3).then("user")), [0, 1], "column 'user' is a join key"),
    "future": (_frame(at=pl.col("at") + pl.duration(hours=pl.col("units") * 5)), [1, 2], "column 'at' "),
    "unknown column": (_frame(typo=pl.lit(None)), [0, 1, 2], "column 'typo' is not declared"),
    "year 10000": (
        _frame(at=pl.when(pl.col("units") == 3).then(pl.lit(2**61).cast(pl.Datetime("us", "UTC"))).otherwise("at")),
        [2],
        "column 'at' must not be after",
    ),
    "year -1000": (
        _frame(at=pl.when(pl.col("units") == 3).then(pl.lit(-(2**56)).cast(pl.Datetime("us", "UTC"))).otherwise("at")),
        [2],
        "column 'at' must not be before the year 1",
    ),
    "year 10000 of another unit": (
        _frame(at=pl.when(pl.col("units") == 3).then(pl.lit(2**62).cast(pl.Datetime("ms", "UTC"))).otherwise("at")),
        [2],
        "column 'at' must ",
    ),
    "no keys": (_frame().drop("user"), [0, 1, 2], "column 'user' is a join key"),
}


@pytest.mark.parametrize("why", FRAME_REFUSALS)
def test_rows_of_a_frame_are_refused_one_by_one(ws: Workspace, why: str) -> None:
    """The rows of a frame that break a rule are refused, the others accepted; nulls are of every type."""
    frame, rows, said = FRAME_REFUSALS[why]
    receipt = ws.ingest("pushed", frame)
    assert [each.index for each in receipt.refused] == rows
    assert all(each.reason.startswith(said) for each in receipt.refused)
    assert receipt.accepted == 3 - len(rows)


def test_frames_and_records_are_refused_alike(ws: Workspace) -> None:
    """What a frame can hold that breaks a rule is refused for the same reason as a record."""
    times = [NOW, None, NOW + timedelta(hours=1), NOW, NOW]
    rows = {"user": ["a", "b", "c", None, "x" * 600], "at": times, "units": [1, 2, 3, 4, 5]}
    frame = pl.DataFrame(rows, schema_overrides={"at": pl.Datetime("us", "UTC")})
    of_frame = ws.ingest("pushed", frame)
    of_records = ws.ingest("pushed", frame.to_dicts())
    assert of_frame.refused == of_records.refused
    assert (len(of_frame.refused), of_records.duplicate) == (4, 1)


def test_ints_of_a_frame_may_widen(ws: Workspace) -> None:
    """A narrower column, a category and another unit of time hold the same values."""
    frame = _frame(
        units=pl.col("units").cast(pl.Int8), user=pl.col("user").cast(pl.Categorical), at=pl.col("at").dt.cast_time_unit("ms")
    )
    assert ws.ingest("pushed", frame).accepted == 3
    assert stored(ws).select(list(COLUMNS)).schema == COLUMNS


@pytest.mark.parametrize("given", ["text", 7, None, [record("a", 9), 7], {"user": "a"}, [["a"]]])
def test_what_is_no_list_of_events_is_an_error(ws: Workspace, given: Any) -> None:
    """Only a frame or a list of mappings can be looked at one by one."""
    with pytest.raises(InputError, match="events are a Polars frame or a list of records"):
        ws.ingest("pushed", given)
    assert everything(ws.stream_log("pushed")) == {}


def test_refused_events_are_durable_before_the_receipt(ws: Workspace) -> None:
    """The log holds why, the record as JSON, and when; a huge one is cut."""
    ws.ingest("pushed", [record("a", 9, "x", "one") | {"amount": float("nan")}, record("y" * 10_000, 9)])
    entries = [entry for some in everything(ws.stream_log("pushed")).values() for entry in some]
    assert {entry.kind for entry in entries} == {Kind.REFUSED}
    found = {entry.event_id: decode_refused(entry.payload) for entry in entries}
    reason, text, _ = found["one"]
    assert reason.startswith("column 'units'")
    assert json.loads(text) == {
        "user": "a",
        "at": "2024-01-10 00:00:00+00:00",
        "units": "x",
        "event_id": "one",
        "amount": pytest.approx(float("nan"), nan_ok=True),
    }
    assert len(found[""][1]) == 500


def test_a_record_that_json_cannot_hold(ws: Workspace) -> None:
    """A record with itself inside, or with keys that are no text, is kept as Python shows it."""
    endless: dict[str, Any] = record("a", 9)
    endless["more"] = endless
    ws.ingest("pushed", [endless, {("a", 1): 2}])
    texts = [decode_refused(entry.payload)[1] for some in everything(ws.stream_log("pushed")).values() for entry in some]
    assert {text[:7] for text in texts} == {"{('a', ", "{'user'"}


def test_events_of_one_value_stand_in_one_shard(ws: Workspace) -> None:
    """With `shard_by` the column's value chooses the shard, the same in every call; many values use all of them."""
    for number in range(3):
        ws.ingest("pushed", [record(f"u{user}", 9, number) for user in range(40)])
    shards = stored(ws).group_by("user").agg(pl.col("tf_shard").unique())
    assert shards["tf_shard"].list.len().to_list() == [1] * 40
    assert set(shards["tf_shard"].list.first()) == {0, 1, 2, 3}


def test_shards_never_change() -> None:
    """The shard of a value and of an id, for ever: of text, of numbers, and of a null by its event's id."""
    rows = pl.DataFrame({"user": ["a", "b", None], "n": [1, 2, 3], "at": [NOW] * 3, "event_id": ["x", "y", "z"]})
    rows = rows.with_columns(x=pl.Series([0.1, 1e20, -0.0]), yes=pl.Series([True, False, None]))
    found = {by: shards_of(rows, by, 1000) for by in ("user", "n", "at", None, "x", "yes")}
    for by, shards in found.items():
        plain = plain_shards(rows.schema, by, 1000)
        values = [[*row] for row in rows.with_columns(pl.col("at").dt.timestamp("us")).iter_rows()]
        assert [plain(row, row[3]) for row in values] == shards
    assert {by: found[by] for by in ("user", "n", "at", None)} == {
        "user": [719, 615, 672],
        "n": [464, 820, 336],
        "at": [393, 393, 393],
        None: [425, 149, 672],
    }


def test_without_a_view_no_column_is_a_key(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """A source that no view uses yet takes events, with nulls in all columns but its time."""
    with opened(tmp_path, online_url, stream_url) as ws:
        assert ws.ingest("pushed", [{"at": NOW}]).accepted == 1


def test_appended_ids_are_dropped_when_pushed(ws: Workspace) -> None:
    """An id that history brought is a duplicate for the stream, if its event is not older than ids are remembered."""
    history = pl.DataFrame([record("a", 9, 1, "new") | {"amount": 1.0}, record("a", 2, 1, "old") | {"amount": 1.0}])
    ws.append("pushed", history.select(*COLUMNS, "event_id"))
    receipt = ws.ingest("pushed", [record("a", 9, 1, "new"), record("a", 2, 1, "old")])
    assert (receipt.accepted, receipt.duplicate, receipt.late) == (1, 1, 1)
    ws.drain("pushed")
    assert logged(ws) == ["new", "old", "old"]
    days = ws.event_log("pushed").snapshot()
    assert [days.scan_unique(each).collect().height for each in days.days()] == [1, 1], "offline it counts once for ever"


def test_a_batch_source_takes_no_pushed_events(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Only a StreamSource has a stream, and an unknown name is told."""
    with opened(tmp_path, online_url, stream_url, declare()) as ws:
        for call in (lambda: ws.ingest("events", []), lambda: ws.drain("events")):
            with pytest.raises(InputError, match="only a StreamSource takes pushed events"):
                call()
        with pytest.raises(UnknownNameError):
            ws.ingest("other", [])


def test_many_events_at_once(ws: Workspace) -> None:
    """Thousands of records, a bad one among each hundred, are accepted and refused each by itself."""
    given = [record(f"u{number}", 9, "bad" if number % 100 == 7 else number, str(number)) for number in range(3000)]
    receipt = ws.ingest("pushed", given)
    assert (receipt.accepted, len(receipt.refused)) == (2970, 30)
    assert sorted(stored(ws)["event_id"]) == accepted_ids([each for each in given if each["units"] != "bad"])
