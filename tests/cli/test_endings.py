"""What a command does when it is told to end."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import contextlib, signal, sys, time
from tilefold.cli import app
signal.signal(signal.SIGHUP, signal.SIG_IGN if "nohup" in sys.argv else signal.SIG_DFL)

def run(arguments):
    try:
        print("ready", flush=True)
        sys.stdin.readline()
        return 0
    finally:
        print("closed", flush=True)

app.run = run
app.main()
"""


def _ended(number: signal.Signals, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        process.send_signal(number)
        said, _ = process.communicate("\n", timeout=30)
        return process.returncode, said.strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_closes_what_it_opened(number: signal.Signals) -> None:
    """SIGTERM and a closed terminal run every `finally`, and show in the exit code."""
    assert _ended(number) == (128 + number, "closed")


def test_nohup_is_heeded() -> None:
    """A closed terminal does not end a command that `nohup` has started."""
    assert _ended(signal.SIGHUP, "nohup") == (0, "closed")
