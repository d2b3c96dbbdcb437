"""The system's processes, as they are listed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tilefold.cli import process_table
from tilefold.cli.process_table import DEAD, Process, processes


def test_a_child_is_listed_until_it_is_reaped() -> None:
    """With its parent and group, and as dead between its end and its reaping."""
    child = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE, process_group=0)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    (found,) = [each for each in processes() if each.number == child.pid]
    assert (found.state in DEAD, found.parent, found.group) == (True, os.getpid(), child.pid)
    child.communicate()
    assert child.pid not in {each.number for each in processes()}


def test_one_that_ends_meanwhile_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its entry cannot be read any more, the others are listed all the same."""
    for number, text in (("7", "7 (a) b) S 1 7 7 0"), ("8", ""), ("self", "9 (c) S 1 9 9 0")):
        (tmp_path / number).mkdir()
        (tmp_path / number / "stat").write_text(text)
    (tmp_path / "11").mkdir()
    monkeypatch.setattr(process_table, "PROCESSES", tmp_path)
    assert list(processes()) == [Process(7, "S", 1, 7)]


def test_a_system_without_such_a_list_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing fails there."""
    monkeypatch.setattr(process_table, "PROCESSES", tmp_path / "nowhere")
    assert not list(processes())
