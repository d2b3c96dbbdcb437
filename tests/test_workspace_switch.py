"""A changed view: the new version beside the old one, and reads before, while and after it takes its place."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.pipelines import DAY, UNITS, Clock, assert_all_equal_reference, assert_same, day, declare, expected, frame
from tests.streams import opened, record, source
from tests.versions import NAMES, declare_new, declare_old, wanted
from tilefold import Aggregate, Entity, Field, TimeWindow, Workspace
from tilefold.errors import ConflictError
from tilefold.serving import kept
from tilefold.serving.writer_loop import WriterLoop
from tilefold.serving.writer_seat import WriterSeat, drawn_name
from tilefold.types import String
from tilefold.workspace import Status

ROWS = frame([("a", 0.5, 2), ("a", 1.5, 3), ("a", 2.5, 4), ("b", 2.25, 5)])
A, B = {"user": "a"}, {"user": "b"}
SUM = Aggregate(input_column=UNITS, function="sum", time_window=DAY)
OLD = declare(wanted=[SUM, Aggregate(input_column=UNITS, function="max", time_window=DAY)])
NEW = declare(wanted=[SUM, Aggregate(input_column=UNITS, function="sum", time_window=TimeWindow(2 * DAY))])


@pytest.fixture
def pair(tmp_path: Path, online_url: str) -> Iterator[tuple[Workspace, Workspace]]:
    """One workspace in two processes: with the old definition, which is served, and with the new one."""
    with (
        Workspace(tmp_path, [OLD], online=online_url, clock=Clock(day(3.5)), name=f"p{tmp_path.name}") as old,
        Workspace(tmp_path, [NEW], online=online_url, clock=Clock(day(3.5)), name=f"p{tmp_path.name}") as new,
    ):
        old.append("events", ROWS)
        old.materialize("spend", day(3))
        yield old, new


def test_until_the_switch_all_serve_the_old_version(pair: tuple[Workspace, Workspace]) -> None:
    """A process with the new definition answers with the old version, says so, and has no value for what that lacks."""
    old, new = pair
    assert not new.materialize("spend", day(3), switch=False).skipped
    found = new.get_features("spend", A)
    assert found.values == {"spend.units_sum_1d": 4, "spend.units_sum_2d": None}
    assert found.statuses == {"spend.units_sum_1d": Status.PRESENT, "spend.units_sum_2d": Status.NOT_READY}
    assert found.versions == {"spend": OLD.version} == old.get_features("spend", A).versions


def test_the_switch_reaches_every_process(pair: tuple[Workspace, Workspace]) -> None:
    """After the switch the new version answers; who asks for a feature that it lacks is answered by the old one."""
    old, new = pair
    report = new.materialize("spend", day(3)).switch
    assert report is not None
    assert (report.old, report.new, report.switched) == (OLD.version, NEW.version, True)
    assert_all_equal_reference(new, NEW, ROWS, ["a", "b"], day(3))
    assert new.get_features("spend", A).versions == {"spend": NEW.version}
    assert_all_equal_reference(old, OLD, ROWS, ["a", "b"], day(3))
    assert old.get_features("spend", A).versions == {"spend": OLD.version}


def test_a_process_that_finds_all_its_features_follows(tmp_path: Path, online_url: str) -> None:
    """A process with old definitions serves the new version from the switch on, where that has what it asks for."""
    less = declare(wanted=[SUM])
    with (
        opened_as(tmp_path, online_url, less) as old,
        opened_as(tmp_path, online_url, NEW) as new,
    ):
        old.append("events", ROWS)
        old.materialize("spend", day(3))
        assert old.get_features("spend", A).versions == {"spend": less.version}
        new.materialize("spend", day(3))
        old._parts.follow("spend")
        found = old.get_features("spend", A)
        assert (found.versions, found.values) == ({"spend": NEW.version}, {"spend.units_sum_1d": 4})


def opened_as(root: Path, url: str, *definitions: object, now: float = 3.5) -> Workspace:
    """A process of the one workspace of a test."""
    return Workspace(root, list(definitions), online=url, clock=Clock(day(now)), name=f"p{root.name}")


def test_a_version_is_read_by_its_description(pair: tuple[Workspace, Workspace], monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that never had the old definition reads it by what was kept of it."""
    monkeypatch.setattr(kept, "_seen", {})
    _, new = pair
    new._parts.kept.__dict__["_read"].clear()
    assert_same(new.get_features("spend", A).values, {"spend.units_sum_1d": 4, "spend.units_sum_2d": None})
    assert new.get_features("spend", A).versions == {"spend": OLD.version}


