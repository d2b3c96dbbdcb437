"""Appending and replacing events: receipts, ids, what is refused and that nothing of it is written."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import START, day, declare, frame, opened
from tilefold import Workspace
from tilefold.errors import InputError, UnknownNameError


@pytest.fixture
def ws(tmp_path: Path, online_url: str) -> Any:
    """A workspace on the third day."""
    with opened(tmp_path, online_url, declare(), now=day(3.5)) as workspace:
        yield workspace


def logged(ws: Workspace) -> list[tuple[Any, ...]]:
    """What the log holds, by user and time."""
    rows = ws.event_log("events").snapshot().scan().select("user", "at", "units", "event_id").collect()
    return rows.sort("user", "at").rows()


def test_receipt(ws: Workspace) -> None:
    """A receipt counts what was accepted, what was there before, and what was refused."""
    receipt = ws.append("events", frame([("a", 1, 4), ("a", 2, 5)]))
    assert (receipt.accepted, receipt.duplicate, receipt.refused) == (2, 0, [])
    again = ws.append("events", frame([("a", 2, 5), ("a", 2, 6)]))
    assert (again.accepted, again.duplicate, again.refused) == (1, 1, [])


def test_identical_rows_are_one_event(ws: Workspace) -> None:
    """Without ids, two identical rows are one event."""
    assert ws.append("events", frame([("a", 1, 4), ("a", 1, 4)])).accepted == 1
    assert len(logged(ws)) == 1


def test_an_id_is_never_changed(ws: Workspace) -> None:
    """Sending an id again, with another value, changes nothing."""
    ws.append("events", frame([("a", 1, 4, "one")]))
    assert ws.append("events", frame([("a", 1, 9, "one")])).duplicate == 1
    assert logged(ws) == [("a", day(1), 4, "one")]


def test_some_ids_given(ws: Workspace) -> None:
    """Where only some rows have an id, the others get a hash of the row, the same as without the column."""
    ws.append("events", frame([("a", 1, 4, "one"), ("b", 1, 4, None)]))
    assert ws.append("events", frame([("b", 1, 4)])).duplicate == 1


@pytest.mark.parametrize("form", ["records", "lazy", "reordered"])
def test_forms_of_events(ws: Workspace, form: str) -> None:
    """Records, lazy frames and other column orders are the same events: their ids agree."""
    rows = frame([("a", 1, 4), ("b", 2.25, None)])
    ws.append("events", rows)
    forms = {"records": rows.to_dicts(), "lazy": rows.lazy(), "reordered": rows.select(sorted(rows.columns))}
    assert ws.append("events", forms[form]).duplicate == 2


def test_any_event_time(ws: Workspace) -> None:
    """History of any age, and events after now, are taken."""
    rows = frame([("a", datetime(1969, 12, 31, 23, 59, tzinfo=UTC), 1), ("a", day(400), 2)])
    assert ws.append("events", rows).accepted == 2


def test_replace(ws: Workspace) -> None:
    """A correction takes the place of exactly the events between its bounds, the first in, the second out."""
    ws.append("events", frame([("a", 0.5, 1), ("a", 1, 2), ("a", 1.9, 3), ("a", 2, 4)]))
    receipt = ws.append("events", frame([("b", 1, 8)]), replace=(day(1), day(2)))
    assert receipt.accepted == 1
    assert [row[:3] for row in logged(ws)] == [("a", day(0.5), 1), ("a", day(2), 4), ("b", day(1), 8)]


def test_replace_by_nothing(ws: Workspace) -> None:
    """Replacing by an empty frame removes the events."""
    ws.append("events", frame([("a", 1, 2), ("a", 2, 4)]))
    ws.append("events", frame([]), replace=(day(1), day(2)))
    assert [row[:3] for row in logged(ws)] == [("a", day(2), 4)]


def _with(**columns: Any) -> pl.DataFrame:
    return frame([("a", 1, 4)]).with_columns(**columns)


BAD_EVENTS: dict[str, tuple[Any, str]] = {
    "wrong type": (_with(units=pl.lit("4")), "'units', row 0: must be of type Int64, not String; got '4'"),
    "float for int": (_with(units=pl.lit(4.5)), "'units', row 0: must be of type Int64, not Float64"),
    "missing column": (frame([("a", 1, 4)]).drop("units"), "column 'units' is missing"),
    "unknown column": (_with(colour=pl.lit("red")), "every column must be declared; got 'colour'"),
    "null key": (frame([("a", 1, 4), (None, 1, 4)]), "'user', row 1: is a join key and must not be null"),
    "null time": (_with(at=pl.lit(None, pl.Datetime("us", "UTC"))), "'at', row 0: is the timestamp and must not be null"),
    "naive time": (_with(at=pl.col("at").dt.replace_time_zone(None)), "'at', row 0: timestamps must carry a time zone"),
    "naive record": ([{"user": "a", "at": datetime(2024, 1, 2), "amount": 1.0, "units": 1, "label": ""}], "must carry"),  # noqa: DTZ001
    "record type": ([{"user": "a", "at": START, "amount": "x", "units": 1, "label": ""}], "'amount', row 0: must be of type"),
    "one record": ({"user": "a"}, "events are a Polars frame or a list of records; got 'dict'"),
    "nothing": (None, "events are a Polars frame or a list of records; got 'NoneType'"),
    "text": ("events.csv", "events are a Polars frame or a list of records; got 'str'"),
}


@pytest.mark.parametrize("case", BAD_EVENTS)
@pytest.mark.parametrize("replacing", [False, True])
def test_bad_events(ws: Workspace, case: str, replacing: bool) -> None:
    """Events that break a rule are an InputError that says which, and nothing is written or removed."""
    ws.append("events", frame([("a", 1.5, 1)]))
    given, message = BAD_EVENTS[case]
    with pytest.raises(InputError, match=message):
        ws.append("events", given, replace=(day(1), day(3)) if replacing else None)
    assert [row[:3] for row in logged(ws)] == [("a", day(1.5), 1)]


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ((day(2), day(1)), "the replaced range must end after it starts"),
        ((day(1), day(1)), "the replaced range must end after it starts"),
        ((day(1), day(2).replace(tzinfo=None)), "parameter 'replace': it must be a time with a zone"),
        ((day(1),), "parameter 'replace': it must be a pair of times"),
        (day(1), "parameter 'replace': it must be a pair of times"),
        ((day(2), day(3)), "events must lie inside of the replaced range"),
    ],
)
def test_bad_range(ws: Workspace, span: Any, message: str) -> None:
    """A range that is none, or that does not hold the new events, is refused; the log stays as it was."""
    ws.append("events", frame([("a", 1.5, 1), ("a", 2.5, 2)]))
    with pytest.raises(InputError, match=message):
        ws.append("events", frame([("b", 1, 8)]), replace=span)
    assert len(logged(ws)) == 2


def test_unknown_source(ws: Workspace) -> None:
    """A source that is not declared is named, with those that are."""
    with pytest.raises(UnknownNameError, match=r"got 'evnts'.*events"):
        ws.append("evnts", frame([]))
