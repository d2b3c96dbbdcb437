"""Five hundred schedules of faults over the product's own code, and proofs that the harness would see what goes wrong."""

import os
from collections.abc import Sequence

import pytest

from tests.simulation.checks import WrongRead
from tests.simulation.schedule import run
from tests.simulation.views import KINDS, LIFETIME_ALONE
from tilefold.engine import join_zones, merge_stream, stream_fold
from tilefold.engine.time import DAY_US
from tilefold.serving import stream_batch
from tilefold.stores import stream_parts
from tilefold.stores.stream_log import Kind, Place

SCHEDULES = 500
BREAKS_WITHIN = 200
SEED = int(os.environ.get("TILEFOLD_TEST_SEED", "0"))
"""The first of the schedules: always the same ones here, others with `python -m tests.simulation --first N`."""


@pytest.mark.timeout(600)
def test_no_schedule_of_faults_gives_a_wrong_read() -> None:
    """Every read of every step equals the reference or says that it does not; a failure names its seed and what happened."""
    print(f"schedules {SEED} to {SEED + SCHEDULES - 1}")
    assert sum(run(seed) for seed in range(SEED, SEED + SCHEDULES)) > SCHEDULES


def fails_within(seeds: int, kinds: Sequence[int] = range(KINDS)) -> bool:
    """Whether some schedule of these views shows a wrong read."""
    for seed in range(seeds):
        try:
            run(seed, kinds)
        except WrongRead:
            return True
    return False


def test_without_the_predicate_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that adds what the batch part holds already counts twice, and the simulation says so."""
    monkeypatch.setattr(merge_stream, "is_covered", lambda epoch, mark: False)  # noqa: ARG005
    assert fails_within(BREAKS_WITHIN)


def test_without_positions_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that does not tell what parts hold already folds it again after a crash, and the simulation says so."""
    monkeypatch.setattr(stream_batch, "cuts_of", lambda parts, places: {})  # noqa: ARG005
    assert fails_within(BREAKS_WITHIN)


def test_without_saved_epochs_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that knows after a crash where it was, but not the epoch in force there, is seen."""
    monkeypatch.setattr(stream_parts, "Place", lambda position, epoch: Place(position, 1))  # noqa: ARG005
    assert fails_within(BREAKS_WITHIN)


def test_counted_barriers_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of the log that counts barriers, where they carry their numbers, is seen."""
    monkeypatch.setattr(Place, "after", lambda self, entry: Place(entry.position, self.epoch + (entry.kind is Kind.BARRIER)))
    assert fails_within(BREAKS_WITHIN)


def test_cells_across_a_watermark_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that joins cells whatever the schedule is seen, of views without a window whose edges keep cells apart."""
    zones, month_us = join_zones.join_zones, 30 * DAY_US
    monkeypatch.setattr(stream_fold, "join_zones", lambda windows, start, end, _: zones(windows, start, end, month_us))
    assert fails_within(BREAKS_WITHIN, LIFETIME_ALONE)
