"""Which version answers, and when the store is asked for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines import DAY, UNITS, Clock, day, declare, frame
from tilefold import Aggregate, TimeWindow, Workspace
from tilefold.declaration import FeatureView
from tilefold.serving.following import LOOK_S, Follower, answering, lacking
from tilefold.stores.view_versions import NO_VERSIONS, Versions

SUM = Aggregate(input_column=UNITS, function="sum", time_window=DAY)
ONE = declare(wanted=[SUM])
MORE = declare(wanted=[SUM, Aggregate(input_column=UNITS, function="max", time_window=DAY)])
OTHER = declare(wanted=[SUM, Aggregate(input_column=UNITS, function="count", time_window=TimeWindow(2 * DAY))])
KNOWN = {view.version: view for view in (ONE, MORE, OTHER)}


def known(name: str, version: str) -> FeatureView | None:
    """Any of the versions."""
    assert name == "spend"
    return KNOWN.get(version)


@pytest.mark.parametrize(
    ("own", "versions", "wanted"),
    [
        (ONE, NO_VERSIONS, ONE),
        (ONE, Versions(ONE.version, {ONE.version: 0}), ONE),
        (MORE, Versions(ONE.version, {ONE.version: 0, MORE.version: 0}), ONE),
        (ONE, Versions(MORE.version, {ONE.version: 5, MORE.version: 0}), MORE),
        (MORE, Versions(OTHER.version, {MORE.version: 5, OTHER.version: 0}), MORE),
        (MORE, Versions(OTHER.version, {MORE.version: -1, OTHER.version: 0}), OTHER),
        (MORE, Versions(OTHER.version, {OTHER.version: 0}), OTHER),
        (ONE, Versions("unknown", {"unknown": 0}), ONE),
    ],
    ids=["none", "own", "before the switch", "after it", "lacks a feature", "is removed", "was removed", "not known"],
)
def test_who_answers(own: FeatureView, versions: Versions, wanted: FeatureView) -> None:
    """The served version; the own one where none is served, nothing is known of it, or it lacks what the own one still has."""
    assert answering(own, versions, known) is wanted


def test_what_is_lacking() -> None:
    """A feature of another type is lacking as one that is not there."""
    typed = declare(wanted=[Aggregate(input_column=UNITS, function="mean", time_window=DAY, name="units_sum_1d")])
    assert lacking(ONE, typed) == ["units_sum_1d"]
    assert lacking(MORE, OTHER) == ["units_max_1d"]
    assert lacking(ONE, MORE) == []


@pytest.fixture
def ws(tmp_path: Path, online_url: str) -> Iterator[Workspace]:
    """A workspace whose view is served."""
    with Workspace(tmp_path, [ONE], online=online_url, clock=Clock(day(3.5)), name=f"p{tmp_path.name}") as opened:
        opened.append("events", frame([("a", 2.5, 4)]))
        opened.materialize("spend", day(3))
        yield opened


def test_when_it_is_asked(ws: Workspace) -> None:
    """Only where the mark has told of a switch, or there is no mark and a second has passed."""
    parts, now_s = ws._parts, 100.0
    follower = Follower(ONE, ws.online_store, parts.marks, parts._moves, known, parts._reader_of, lambda: now_s)
    reader = follower.reader
    reader.mark()
    now_s += 10 * LOOK_S
    assert not follower.is_behind(reader)
    parts._moves.note("spend", ONE.version, MORE.version)
    assert follower.is_behind(reader)
    again = follower.follow()
    assert again.version == ONE.version, "the store says that no switch was made"
    assert not follower.is_behind(again)


def test_without_a_mark(tmp_path: Path, online_url: str) -> None:
    """A version that has none is looked after once a second: another one may be served by now."""
    with Workspace(tmp_path, [ONE], online=online_url, clock=Clock(day(3.5)), name=f"p{tmp_path.name}") as ws:
        parts, now_s = ws._parts, 100.0
        follower = Follower(ONE, ws.online_store, parts.marks, parts._moves, known, parts._reader_of, lambda: now_s)
        reader = follower.reader
        reader.mark()
        assert not follower.is_behind(reader)
        now_s += LOOK_S
        assert follower.is_behind(reader)
