"""Full garbage collections at quiet times."""

import gc
from collections.abc import Iterator

import pytest

from tilefold.cli.quiet_gc import BUSY_S, QUIET_S, QuietCollector


class Loop:
    """An object that holds itself."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    """Python's own collections as they were."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def loops() -> int:
    """How many of them there are."""
    return sum(isinstance(each, Loop) for each in gc.get_objects())


@pytest.mark.parametrize(("idle", "after_s"), [(True, QUIET_S), (False, BUSY_S)])
def test_cycles_are_collected_when_it_is_time(idle: bool, after_s: float) -> None:
    """A cycle of objects waits for the first quiet moment after a minute, or for ten minutes while events come."""
    now_s = [0.0]
    collector = QuietCollector(lambda: now_s[0])
    Loop()
    now_s[0] = after_s - 1
    collector.rest(idle)
    assert loops() == 1
    now_s[0] = after_s
    collector.rest(idle)
    assert loops() == 0


def test_python_starts_no_full_collection() -> None:
    """Many objects that stay are not gone over again and again."""
    QuietCollector()
    before = gc.get_stats()[2]["collections"]
    kept = [[[number]] for number in range(300_000)]
    assert gc.get_stats()[2]["collections"] == before
    assert len(kept) == 300_000
