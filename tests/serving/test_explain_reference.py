"""The second opinion: the event log's values beside the served ones, and what is known of a difference."""

import random
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from tests.pipelines import DAY, Clock, day, declare, features, frame, opened, wide_features
from tests.streams import opened as opened_streams
from tests.streams import record, source, view_of
from tilefold import TimeWindow, Workspace
from tilefold.errors import InputError
from tilefold.serving import explain_reference
from tilefold.serving.explained import Explanation, Verdict

USER = {"user": "a"}
ROWS = [("a", at / 4, at, f"e{at}") for at in range(50)] + [("b", 3.5, 9, "other")]


def verdicts(told: Explanation) -> set[Verdict]:
    """What the comparison said of all features."""
    assert told.reference is not None
    return set(told.reference.verdicts.values())


@pytest.fixture
def ws(tmp_path: Path, online_url: str) -> Iterator[Workspace]:
    """A batch view of many functions, served as of the twelfth day."""
    with opened(tmp_path, online_url, declare("spend", wide_features()), now=day(12.5)) as workspace:
        workspace.append("events", frame(ROWS))
        workspace.materialize("spend", day(12))
        yield workspace


@pytest.fixture
def streamed(tmp_path: Path, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A stream view at nine and a half days."""
    with opened_streams(tmp_path, online_url, stream_url, view_of(source())) as workspace:
        yield workspace


def test_it_is_asked_for(ws: Workspace) -> None:
    """Without being asked nothing goes over the event log."""
    assert ws.explain("spend", USER).reference is None


def test_a_batch_view_agrees(ws: Workspace) -> None:
    """Every function over every kind of window equals what plain Python makes of the entity's events, and only of these."""
    told = ws.explain("spend", USER, reference=True)
    assert told.reference is not None
    assert (verdicts(told), told.reference.events, told.reference.unserved) == ({Verdict.AGREES}, 48, 0)
    assert told.reference.at == day(12)


def test_events_that_came_since_are_told_apart(ws: Workspace) -> None:
    """An event behind the barrier makes values differ; without it they agree, and the count says that it is one."""
    ws.append("events", frame([("a", 11.9, 1000, "late")]))
    told = ws.explain("spend", USER, reference=True)
    assert told.reference is not None
    assert (verdicts(told), told.reference.unserved) == ({Verdict.AGREES, Verdict.NOT_SERVED_YET}, 1)
    assert told.reference.verdicts["spend.units_sum_1d"] is Verdict.NOT_SERVED_YET
    assert told.reference.values["spend.units_sum_1d"] == 44 + 45 + 46 + 47 + 1000


def test_a_correction_is_not_taken_for_a_mistake(ws: Workspace) -> None:
    """A day that was replaced behind the batch part cannot be compared, and that is said."""
    ws.append("events", frame([("a", 11.5, 7, "new")]), replace=(day(11), day(12)))
    told = ws.explain("spend", USER, reference=True)
    assert told.reference is not None
    assert told.reference.verdicts["spend.units_sum_1d"] is Verdict.LOG_CHANGED


def test_a_wrong_value_differs(ws: Workspace) -> None:
    """Where the store holds another entity's part, the comparison says so."""
    client, view = ws.online_client(), "spend"
    other = client.hget(ws.online_key(view, {"user": "b"}), "b")
    assert isinstance(other, bytes)
    client.hset(ws.online_key(view, USER), "b", other)
    assert Verdict.DIFFERS in verdicts(ws.explain(view, USER, reference=True))


def test_an_unknown_entity_agrees(ws: Workspace) -> None:
    """No events there, nothing served: counts of 0 in both."""
    told = ws.explain("spend", {"user": "nobody"}, reference=True)
    assert told.reference is not None
    assert (verdicts(told), told.reference.events) == ({Verdict.AGREES}, 0)


def test_too_many_events_are_refused(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain Python is not asked to go over a whole hot key."""
    monkeypatch.setattr(explain_reference, "EVENTS_MAX", 47)
    with pytest.raises(InputError, match="at most 47 events of one entity"):
        ws.explain("spend", USER, reference=True)


def test_what_is_not_ready_has_no_reference(tmp_path: Path, online_url: str) -> None:
    """Nothing is served, so nothing is compared."""
    with opened(tmp_path, online_url, declare(), now=day(3)) as fresh:
        fresh.append("events", frame(ROWS))
        assert fresh.explain("spend", USER, reference=True).reference is None


def test_pushed_events_are_drained_first(streamed: Workspace) -> None:
    """What only the stream log held before is in the log when it is compared."""
    streamed.ingest("pushed", [record("a", 9.1, 5), record("a", 9.2, 6)])
    told = streamed.explain("spend", USER, reference=True)
    assert told.reference is not None
    assert (verdicts(told), told.reference.events, told.reference.unserved) == ({Verdict.AGREES}, 2, 0)


def test_both_parts_agree_at_any_time(streamed: Workspace, seed: int) -> None:
    """Events in and out of order, late ones behind a compaction, several compactions: the log says what the parts say."""
    drawn, clock = random.Random(seed), streamed._clock
    assert isinstance(clock, Clock)
    for step in range(6):
        clock.now = day(9 + step / 2)
        events = [record("a", drawn.uniform(0, 9 + step / 2), drawn.randrange(100)) for _ in range(drawn.randrange(30))]
        streamed.ingest("pushed", events)
        if drawn.random() < 0.5:
            streamed.materialize("spend")
        told = streamed.explain("spend", USER, reference=True)
        assert told.reference is not None
        assert verdicts(told) <= {Verdict.AGREES, Verdict.STALE}  # which no value is that does not say so
        assert told.reference.unserved == 0


def test_a_stale_value_may_differ(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Where an edge cuts a tile the value says so, and the comparison does not call it wrong."""
    merged = view_of(source())
    object.__setattr__(merged, "few_cells", 0)  # as a busy key's cells are
    with opened_streams(tmp_path, online_url, stream_url, merged) as ws:
        ws.ingest("pushed", [record("a", at / 4, at) for at in range(36)])
        ws.materialize("spend")
        clock = ws._clock
        assert isinstance(clock, Clock)
        clock.now = day(36)
        told = ws.explain("spend", USER, reference=True)
    assert told.reference is not None
    assert told.reference.verdicts["spend.units_sum_30d"] is Verdict.STALE


def test_what_was_appended_to_a_stream_is_not_served_yet(streamed: Workspace) -> None:
    """Appended events wait for the next sync; until then the values agree without them."""
    streamed.ingest("pushed", [record("a", 8.5, 5)])
    streamed.materialize("spend")
    streamed.append("pushed", pl.DataFrame([record("a", 8.6, 7)]).with_columns(amount=pl.lit(None, pl.Float64())))
    told = streamed.explain("spend", USER, reference=True)
    assert told.reference is not None
    assert (verdicts(told), told.reference.unserved) == ({Verdict.NOT_SERVED_YET}, 1)


def test_ties_are_ordered_alike(tmp_path: Path, online_url: str) -> None:
    """Events of one time are told apart by their ids, in the log as in the parts."""
    rows = frame([("a", 2.5, number, f"e{number % 7}{number}") for number in range(20)])
    with opened(tmp_path, online_url, declare(wanted=features(TimeWindow(3 * DAY))), now=day(3.5)) as ws:
        ws.append("events", rows)
        ws.materialize("spend", day(3))
        assert verdicts(ws.explain("spend", USER, reference=True)) == {Verdict.AGREES}
