"""Sync of one view from its compacted table: what `sync` states, put together with frames, Delta and the online store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tilefold.engine.codec import seal
from tilefold.engine.mark import Mark
from tilefold.engine.plan import reads_newest
from tilefold.engine.time import to_datetime
from tilefold.errors import FormatError, InputError, complaint
from tilefold.serving.context import ViewContext, require_online
from tilefold.serving.part_frames import FramedCompactions
from tilefold.serving.reports import SyncReport
from tilefold.serving.seed_frames import FramedHistory
from tilefold.serving.seeding import SeededView, Seeding, needs_seed
from tilefold.serving.sync import Progress, Seed, Sync, no_progress, no_seed, nothing_more
from tilefold.serving.sync_ports import SyncedView
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.stream_log import StreamLog


@dataclass(frozen=True, slots=True)
class StreamSide:
    """What a sync of a stream view needs beside: the log, what time it is, and what brings the event log up to the stream."""

    log: StreamLog
    now_us: int
    drain: Callable[[], object]


def run_sync(
    context: ViewContext,
    online: OnlineStore,
    as_of_us: int,
    *,
    full: bool = False,
    progress: Progress = no_progress,
    stream: StreamSide | None = None,
) -> SyncReport:
    """Bring the online store to the newest compaction at a watermark; with `full` every key is written.

    Parameters
    ----------
    stream
        Of a stream view the log whose stream it takes; its stream parts are seeded where they are not, or with `full`.

    Raises
    ------
    InputError
        If no compaction at this watermark exists.
    NotOnlineError
        If the view is declared `online=False`.
    ConflictError, StoreUnavailableError, StoreFullError
        As `Sync.run`.
    """
    require_online(context.view)
    epoch = context.compacted.latest(as_of_us)
    if epoch is None:
        thing, rule = f"view '{context.view.name}'", "only a compaction that exists can be synced"
        raise InputError(complaint(thing, rule, str(to_datetime(as_of_us)), "Compact it first, or use materialize."))
    view, pin = _synced(context, online), partial(FramedCompactions, context)
    seed = no_seed if stream is None else _seed(context, online, stream, full=full)
    note = nothing_more if not reads_newest(context.view) else partial(_note_newest, context, online)
    mark = Mark(as_of_us, epoch)
    return Sync(view, online, pin, mark, seed=seed, full=full, progress=progress, begun=note).run()


def _note_newest(context: ViewContext, online: OnlineStore) -> None:
    """Appended events count for where windows end at the newest event, from the sync on that holds them.

    Noted before any key: a part that holds a newer event than the noted one could not say what lies before that.
    """
    newest_us = context.log.snapshot().newest_us(context.log.timestamp)
    if newest_us is not None:
        online.streams.note_latest(context.view.source.name, newest_us)


def _no_time() -> None:
    """For a view whose windows end at the clock."""


def _synced(context: ViewContext, online: OnlineStore) -> SyncedView:
    """The view, its keys, and how its broken parts are removed: their stamps say nothing, and would stop the sync."""
    view = context.view

    def drop_broken(keys: Sequence[bytes]) -> None:
        for key, (data, _) in zip(keys, online.read_aside(keys), strict=True):
            try:
                context.codec.decode(data or seal(b"", Mark(0, 0)))
            except FormatError:
                online.drop_part(key)

    key_of = partial(online.entity_key, view.name, view.version)
    return SyncedView(view.name, view.version, context.ttl_ms, key_of, drop_broken)


def takes_stream(context: ViewContext, online: OnlineStore, stream: StreamSide | None) -> bool:
    """Whether the stream parts that are served need no seeding; of a view without any there is nothing to seed."""
    if stream is None or not context.view.online:
        return True
    return not needs_seed(_seeded_view(context, online), online.streams, stream.log)


def _seeded_view(context: ViewContext, online: OnlineStore) -> SeededView:
    view, folder, codec = context.view, context.stream_folder, context.stream_codec
    key_of = partial(online.entity_key, view.name, view.version)
    from_us = partial(online.streams.latest, view.source.name) if reads_newest(view) else _no_time
    return SeededView(view.name, view.version, folder, codec, context.ttl_ms, key_of, from_us)


def _seed(context: ViewContext, online: OnlineStore, stream: StreamSide, *, full: bool) -> Seed:
    """What writes the stream parts of a view where it does not take its log, or with `full`."""
    view, streams, seeded = context.view, online.streams, _seeded_view(context, online)

    def seed(mark: Mark) -> Seeding | None:
        if not (full or needs_seed(seeded, streams, stream.log)):
            return None
        history, committed = partial(FramedHistory, context), partial(online.mark, view.name, view.version)
        return Seeding(seeded, streams, stream.log, history, mark, committed, stream.now_us, stream.drain)

    return seed
