"""Merged reads of one version of a view: the parts of its keys -> feature values.

The rule: the view's mark is known before a key is read, never after; an older mark is always safe, a mark newer than the
key's copy is not.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from tilefold.declaration.views import FeatureView
from tilefold.engine.codec import Part
from tilefold.engine.mark import Mark
from tilefold.engine.merge import in_force
from tilefold.engine.time import to_datetime
from tilefold.errors import ReadTimeError, complaint
from tilefold.functions.sums import WideSum
from tilefold.serving.context import ViewContext, require_online
from tilefold.serving.read_told import told_features
from tilefold.serving.read_values import ReadTime, ViewValues
from tilefold.stores.cached_mark import Asking, CachedMark
from tilefold.stores.online_reads import OnlineReads


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
        rows: Sequence[ViewValues],
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
        online: OnlineReads,
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
        told = told_features(context, shape)
        self.names, self.features, self.windows_of = told.names, told.features, told.windows_of
        self.lacking, self._order = told.lacking, told.order
        self.key_names = context.layout.key_names
        slots = [*context.layout.slots, *(slot for by in context.layout.by_secondary for slot in by.slots)]
        self.may_overflow = any(isinstance(slot.partial, WideSum) for slot in slots)
        self.source = view.source.name
        self._online, self._marks, self._has_history = online, marks, has_history
        self._folder, self._decode, self._encode = context.folder, context.codec.decode, context.encoder.encode
        self.prefix = online.entity_key(view.name, view.version, "")

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

    def fold(self, data: Sequence[bytes | None], mark: Mark, time: ReadTime) -> ViewValues:
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

    def fold_all(self, mark: Mark | None, parts: Sequence[Sequence[bytes | None]], time: ReadTime) -> list[ViewValues]:
        """The values of many entities; without a mark the view is not ready, whatever its parts hold."""
        if mark is None:
            return [self.nothing(time) for _ in parts]
        return [self.fold(each, mark, time) for each in parts]

    def sample(self, keys: Sequence[bytes], parts: Sequence[Sequence[bytes | None]], rows: Sequence[ViewValues]) -> None:
        """Let a share of what was read be noted; what is not ready has no values to note."""
        if self.sampler is not None and rows and rows[0].held is not None:
            self.sampler.note(self, keys, parts, rows)

    def nothing(self, time: ReadTime, *, arrived: bool = True) -> ViewValues:
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
