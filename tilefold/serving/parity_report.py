"""What a recomputation of samples found, feature by feature and hour by hour.

The rule: a value that was served is right, or it is explained (an event came later, the log was corrected since), or it said
itself that it was not exact, or it is a mismatch. Each compared value is one of these, so the numbers add up.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

EXAMPLES = 20


class Finding(StrEnum):
    """What a sampled value is found to be.

    RIGHT: what the event log says of its time. LATE: right from the events that the read could see; others came since,
    or so shortly before that they were not written yet.
    CORRECTED: the log was corrected since (days were replaced, or its stream log began anew). STALE: it said that it was not
    exact. MISMATCH: none of these.
    """

    RIGHT = "right"
    LATE = "late"
    CORRECTED = "corrected"
    STALE = "stale"
    MISMATCH = "mismatch"


@dataclass(frozen=True, slots=True)
class Example:
    """A mismatch: what was served, and what the events that the read could see come to."""

    entity: str
    feature: str
    served: Any
    expected: Any
    read_at: datetime

    def __str__(self) -> str:
        return f"{self.entity} at {self.read_at.isoformat()}: {self.feature} was {self.served!r}, not {self.expected!r}"


@dataclass(slots=True)
class ParityReport:
    """What the samples of a view are.

    Attributes
    ----------
    samples
        How many reads were recomputed.
    dropped
        How many samples of the same days did not fit when they were taken.
    features
        By feature how many of its values were found to be what.
    hours
        By hour of the read the same, over all features.
    examples
        Some mismatches.
    """

    view: str
    samples: int = 0
    dropped: int = 0
    features: dict[str, Counter[Finding]] = field(default_factory=dict)
    hours: dict[datetime, Counter[Finding]] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)

    @property
    def total(self) -> Counter[Finding]:
        """Over all features."""
        return sum(self.features.values(), Counter[Finding]())

    @property
    def passed(self) -> bool:
        """Whether no value is a mismatch."""
        return not self.total[Finding.MISMATCH]


def mismatch_share(counts: Mapping[Finding, int]) -> float:
    """Which share of the values that claimed to be exact are mismatches; 0 where there are none."""
    compared = sum(count for finding, count in counts.items() if finding is not Finding.STALE)
    return counts.get(Finding.MISMATCH, 0) / compared if compared else 0.0
