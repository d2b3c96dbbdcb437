"""Merged reads: the parts of keys in the online store -> feature values.

The rule: the view's mark is known before a key is read, never after; an older mark is always safe, a mark newer than the
key's copy is not. Values are folded at once; statuses and effective times are worked out when they are asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, Protocol

from tilefold.declaration.features import Feature
from tilefold.declaration.views import FeatureView
from tilefold.engine.codec import Part
from tilefold.engine.mark import Mark
from tilefold.engine.merge import in_force
from tilefold.engine.time import to_datetime, to_us
from tilefold.errors import InputError, ReadTimeError, complaint
from tilefold.functions import OVERFLOW
from tilefold.functions.sums import WideSum
from tilefold.serving.context import ViewContext, require_online
from tilefold.stores.cached_mark import Asking, CachedMark
from tilefold.stores.online_store import OnlineStore


class Status(StrEnum):
    """What a value is worth."""

    PRESENT = "PRESENT"
    MISSING_DATA = "MISSING_DATA"
    STALE = "STALE"
    NOT_READY = "NOT_READY"
    OVERFLOW = "OVERFLOW"
    TIME_OUT = "TIME_OUT"


class ReadTime(NamedTuple):
    """When a read is, and where a stream view's windows end; `certain` is False where that is not known for this time.

    Of a view whose windows end at the newest event, which one that was at a past time is not kept.
    """

    read_us: int
    end_us: int
    certain: bool


class Route(Protocol):
    """What knows which version of a view answers; see `Follower`."""

    def is_behind(self, reader: "ViewReader") -> bool:
        """Whether another version than the reader's may answer by now."""
        ...

    def follow(self) -> "ViewReader":
        """The reader of the version that answers; blocks."""
        ...


Note = Callable[[str, str, str | None], None]


def note_nothing(view: str, version: str, moved: str | None) -> None:
    """Where no version is followed."""
    del view, version, moved


class Sampler(Protocol):
    """Takes note of a share of what is served; see `sampling`."""

    def note(
        self,
        reader: "ViewReader",
        keys: Sequence[bytes],
        parts: Sequence[Sequence[bytes | None]],
        rows: Sequence["ViewValues"],
    ) -> None:
        """Take note of some of the entities of a read."""
        ...


