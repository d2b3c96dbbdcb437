"""`python -m tests.parity --reads 1000000`: sample every read of a busy workspace, recompute all, and say what differs."""

import argparse
import math
import random
import sys
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from tests.parity.run import Run


def main() -> int:
    """Run; 1 where a value is a mismatch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=1_000_000)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=math.inf, help="read for no longer than this")
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    base = Path(mkdtemp(prefix="tilefold-parity-"))
    outcome = Run(base, asked.seed, lambda line: print(line, flush=True), asked.users).go(
        asked.reads, asked.readers, asked.seconds
    )
    print(outcome)
    wrong = [str(example) for report in outcome.reports for example in report.examples]
    if wrong:
        print("\n".join([*wrong, f"All of it stays in {base}, to look into."]))
        return 1
    rmtree(base)
    return 0


sys.exit(main())
