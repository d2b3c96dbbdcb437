"""What was served is sampled, and recomputed: right values are right, explained ones explained, and wrong ones named."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import DAY, Clock, day, declare, frame, wide_features
from tests.streams import USER, record, source, view_of
from tilefold import Aggregate, Field, Workspace, stream_feature_view
from tilefold.serving.parity_report import Finding, ParityReport
from tilefold.serving.sampling import Sampling
from tilefold.types import Int64

ALL = Sampling(rate=1, seed=7)
VIEW = view_of(source())
BATCH = declare(wanted=wide_features())
USERS = 6


@pytest.fixture
def clock() -> Clock:
    """The time of both workspaces; it stands."""
    return Clock(day(9.5))


@pytest.fixture
def ws(tmp_path: Path, online_url: str, stream_url: str, clock: Clock) -> Iterator[Workspace]:
    """A stream view, compacted over nine days of pushed events, some of which came late, and more events since."""
    name = f"parity-{tmp_path.name}"
    with Workspace(tmp_path, [VIEW], online_url, clock, name, stream=stream_url, sampling=ALL) as workspace:
        push(workspace, [(user, at / 4, at) for at in range(36) for user in range(USERS)])
        workspace.materialize("spend", day(9))
        push(workspace, [(user, 9 + at / 40, at) for at in range(10) for user in range(USERS)])
        yield workspace


@pytest.fixture
def batch(tmp_path: Path, online_url: str) -> Iterator[Workspace]:
    """A batch view of every kind of window, served as of day 9."""
    name = f"parity-{tmp_path.name}"
    with Workspace(tmp_path, [BATCH], online_url, Clock(day(9.5)), name, sampling=ALL) as workspace:
        workspace.append("events", frame((f"u{at % USERS}", at / 5, at) for at in range(46)))
        workspace.materialize("spend", day(9))
        yield workspace


def push(ws: Workspace, rows: list[tuple[int, float, int]]) -> None:
    """Ingest events of some users."""
    assert ws.ingest("pushed", [record(f"u{user}", at, units) for user, at, units in rows]).accepted == len(rows)


def read(ws: Workspace) -> None:
    """Read every user once, and one who is not there."""
    ws.get_features_batch("spend", [{"user": f"u{user}"} for user in range(USERS + 1)])


def found(report: ParityReport) -> set[Finding]:
    """What the values were found to be."""
    return {finding for finding, count in report.total.items() if count}


def test_what_is_right_is_right(ws: Workspace) -> None:
    """Values of batch and stream parts, late events among them, are what the log says of their time."""
    push(ws, [(user, 5.55, 500) for user in range(USERS)])
    read(ws)
    report = ws.parity("spend")
    assert (report.samples, found(report), report.dropped) == (USERS + 1, {Finding.RIGHT}, 0)
    assert report.total[Finding.RIGHT] == (USERS + 1) * len(VIEW.features)
    assert report.hours.keys() == {day(9.5)}


def test_a_late_event_explains_a_difference(ws: Workspace) -> None:
    """An event that came after a read makes its values differ from the log's; from what it saw they are right."""
    read(ws)
    push(ws, [(3, 9.4, 1000)])
    report = ws.parity("spend")
    assert found(report) == {Finding.RIGHT, Finding.LATE}
    assert report.features["units_sum_1d"] == {Finding.RIGHT: USERS, Finding.LATE: 1}


def test_a_wrong_value_is_named(ws: Workspace) -> None:
    """A key that was given another one's part by hand is a mismatch, told with what was served and what should have been."""
    client = ws.online_client()
    client.hset(*_part_of(ws, "u3", "u4", "s"))
    push(ws, [(4, 9.41, 10)])
    client.hset(*_part_of(ws, "u2", "u4", "s"))
    read(ws)
    report = ws.parity("spend")
    assert report.features["units_sum_1d"] == {Finding.RIGHT: USERS, Finding.MISMATCH: 1}
    assert [str(each) for each in report.examples if each.feature == "units_sum_1d"] == [
        "u2 at 2024-01-10T12:00:00+00:00: units_sum_1d was 124, not 114"
    ]


