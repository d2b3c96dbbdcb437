"""Many schedules over all cores: `python -m tests.simulation [--schedules 10000] [--first 0]`; prints the seed that failed."""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.chunks import CHUNK, chunk


def main() -> int:
    """Run them; 1 where a read was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    began, reads, done = time.monotonic(), 0, 0
    firsts = range(asked.first, asked.first + asked.schedules, CHUNK)
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for compared, wrong in pool.map(chunk, firsts):
            reads, done = reads + compared, done + CHUNK
            if wrong:
                print(wrong)
                pool.shutdown(cancel_futures=True)
                return 1
            print(f"\r{done:,} schedules, {reads:,} reads, {time.monotonic() - began:.0f} s", end="", flush=True)
    print("\n0 wrong reads")
    return 0


if __name__ == "__main__":
    sys.exit(main())