def test_nothing_older(tmp_path: Path, online_url: str) -> None:
    """Where no version was ever served, a view over history is NOT_READY; its first materialization is served at once."""
    with opened_as(tmp_path, online_url, OLD) as ws:
        ws.append("events", ROWS)
        assert set(ws.get_features("spend", A).statuses.values()) == {Status.NOT_READY}
        assert ws.materialize("spend", day(3)).switch is None
        assert ws.versions("spend").served == OLD.version


def test_forward_by_itself_and_back_by_demand(pair: tuple[Workspace, Workspace]) -> None:
    """Old definitions that are materialized again change nothing that is served, unless going back is asked for."""
    old, new = pair
    new.materialize("spend", day(3))
    report = old.materialize("spend", day(3)).switch
    assert report is not None
    assert (report.switched, old.versions("spend").served) == (False, NEW.version)
    assert "it was switched away from" in report.reason
    assert old.materialize("spend", day(3), switch=True).switch is not None
    assert old.versions("spend").served == OLD.version
    new._parts.follow("spend")
    assert new.get_features("spend", A).versions == {"spend": NEW.version}, "it asks for what the old version lacks"
    assert new.materialize("spend", day(3), switch=True).switch is not None
    assert_all_equal_reference(new, NEW, ROWS, ["a", "b"], day(3))


def test_the_watermark_does_not_go_back(pair: tuple[Workspace, Workspace]) -> None:
    """A version that was materialized as of an earlier time waits beside the served one until it has caught up."""
    old, new = pair
    report = new.materialize("spend", day(2)).switch
    assert report is not None
    assert not report.switched
    assert "as of 2024-01-03" in report.reason
    assert old.versions("spend").served == OLD.version
    caught_up = new.materialize("spend", day(3)).switch
    assert caught_up is not None
    assert caught_up.switched


def test_a_version_that_is_not_ready(pair: tuple[Workspace, Workspace]) -> None:
    """What was not materialized cannot be switched to."""
    old, new = pair
    with pytest.raises(ConflictError, match="only a version that is whole in the store is served"):
        new.switch("spend")
    assert old.versions("spend").served == OLD.version


def test_other_entities(tmp_path: Path, online_url: str) -> None:
    """Versions of other join keys never answer for each other: the new one is NOT_READY until it is served."""
    label = Entity("label", join_keys=[Field("label", String)])
    by_label = declare(wanted=[SUM], entities=[label])
    with opened_as(tmp_path, online_url, OLD) as old, opened_as(tmp_path, online_url, by_label) as new:
        old.append("events", ROWS)
        old.materialize("spend", day(3))
        assert new.get_features("spend", {"label": "l4"}).statuses == {"spend.units_sum_1d": Status.NOT_READY}
        new.materialize("spend", day(3))
        assert new.get_features("spend", {"label": "l4"}).values == {"spend.units_sum_1d": 4}
        assert_all_equal_reference(old, OLD, ROWS, ["a"], day(3))


def test_compaction_is_enabled_on_a_view(tmp_path: Path, online_url: str) -> None:
    """Enabling compaction is a change as any other: the same values before, while and after."""
    plain = declare(wanted=[SUM], compaction_enabled=False)
    compacted = declare(wanted=[SUM])
    assert plain.version != compacted.version
    want = expected(plain, ROWS, "a", day(3))
    with opened_as(tmp_path, online_url, plain) as old, opened_as(tmp_path, online_url, compacted) as new:
        old.append("events", ROWS)
        old.materialize("spend", day(3))
        assert_same(new.get_features("spend", A).values, want)
        new.materialize("spend", day(3))
        assert_same(new.get_features("spend", A).values, want)
        old._parts.follow("spend")
        assert_same(old.get_features("spend", A).values, want)
        assert old.get_features("spend", A).versions == {"spend": compacted.version}


