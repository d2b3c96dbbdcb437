"""A drain that is killed at any point, and repeated, brings each accepted event once and each refused one once."""

import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kill.drain_child import EVENTS, POINTS, REFUSED, batch
from tests.streams import logged, opened

REPOSITORY = Path(__file__).parents[2]
KILLS = 6


def expected(first: int, last: int) -> list[str]:
    """The ids of the events of some batches."""
    return sorted(f"{number}-{each}" for number in range(first, last) for each in range(EVENTS))


def killed_child(arguments: list[str], wait: Callable[[], None] | None = None) -> int:
    """Run a child until it is killed; how many batches it said were acknowledged."""
    command = [sys.executable, "-m", "tests.kill.drain_child", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as child:
        assert child.stdout is not None
        if wait:
            assert child.stdout.readline() == "ready\n"
            wait()
            child.kill()
        said = child.stdout.read().split()
    assert child.returncode == -signal.SIGKILL, said
    return len(said)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_step(tmp_path: Path, online_url: str, stream_url: str, point: str, when: str) -> None:
    """A SIGKILL right before or after any step that writes leaves what a repeat completes, without a repetition."""
    name = f"killed-{secrets.token_hex(4)}"
    with opened(tmp_path, online_url, stream_url, name=name) as workspace:
        for number in range(2):
            workspace.ingest("pushed", batch(number))
        workspace.drain("pushed")
        workspace.ingest("pushed", batch(2))
        killed_child([str(tmp_path), online_url, stream_url, name, "3", point, when])
        workspace.ingest("pushed", batch(3))
        workspace.drain("pushed")
        assert logged(workspace) == sorted([*expected(0, 4), "-1-0"])
        assert workspace.dead_letters("pushed").count() == 4 * REFUSED


def test_killed_at_random_times(tmp_path: Path, online_url: str, stream_url: str, seed: int) -> None:
    """After SIGKILLs at random times of processes that push and drain, every acknowledged event is there, and none twice."""
    name, drawn, begun = f"killed-{secrets.token_hex(4)}", random.Random(seed), 0
    acknowledged: list[int] = []
    for _ in range(KILLS):
        wait_s = drawn.uniform(0, 0.7)
        arguments = [str(tmp_path), online_url, stream_url, name, str(begun)]
        said = killed_child(arguments, lambda: time.sleep(wait_s))  # noqa: B023 - called at once
        acknowledged += range(begun, begun + said)
        begun += said + 1
    with opened(tmp_path, online_url, stream_url, name=name) as workspace:
        workspace.drain("pushed")
        found = logged(workspace)
        assert len(found) == len(set(found))
        assert {each for number in acknowledged for each in expected(number, number + 1)} <= set(found)
        letters = workspace.dead_letters("pushed").scan().collect()
        counts = dict(letters["event_id"].value_counts().iter_rows())
        assert counts.keys() >= {f"r{number}" for number in acknowledged}
        assert set(counts.values()) == {REFUSED}
