"""How events reach a source: from files, or pushed.

The rule: a file format is one that Polars scans lazily: Parquet, CSV or a Delta table. What is pushed is checked by its source,
which knows the columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from tilefold.declaration.elsewhere import FILES, PUSH, tolerant
from tilefold.declaration.times import not_negative_us
from tilefold.errors import DeclarationError, complaint

FILE_FORMATS = ("parquet", "csv", "delta")
SHARDS_MAX = 1024


@tolerant("FileConfig", ("uri", "file_format", "timestamp_field", "data_delay"), FILES)
@dataclass(frozen=True, slots=True)
class FileConfig:
    """Files that a source's events are imported from, by day.

    Parameters
    ----------
    uri
        A path or URL; globs are allowed for Parquet and CSV. A Delta location is the table's folder.
    file_format
        `"parquet"`, `"csv"` or `"delta"`.
    timestamp_field
        The column of the event's time, where the source does not say.
    data_delay
        How long after its time an event may still arrive in the files, where the source does not say.

    Raises
    ------
    DeclarationError
        If the location is empty or the format unknown.
    """

    uri: str
    file_format: str = "parquet"
    timestamp_field: str | None = None
    data_delay: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        given: object = self.uri
        if not isinstance(given, str) or not given:
            mend = 'Write FileConfig("data/*.parquet").'
            raise DeclarationError(complaint("FileConfig", "uri must be a path or URL", self.uri, mend))
        thing = f"FileConfig {self.uri!r}"
        if self.file_format not in FILE_FORMATS:
            mend = f"Use one of {', '.join(FILE_FORMATS)}."
            raise DeclarationError(complaint(thing, "file_format must be one that is read", self.file_format, mend))
        not_negative_us(thing, "data_delay", self.data_delay)


@tolerant("PushConfig", ("shards", "shard_by", "dedupe_horizon", "record_bytes_max"), PUSH)
@dataclass(frozen=True, slots=True)
class PushConfig:
    """Events are pushed, one by one or in batches, through `Workspace.ingest` or HTTP.

    Parameters
    ----------
    shards
        Into how many shards the stream log of the source is split: so many writers can share its work. Fixed for one log.
    shard_by
        The column whose value chooses the shard; else the event's id does.
    dedupe_horizon
        How long an event's id is remembered online, so that sending it again counts once at once.
    record_bytes_max
        The largest record that is accepted, as it is kept in the log.
    """

    shards: int = 4
    shard_by: str | None = None
    dedupe_horizon: timedelta = timedelta(days=3)
    record_bytes_max: int = 64 * 1024


def check_push(thing: str, config: PushConfig, columns: Sequence[str]) -> None:
    """Refuse settings that a stream log cannot have; `thing` is what errors name, the source.

    Raises
    ------
    DeclarationError
        If a number is out of its range, or `shard_by` is none of the source's columns.
    """
    if not _is_whole(config.shards) or not 1 <= config.shards <= SHARDS_MAX:
        mend = f"Use 1 to {SHARDS_MAX}; a few for each process that is to share the work."
        raise DeclarationError(complaint(thing, f"shards must be 1 to {SHARDS_MAX}", config.shards, mend))
    if config.shard_by is not None and config.shard_by not in columns:
        mend = f"Name one of {list(columns)}, or leave it out."
        raise DeclarationError(complaint(thing, "shard_by must be a column of the schema", config.shard_by, mend))
    not_negative_us(thing, "dedupe_horizon", config.dedupe_horizon)
    if not _is_whole(config.record_bytes_max) or config.record_bytes_max <= 0:
        mend = "Write it in bytes, such as 64 * 1024."
        raise DeclarationError(complaint(thing, "record_bytes_max must be positive", config.record_bytes_max, mend))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
