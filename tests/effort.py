"""How hard laws are tried.

The rule: a test says how many examples it takes in `make test`; `TILEFOLD_EFFORT=10` takes ten times as many (`make laws`).
"""

import os


def examples(count: int) -> int:
    """So many examples, as often as it was asked for."""
    return max(1, round(count * float(os.environ.get("TILEFOLD_EFFORT", "1"))))
