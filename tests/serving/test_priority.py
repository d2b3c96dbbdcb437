"""Processes that give way."""

import subprocess
import sys

CHILD = """
import os, threading
from tilefold.serving.priority import give_way
before = os.getpriority(os.PRIO_PROCESS, 0)
running, end = [], threading.Event()
early = threading.Thread(target=lambda: (end.wait(), running.append(os.getpriority(os.PRIO_PROCESS, 0))))
early.start()
give_way(before + 2)
give_way(before + 1)
inside = []
thread = threading.Thread(target=lambda: inside.append(os.getpriority(os.PRIO_PROCESS, 0)))
thread.start()
thread.join()
end.set()
early.join()
print(running[0] - before, os.getpriority(os.PRIO_PROCESS, 0) - before, inside[0] - before)
"""


def test_a_process_gives_way_and_stays_so() -> None:
    """It takes the niceness given, its threads too, and never one that gives way less than it does already."""
    found = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["2", "2", "2"]