def test_a_lost_part_is_found(ws: Workspace, clock: Clock) -> None:
    """A key whose stream part was deleted lacks what was accepted long before: no late event explains that."""
    clock.now += timedelta(minutes=2)
    ws.online_client().hdel(ws.online_key("spend", {"user": "u3"}), "s")
    read(ws)
    report = ws.parity("spend")
    assert report.features["units_count_30d"] == {Finding.RIGHT: USERS, Finding.MISMATCH: 1}
    assert {each.entity for each in report.examples} == {"u3"}


def test_compactions_and_events_between_reads_change_nothing(ws: Workspace, clock: Clock) -> None:
    """Reads before and after a compaction that takes late events in are each right by what they saw."""
    for number in range(3):
        read(ws)
        push(ws, [(user, 2.1 + number + user / 10, 10**number) for user in range(USERS)])
        read(ws)
        clock.now += DAY
        ws.materialize("spend")
    read(ws)
    report = ws.parity("spend")
    assert (report.samples, found(report)) == (7 * (USERS + 1), {Finding.RIGHT, Finding.LATE})


def test_batch_values_are_right_at_their_watermark(batch: Workspace) -> None:
    """Every kind of window of a batch view is compared as of the watermark in force; what it has not is late."""
    read(batch)
    batch.append("events", frame([("u1", 7.77, 3)]))
    report = batch.parity("spend")
    assert found(report) == {Finding.RIGHT, Finding.LATE}
    assert report.features["units_sum_lifetime"] == {Finding.RIGHT: USERS, Finding.LATE: 1}


def test_a_replaced_day_is_a_correction(batch: Workspace) -> None:
    """Days that were replaced since a read explain that its values cannot be found in the log any more."""
    read(batch)
    batch.append("events", frame([("u1", 7.5, 1)]), replace=(day(7), day(8)))
    report = batch.parity("spend")
    assert Finding.CORRECTED in found(report)
    assert report.passed
    batch.materialize("spend", day(9))
    read(batch)
    assert found(batch.parity("spend", since=day(9.5), samples_max=USERS + 1)) <= {Finding.RIGHT, Finding.CORRECTED}


def test_a_correction_excuses_nothing_that_was_built_from_it(batch: Workspace) -> None:
    """What a compaction after the replacement serves is compared with the log as it is, and a wrong value is found."""
    batch.append("events", frame([("u1", 7.5, 1)]), replace=(day(7), day(8)))
    batch.materialize("spend", day(9))
    client = batch.online_client()
    client.hset(*_part_of(batch, "u1", "u2", "b"))
    read(batch)
    assert not batch.parity("spend").passed


def _part_of(ws: Workspace, key: str, other: str, field: str) -> tuple[bytes, str, bytes]:
    part = ws.online_client().hget(ws.online_key("spend", {"user": other}), field)
    assert isinstance(part, bytes)
    return ws.online_key("spend", {"user": key}), field, part


def test_nothing_is_sampled_unless_it_is_asked_for(tmp_path: Path, online_url: str) -> None:
    """Sampling is off by default, and a report of nothing passes."""
    with Workspace(tmp_path, [BATCH], online_url, Clock(day(9.5)), f"parity-{tmp_path.name}") as quiet:
        quiet.append("events", frame([("u1", 1.5, 1)]))
        quiet.materialize("spend", day(9))
        read(quiet)
        report = quiet.parity("spend")
        assert (report.samples, report.passed) == (0, True)


def test_stale_values_are_counted_apart(batch: Workspace) -> None:
    """A read past the time that a part is valid for says so, and is not compared."""
    batch.get_features("spend", {"user": "u1"}, at=day(9.5) + timedelta(days=30))
    assert found(batch.parity("spend")) == {Finding.STALE}


