"""Child processes: none of a group outlives `stop_all`."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tilefold.cli import processes
from tilefold.cli.processes import Child, stop_all

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""
LEAVES_A_CHILD = """
import os, time
if os.fork() == 0:
    time.sleep(600)
print("ready", flush=True)
"""


def start(code: str, folder: Path, lines: int) -> Child:
    """A child that runs this code, when it has said so many lines."""
    child = Child.start("child", [sys.executable, "-c", code], folder, folder / "child.log", dict(os.environ))
    deadline_s = time.monotonic() + 20
    while child.log.read_text().count("ready") < lines and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return child


def group_lives(child: Child) -> bool:
    """Whether anybody of its group is left who is not dead already."""
    listed = subprocess.run(["ps", "-eo", "pgid,stat"], capture_output=True, text=True, check=True).stdout.splitlines()
    return any(row.split()[0] == str(child.process.pid) and "Z" not in row for row in listed)


def test_those_that_refuse_to_end_are_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the grace a process and its child that ignore SIGTERM are killed."""
    monkeypatch.setattr(processes, "GRACE_S", 0.3)
    monkeypatch.setattr(processes, "GROUP_GRACE_S", 0.3)
    child = start(STUBBORN, tmp_path, 2)
    assert group_lives(child)
    stop_all([child])
    assert not group_lives(child)


def test_what_a_dead_child_left_is_ended(tmp_path: Path) -> None:
    """A child that ended by itself may have left processes: they end too."""
    child = start(LEAVES_A_CHILD, tmp_path, 1)
    child.process.wait()
    assert group_lives(child)
    stop_all([child])
    assert not group_lives(child)


def test_stopping_again_does_nothing(tmp_path: Path) -> None:
    """A stopped child can be stopped again."""
    child = start("print('ready')", tmp_path, 1)
    stop_all([child])
    stop_all([child])
    assert child.tail() == "ready"
