"""Processes that give way."""

import subprocess
import sys

CHILD = """
import os, threading
from tilefold.serving.priority import give_way
give_way(7)
give_way(3)
inside = []
thread = threading.Thread(target=lambda: inside.append(os.getpriority(os.PRIO_PROCESS, 0)))
thread.start()
thread.join()
print(os.getpriority(os.PRIO_PROCESS, 0), *inside)
"""


def test_a_process_gives_way_and_stays_so() -> None:
    """It takes the niceness given, its threads too, and never one that gives way less than it does already."""
    found = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["7", "7"]
