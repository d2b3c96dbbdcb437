"""Audits of the online store: a wrong value and a stamp ahead of its time are found, and what is right passes."""

from pathlib import Path
from typing import Any

import pytest

from tests.pipelines import DAY, UNITS, day, declare, features, frame, opened, wide_features
from tilefold import Aggregate, Attribute, Workspace
from tilefold.aggregation_functions import decayed_mean
from tilefold.engine.mark import Mark
from tilefold.engine.time import to_us
from tilefold.serving.audit_online import SampleAudit, audit_sample, audit_stamps
from tilefold.types import Int64

ROWS = [(user, at / 7, at + 100 * number) for at in range(35) for number, user in enumerate("abcdefgh")]
SEED = 7


@pytest.fixture
def ws(tmp_path: Path, online_url: str) -> Any:
    """A workspace that serves five days of events of eight users, over every kind of window."""
    with opened(tmp_path, online_url, declare(wanted=wide_features()), now=day(5)) as workspace:
        workspace.append("events", frame(ROWS))
        workspace.materialize("spend", day(5))
        yield workspace


def sample(ws: Workspace, count: int = 30) -> SampleAudit:
    """The audit of some keys."""
    return audit_sample(ws.context("spend"), ws.online_store, lambda keys: ws.get_features_batch("spend", keys), count, SEED)


def write_part(ws: Workspace, user: str, part: bytes | None) -> None:
    """Let a user's batch part be another, or none, behind the store's back."""
    key = ws.online_key("spend", {"user": user})
    ws.online_client().hdel(key, "b")
    if part is not None:
        ws.online_client().hset(key, "b", part)


def part_of(ws: Workspace, user: str) -> bytes:
    """A user's batch part."""
    part = ws.online_client().hget(ws.online_key("spend", {"user": user}), "b")
    assert isinstance(part, bytes)
    return part


def test_what_is_right_passes(ws: Workspace) -> None:
    """Sampled keys of every function and window equal the reference."""
    audit = sample(ws)
    assert (audit.current, audit.wrong) == (True, ())
    assert audit.keys > 3
    assert audit.values == audit.keys * len(wide_features())


def test_a_key_with_anothers_part_is_found(ws: Workspace) -> None:
    """Values that belong to other events are wrong, each by name."""
    for user in "abcdefgh":
        write_part(ws, user, part_of(ws, "a") if user == "b" else None if user == "c" else part_of(ws, user))
    wrong = sample(ws, 200).wrong
    assert any(text.startswith("{'user': 'b'}: units_sum_1d is ") for text in wrong)
    assert any(text.startswith("{'user': 'c'}: count_1d is 0, not ") for text in wrong)
    assert not any(text.startswith("{'user': 'd'}") for text in wrong)


def test_nothing_is_compared_after_later_events(ws: Workspace) -> None:
    """Events that came after the compaction are not served yet, which is no error of what is."""
    ws.append("events", frame([("a", 3.3, 1000)]))
    assert sample(ws) == SampleAudit(Mark(to_us(day(5)), 1), current=False)


def test_nothing_is_compared_while_a_newer_sync_runs(ws: Workspace) -> None:
    """Keys may be read as the running sync wrote them, which is no error of either."""
    view = ws.definitions.view("spend")
    assert ws.online_store.begin(view.name, view.version, Mark(to_us(day(5)), 2))
    assert sample(ws) == SampleAudit(Mark(to_us(day(5)), 1), current=False)


def test_nothing_is_compared_where_nothing_is_served(tmp_path: Path, online_url: str) -> None:
    """A view that was never synced has no mark to compare at."""
    with opened(tmp_path, online_url, declare(), now=day(5)) as workspace:
        assert sample(workspace) == SampleAudit(None, current=False)


def test_a_sum_that_does_not_fit_is_no_error(tmp_path: Path, online_url: str) -> None:
    """OVERFLOW is what the reference says of a sum out of range, and what a read must say."""
    with opened(tmp_path, online_url, declare(wanted=features(day(1) - day(0))), now=day(2)) as workspace:
        workspace.append("events", frame([("a", 1.1, 2**63 - 1), ("a", 1.2, 2**63 - 1)]))
        workspace.materialize("spend", day(2))
        assert sample(workspace).wrong == ()


def test_stamps_of_a_committed_sync_are_not_ahead(ws: Workspace) -> None:
    """All keys of a sync are at its mark."""
    audit = audit_stamps(ws.context("spend"), ws.online_store, 100)
    assert (audit.keys, audit.ahead) == (8, ())


def test_a_stamp_of_no_known_sync_is_ahead(ws: Workspace) -> None:
    """A key that was stamped by a sync that neither is committed nor has begun is named."""
    ahead = Mark(to_us(day(6)), 9).to_bytes()
    before = part_of(ws, "d")
    at = before.index(Mark(to_us(day(5)), 1).to_bytes())
    write_part(ws, "d", before[:at] + ahead + before[at + len(ahead) :])
    audit = audit_stamps(ws.context("spend"), ws.online_store, 100)
    assert audit.ahead == (ws.online_key("spend", {"user": "d"}).decode(),)


def test_a_stamp_of_a_running_sync_is_not_ahead(ws: Workspace) -> None:
    """While a sync runs its keys may be stamped before its mark moves."""
    view = ws.definitions.view("spend")
    later = Mark(to_us(day(6)), 9)
    assert ws.online_store.begin(view.name, view.version, later)
    before = part_of(ws, "d")
    at = before.index(Mark(to_us(day(5)), 1).to_bytes())
    write_part(ws, "d", before[:at] + later.to_bytes() + before[at + 16 :])
    assert audit_stamps(ws.context("spend"), ws.online_store, 100).ahead == ()


def test_attributes_expire_by_the_clock_in_an_audit_too(tmp_path: Path, online_url: str) -> None:
    """An attribute that expired after the watermark is served as null, and that is right."""
    view = declare(features=[Attribute("units", Int64)], ttl=DAY)
    with opened(tmp_path, online_url, view, now=day(5)) as ws:
        ws.append("events", frame(ROWS))
        ws.materialize("spend", day(5))
        for now, count in ((day(5), 8), (day(5.5), 8), (day(6.5), 0)):
            ws._clock.now = now  # type: ignore[attr-defined] # a clock of ours
            audit = sample(ws)
            assert (audit.current, audit.wrong) == (True, ())
            vectors = ws.get_features_batch("spend", [{"user": user} for user in "abcdefgh"])
            assert sum(each.values["spend.units"] is not None for each in vectors) == count


def test_lists_by_a_secondary_key_are_compared(tmp_path: Path, online_url: str) -> None:
    """Keys and values of every window, sketches and sums that fade among them."""
    wanted = [*features(DAY), Aggregate(input_column=UNITS, function=decayed_mean(DAY), time_window=3 * DAY)]
    with opened(tmp_path, online_url, declare(wanted=wanted, aggregation_secondary_key="label"), now=day(5)) as ws:
        ws.append("events", frame(ROWS))
        ws.materialize("spend", day(5))
        audit = sample(ws)
        assert (audit.current, audit.wrong) == (True, ())
        assert audit.values == audit.keys * (len(wanted) + 2)
        for user in "abcdefgh":
            write_part(ws, user, part_of(ws, "a") if user == "b" else part_of(ws, user))
        assert any("units_sum_1d is [" in text for text in sample(ws, 200).wrong)
