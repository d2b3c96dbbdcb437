"""Sources: where events come from.

The rule: a source's events have one time, in UTC, in the column `timestamp_field`, and columns that Delta Lake keeps as they
are. `event_id` stands beside the schema, never in it. A schema may be left out only where files tell it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl

from tilefold.declaration.elsewhere import SOURCE, tolerant
from tilefold.declaration.names import EVENT_ID, checked_name
from tilefold.declaration.schema import checked_schema, checked_timestamp
from tilefold.declaration.selections import RangedSource, UnfilteredSource, ranged
from tilefold.declaration.source_configs import FileConfig, PushConfig, check_push
from tilefold.declaration.source_functions import FunctionConfig
from tilefold.declaration.times import not_negative_us
from tilefold.errors import DeclarationError, complaint
from tilefold.types import Field

MAX_FUTURE_SKEW = timedelta(minutes=5)
BatchConfig = FileConfig | FunctionConfig
_SHARED = ("name", "schema", "timestamp_field", "batch_config", "data_delay", "description", "owner", "tags")


@dataclass(frozen=True, slots=True, init=False)
class Source:
    """What batch and stream sources share.

    Attributes
    ----------
    schema
        The events' columns, without `event_id`; None where they are read from the files.
    timestamp_field
        The column of the event's time; empty until a view of a source without schema says it.
    data_delay_us
        How long after its time an event may still arrive.
    """

    name: str
    schema: tuple[Field, ...] | None
    timestamp_field: str
    batch_config: BatchConfig | None
    data_delay_us: int
    description: str
    owner: str | None
    tags: Mapping[str, str] = field(hash=False)

    @property
    def input_schema(self) -> pl.Schema | None:
        """What a view's function is given: the schema's columns and `event_id`; None where only the files know."""
        if self.schema is None:
            return None
        return pl.Schema({column.name: column.dtype for column in self.schema} | {EVENT_ID: pl.String()})

    def unfiltered(self) -> UnfilteredSource:
        """The source for a view whose function works row by row, so that it does not matter which events come together."""
        return UnfilteredSource(self)

    def select_range(self, start_time: object = None, end_time: object = None) -> RangedSource:
        """More events than those of the view's step: a view of it is refused, and the error says what to write instead."""
        return ranged(self, start_time, end_time)


@tolerant("source", _SHARED, SOURCE)
@dataclass(frozen=True, slots=True, init=False)
class BatchSource(Source):
    """Events imported by day from files or a Delta table, or appended with `Workspace.append`."""

    def __init__(
        self,
        name: str,
        schema: Sequence[Field] | None = None,
        timestamp_field: str | None = None,
        *,
        batch_config: BatchConfig | None = None,
        data_delay: timedelta | None = None,
        description: str = "",
        owner: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """See the class."""
        thing = f"source {name!r}"
        if schema is None and batch_config is None:
            mend = "Give it a schema, or a batch_config whose files tell it."
            raise DeclarationError(complaint(thing, "schema or batch_config must be given", None, mend))
        columns = None if schema is None else checked_schema(thing, schema)
        _fill(self, **_arrival(thing, batch_config, data_delay))
        _fill(self, **_events(thing, columns, timestamp_field, batch_config))
        _fill(self, name=checked_name(thing, name), description=description, owner=owner, tags=dict(tags or {}))


@tolerant("source", (*_SHARED, "stream_config", "max_future_skew"), SOURCE)
@dataclass(frozen=True, slots=True, init=False)
class StreamSource(Source):
    """Pushed events, with a batch history where `batch_config` tells its files.

    Parameters
    ----------
    max_future_skew
        How far ahead of the clock an event may be stamped; one further ahead is refused.
    """

    stream_config: PushConfig
    max_future_skew_us: int

    def __init__(
        self,
        name: str,
        schema: Sequence[Field],
        timestamp_field: str | None = None,
        *,
        stream_config: PushConfig | None = None,
        batch_config: BatchConfig | None = None,
        max_future_skew: timedelta = MAX_FUTURE_SKEW,
        data_delay: timedelta | None = None,
        description: str = "",
        owner: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """See the class."""
        thing = f"source {name!r}"
        columns = checked_schema(thing, schema)
        _fill(self, **_arrival(thing, batch_config, data_delay))
        _fill(self, **_events(thing, columns, timestamp_field, batch_config))
        _fill(self, name=checked_name(thing, name), description=description, owner=owner, tags=dict(tags or {}))
        skew_us = not_negative_us(thing, "max_future_skew", max_future_skew)
        _fill(self, stream_config=_push_config(thing, stream_config, columns), max_future_skew_us=skew_us)


def _fill(source: Source, **values: object) -> None:
    """Set fields of a frozen object that is being made."""
    for name, value in values.items():
        object.__setattr__(source, name, value)


def _events(
    thing: str, columns: tuple[Field, ...] | None, timestamp_field: str | None, files: BatchConfig | None
) -> dict[str, object]:
    """The fields that say what an event looks like."""
    return {"schema": columns, "timestamp_field": checked_timestamp(thing, columns, timestamp_field, files)}


def _arrival(thing: str, files: object, delay: timedelta | None) -> dict[str, object]:
    """The fields that say where events come from and when."""
    if files is not None and not isinstance(files, FileConfig | FunctionConfig):
        mend = "Use FileConfig(uri), or a function below @pandas_batch_config()."
        raise DeclarationError(complaint(thing, "batch_config must be a FileConfig", files, mend))
    given = delay if delay is not None else files.data_delay if files else timedelta(0)
    return {"batch_config": files, "data_delay_us": not_negative_us(thing, "data_delay", given)}


def _push_config(thing: str, given: object, columns: tuple[Field, ...]) -> PushConfig:
    if given is None:
        return PushConfig()
    if not isinstance(given, PushConfig):
        raise DeclarationError(complaint(thing, "stream_config must be a PushConfig", given, "Use PushConfig()."))
    check_push(thing, given, [column.name for column in columns])
    return given
