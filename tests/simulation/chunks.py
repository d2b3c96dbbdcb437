"""Some schedules at a time, as processes of their own run them; a started process finds this module, not a `__main__`."""

from tests.simulation.checks import WrongRead
from tests.simulation.schedule import run

CHUNK = 50


def chunk(first: int) -> tuple[int, str]:
    """The reads that some schedules compared, and what went wrong in the first that failed."""
    reads = 0
    for seed in range(first, first + CHUNK):
        try:
            reads += run(seed)
        except WrongRead as error:
            return reads, str(error)
    return reads, ""
