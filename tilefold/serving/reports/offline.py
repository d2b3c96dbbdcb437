"""What was computed from the event log alone."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingSetReport:
    """What `write_training_set` wrote.

    Attributes
    ----------
    place
        Where it is.
    rows
        Of the spine.
    nulls
        Of each feature's column how many rows are null.
    rows_after_now
        Rows whose time lies after now: their values are of what the log holds so far.
    """

    name: str
    place: str
    rows: int
    nulls: Mapping[str, int]
    rows_after_now: int
    duration_s: float

    @property
    def null_share(self) -> float:
        """How many of all values are null, from 0 to 1; 0 where there is no value."""
        values = self.rows * len(self.nulls)
        return sum(self.nulls.values()) / values if values else 0.0
