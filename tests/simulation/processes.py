"""Processes of the simulation: the product's own code over stores in memory, and the jobs that it does.

The rule: a process keeps what product code keeps in memory (caches, marks, places) from one job to the next, and loses it when
it is killed. What a job does is what `Workspace` does, step by step.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from zlib import crc32

from tests.simulation.compaction import compacted
from tests.simulation.events import Event
from tests.simulation.lines import Line
from tests.simulation.memory_log import MemoryLog
from tests.simulation.memory_redis import MemoryOnline
from tests.simulation.memory_tables import MemoryCompactions, MemoryEventLog, MemoryHistory
from tests.simulation.views import Kit
from tests.simulation.world import World
from tilefold.engine.mark import Mark
from tilefold.engine.plan import reads_newest
from tilefold.engine.stream_part import Row
from tilefold.engine.time import to_datetime
from tilefold.errors import ConflictError, complaint
from tilefold.serving.barrier import take_barrier
from tilefold.serving.drain import drain
from tilefold.serving.ingest import places_behind
from tilefold.serving.seeding import SeededView, Seeding, needs_seed
from tilefold.serving.stream_desk import StreamDesk
from tilefold.serving.stream_ports import Entries, StreamTarget
from tilefold.serving.sync import Sync
from tilefold.serving.sync_ports import SyncedView
from tilefold.stores.cached_mark import CachedMark
from tilefold.stores.log_results import Barrier
from tilefold.stores.stream_log import Entry, Kind, NewEntry, Place


class NoDeadLetters:
    """A table of refused events that stays empty."""

    def add(self, incarnation: str, refused: Mapping[int, Sequence[Entry]], places: Mapping[int, Place]) -> int:
        """See `DeadLetters`."""
        del incarnation, refused, places
        return 0


class PlainTargets:
    """The views of a desk; their rows are made without frames."""

    def __init__(self, world: World, kits: Sequence[Kit], online: MemoryOnline, marks: CachedMark) -> None:
        self._world, self._online, self._marks = world, online, marks
        self.targets = [self._target(kit) for kit in kits]

    def _target(self, kit: Kit) -> StreamTarget:
        view, context, online = kit.view, kit.context, self._online
        newest = view.leading_edge == "latest_event"
        return StreamTarget(
            name=view.name,
            version=view.version,
            folder=context.stream_folder,
            codec=context.stream_codec,
            ttl_ms=context.ttl_ms,
            key_of=partial(online.entity_key, view.name, view.version),
            rows=partial(self._rows, kit),
            mark=lambda: self._marks.get(view.name, view.version),
            from_us=(lambda: online.streams.latest("events")) if newest else (lambda: None),
            forget_mark=lambda: self._marks.forget(view.name, view.version),
        )

    def _events(self, entries: Entries) -> list[Event]:
        return [self._world.event_of(e.payload) for some in entries.values() for e in some if e.kind is Kind.EVENT]

    def _rows(self, kit: Kit, entries: Entries) -> dict[str, list[Row]]:
        rows: dict[str, list[Row]] = {}
        for event in self._events(entries):
            if (row := kit.row_of(event)) is not None:
                rows.setdefault(event.user, []).append(row)
        return rows

    def newest_us(self, entries: Entries) -> int | None:
        """See `DeskViews`."""
        return max((event.time_us for event in self._events(entries)), default=None)


class Process:
    """One process: its connections, its caches, and what it may be asked to do."""

    def __init__(self, world: World, name: str) -> None:
        self.name, self._world = name, world
        self.kits = list(world.kits)
        self.line = Line(world.chance, world.odds)
        self.online = MemoryOnline(world.server, self.line)
        self.log = MemoryLog(world.log, self.line)
        self.events = MemoryEventLog(world.table, self.line, world.event_of)
        self.marks = CachedMark(self.online.mark, world.clock.seconds)
        views = PlainTargets(world, self.kits, self.online, self.marks)
        clock = world.clock
        self.desk = StreamDesk("events", self.log, self.events, views, self.online.streams, clock.us, clock.seconds)

    # --- what it does

    def ingest(self, events: Sequence[Event]) -> None:
        """Accept pushed events; returns when they are visible, where that is this process's to do."""
        self.desk.register()
        shards = [crc32(event.event_id.encode()) % self.log.shards for event in events]
        entries = [NewEntry(Kind.EVENT, shard, e.event_id, e.payload) for shard, e in zip(shards, events, strict=True)]
        self.desk.make_visible(places_behind(self.log, shards, self.log.append(entries)), wait=False)

    def append(self, events: Sequence[Event], gone: Collection[str]) -> None:
        """Put events straight into the event log; with `gone`, in place of these."""
        self.events.append(events, gone)
        self.log.enter_ids([event.event_id for event in events])

    def write(self, limit: int) -> None:
        """A step of the stream writer."""
        self.desk.writer.step(limit=limit)

    def drain(self, per_commit: int = 1000) -> None:
        """Bring the event log up to the stream."""
        now = to_datetime(self._world.clock.now_us)
        drain(self.events, self.log, NoDeadLetters(), now, written=self.desk.written, per_commit=per_commit)

    def materialize(self, kit: Kit, as_of_us: int, *, sync: bool = True, full: bool = False) -> None:
        """Compact a view as of a watermark, and sync it."""
        self.drain()
        barrier = take_barrier(self.events, self.log, self.drain)
        self._compact(kit, as_of_us, barrier)
        if sync:
            self.sync(kit, as_of_us, full=full)

    def sync(self, kit: Kit, as_of_us: int, *, full: bool = False) -> None:
        """Bring the online store to the newest compaction at a watermark, if there is one."""
        held = self._world.compactions[kit.view.name]
        epoch = max((mark.epoch for mark in held if mark.watermark_us == as_of_us), default=None)
        if epoch is None:
            return
        view, ttl_ms = kit.view, kit.context.ttl_ms
        key_of = partial(self.online.entity_key, view.name, view.version)
        synced = SyncedView(view.name, view.version, ttl_ms, key_of, lambda _: None)
        pin = partial(self._pinned, kit)
        seed, note = partial(self._seed, kit, full), partial(self._note_newest, kit)
        Sync(synced, self.online, pin, Mark(as_of_us, epoch), seed=seed, full=full, begun=note).run()
        mark = self.online.mark(view.name, view.version)
        if mark is not None:
            self.marks.set(view.name, view.version, mark)
        self.desk.catch_up()

    # --- how

    def _note_newest(self, kit: Kit) -> None:
        if reads_newest(kit.view):
            rows = self.events.snapshot().rows
            if rows:
                self.online.streams.note_latest("events", max(row.event.time_us for row in rows))

    def _compact(self, kit: Kit, as_of_us: int, barrier: Barrier) -> None:
        self._world.barriers[barrier.number] = barrier.version
        mark = Mark(as_of_us, barrier.number)
        made = compacted(kit, self.events.snapshot(barrier.version), mark)
        held = self._world.compactions[kit.view.name]

        def put() -> None:
            if mark in held:
                raise ConflictError(complaint("compactions in memory", "(as_of_us, epoch) exists already", mark, "Again."))
            held[mark] = made

        self.events._reached(put)

    def _pinned(self, kit: Kit) -> MemoryCompactions:
        held = self._world.compactions[kit.view.name]
        return self.events._reached(lambda: MemoryCompactions(dict(held), kit.context.codec, 2))

    def _seed(self, kit: Kit, full: bool, mark: Mark) -> Seeding | None:
        view, context = kit.view, kit.context
        key_of = partial(self.online.entity_key, view.name, view.version)
        streams, world = self.online.streams, self._world
        from_us = (lambda: streams.latest("events")) if reads_newest(view) else (lambda: None)
        codec = context.stream_codec
        seeded = SeededView(view.name, view.version, context.stream_folder, codec, context.ttl_ms, key_of, from_us)
        if not (full or needs_seed(seeded, streams, self.log)):
            return None
        history = lambda: MemoryHistory(self.events.snapshot(), 2, kit.row_of)  # noqa: E731 - a name would say no more
        committed = partial(self.online.mark, view.name, view.version)
        seeding = Seeding(seeded, streams, self.log, history, mark, committed, world.clock.now_us, self.drain, world.chance)
        world.seedings[seeding._token] = seeding._history._version
        return seeding
