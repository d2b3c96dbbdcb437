"""Kill the processes of a running root at random, and count what is lost: `python -m tests.chaos --kills 200 [--seed N]`."""

import argparse
import random
import tempfile
from pathlib import Path

from tests.chaos.run import Run

ROLES = ["ingester", "writer1", "writer2", "drainer", "materializer1", "materializer2"]


def tell(text: str) -> None:
    """Say it at once."""
    print(text, flush=True)  # noqa: T201 - the output of a command


def main() -> None:
    """Run it, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", type=Path, help="an empty folder to work in, which stays")
    given = parser.parse_args()
    seed = random.randrange(2**32) if given.seed is None else given.seed
    tell(f"seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        base = (given.keep or Path(folder)).resolve()
        base.mkdir(parents=True, exist_ok=True)
        run = Run(base, seed, ROLES, tell)
        try:
            run.go(given.kills)
        finally:
            tell(f"seed {seed}: {run.outcome}; {dict(run.outcome.kills)}")


if __name__ == "__main__":
    main()