def test_explain_shows_what_is_served(pair: tuple[Workspace, Workspace]) -> None:
    """An explanation is of the version that answers."""
    _, new = pair
    assert [each.name for each in new.explain("spend", A).features] == ["spend.units_sum_1d", "spend.units_max_1d"]
    new.materialize("spend", day(3))
    assert [each.name for each in new.explain("spend", A).features] == ["spend.units_sum_1d", "spend.units_sum_2d"]


@contextmanager
def writing(ws: Workspace) -> Iterator[None]:
    """A stream writer with the definitions of a workspace, which owns all shards."""
    end, failed = threading.Event(), list[str]()
    loop = WriterLoop(
        WriterSeat(ws.stream_desk("pushed"), drawn_name(), ws.close), lambda: pytest.fail("again"), failed.append, end.wait
    )
    loop.turn()
    thread = threading.Thread(target=loop.run, args=(end.is_set,))
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(60)
        assert not [each for each in failed if "waits" in each], failed


class Readers:
    """Threads that read all the while; each value is compared with what the version that answered makes of some prefix.

    Events come from one thread, one after the other, so a read sees the first so many of them: at least those that were
    acknowledged before it, at most those that were sent before its end.
    """

    def __init__(self) -> None:
        self.acknowledged = self.sent = 0
        self.wrong: list[str] = []
        self.answered: dict[str, int] = {}
        self._end = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, ws: Workspace, scales: dict[str, int]) -> None:
        """Read one workspace in a thread of its own."""
        self._threads.append(threading.Thread(target=self._read, args=(ws, scales)))
        self._threads[-1].start()

    def stop(self) -> None:
        """End them, and raise what was wrong."""
        self._end.set()
        for each in self._threads:
            each.join(60)
        assert not self.wrong, self.wrong[:5]

    def _read(self, ws: Workspace, scales: dict[str, int]) -> None:
        while not self._end.is_set():
            least = self.acknowledged
            try:
                found = ws.get_features("spend", {"user": "u"})
            except Exception as error:  # noqa: BLE001 - whatever it is, a read must not fail
                self.wrong.append(repr(error))
                return
            most, version = self.sent, found.versions["spend"]
            values = tuple(found.values[f"spend.{name}"] for name in NAMES)
            count = values[1]
            if not (isinstance(count, int) and least <= count <= most and values == wanted(count, scales[version])):
                self.wrong.append(f"{version}: {values}, {least} to {most} events")
            self.answered[version] = self.answered.get(version, 0) + 1


@pytest.mark.parametrize("with_writer", [False, True], ids=["folded by who pushes", "folded by a writer with old definitions"])
def test_under_load(tmp_path: Path, online_url: str, stream_url: str, *, with_writer: bool) -> None:
    """While events come through either process, every read of either is right by the version that answered; none is missing."""
    pushed = source()
    before, after = declare_old(pushed), declare_new(pushed)
    scales = {before.version: 1, after.version: 1000}
    with ExitStack() as stack:
        old = stack.enter_context(opened(tmp_path, online_url, stream_url, before))
        new = stack.enter_context(opened(tmp_path, online_url, stream_url, after, name=old.name))
        if with_writer:
            stack.enter_context(writing(opened(tmp_path, online_url, stream_url, before, name=old.name)))
        readers, number = Readers(), 0

        def push(ws: Workspace) -> None:
            nonlocal number
            number += 1
            readers.sent = number
            ws.ingest("pushed", [record("u", 9.25, number, f"e{number}")], wait_for="visible")
            readers.acknowledged = number

        push(old)
        old.materialize("spend", day(9))
        end = threading.Event()

        def push_all() -> None:
            while not end.is_set():
                push(old)
                push(new)

        for ws in (old, new):
            readers.start(ws, scales)
        pushing = threading.Thread(target=push_all)
        pushing.start()
        try:
            new.materialize("spend", day(9), switch=False)
            answered = dict(readers.answered)
            new.switch("spend")
            assert set(answered) == {before.version}, "nothing but the old version before the switch"
            deadline = threading.Event()
            deadline.wait(2.5)
        finally:
            end.set()
            pushing.join(60)
            readers.stop()
        assert readers.answered[after.version] > 0
        for ws in (old, new):
            assert ws.get_features("spend", {"user": "u"}).versions == {"spend": after.version}
            assert ws.get_features("spend", {"user": "u"}).values["spend.units_count_1d"] == number