class ViewReader:
    """Reads one version of a view; raises `NotOnlineError` where it is declared `online=False`.

    Parameters
    ----------
    shape
        The version whose features are told, by name and in its order; None: its own.
    route
        Where another version may take its place.
    note
        Takes what the store tells beside a mark: which version is served in the place of this one.

    Attributes
    ----------
    lacking
        The numbers of the told features that this version has not: they are NOT_READY.
    """

    sampler: Sampler | None = None

    def __init__(
        self,
        context: ViewContext,
        online: OnlineStore,
        marks: CachedMark,
        has_history: Callable[[], bool],
        *,
        shape: FeatureView | None = None,
        route: Route | None = None,
        note: Note = note_nothing,
    ) -> None:
        view = context.view
        self.version, self.context = view.version, context
        self._route, self._note = route, note
        self.is_stream = context.is_stream
        self.ends_at_newest = view.leading_edge == "latest_event"
        require_online(view)
        self.view_name = view.name
        told = view.features if shape is None else shape.features
        self.names = [f"{view.name}.{feature.name}" for feature in told]
        self.key_names = context.layout.key_names
        slots = [*context.layout.slots, *(slot for by in context.layout.by_secondary for slot in by.slots)]
        self.may_overflow = any(isinstance(slot.partial, WideSum) for slot in slots)
        self.source = view.source.name
        self._online, self._marks, self._has_history = online, marks, has_history
        self._folder, self._decode, self._encode = context.folder, context.codec.decode, context.encoder.encode
        self.prefix = online.entity_key(view.name, view.version, "")
        numbers = {window: number for number, window in enumerate(context.windows)}
        own = {feature.name: number for number, feature in enumerate(view.features)}
        order = [own.get(feature.name) for feature in told]
        order = [
            None if at is None or view.features[at].dtype != each.dtype else at for at, each in zip(order, told, strict=True)
        ]
        self._order = None if order == list(range(len(view.features))) else order
        self.lacking = frozenset(number for number, at in enumerate(order) if at is None)
        self.features = [each if at is None else view.features[at] for at, each in zip(order, told, strict=True)]
        self.windows_of = [frozenset(numbers.get(window, -1) for window in feature.windows) for feature in self.features]

    def mark(self) -> Mark | None:
        """The view's committed mark; before any event, its feature start; None where it is not ready."""
        view = self.context.view
        mark = self._marks.get(view.name, view.version)
        return self.unmarked() if mark is None else mark

    def unmarked(self) -> Mark | None:
        """What holds where no mark was ever committed; asks Delta. Like a mark it must be known before a key is read."""
        return None if self._has_history() else Mark(self.context.view.feature_start_us, 0)

    def known_mark(self) -> Mark | object | None:
        """The committed mark, where it is known without asking the store; else UNKNOWN."""
        return self._marks.peek(self.context.view.name, self.context.view.version)

    def ask_mark(self) -> tuple[bytes, Asking]:
        """What asks the store for the committed mark; the reply is for `told_mark`."""
        view = self.context.view
        return self._online.held_request(view.name, view.version), self._marks.begin(view.name, view.version)

    def told_mark(self, asking: Asking, reply: Sequence[bytes | None]) -> Mark | None:
        """The committed mark that the store has told; None where there is none: then `unmarked` says what holds.

        Of this moment and no newer one: what this process has committed since may be newer than keys that were read with it.
        """
        told, moved = self._online.held_of(reply)
        self._note(asking.view, asking.version, moved)
        self._marks.finish(asking, told)
        return told

    def ask_newest(self) -> bytes:
        """What asks the store for the newest event of the source; the reply is for `told_newest`."""
        return self._online.streams.latest_request(self.source)

    def told_newest(self, reply: bytes | None) -> int | None:
        """The time of the newest event that the store has told."""
        return self._online.streams.latest_of(reply)

    def key(self, keys: Mapping[str, Any]) -> bytes:
        """The online key of an entity; raises InputError where the join keys are not right."""
        return self.prefix + self._encode(keys).encode()

    @property
    def is_behind(self) -> bool:
        """Whether another version may answer by now: asked after the mark."""
        return self._route is not None and self._route.is_behind(self)

    def followed(self) -> "ViewReader":
        """The reader of the version that answers now; blocks."""
        return self if self._route is None else self._route.follow()

    def time_of(self, read_us: int, *, now: bool) -> ReadTime:
        """Where the view's windows end for a read at this time, which is `now` or another one.

        Asked after the keys are read: an event is noted as the newest before it is in any part, so none lies behind the end.
        """
        newest_us = self._online.streams.latest(self.source) if self.ends_at_newest else None
        return self.time_at(read_us, newest_us, now=now)

    def time_at(self, read_us: int, newest_us: int | None, *, now: bool) -> ReadTime:
        """The same, where the newest event is known; None: windows end at the read time."""
        if newest_us is None:
            return ReadTime(read_us, read_us, certain=True)
        end_us = newest_us if now else min(newest_us, read_us)
        return ReadTime(read_us, end_us, certain=end_us == newest_us)

    def fold(self, data: Sequence[bytes | None], mark: Mark, time: ReadTime) -> "ViewValues":
        """The values of one entity, from its batch part and its stream part."""
        batch, stream = data
        part = None if batch is None else self._decode(batch)
        held = in_force(part, mark)
        if time.read_us < held.watermark_us and held.epoch:
            self._refuse_past(held, time.read_us)
        if self.is_stream:
            view = None if stream is None else self.context.stream_codec.view(stream)
            values, inexact = self.context.merger.fold(part, view, held, time.end_us)
        else:
            values, inexact = self._folder.fold(part, held.watermark_us, time.read_us)
        if self._order is not None:
            values = [None if number is None else values[number] for number in self._order]
        return ViewValues(self, values, inexact, held, time)

    def fold_all(self, mark: Mark | None, parts: Sequence[Sequence[bytes | None]], time: ReadTime) -> list["ViewValues"]:
        """The values of many entities; without a mark the view is not ready, whatever its parts hold."""
        if mark is None:
            return [self.nothing(time) for _ in parts]
        return [self.fold(each, mark, time) for each in parts]

    def sample(self, keys: Sequence[bytes], parts: Sequence[Sequence[bytes | None]], rows: Sequence["ViewValues"]) -> None:
        """Let a share of what was read be noted; what is not ready has no values to note."""
        if self.sampler is not None and rows and rows[0].held is not None:
            self.sampler.note(self, keys, parts, rows)

    def nothing(self, time: ReadTime, *, arrived: bool = True) -> "ViewValues":
        """An entity without values: the view is not ready, or its parts have not arrived in time."""
        return ViewValues(self, [None] * len(self.names), [], None, time, arrived=arrived)

    def is_late(self, held: Mark, read_us: int) -> bool:
        """Whether a batch part is older than it is valid for; the nothing before any event never is.

        Past that, windows of a stream view that no stored tile straddles are still exact.
        """
        return not self.is_stream and held.epoch > 0 and read_us > held.watermark_us + self.context.view.valid_for_us

    def _refuse_past(self, held: Mark, read_us: int) -> None:
        thing, rule = f"view '{self.context.view.name}'", "a read must lie at or after its watermark"
        mend = f"Read at {to_datetime(held.watermark_us).isoformat()} or later, or use get_features_for_events."
        raise ReadTimeError(complaint(thing, f"{rule} {to_datetime(held.watermark_us)}", str(to_datetime(read_us)), mend))

    def part_of(self, data: bytes | None) -> Part | None:
        """The decoded part, for those who explain it."""
        return None if data is None else self._decode(data)


