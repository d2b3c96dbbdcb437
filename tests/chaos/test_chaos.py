"""Random kills of every process and server of a running root: no event is lost, none counts twice, and no read is wrong."""

from pathlib import Path

import pytest

from tests.chaos.run import Run

KILLS = 20
ROLES = ["ingester", "writer", "drainer", "materializer"]


@pytest.mark.timeout(900)
def test_random_kills(tmp_path: Path, seed: int) -> None:
    """After twenty SIGKILLs every acknowledged event counts once: in reads between the kills, in the last one, in the log."""
    outcome = Run(tmp_path.resolve(), seed, ROLES, print).go(KILLS)
    assert sum(outcome.kills.values()) > KILLS / 2, outcome
    assert (outcome.tally.lost, outcome.tally.doubled, outcome.tally.wrong) == (set(), set(), []), outcome
    assert outcome.acknowledged
