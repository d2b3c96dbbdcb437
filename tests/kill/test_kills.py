"""Invariant 4: a process killed at any point, and its work repeated, leaves what raw events say."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from tests.kill.work import USERS, VIEW, batch, opened, take
from tests.pipelines import assert_all_equal_reference, day

REPOSITORY = Path(__file__).parents[2]
KILLS = 12
OPENING_S, WORKING_S = 0.2, 1.2  # from `opening` on: about as long as opening takes, and some days' work
STEPS = [
    ("EventLog", "append"),
    ("EventLog", "take_barrier"),
    ("TileTable", "replace_days"),
    ("CompactedTable", "write"),
    ("OnlineStore", "begin"),
    ("OnlineStore", "write_parts"),
    ("OnlineStore", "commit"),
]
FILES = [("Table", "stage", call) for call in (1, 2, 3, 4)]  # written, and named by no commit yet
COMMITS = [("Table", "commit", call) for call in (1, 2, 3, 4)]


def killed_child(root: Path, first: int, *point: object, wait_s: float | None = None) -> int:
    """Run a child from a day on until it is killed, by itself or after a time; the last day it began."""
    command = [sys.executable, "-m", "tests.kill.child", str(root), str(first), *map(str, point)]
    with (root / "child.log").open("w+") as log:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=REPOSITORY) as child:
            assert child.stdout is not None
            begun = child.stdout.readline()
            if wait_s is not None:
                time.sleep(wait_s)
                child.kill()
            begun += child.stdout.read()
        log.seek(0)
        assert child.returncode == -signal.SIGKILL, f"it ended by itself after {begun.split()}:\n{log.read()}"
    return max((int(word) for word in begun.split() if word.isdecimal()), default=first - 1)


def repeat_and_check(root: Path, first: int, last: int) -> None:
    """Repeat all days since the child was started, in another process than it, and compare every key."""
    with opened(root) as workspace:
        for step in range(first, last + 1):
            take(workspace, step)
        events = [batch(step) for step in range(1, last + 1)]
        if events:
            assert_all_equal_reference(workspace, VIEW, pl.concat(events), USERS, day(last))


@pytest.fixture(scope="module")
def long_lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """A root on which some days were materialized, and the last of these days."""
    root = tmp_path_factory.mktemp("killed")
    repeat_and_check(root, 1, 4)
    return root, [4]


def test_killed_at_random_times(tmp_path: Path, seed: int) -> None:
    """After each of twelve SIGKILLs at random times, repeating the work makes every key equal the reference."""
    drawn, last = random.Random(seed), 0
    for number in range(KILLS):
        first, wait_s = last + 1, drawn.uniform(0, drawn.choice([OPENING_S, WORKING_S]))
        try:
            last = killed_child(tmp_path, first, wait_s=wait_s)
            repeat_and_check(tmp_path, first, last)
        except BaseException as error:
            error.add_note(f"seed {seed}, kill {number} after {wait_s:.3f} s, days {first} to {last}")
            raise


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("owner", "method"), STEPS)
def test_killed_at_a_step(long_lived: tuple[Path, list[int]], owner: str, method: str, when: str) -> None:
    """A SIGKILL right before or after any step that writes is mended by repeating the work."""
    kill_and_repeat(*long_lived, owner, method, when, 1)


@pytest.mark.parametrize(("owner", "method", "call"), [*FILES, *COMMITS])
def test_killed_within_a_step(long_lived: tuple[Path, list[int]], owner: str, method: str, call: int) -> None:
    """A SIGKILL right after any file or commit of the day's work is mended by repeating it."""
    kill_and_repeat(*long_lived, owner, method, "after", call)


def kill_and_repeat(root: Path, lasts: list[int], *point: object) -> None:
    """Kill a child at a point, on the day after those before, and repeat."""
    first = lasts[-1] + 1
    last = killed_child(root, first, *point)
    lasts.append(last)
    repeat_and_check(root, first, last)