@dataclass(slots=True)
class ViewValues:
    """One entity's values of one view, as folded; None where it is not ready.

    Attributes
    ----------
    held
        The watermark and epoch in force; None where it is not ready, or nothing has arrived.
    arrived
        Whether the store has answered in time.
    cached
        Whether it was folded for an earlier read.
    """

    reader: ViewReader
    values: Sequence[Any]
    inexact: Sequence[int]
    held: Mark | None
    time: ReadTime
    arrived: bool = True
    cached: bool = False

    @property
    def _is_late(self) -> bool:
        assert self.held is not None
        return not self.time.certain or self.reader.is_late(self.held, self.time.read_us)

    @property
    def is_plain(self) -> bool:
        """Whether no value can be STALE, NOT_READY or TIME_OUT."""
        return self.held is not None and not self.inexact and not self._is_late and not self.reader.lacking

    def effective_time(self) -> datetime | None:
        """As of when the values are."""
        if self.held is None:
            return None
        return to_datetime(self.time.end_us if self.reader.is_stream else self.held.watermark_us)

    def status(self, number: int) -> Status:
        """What the value of a feature is worth."""
        value = self.values[number]
        if self.held is None:
            return Status.NOT_READY if self.arrived else Status.TIME_OUT
        if number in self.reader.lacking:
            return Status.NOT_READY
        if overflows(value):
            return Status.OVERFLOW
        if self._is_late or not self.reader.windows_of[number].isdisjoint(self.inexact):
            return Status.STALE
        return Status.MISSING_DATA if is_missing(value, self.reader.features[number]) else Status.PRESENT


def overflows(value: Any) -> bool:
    """Whether a value, or one in a list, does not fit its type."""
    return value is OVERFLOW or (isinstance(value, list) and any(map(overflows, value)))


def is_missing(value: Any, feature: Feature) -> bool:
    """Whether no event is behind a value: it is what the function gives of an empty window, in all windows of a series."""
    values = value if feature.is_series else [value]
    empty = feature.function.empty if feature.secondary is None else []
    return all(each is None or each == empty for each in values)


class FeatureVector:
    """The features of one entity, by `view.feature`.

    Attributes
    ----------
    values
        Plain Python values; None where there is none.
    """

    def __init__(self, service: "ServiceReader", parts: Sequence[ViewValues]) -> None:
        self._service, self._parts = service, parts
        self.values: dict[str, Any] = dict(zip(service.names, service.values_of(parts)))  # noqa: B905 - as many; being strict costs a quarter
        if service.may_overflow:
            self.values = {name: shown(value) for name, value in self.values.items()}

    @property
    def read_at(self) -> datetime:
        """When the read was: by it attributes of batch views expire."""
        return to_datetime(self._parts[0].time.read_us)

    @cached_property
    def statuses(self) -> dict[str, Status]:
        """What each value is worth."""
        pairs = zip(self._service.names, self._service.sources, strict=True)
        return {name: self._parts[view].status(number) for name, (view, number) in pairs}

    @cached_property
    def effective_times(self) -> dict[str, datetime | None]:
        """As of when each value is: a batch view's watermark, a stream view's read time; None where it is not ready."""
        times = [part.effective_time() for part in self._parts]
        return {name: times[view] for name, (view, _) in zip(self._service.names, self._service.sources, strict=True)}

    @cached_property
    def versions(self) -> dict[str, str]:
        """Which version of each view has answered."""
        return {part.reader.view_name: part.reader.version for part in self._parts}

    def __repr__(self) -> str:
        return f"FeatureVector({self.values!r})"


