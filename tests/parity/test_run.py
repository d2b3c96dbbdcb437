"""A small run beside live events and compactions: no value that was served is wrong."""

from pathlib import Path

import pytest

from tests.parity.run import Run
from tilefold.serving.parity_report import Finding


@pytest.mark.timeout(300)
def test_no_read_of_a_busy_workspace_is_wrong(tmp_path: Path, seed: int) -> None:
    """Every read is sampled; each value is right, or an event that came later explains it."""
    outcome = Run(tmp_path, seed, print, users=60).go(reads=1_000)
    assert sum(report.samples for report in outcome.reports) == outcome.reads, outcome
    assert not [str(example) for report in outcome.reports for example in report.examples], outcome
    assert sum(report.total[Finding.RIGHT] for report in outcome.reports), outcome
