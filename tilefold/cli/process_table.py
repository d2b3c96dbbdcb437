"""The system's processes, where it lists them as Linux does.

The rule: one that ends while we look is left out and stops nothing. (A glob over `/proc/*/stat` may raise for it.)
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

DEAD = {"Z", "X"}
"""The states of those that have ended, and wait for a reaper that may be slow."""
PROCESSES = Path("/proc")


class Process(NamedTuple):
    """A process: its number, its state as a letter, its parent and its group."""

    number: int
    state: str
    parent: int
    group: int


def processes() -> Iterator[Process]:
    """All there are; none where the system lists them in another way."""
    for place in PROCESSES.iterdir() if PROCESSES.is_dir() else ():
        if place.name.isdecimal():
            with suppress(OSError, ValueError):  # it ended meanwhile
                state, parent, group = (place / "stat").read_text().rpartition(")")[2].split()[:3]
                yield Process(int(place.name), state, int(parent), int(group))
