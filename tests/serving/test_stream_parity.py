"""Invariant 1 through the real workspace: whatever was pushed, appended, corrected, compacted or lost, reads agree.

A model says which events a read should see: those of the committed compaction, and those of the stream part that it does not
cover. Two workspaces on one root take turns.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.pipelines import DAY, EVENTS, HOUR, Clock, assert_same, day, expected, frame
from tests.serving.clicks import declared
from tilefold import LifetimeWindow, PushConfig, StreamSource, TimeWindow, TimeWindowSeries, Workspace
from tilefold.declaration import FeatureView
from tilefold.serving.read import FeatureVector, Status

RELAXED = settings(deadline=None, max_examples=examples(3), suppress_health_check=list(HealthCheck), print_blob=True)
USERS = ["a", "b", "ß:1"]
PUSHED = StreamSource(
    "events", schema=EVENTS.schema or (), timestamp_field="at", stream_config=PushConfig(dedupe_horizon=60 * DAY, shards=2)
)
WINDOWS: list[Any] = [
    timedelta(minutes=30),
    DAY,
    TimeWindow(3 * DAY),
    TimeWindow(DAY, offset=-5 * HOUR),
    TimeWindowSeries(series_start=-2 * DAY, step_size=DAY),
    LifetimeWindow(),
]
KINDS: dict[str, dict[str, Any]] = {
    "auto": {},
    "exact": {"trailing_edge": "exact"},
    "tecton": {"trailing_edge": "tecton"},
    "hop": {"trailing_edge": timedelta(minutes=10), "batch_schedule": 6 * HOUR},
    "latest event": {"aggregation_leading_edge": "latest_event"},
}


@dataclass(frozen=True)
class Known:
    """An event, and the epoch that it came in."""

    row: dict[str, Any]
    epoch: int

    @property
    def at(self) -> datetime:
        """Its time."""
        time: datetime = self.row["at"]
        return time


@dataclass
class Model:
    """What the event log and the stream parts hold, and what is committed.

    `committed` is a watermark, a number, and the events of that compaction. `takes` says whether the view takes the stream:
    from the beginning of a source that never had an event, else from a seeding on.
    """

    log: dict[str, Known] = field(default_factory=dict)
    stream: dict[str, Known] = field(default_factory=dict)
    pushed: set[str] = field(default_factory=set)
    committed: tuple[datetime, int, dict[str, Known]] | None = None
    number: int = 0
    takes: bool = False
    appended: bool = False
    newest: datetime | None = None

    def visible(self) -> dict[str, Known]:
        """What a read sees."""
        if self.committed is None:
            return self.stream
        edge, number, events = self.committed
        batch = {name: one for name, one in events.items() if one.at < edge}
        return batch | {name: one for name, one in self.stream.items() if one.at >= edge or one.epoch > number}

    @property
    def is_ready(self) -> bool:
        """Whether a read has values."""
        return self.committed is not None or (self.takes and not self.appended)

    def register(self) -> None:
        """What a push or a read does first."""
        self.takes = self.takes or not self.log

    def note(self, times: list[datetime]) -> None:
        """Some of these may be the newest event."""
        self.newest = max([*times, *([self.newest] if self.newest else [])], default=None)


class Pipeline:
    """Two workspaces on one root, and the model."""

    def __init__(self, root: str, online: str, stream: str, view: FeatureView) -> None:
        self.view, self.model, self.clock = view, Model(), Clock(day(4.3))
        name = f"t-{secrets.token_hex(4)}"
        self._places: dict[str, Any] = {"online": online, "stream": stream, "name": name, "clock": self.clock}
        self._root, self._turn, self._drawn = root, 0, 0
        self._workspaces = [self._open(), self._open()]

    def _open(self) -> Workspace:
        return Workspace(self._root, [self.view], **self._places)

    @property
    def ws(self) -> Workspace:
        """Whose turn it is."""
        self._turn += 1
        return self._workspaces[self._turn % 2]

    def close(self) -> None:
        """Close both."""
        for each in self._workspaces:
            each.close()

    def _events(self, drawn: list[tuple[str, int, int]]) -> tuple[pl.DataFrame, dict[str, Known]]:
        """Events of drawn (user, minutes ago, units), each with an id of its own."""
        rows = []
        for user, ago, units in drawn:
            self._drawn += 1
            at = max(day(0), self.clock.now - timedelta(minutes=ago))
            rows.append((user, at, units, f"{self._drawn:03}"))
        events = frame(rows)
        return events, {row["event_id"]: Known(row, self.model.number + 1) for row in events.to_dicts()}

    # --- what happens

    def push(self, drawn: list[tuple[str, int, int]], again: int) -> None:
        """Push events, and some that were pushed or appended before."""
        events, known = self._events(drawn)
        twice = [one.row for name, one in sorted(self.model.log.items()) if name in self.model.pushed][:again]
        given = pl.concat([events, pl.DataFrame(twice, schema=events.schema)]) if twice else events
        receipt = self.ws.ingest("events", given, wait_for="visible" if again else None)
        assert (receipt.accepted, receipt.duplicate) == (len(known), len(twice))
        self.model.register()
        self.model.log |= known
        self.model.pushed |= known.keys()
        if self.model.takes:
            self.model.stream |= known
            self.model.note([one.at for one in known.values()])

    def append(self, drawn: list[tuple[str, int, int]]) -> None:
        """Append history."""
        events, known = self._events(drawn)
        self.ws.append("events", events)
        self.model.log |= known
        self.model.appended = True

    def correct(self, back: int, units: int) -> None:
        """Let one event take the place of a day."""
        start = day((self.clock.now - day(0)).days - back)
        rows = frame([("a", start + HOUR, units, f"c{self._drawn}")])
        self._drawn += 1
        self.ws.append("events", rows, replace=(start, start + DAY))
        kept = {name: one for name, one in self.model.log.items() if not start <= one.at < start + DAY}
        fresh = {row["event_id"]: Known(row, self.model.number + 1) for row in rows.to_dicts()}
        self.model.log, self.model.appended = kept | fresh, True

    def wait(self, hours: int) -> None:
        """Let time pass."""
        self.clock.now += timedelta(hours=hours, minutes=7)

    def drain(self) -> None:
        """Bring the event log up to the stream."""
        self.ws.drain("events")

    def compact(self) -> None:
        """Compact, without a sync."""
        ws = self.ws
        ws.compact(self.view.name, ws.newest_as_of(self.view.name))
        self.model.number += 1

    def materialize(self, full: bool) -> None:
        """All steps at the newest watermark."""
        ws, model = self.ws, self.model
        edge = ws.newest_as_of(self.view.name)
        report = ws.materialize(self.view.name, edge, full=full)
        if report.skipped:
            assert model.committed
            assert model.committed[0] == edge
            return
        model.number += 1
        base = model.committed[:2] if model.committed else (edge, model.number)
        if full or not model.takes:
            model.stream = {name: one for name, one in model.log.items() if one.at >= base[0] or one.epoch > base[1]}
        model.committed, model.takes = (edge, model.number, dict(model.log)), True
        model.note([one.at for one in model.log.values()])

    def lose(self) -> None:
        """Empty the online store, and come back as other processes."""
        client = self._workspaces[0].online_client()
        for key in client.scan_iter(f"{self._places['name']}:*"):
            client.delete(key)
        self.close()
        self._workspaces = [self._open(), self._open()]
        self.model.committed, self.model.stream, self.model.newest, self.model.takes = None, {}, None, False

    # --- what must hold

    def check(self) -> None:
        """Both workspaces read what the model sees, exactly."""
        asked = [{"user": user} for user in [*USERS, "nobody"]]
        now, model = self.clock.now, self.model
        if model.committed is None:
            model.register()
        for ws in self._workspaces:
            ws._parts.marks._known.clear()  # each knows a mark for a second; what a test waits for is not that
            ws._parts.history_changed()
            for keys, found in zip(asked, ws.get_features_batch(self.view.name, asked), strict=True):
                if not model.is_ready:
                    assert set(found.statuses.values()) == {Status.NOT_READY}
                    continue
                end = (model.newest or now) if self.view.leading_edge == "latest_event" else now
                events = self._rows(model.visible())
                _same_where_certain(found, expected(self.view, events, keys["user"], end))
                if model.committed and now <= model.committed[0] + timedelta(microseconds=self.view.valid_for_us):
                    assert Status.STALE not in found.statuses.values()

    def check_training(self) -> None:
        """What a read gives equals the training set for the same time, once both have the same events."""
        ws = self.ws
        ws.drain("events")
        spine = pl.DataFrame({"user": USERS, "timestamp": [self.clock.now] * len(USERS)})
        training = ws.get_features_for_events(self.view.name, spine)
        for row in training.to_dicts():
            values = {name.replace("__", ".", 1): row[name] for name in training.columns if "__" in name}
            end = self.clock.now
            if self.view.leading_edge == "latest_event":
                end = max((one.at for one in self.model.log.values()), default=end)
            assert_same(values, expected(self.view, self._rows(self.model.log), row["user"], end))
            if self.model.is_ready and self.model.visible().keys() == self.model.log.keys() and self._newest_agrees():
                _same_where_certain(ws.get_features(self.view.name, {"user": row["user"]}), values)

    def _newest_agrees(self) -> bool:
        """Whether the newest event that was seen is still in the log: a correction may have removed it."""
        return self.view.leading_edge != "latest_event" or self.model.newest in {one.at for one in self.model.log.values()}

    def _rows(self, known: dict[str, Known]) -> pl.DataFrame:
        schema = {one.name: one.dtype for one in EVENTS.schema or ()} | {"event_id": pl.String()}
        return pl.DataFrame([one.row for one in known.values()], schema=schema)


def _same_where_certain(found: FeatureVector, wanted: dict[str, Any]) -> None:
    """The values agree, but for those that are told to be STALE."""
    certain = {name: value for name, value in found.values.items() if found.statuses[name] is not Status.STALE}
    assert_same(certain, {name: wanted[name] for name in certain})


drawn_events = st.lists(
    st.tuples(st.sampled_from(USERS), st.integers(0, 4000), st.integers(-3, 12)), min_size=1, max_size=8, unique=True
)
STEPS = st.one_of(
    st.tuples(st.just("push"), drawn_events, st.integers(0, 2)),
    st.tuples(st.just("push"), drawn_events, st.just(0)),
    st.tuples(st.just("push"), drawn_events, st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 30)),
    st.tuples(st.just("materialize"), st.just(value=False)),
    st.tuples(st.just("materialize"), st.sampled_from([False, False, True])),
    st.tuples(st.just("append"), drawn_events),
    st.tuples(st.just("correct"), st.integers(1, 3), st.integers(0, 5)),
    st.tuples(st.just("compact")),
    st.tuples(st.just("drain")),
    st.tuples(st.just("lose")),
)


@pytest.mark.parametrize("kind", KINDS)
@RELAXED
@given(steps=st.lists(STEPS, min_size=5, max_size=14))
@example([("push", [("b", 2810, 0)], 0), ("materialize", False), ("wait", 26), ("correct", 3, 0), ("materialize", True)])
def test_a_read_equals_the_reference_whatever_was_done(
    online_url: str, stream_url: str, kind: str, steps: list[tuple[Any, ...]]
) -> None:
    """Late events, duplicates, corrections, compactions that are never synced, lost stores: reads see what they should."""
    view = declared(WINDOWS, source=PUSHED, **KINDS[kind])
    object.__setattr__(view, "few_cells", 4)
    with TemporaryDirectory() as root:
        pipeline = Pipeline(root, online_url, stream_url, view)
        try:
            for name, *arguments in steps:
                getattr(pipeline, name)(*arguments)
                pipeline.check()
            pipeline.check_training()
        finally:
            pipeline.close()
