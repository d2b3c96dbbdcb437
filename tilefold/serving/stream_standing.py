"""How the stream of a source stands: how much waits to be written, and who writes it.

The rule: it is worked out from the stores when it is asked for, and changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tilefold.serving.writer_report import WriterReport
from tilefold.stores.stream_log import Kind, StreamLog
from tilefold.stores.stream_parts import StreamParts

COUNTED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Standing:
    """How the stream of a source stands.

    Attributes
    ----------
    lag
        How many events are accepted and not in the stream parts of all views; None where no view takes the stream. Above
        `COUNTED_MAX` it is the number of positions, which have gaps: no less than the events.
    shards
        How many there are.
    owners
        Of each shard that a living writer owns, that writer's name.
    writers
        What the owners reported last, by name.
    latest_us
        The time of the newest event that was written; None where there is none.
    """

    source: str
    lag: int | None
    shards: int
    owners: Mapping[int, str]
    writers: Mapping[str, WriterReport]
    latest_us: int | None

    @property
    def waiting(self) -> str:
        """An error that a writer waits out; empty where none does."""
        return next((report.waiting for report in self.writers.values() if report.waiting), "")

    @property
    def behind_s(self) -> float:
        """Since when the writer that is furthest behind has not been at the end of the log."""
        return max((report.behind_s for report in self.writers.values()), default=0.0)


def standing_of(source: str, log: StreamLog, streams: StreamParts, written: Mapping[int, int] | None) -> Standing:
    """How the stream of a source stands.

    Parameters
    ----------
    written
        Of each shard the position up to which all views that take the stream hold it; None where none does.
    """
    owners = {shard: name.decode() for shard, name in streams.owners(source, list(range(log.shards))).items()}
    living = set(owners.values())
    reports = {name.decode(): report for name, report in streams.reports(source).items()}
    writers = {name: WriterReport.from_bytes(report) for name, report in sorted(reports.items()) if name in living}
    lag = None if written is None else _lag(log, written)
    return Standing(source, lag, log.shards, owners, writers, streams.latest(source))


def _lag(log: StreamLog, written: Mapping[int, int]) -> int:
    """How many events stand behind these positions."""
    ends = log.ends()
    behind = {shard: position for shard, position in written.items() if ends[shard].position > position}
    positions = sum(ends[shard].position - position for shard, position in behind.items())
    if positions > COUNTED_MAX:
        return positions
    found = log.read(behind, positions) if behind else {}
    return sum(entry.kind is Kind.EVENT for some in found.values() for entry in some)
