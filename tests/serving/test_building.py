"""Building tiles: only what changed, in any number of buckets."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import AMOUNT, DAY, assert_all_equal_reference, day, declare, frame, opened
from tilefold import Aggregate, Workspace
from tilefold.errors import InputError
from tilefold.serving import building

ROWS = [(user, at / 7, at, f"{user}{at}") for at in range(40) for user in "abcdef"]
VIEW = declare()


@pytest.fixture
def ws(tmp_path: Path, online_url: str) -> Any:
    """A workspace with six days of events of six users."""
    with opened(tmp_path, online_url, VIEW, now=day(8)) as workspace:
        workspace.append("events", frame(ROWS))
        yield workspace


def rebuilt(ws: Workspace) -> list[int]:
    """The days of January that building the first week builds anew."""
    return [each.day for each in ws.build_tiles("spend", day(0), day(7)).rebuilt]


def tiles(ws: Workspace) -> pl.DataFrame:
    """All tiles."""
    rows = ws.context("spend").tile_table().snapshot().scan().collect()
    return rows.sort(*ws.context("spend").layout.key_names, "tf_first_us", "tf_epoch")


def test_only_changed_days(ws: Workspace) -> None:
    """A day is built once, and again only after its events changed."""
    assert rebuilt(ws) == [1, 2, 3, 4, 5, 6]
    assert rebuilt(ws) == []
    ws.append("events", frame([("a", 1.5, 1, "late"), ("a", 6.5, 1, "new")]))
    assert rebuilt(ws) == [2, 7]


def test_duplicates_change_nothing(ws: Workspace) -> None:
    """Events that the log holds already make no day stale."""
    ws.build_tiles("spend", day(0), day(7))
    ws.append("events", frame(ROWS))
    assert rebuilt(ws) == []


def test_rebuilt_alike(ws: Workspace) -> None:
    """Building days anew yields the same tiles."""
    ws.build_tiles("spend", day(0), day(7))
    before = tiles(ws)
    report = ws.build_tiles("spend", day(0), day(7), force=True)
    assert len(report.rebuilt) == 6
    assert tiles(ws).equals(before)


def test_an_emptied_day(ws: Workspace) -> None:
    """A day whose events were all removed has no tiles, and is not built again."""
    ws.build_tiles("spend", day(0), day(7))
    ws.append("events", frame([]), replace=(day(2), day(3)))
    report = ws.build_tiles("spend", day(0), day(7))
    assert report.rebuilt == (date(2024, 1, 3),)
    assert {each.day.day: each.tiles for each in report.days}[3] == 0
    assert rebuilt(ws) == []


def test_only_the_asked_days(ws: Workspace) -> None:
    """Days outside of the range are left alone, the end excluded; an empty range builds nothing."""
    assert [each.day for each in ws.build_tiles("spend", day(1), day(3)).rebuilt] == [2, 3]
    assert ws.build_tiles("spend", day(3), day(3)).days == ()


def test_epochs_of_one_day(ws: Workspace) -> None:
    """Events that came after a barrier make tiles of their own epoch, beside those of before."""
    ws.compact("spend", day(7))
    ws.append("events", frame([("a", 1.5, 1, "late"), ("z", 1.5, 1, "new")]))
    ws.build_tiles("spend", day(0), day(7))
    second = tiles(ws).filter(pl.col("tf_first_us").is_between(_us(1), _us(2), closed="left"))
    assert sorted(second.select("user", "tf_epoch", "tf_events").rows())[:3] == [("a", 1, 7), ("a", 2, 1), ("b", 1, 7)]
    assert second.filter(user="z")["tf_epoch"].to_list() == [2]


def _us(number: float) -> int:
    return int(day(number).timestamp() * 1_000_000)


@pytest.mark.parametrize("per_pass", [1, 10_000])
def test_buckets(ws: Workspace, monkeypatch: pytest.MonkeyPatch, per_pass: int) -> None:
    """A large log is built in buckets, a large day bucket by bucket: tiles and values are the same."""
    monkeypatch.setattr(building, "DAY_EVENTS_PER_BUCKET", 10)
    monkeypatch.setattr(building, "LOG_EVENTS_PER_BUCKET", 100)
    monkeypatch.setattr(building, "EVENTS_PER_PASS", per_pass)
    ws.build_tiles("spend", day(0), day(7))
    table = ws.context("spend").tile_table()
    assert table.buckets == 8
    held = [table.snapshot().scan(bucket=bucket).select("user").unique().collect()["user"].to_list() for bucket in range(8)]
    assert sorted(user for users in held for user in users) == list("abcdef")
    assert sum(bool(users) for users in held) > 1
    for late in ("one", "two"):
        ws.materialize("spend", day(6))
        assert_all_equal_reference(ws, VIEW, _logged(ws), "abcdef", day(6))
        ws.append("events", frame([("a", 5.25, 3, late), ("f", 5.5, 9, late + "f")]))


def _logged(ws: Workspace) -> pl.DataFrame:
    return ws.event_log("events").snapshot().scan().collect()


def test_the_number_of_buckets_stays(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table keeps the buckets that it was made with, however the log grows."""
    ws.build_tiles("spend", day(0), day(7))
    monkeypatch.setattr(building, "DAY_EVENTS_PER_BUCKET", 1)
    ws.append("events", frame([("a", 1.5, 1, "late")]))
    assert rebuilt(ws) == [2]
    assert ws.context("spend").tile_table().buckets == 1