def shown(value: Any) -> Any:
    """A value as it is told: None where it does not fit its type."""
    if isinstance(value, list):
        return [shown(each) for each in value]
    return None if value is OVERFLOW else value


class Asked(NamedTuple):
    """The online keys of some entities, reader by reader, and whose readers' they are."""

    readers: Sequence[ViewReader]
    keys: Sequence[Sequence[bytes]]

    @property
    def is_behind(self) -> bool:
        """Whether another version of some view may answer by now: asked after the marks."""
        return any(reader.is_behind for reader in self.readers)


class ServiceReader:
    """Reads a view or a service: several views in one round trip.

    Attributes
    ----------
    readers
        Of its views, each once or more: of the versions that answered last.
    sources
        Of each feature the number of its reader, and its own among the view's features.
    """

    def __init__(self, online: OnlineStore, selections: Sequence[tuple[ViewReader, Sequence[int]]]) -> None:
        self._online = online
        self.readers = [reader for reader, _ in selections]
        self.sources = [(view, number) for view, (_, numbers) in enumerate(selections) for number in numbers]
        self.names = [self.readers[view].names[number] for view, number in self.sources]
        self._is_whole = len(self.readers) == 1 and self.names == self.readers[0].names
        self._key_names = [reader.key_names for reader in self.readers]

    def get(self, keys: Mapping[str, Any], at: datetime, *, now: bool = False) -> FeatureVector:
        """The features of one entity at a time, which is `now` or another one."""
        return self.get_many([keys], at, now=now)[0]

    def get_many(self, requests: Sequence[Mapping[str, Any]], at: datetime, *, now: bool = False) -> list[FeatureVector]:
        """The features of many entities at a time, in the order asked, in one round trip."""
        read_us = to_us(at)
        asked = self.asked(requests)
        connections = -1
        while connections != self._online.connections:  # again over a new one: its server may have come back with older marks
            connections = self._online.connections
            marks = [reader.mark() for reader in asked.readers]  # before the keys are read
            while asked.is_behind:
                asked = self.followed(asked)
                marks = [reader.mark() for reader in asked.readers]
            flat = list(chain.from_iterable(asked.keys))
            found = self._online.read_many(flat) if len(flat) > 1 else [self._online.read(key) for key in flat]
            times = [reader.time_of(read_us, now=now) for reader in asked.readers]  # after them
        columns = []
        for number, (reader, mark, time) in enumerate(zip(asked.readers, marks, times, strict=True)):
            span = slice(number * len(requests), (number + 1) * len(requests))
            columns.append(reader.fold_all(mark, found[span], time))
            reader.sample(flat[span], found[span], columns[-1])
        return [FeatureVector(self, row) for row in zip(*columns, strict=True)]

    @property
    def may_overflow(self) -> bool:
        """Whether OVERFLOW may stand among values."""
        return any(reader.may_overflow for reader in self.readers)

    def asked(self, requests: Sequence[Mapping[str, Any]]) -> Asked:
        """What is asked of the store; raises InputError where the join keys are not right."""
        readers = self.readers
        return Asked(readers, [[reader.key(keys) for keys in self._own(reader, requests)] for reader in readers])

    def followed(self, asked: Asked) -> Asked:
        """The same of the versions that answer now; blocks. Versions that follow each other have the same join keys."""
        readers = [reader.followed() if reader.is_behind else reader for reader in asked.readers]
        pairs = zip(asked.readers, readers, asked.keys, strict=True)
        keys = [[after.prefix + key[len(before.prefix) :] for key in own] for before, after, own in pairs]
        self.readers = readers
        return Asked(readers, keys)

    def values_of(self, row: Sequence[ViewValues]) -> Sequence[Any]:
        """The values of one entity in the order of `names`; OVERFLOW among them where `may_overflow` is true."""
        return row[0].values if self._is_whole else [row[view].values[number] for view, number in self.sources]

    def _own(self, reader: ViewReader, requests: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """What each request says of the join keys of one view."""
        if len(self.readers) == 1:
            return requests
        known = set().union(*self._key_names)
        for keys in requests:
            if unknown := keys.keys() - known:
                mend = f"Give exactly these keys: {', '.join(sorted(known))}."
                raise InputError(complaint("service", "join keys must be those of its views", sorted(unknown), mend))
        return [{name: keys[name] for name in reader.key_names if name in keys} for keys in requests]
