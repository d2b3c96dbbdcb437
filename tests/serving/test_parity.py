"""Invariants 1, 2 and 6 through the real workspace: whatever was done, each key reads as raw events say."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.pipelines import (
    DAY,
    EVENTS,
    Clock,
    assert_same,
    day,
    declare,
    expected,
    features,
    frame,
    wide_features,
)
from tilefold import TimeWindow, Workspace
from tilefold.declaration import FeatureView
from tilefold.serving import compaction_base
from tilefold.serving.read import Status

USERS = ["a", "b", "", "ß:1"]
RELAXED = settings(deadline=None, max_examples=examples(7), suppress_health_check=list(HealthCheck), print_blob=True)


@dataclass
class Model:
    """What the workspace should hold: the log, each compaction's events, and what was committed."""

    log: dict[str, dict[str, Any]] = field(default_factory=dict)
    compactions: dict[int, tuple[int, pl.DataFrame]] = field(default_factory=dict)
    committed: tuple[int, int, pl.DataFrame] | None = None
    number: int = 0
    today: int = 3

    def events(self) -> pl.DataFrame:
        """The log as it is now."""
        return frame([]).with_columns(event_id=pl.lit("")).clear().vstack(self.rows(self.log.values()))

    @staticmethod
    def rows(rows: Any) -> pl.DataFrame:
        """Rows with ids as a frame."""
        schema = {one.name: one.dtype for one in EVENTS.schema or ()} | {"event_id": pl.String()}
        return pl.DataFrame(list(rows), schema=schema)

    def compact(self, as_of: int) -> None:
        """A compaction of the log as it is now."""
        self.number += 1
        self.compactions[as_of] = (self.number, self.events())

    def sync(self, as_of: int) -> bool:
        """Commit a compaction; False where it is superseded."""
        number, events = self.compactions[as_of]
        if self.committed and (self.committed[0] > as_of or self.committed[1] > number):
            return False
        self.committed = (as_of, number, events)
        return True


class Pipeline:
    """The workspace and its model, side by side."""

    def __init__(self, root: str, url: str, view: FeatureView) -> None:
        self.root, self.url, self.view = root, url, view
        self.name = f"t-{secrets.token_hex(4)}"
        self.model = Model()
        self.clock = Clock(day(3.5))
        self.ws = self.open()

    def open(self) -> Workspace:
        """The workspace as another process would open it."""
        return Workspace(self.root, [self.view], online=self.url, clock=self.clock, name=self.name)

    def append(self, rows: list[tuple[str, int, int, int]]) -> None:
        """Append events, some of them known ids."""
        past = [(user, min(self.model.today, at), hour, units) for user, at, hour, units in rows]
        given = [(user, day(at + hour / 24), units, f"{user}|{at}|{hour}|{units}") for user, at, hour, units in past]
        events = frame(given)
        fresh = {row["event_id"]: row for row in events.to_dicts() if row["event_id"] not in self.model.log}
        receipt = self.ws.append("events", events)
        assert receipt.accepted == len(fresh)
        self.model.log |= fresh

    def replace(self, first: int, days: int, units: int) -> None:
        """Let one event take the place of some days."""
        start, end = day(first), day(first + days)
        rows = frame([("a", first, units, f"r{first}{units}"), ("b", first, 1, f"q{first}")])
        self.ws.append("events", rows, replace=(start, end))
        kept = {name: row for name, row in self.model.log.items() if not start <= row["at"] < end}
        self.model.log = kept | {row["event_id"]: row for row in rows.to_dicts()}

    def advance(self, days: int) -> None:
        """Let time pass."""
        self.model.today += days
        self.clock.now = day(self.model.today + 0.5)

    def as_of(self, back: int) -> int:
        """A day number, at most today."""
        return max(1, self.model.today - back)

    def compact(self, back: int) -> None:
        """Compact, without a sync."""
        self.ws.compact(self.view.name, day(self.as_of(back)))
        self.model.compact(self.as_of(back))

    def sync(self, back: int) -> None:
        """Sync a compaction, if there is one."""
        as_of = self.as_of(back)
        if as_of in self.model.compactions:
            report = self.ws.sync(self.view.name, day(as_of))
            assert report.superseded is not self.model.sync(as_of)

    def materialize(self, back: int) -> None:
        """All steps, at a present or past watermark."""
        as_of = self.as_of(back)
        if self.ws.materialize(self.view.name, day(as_of)).skipped:
            assert self.model.committed
            assert self.model.committed[0] == as_of
        else:
            self.model.compact(as_of)
            self.model.sync(as_of)

    def lose(self) -> None:
        """Empty the store, and come back as another process."""
        client = self.ws.online_client()
        for key in client.scan_iter(f"{self.name}:*"):
            client.delete(key)
        self.model.committed = None
        self.ws.close()
        self.ws = self.open()

    def check(self) -> None:
        """Every key reads as the events of the committed compaction say."""
        asked = [{"user": user} for user in [*USERS, "nobody"]]
        if self.model.committed is None:
            if self.model.log:
                assert set(self.ws.get_features(self.view.name, asked[0]).statuses.values()) == {Status.NOT_READY}
            return
        as_of, _, events = self.model.committed
        for keys, found in zip(asked, self.ws.get_features_batch(self.view.name, asked, at=day(as_of)), strict=True):
            assert_same(found.values, expected(self.view, events, keys["user"], day(as_of)))
            assert set(found.effective_times.values()) == {day(as_of)}
            assert Status.STALE not in found.statuses.values()

    def check_training(self) -> None:
        """Training values are the reference's at every edge, over the log as it is now."""
        edges = [day(number) for number in range(1, self.model.today + 1)]
        spine = pl.DataFrame([{"user": user, "when": edge} for user in USERS for edge in edges])
        found = self.ws.get_features_for_events(self.view.name, spine, timestamp="when")
        for row in found.to_dicts():
            values = {name.replace("__", ".", 1): row[name] for name in found.columns if "__" in name}
            assert_same(values, expected(self.view, self.model.events(), row["user"], row["when"]))