def _null_keys(events: pl.LazyFrame) -> pl.LazyFrame:
    return events.with_columns(user=pl.when(pl.col("units") != 3).then("user"))


def _other_type(events: pl.LazyFrame) -> pl.LazyFrame:
    return events.with_columns(amount=pl.col("amount").cast(pl.String))


def test_null_keys_from_a_transformation(tmp_path: Path, online_url: str) -> None:
    """A transformation that yields a null key is refused, with the number of events, and no day is half built."""
    view = declare(wanted=[Aggregate(function="count", time_window=DAY)])
    object.__setattr__(view.transformation, "function", _null_keys)
    with opened(tmp_path, online_url, view, now=day(8)) as ws:
        ws.append("events", frame(ROWS))
        with pytest.raises(
            InputError, match=r"view 'spend': join key 'user' must not be null, and is in 6 events.*is_not_null"
        ):
            ws.build_tiles("spend", day(0), day(7))
        assert ws.context("spend").tile_table().snapshot().days() == {}


def _a_day_later(events: pl.LazyFrame) -> pl.LazyFrame:
    return events.with_columns(pl.col("at").dt.offset_by("1d"))


def test_times_of_another_day(tmp_path: Path, online_url: str) -> None:
    """A transformation that moves events to another day is refused: no window would look for them there."""
    view = declare(wanted=[Aggregate(function="count", time_window=DAY)])
    object.__setattr__(view.transformation, "function", _a_day_later)
    with opened(tmp_path, online_url, view, now=day(8)) as ws:
        ws.append("events", frame(ROWS))
        with pytest.raises(InputError, match="must leave each event's time in the event's own UTC day"):
            ws.build_tiles("spend", day(0), day(7))


def test_a_failing_transformation(tmp_path: Path, online_url: str) -> None:
    """A transformation that returns another type is an InputError that names the view and the column."""
    view = declare(wanted=[Aggregate(input_column=AMOUNT, function="sum", time_window=DAY)])
    object.__setattr__(view.transformation, "function", _other_type)
    with opened(tmp_path, online_url, view, now=day(8)) as ws:
        ws.append("events", frame(ROWS))
        with pytest.raises(InputError, match=r"view .spend.*amount"):
            ws.build_tiles("spend", day(0), day(7))


def _failing(events: pl.LazyFrame) -> pl.LazyFrame:
    return events.with_columns(amount=pl.col("label").cast(pl.Float64))


def test_a_function_that_fails_on_an_event(tmp_path: Path, online_url: str) -> None:
    """A transformation that fails on a value, not on a type, is an InputError that names the view and the reason."""
    view = declare(wanted=[Aggregate(input_column=AMOUNT, function="sum", time_window=DAY)])
    object.__setattr__(view.transformation, "function", _failing)
    with opened(tmp_path, online_url, view, now=day(8)) as ws:
        ws.append("events", frame(ROWS))
        message = (
            "view 'spend': its function must run on the source's events; got 'InvalidOperationError: conversion from `str`"
        )
        with pytest.raises(InputError, match=message):
            ws.build_tiles("spend", day(0), day(7))
        with pytest.raises(InputError, match=message):
            ws.get_features_for_events("spend", pl.DataFrame({"user": ["a"], "timestamp": [day(3)]}))


def test_progress(ws: Workspace) -> None:
    """Each day that is built is told before it is."""
    told: list[date] = []
    context = ws.context("spend")
    building.build_days(context, context.log.snapshot(), date(2024, 1, 1), date(2024, 1, 4), progress=told.append)
    assert told == [date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)]
