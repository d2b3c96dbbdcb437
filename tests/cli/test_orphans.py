"""Orphans of children: ended and reaped, wherever they went; those that were there before are left alone."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, signal, subprocess, sys, time
from pathlib import Path
from tilefold.cli import orphans
from tilefold.cli.orphans import Orphans

orphans.GRACE_S = 0.5
kept = subprocess.Popen(["sleep", "600"])
taken = Orphans()
leaves = '''
import os, signal, subprocess, sys, time
if os.fork() == 0:
    os.setsid()
    {stubborn}
    if os.fork() == 0:
        os.setsid()
    print(os.getpid(), flush=True)
    os.close(1)
    time.sleep({seconds})
'''
try:
    child = subprocess.run([sys.executable, "-c", leaves], stdout=subprocess.PIPE, text=True)
    left = [int(word) for word in child.stdout.split()]
    assert len(left) == 2, child.stdout
    {act}
    print([number for number in left if Path(f"/proc/{{number}}").exists()], kept.poll())
finally:
    kept.kill()
    kept.wait()
"""
WAIT_FOR_DEATH = """
    deadline_s = time.monotonic() + 20
    while [n for n in left if Path(f"/proc/{n}").exists()] and time.monotonic() < deadline_s:
        taken.reap({kept.pid})
        time.sleep(0.01)
"""


@pytest.mark.system  # alone: beside other workers it hung now and then, and why is not known yet
@pytest.mark.parametrize(
    ("stubborn", "seconds", "act"),
    [
        ("pass", 600, "taken.end()"),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", 600, "taken.end()"),
        ("pass", 0.2, WAIT_FOR_DEATH),
    ],
    ids=["asked to end", "killed", "reaped while we go on"],
)
def test_no_orphan_is_left_in_the_process_table(stubborn: str, seconds: float, act: str) -> None:
    """Orphans with sessions of their own are gone, not even waiting to be reaped; a child from before goes on."""
    code = SCRIPT.format(stubborn=stubborn, seconds=seconds, act=act)
    command, folder = [sys.executable, "-c", code], Path(__file__).parents[2]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, timeout=60)
    except subprocess.TimeoutExpired as late:  # what it left holds its output open
        pytest.fail(f"it said {late.stdout!r} and {late.stderr!r}")
    assert (done.stdout, done.returncode) == ("[] None\n", 0), done.stderr
