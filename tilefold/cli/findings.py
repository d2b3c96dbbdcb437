"""What `tilefold doctor` finds: one line for each thing that was looked at.

The rule: whatever is not right comes with what mends it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tilefold.cli.faults import kind_of
from tilefold.errors import TilefoldError


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found, and how to mend it (empty where nothing is to mend)."""

    level: Level
    subject: str
    found: str
    mend: str = ""


Findings = Iterator[Finding]


def fault(subject: str, error: TilefoldError) -> Finding:
    """An error as a finding: its message says what to do."""
    return Finding(Level.FAIL, subject, f"{error} ({kind_of(error)})")
