import random
import subprocess
import sys
import time
from pathlib import Path

from tests.stores.delta_samples import ARRIVED, amounts, event_log, events

CHILD = """
import sys
from pathlib import Path
from tests.stores.delta_samples import ARRIVED, event_log, events
log = event_log(Path(sys.argv[1]))
print("ready", flush=True)
for i in range(1000):
    log.append(events(float(i), day=i % 3), ingested_at=ARRIVED)
    print(i, flush=True)
"""


def test_a_killed_writer_loses_and_repeats_nothing(tmp_path: Path, seed: int) -> None:
    """After SIGKILL at any point the log holds every event that was reported, and sending all again adds the rest once."""
    wait_s = random.Random(seed).uniform(0.05, 0.6)
    with subprocess.Popen([sys.executable, "-c", CHILD, tmp_path], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(wait_s)
        child.kill()
        reported = [float(line) for line in child.stdout.read().splitlines() if line.isdecimal()]
    log = event_log(tmp_path)
    assert set(reported) <= set(amounts(log))
    last = len(reported) + 2
    for i in range(last):
        log.append(events(float(i), day=i % 3), ingested_at=ARRIVED)
    assert amounts(log) == [float(i) for i in range(last)]
