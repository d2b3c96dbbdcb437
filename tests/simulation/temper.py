"""What a schedule is like: how much happens, how often what goes wrong, and how small the limits of product code are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from tilefold.engine import stream_fold
from tilefold.stores import script_runner, stream_parts


@dataclass
class Temper:
    """What a schedule is like: how much happens, and how often what goes wrong."""

    steps: int
    late: float
    compactions: float
    appends: float
    losses: float
    sleepers: float
    clock_jumps: float
    loose_rows: int
    newest_rows: int
    script_keys: int

    @classmethod
    def drawn(cls, chance: Random) -> "Temper":
        """One of many."""
        return cls(
            steps=chance.randint(15, 45),
            late=chance.choice([0.1, 0.3, 0.6]),
            compactions=chance.choice([0.1, 0.3, 0.9]),
            appends=chance.choice([0.0, 0.0, 0.1, 0.5]),
            losses=chance.choice([0.0, 0.0, 0.02]),
            sleepers=chance.choice([0.0, 0.02, 0.1]),
            clock_jumps=chance.choice([0.0, 0.0, 0.03]),
            loose_rows=chance.choice([0, 2, 8, 64]),
            newest_rows=chance.choice([0, 2, 16]),
            script_keys=chance.choice([1, 2, 25]),
        )


@contextmanager
def small_limits(temper: Temper) -> Iterator[None]:
    """Product code with small limits, so that few events do what many do elsewhere."""
    limits = [
        (stream_fold, "LOOSE_ROWS", temper.loose_rows),
        (stream_fold, "NEWEST_ROWS", temper.newest_rows),
        (script_runner, "SYNC_KEYS", temper.script_keys),
        (stream_parts, "SCRIPT_KEYS", temper.script_keys),
    ]
    before = [getattr(module, name) for module, name, _ in limits]
    for module, name, value in limits:
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name, _), value in zip(limits, before, strict=True):
            setattr(module, name, value)