events_strategy = st.lists(
    st.tuples(st.sampled_from(USERS), st.integers(0, 9), st.integers(0, 23), st.integers(-3, 12)), min_size=1, max_size=12
)
back = st.sampled_from([0, 0, 0, 0, 1, 2])
STEPS = st.one_of(
    st.tuples(st.just("append"), events_strategy),
    st.tuples(st.just("advance"), st.integers(1, 2)),
    st.tuples(st.just("materialize"), back),
    st.tuples(st.just("materialize"), back),
    st.tuples(st.just("compact"), back),
    st.tuples(st.just("sync"), back),
    st.tuples(st.just("replace"), st.integers(0, 6), st.integers(1, 2), st.integers(0, 5)),
    st.tuples(st.just("lose")),
)


def run(url: str, view: FeatureView, steps: list[tuple[Any, ...]]) -> None:
    """Take every step, and look after each one."""
    with TemporaryDirectory() as root:
        pipeline = Pipeline(root, url, view)
        try:
            for name, *arguments in steps:
                getattr(pipeline, name)(*arguments)
                pipeline.check()
            pipeline.check_training()
        finally:
            pipeline.ws.close()


@RELAXED
@given(steps=st.lists(STEPS, min_size=3, max_size=12), few=st.sampled_from([0, 2, 64]), whole=st.sampled_from([0.0, 0.5]))
def test_a_read_equals_the_reference_whatever_was_done(
    online_url: str, steps: list[tuple[Any, ...]], few: int, whole: float
) -> None:
    """Late events, corrections, skipped syncs, older watermarks and a lost store: each key reads as the events say."""
    view = declare(wanted=wide_features())
    object.__setattr__(view, "few_cells", few)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(compaction_base, "WHOLE_PASS_SHARE", whole)
        run(online_url, view, steps)


@RELAXED
@given(steps=st.lists(STEPS, min_size=3, max_size=12), few=st.sampled_from([0, 2, 64]))
def test_it_holds_where_no_window_lasts_for_ever(online_url: str, steps: list[tuple[Any, ...]], few: int) -> None:
    """Keys come, fall out of every window, are removed and come back."""
    view = declare(wanted=[*wide_features()[:8], *wide_features()[16:24]])
    object.__setattr__(view, "few_cells", few)
    run(online_url, view, steps)


@pytest.mark.parametrize("schedule", [DAY / 2, 2 * DAY])
def test_it_holds_on_another_schedule(online_url: str, tmp_path: Path, schedule: timedelta) -> None:
    """Watermarks amid a day, and every second day, over late events: reads equal the reference."""
    windows = (schedule, TimeWindow(3 * schedule), TimeWindow(2 * schedule, offset=-schedule))
    view = declare(wanted=features(*windows), batch_schedule=schedule)
    clock = Clock(day(9))
    events = frame([(user, at / 10, at, f"{user}{at}") for at in range(80) for user in "ab"])
    with Workspace(tmp_path, [view], online=online_url, clock=clock, name=f"t-{secrets.token_hex(4)}") as ws:
        known = events.clear()
        for step in range(1, 7):
            as_of = _floored(day(step + 2), schedule)
            batch = events.filter((pl.col("units") % 6 == step % 6) | (pl.col("at") < day(step)))
            ws.append("events", batch)
            known = pl.concat([known, batch]).unique("event_id", maintain_order=True)
            ws.materialize("spend", as_of)
            for found, user in zip(ws.get_features_batch("spend", [{"user": "a"}, {"user": "b"}], at=as_of), "ab", strict=True):
                assert_same(found.values, expected(view, known, user, as_of))


def _floored(time: datetime, schedule: timedelta) -> datetime:
    """The last point of a schedule at or before a time."""
    return time - (time - datetime(1970, 1, 1, tzinfo=UTC)) % schedule
