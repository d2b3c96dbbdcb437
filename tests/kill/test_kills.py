"""Invariant 4: a process killed at any point, and its work repeated, leaves what raw events say."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.kill.work import USERS, VIEW, batch, opened, take
from tests.pipelines import assert_all_equal_reference, day

REPOSITORY = Path(__file__).parents[2]
KILLS = 12
POINTS = [
    ("EventLog", "append"),
    ("EventLog", "take_barrier"),
    ("TileTable", "replace_days"),
    ("CompactedTable", "write"),
    ("OnlineStore", "begin"),
    ("OnlineStore", "write_parts"),
    ("OnlineStore", "commit"),
]


def killed_child(root: Path, first: int, *point: str, wait: Callable[[], None] | None = None) -> int:
    """Run a child from a day on until it is killed; the day it was at."""
    command = [sys.executable, "-m", "tests.kill.child", str(root), str(first), *point]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as child:
        assert child.stdout is not None
        begun = child.stdout.readline()
        if wait:
            wait()
            child.kill()
        begun += child.stdout.read()
    assert child.returncode == -signal.SIGKILL, begun
    return int(begun.splitlines()[-1])


def repeat_and_check(root: Path, first: int, last: int) -> None:
    """Repeat all days since the child was started, in another process than it, and compare every key."""
    with opened(root) as workspace:
        for step in range(first, last + 1):
            take(workspace, step)
        events = pl.concat(batch(step) for step in range(1, last + 1))
        assert_all_equal_reference(workspace, VIEW, events, USERS, day(last))


@pytest.fixture(scope="module")
def long_lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """A root on which some days were materialized, and the last of these days."""
    root = tmp_path_factory.mktemp("killed")
    repeat_and_check(root, 1, 4)
    return root, [4]


def test_killed_at_random_times(tmp_path: Path) -> None:
    """After each of twelve SIGKILLs at random times, repeating the work makes every key equal the reference."""
    seed = random.randrange(2**32)
    drawn, last = random.Random(seed), 0
    for number in range(KILLS):
        first = last + 1
        wait_s = drawn.uniform(0, 1.0)
        last = killed_child(tmp_path, first, wait=lambda: time.sleep(wait_s))  # noqa: B023 - called at once
        try:
            repeat_and_check(tmp_path, first, last)
        except BaseException as error:
            error.add_note(f"seed {seed}, kill {number} after {wait_s:.3f} s, days {first} to {last}")
            raise


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("owner", "method"), POINTS)
def test_killed_at_a_step(long_lived: tuple[Path, list[int]], owner: str, method: str, when: str) -> None:
    """A SIGKILL right before or after any step that writes is mended by repeating the work."""
    root, lasts = long_lived
    first = lasts[-1] + 1
    last = killed_child(root, first, owner, method, when)
    lasts.append(last)
    repeat_and_check(root, first, last)