def test_samples_are_of_days_and_old_ones_go(ws: Workspace, clock: Clock) -> None:
    """A day's samples are a partition; those older than they are kept go when a new day begins."""
    read(ws)
    ws.parity("spend")
    clock.now += timedelta(days=ALL.keep_days)
    read(ws)
    ws.parity("spend")
    assert list(ws.context("spend").samples.days()) == [day(9.5).date(), clock.now.date()]
    clock.now += DAY
    read(ws)
    ws.parity("spend")
    assert len(ws.context("spend").samples.days()) == 2
    assert ws.context("spend").samples.of_day(clock.now.date()).schema["spend__units_sum_1d"] == pl.Int64


def test_a_forgotten_entity_has_no_samples(ws: Workspace) -> None:
    """Forgetting takes the samples of an entity too; those of others are right as before."""
    read(ws)
    ws.forget("spend", {"user": "u3"})
    report = ws.parity("spend")
    assert (report.samples, found(report)) == (USERS, {Finding.RIGHT})
    assert "u3" not in ws.context("spend").samples.of_day(day(9.5).date())["tf_entity"].to_list()


def test_appended_events_that_a_seeding_took_in_were_seen(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Events behind the watermark that were appended before the first sync are in the stream parts that it writes."""
    name, clock = f"parity-{tmp_path.name}", Clock(day(9.5))
    with Workspace(tmp_path, [VIEW], online_url, clock, name, stream=stream_url, sampling=ALL) as seeded:
        rows = [record(f"u{user}", at, 5, f"{user}-{at}") | {"amount": 1.0} for user in range(USERS) for at in (8.5, 9.25)]
        seeded.append("pushed", pl.DataFrame(rows))
        seeded.materialize("spend", day(9))
        read(seeded)
        assert found(seeded.parity("spend")) == {Finding.RIGHT}
        clock.now += timedelta(seconds=1)
        seeded.append("pushed", pl.DataFrame([record("u1", 9.3, 7, "new") | {"amount": 1.0}]))
        read(seeded)
        assert found(seeded.parity("spend")) == {Finding.RIGHT, Finding.LATE}


def test_a_transformation_that_drops_rows_is_followed(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Where output rows are not those of the log one by one, which of them a read saw is still told."""

    def paid(pushed: pl.LazyFrame) -> pl.LazyFrame:
        return pushed.filter(pl.col("units") > 1).select("user", "at", "units")

    features = [Aggregate(input_column=Field("units", Int64), function="last", time_window=timedelta(days=30))]
    sample: dict[str, Any] = {"name": "spend", "source": source(), "entities": [USER], "features": features}
    view = stream_feature_view(**sample, feature_start_time=day(0))(paid)
    name = f"parity-{tmp_path.name}"
    with Workspace(tmp_path, [view], online_url, Clock(day(9.5)), name, stream=stream_url, sampling=ALL) as filtered:
        for step in range(4):
            push(filtered, [(user, 9.3 + step / 100, step) for user in range(USERS)])
            read(filtered)
        report = filtered.parity("spend")
        assert report.total == {Finding.RIGHT: 4 + USERS, Finding.LATE: 3 * USERS}


def test_the_version_that_answers_is_recomputed(tmp_path: Path, online_url: str) -> None:
    """While a changed definition is not served yet, what it samples is of the version before, and is compared with that."""
    name, clock = f"parity-{tmp_path.name}", Clock(day(9.5))
    changed = declare(wanted=wide_features()[:-1])
    with (
        Workspace(tmp_path, [BATCH], online_url, clock, name) as old,
        Workspace(tmp_path, [changed], online_url, clock, name, sampling=ALL) as new,
    ):
        old.append("events", frame((f"u{at % USERS}", at / 5, at) for at in range(46)))
        old.materialize("spend", day(9))
        read(new)
        for _ in range(2):
            report = new.parity("spend")
            assert (report.samples, report.passed) == (USERS + 1, True)
            assert report.total[Finding.RIGHT] > 0
        new.materialize("spend", day(9))
        read(new)
        assert new.parity("spend").samples == USERS + 1
