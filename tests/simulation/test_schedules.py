"""Five hundred schedules of faults over the product's own code, and proofs that the harness would see what goes wrong."""

import os

import pytest

from tests.simulation.checks import WrongRead
from tests.simulation.schedule import run
from tilefold.engine import merge_stream
from tilefold.serving import stream_view

SCHEDULES = 500
BREAKS_WITHIN = 80
SEED = int(os.environ.get("TILEFOLD_TEST_SEED", "0"))
"""The first of the schedules: always the same ones here, others with `python -m tests.simulation --first N`."""


@pytest.mark.timeout(600)
def test_no_schedule_of_faults_gives_a_wrong_read() -> None:
    """Every read of every step equals the reference or says that it does not; a failure names its seed and what happened."""
    print(f"schedules {SEED} to {SEED + SCHEDULES - 1}")
    assert sum(run(seed) for seed in range(SEED, SEED + SCHEDULES)) > SCHEDULES


def fails_within(seeds: int) -> bool:
    """Whether some schedule shows a wrong read."""
    for seed in range(seeds):
        try:
            run(seed)
        except WrongRead:
            return True
    return False


def test_without_the_predicate_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that adds what the batch part holds already counts twice, and the simulation says so."""
    monkeypatch.setattr(merge_stream, "is_covered", lambda epoch, mark: False)  # noqa: ARG005
    assert fails_within(BREAKS_WITHIN)


def test_without_positions_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that does not tell what parts hold already folds it again after a crash, and the simulation says so."""
    monkeypatch.setattr(stream_view, "cuts_of", lambda parts, places: {})  # noqa: ARG005
    assert fails_within(BREAKS_WITHIN)
