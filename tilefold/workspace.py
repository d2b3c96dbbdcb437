"""The facade: everything without Dagster, in one object.

The rule: it puts the parts together and holds no logic of its own. Assets, the command line, tests and notebooks all go
through it. Everything that needs *now* asks its clock.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from tilefold.declaration.described import is_computable
from tilefold.declaration.sources import StreamSource
from tilefold.declaration.views import FeatureView
from tilefold.engine.time import day_of, days_between, to_datetime, to_us
from tilefold.engine.windows import edge_us
from tilefold.errors import InputError, complaint
from tilefold.server.options import ServerOptions
from tilefold.server.running import Running, serve
from tilefold.server.served import Served
from tilefold.serving.assembly import Assembly
from tilefold.serving.building import build_days
from tilefold.serving.compaction import run_compaction, run_compactions
from tilefold.serving.context import ViewContext, require_online
from tilefold.serving.definitions import Given, load_definitions
from tilefold.serving.events import Frame
from tilefold.serving.explain import explain
from tilefold.serving.explained import Explanation
from tilefold.serving.forget import Forgetting, PassedStream
from tilefold.serving.given import key_types
from tilefold.serving.home import Home
from tilefold.serving.materialize import materialize
from tilefold.serving.parity import Asked, recompute
from tilefold.serving.parity_report import ParityReport
from tilefold.serving.planner import Planner
from tilefold.serving.planning import Plan
from tilefold.serving.progress import ProgressBar
from tilefold.serving.prune import prune
from tilefold.serving.read import FeatureVector, Status
from tilefold.serving.removal import remove_old_versions
from tilefold.serving.reports import (
    CompactionReport,
    DrainReport,
    ForgetReport,
    MaterializeReport,
    PruneReport,
    Receipt,
    RemovalReport,
    SwitchReport,
    SyncReport,
    TilesReport,
    TrainingSetReport,
)
from tilefold.serving.sampling import Sampling
from tilefold.serving.spine import checked_spine
from tilefold.serving.stream_desk import StreamDesk
from tilefold.serving.stream_standing import Standing
from tilefold.serving.switching import switch
from tilefold.serving.sync_frames import StreamSide, run_sync
from tilefold.serving.times import checked_as_of, checked_span, checked_time
from tilefold.serving.training import features_for_events
from tilefold.serving.training_writing import Target, write_training
from tilefold.stores.dead_letters import DeadLetters
from tilefold.stores.event_log import Barrier, EventLog
from tilefold.stores.online_store import OnlineClient, OnlineStore
from tilefold.stores.stream_log import StreamLog
from tilefold.stores.stream_parts import log_number
from tilefold.stores.training_files import scan_spine
from tilefold.stores.view_versions import Versions

__all__ = ["FeatureVector", "Receipt", "Status", "SwitchReport", "Workspace"]

VISIBLE = "visible"


def _system_clock() -> datetime:
    return datetime.now(UTC)


class Workspace:
    """Event logs, tiles, compactions and the online store of some definitions.

    Parameters
    ----------
    root
        A folder, or a place on an object store, that holds the Delta tables.
    definitions
        Declared objects, the name of a module, or a folder of Python files.
    online
        A Redis URL; None for an embedded server with its data under `root`, which the first opener owns.
    clock
        Says what time it is, as an aware UTC datetime; None is the system's.
    name
        The prefix of the workspace's keys, so that several may share a server.
    storage_options
        For object stores: credentials and settings, as Delta Lake takes them.
    stream
        Where pushed events are kept until they are drained: a server of the Redis protocol that syncs each write, or
        `kafka://host:port`; None for an embedded one with its data under `root`, started when a stream is first used.
    sampling
        How much of what is read is sampled, to be recomputed by `parity`; None for nothing.

    Raises
    ------
    FileError
        If the root cannot be written.
    StoreMismatchError
        If the root is bound to another online store.
    StoreUnavailableError, StorePolicyError
        If the online store does not answer or is not fit.
    """

    def __init__(
        self,
        root: str | Path = "data",
        definitions: Given = "features",
        online: str | None = None,
        clock: Callable[[], datetime] | None = None,
        name: str | None = None,
        storage_options: Mapping[str, str] | None = None,
        stream: str | None = None,
        sampling: Sampling | None = None,
    ) -> None:
        self.definitions = load_definitions(definitions, str(root))
        self._clock = clock or _system_clock
        self._home = Home(str(root), online, name, storage_options or {}, stream)
        self._parts = Assembly(self.definitions, self._home, self._now_us, sampling)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Write the samples that are left and close the connections; the embedded servers, where they are ours, have exited."""
        self._parts.close()
        self._home.close()

    # --- what it is made of

    @property
    def root(self) -> str:
        """The absolute folder, or the place on an object store."""
        return self._home.root

    @property
    def name(self) -> str:
        """The prefix of its keys."""
        return self._home.name

    @property
    def owns_server(self) -> bool:
        """Whether closing this stops the embedded server."""
        return self._home.owns_server

    @property
    def online_store(self) -> OnlineStore:
        """The open online store."""
        return self._home.online

    def now(self) -> datetime:
        """What time it is, says its clock."""
        return checked_time("clock", self._clock())

    def context(self, view: str) -> ViewContext:
        """A view with its tables, for those who look inside (assets, checks, benchmarks)."""
        return self._parts.context(view)

    def event_log(self, source: str) -> EventLog:
        """The event log of a source, for those who look inside."""
        return self._parts.events(source).log

    def stream_log(self, source: str) -> StreamLog:
        """The stream log of a source, for those who look inside; opened when it is first asked for."""
        return self._parts.events(source).stream

    def open_streams(self) -> None:
        """Open the stream log of every source that has one: who does it first owns their embedded server."""
        for name, source in self.definitions.sources.items():
            if isinstance(source, StreamSource):
                self.stream_log(name)

    def streams_used(self) -> bool:
        """Whether a stream of this workspace was ever opened."""
        return self._home.streams.used()

    def stream_desk(self, source: str) -> StreamDesk:
        """The stream side of a source, for those who run its writer or look inside."""
        return self._parts.streams(source)

    def stream_standing(self, source: str) -> Standing:
        """How far the stream of a source is written, and which processes write it."""
        return self._parts.streams(source).standing()

    def _stream_side(self, view: FeatureView) -> StreamSide | None:
        if view.kind != "stream":
            return None
        source = view.source.name
        return StreamSide(self._parts.streams(source).log, self._now_us(), lambda: self.drain(source))

    def _now_us(self) -> int:
        return to_us(self.now())

    # --- events

    def append(self, source: str, frame: Frame, replace: tuple[datetime, datetime] | None = None) -> Receipt:
        """Put history straight into the event log; ids that it holds already are dropped.

        Parameters
        ----------
        frame
            The source's columns, and `event_id` (String) where events have one.
        replace
            From (inclusive) and to (exclusive): the frame takes the place of all events in between.

        Raises
        ------
        InputError
            If a row breaks a rule; nothing is written.
        """
        span = None if replace is None else checked_span("replace", replace)
        if span is not None and self._parts.events(source).has_stream:
            self.drain(source)  # what was pushed before is replaced too
        receipt = self._parts.events(source).append(frame, span, self.now())
        self._parts.history_changed()  # what had none has some from here on
        return receipt

    def import_days(self, source: str, start: datetime, end: datetime) -> Receipt:
        """Let the event log hold what the source's files hold of the UTC days `[start, end)`."""
        days = self._days(start, end)
        with ProgressBar(f"{source}: days imported", len(days)) as bar:
            receipt = self._parts.events(source).import_days(days, self.now(), self._home.storage_options, bar.step)
        self._parts.history_changed()
        return receipt

    def file_days(self, source: str) -> list[date]:
        """The days that the source's files hold events of."""
        return self._parts.events(source).file_days(self._home.storage_options)

    def ingest(self, source: str, frame: Frame, wait_for: str | None = None) -> Receipt:
        """Accept pushed events; returns when they are durable.

        Parameters
        ----------
        frame
            A Polars frame or a list of records: the source's columns, and `event_id` (String) where events have one.
        wait_for
            `"visible"`: return only when a read sees the events. Where no writer process owns a shard, they are folded here, so
            that they are visible in any case.

        Returns
        -------
        Receipt
            Counts; each refused event with its reason. Events whose id was accepted before are `duplicate`.

        Raises
        ------
        InputError
            If it is neither a frame nor a list of records, or the source takes no pushed events.
        StoreFullError
            If the stream log has no room: send them again later.
        StoreUnavailableError
            If a server does not answer, or with `wait_for` the writer is late; the events are durable then.
        """
        if wait_for not in (None, VISIBLE):
            mend = f"Use None or {VISIBLE!r}."
            raise InputError(complaint("Workspace.ingest", "wait_for must be one of what can be waited for", wait_for, mend))
        desk = self._parts.streams(source)
        desk.register()
        receipt = self._parts.events(source).ingest(frame, self.now())
        desk.make_visible(receipt.positions, wait=wait_for == VISIBLE)
        return receipt

    def drain(self, source: str, *, within_s: float | None = None) -> DrainReport:
        """Bring the event log up to where the stream ends now, exactly once.

        Parameters
        ----------
        within_s
            Make no further commit after so many seconds; None: go on to the end.

        Raises
        ------
        InputError
            If the source takes no pushed events.
        """
        return self._parts.events(source).drain(self.now(), written=lambda: self._parts.written(source), within_s=within_s)

    def dead_letters(self, source: str) -> DeadLetters:
        """The refused events of a source, for those who look inside."""
        return self._parts.events(source).dead_letters

    def _barrier(self, context: ViewContext) -> Barrier:
        source = context.view.source.name
        return self._parts.events(source).take_barrier(self.now(), lambda: self._parts.written(source))

    def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 8080,
        *,
        options: ServerOptions | None = None,
        running: Running | None = None,
        reopen: Callable[[], "Workspace"] | None = None,
    ) -> None:
        """Answer over HTTP until stopped: by Ctrl-C or SIGTERM in the main thread, in any other by `Running(stop=...)`.

        Parameters
        ----------
        port
            0 for any that is free.
        options
            TLS, limits and the read cache; `tilefold.server.options` has the defaults.
        running
            What stops it, and who is told its address once it listens; see `tilefold.server.running`.
        reopen
            Opens this workspace once more: at SIGHUP, which then brings new definitions without dropping a request.

        Raises
        ------
        InputError
            If the address cannot be used, or others can reach it and there are no API keys.
        FileError
            If the TLS certificate cannot be used.
        """
        chosen, how = options or ServerOptions(), running or Running()

        def opened() -> Served:
            assert reopen is not None, "only then it is called"
            again = reopen()
            return Served(again, again._parts, chosen, again.close)  # noqa: SLF001 - of our own class

        how = replace(how, reopen=None if reopen is None else opened)
        serve(Served(self, self._parts, chosen), chosen, host, port, how)

    # --- from events to the online store

    def build_tiles(self, view: str, start: datetime, end: datetime, *, force: bool = False) -> TilesReport:
        """Bring the tiles of the UTC days `[start, end)` up to the event log."""
        context, days = self._entered(view), self._days(start, end)
        if not days:
            return TilesReport(view, (), 0.0)
        with ProgressBar(f"{view}: days", len(days)) as bar:
            last = days[-1] + timedelta(days=1)
            return build_days(context, context.log.snapshot(), days[0], last, force=force, progress=bar.step)

    def compact(self, view: str, as_of: datetime) -> CompactionReport:
        """Build the batch part of every key at a watermark, in Delta, after building the days that changed."""
        context = self._entered(view)
        as_of_us = checked_as_of(context.view, as_of, to_us(self.now()))
        with ProgressBar(f"{view}: tiles") as bar:
            return run_compaction(context, as_of_us, self._barrier(context), progress=bar.step)

    def compact_range(self, view: str, as_ofs: Sequence[datetime]) -> Iterator[CompactionReport]:
        """`compact` at several watermarks, ascending, all from one barrier; each starts from the one before."""
        context, now_us = self._entered(view), to_us(self.now())
        watermarks = sorted(checked_as_of(context.view, as_of, now_us) for as_of in as_ofs)
        barrier = self._barrier(context)
        with ProgressBar(f"{view}: compactions", len(watermarks)) as bar:
            for report in run_compactions(context, watermarks, barrier):
                yield report
                bar.step()

    def sync(self, view: str, as_of: datetime, *, full: bool = False) -> SyncReport:
        """Bring the online store to the newest compaction at a watermark; an older one than it has is superseded.

        With `full` every key is written, whatever the store seems to hold.
        """
        context = self._entered(view)
        as_of_us = checked_as_of(context.view, as_of, to_us(self.now()))
        with ProgressBar(f"{view}: keys") as bar:
            side = self._stream_side(context.view)
            report = run_sync(context, self.online_store, as_of_us, full=full, progress=bar.update, stream=side)
        self._parts.refresh_mark(context.view)
        return report

    def materialize(
        self, view: str, as_of: datetime | None = None, *, full: bool = False, switch: bool | None = None
    ) -> MaterializeReport:
        """Everything between the event log and the online store, at a watermark (None: the newest that is due).

        A source with files is imported first: the days that never were, and the last one that was. It is a no-op when
        nothing changed. With `full` every key is written, whatever the store seems to hold. A view that is declared
        `online=False` is compacted and not synced.

        Where another version of the view is served, this one is made ready beside it and, at the end, takes its place; with
        `switch=False` it stays beside. It goes back to a version that was served before only with `switch=True`.
        """
        context = self._entered(view)
        as_of_us = checked_as_of(context.view, as_of or self.newest_as_of(view), to_us(self.now()))
        self._import_missing(context.view, as_of_us)
        if self._parts.events(context.view.source.name).has_stream:
            self.drain(context.view.source.name)
        side = self._stream_side(context.view)
        report = materialize(context, self.online_store, as_of_us, lambda: self._barrier(context), full=full, stream=side)
        if not context.view.online:
            return report
        self._parts.refresh_mark(context.view)
        if switch is False or self.online_store.versions.of(view).served == context.view.version:
            return report
        return replace(report, switch=self.switch(view, back=bool(switch)))

    def switch(self, view: str, *, back: bool = False) -> SwitchReport:
        """Answer reads with this version of a view from here on, in every process, in one step.

        The old one's keys stay, and its stream is written, until it is removed.

        Parameters
        ----------
        back
            Also where it was served before, or is as of an earlier watermark.

        Raises
        ------
        ConflictError
            If it was not materialized.
        StoreUnavailableError
            If a stream writer does not bring it up to the stream in time.
        """
        context = self.context(view)
        require_online(context.view)
        if context.is_stream:
            self._parts.streams(context.view.source.name).wait_for_all()
        report = switch(context.view, self.online_store, back=back)
        self._parts.follow(view)
        return report

    def prune(self, view: str, keep: int) -> PruneReport:
        """Remove compactions: all but those of the newest `keep` watermarks, the served one and those whose sync has begun.

        Their files stay on disk until the table is vacuumed. Raises `InputError` where `keep` is below 1.
        """
        return prune(self.context(view), self.online_store, keep)

    def _entered(self, view: str) -> ViewContext:
        """A view whose definition is kept from here on."""
        context = self.context(view)
        self._parts.enter(context.view)
        return context

    def remove_old_versions(self, view: str) -> RemovalReport:
        """Remove all versions of a view but the served one and the one declared here: keys, tables, kept definitions.

        What was switched away from in the last minute stays, since other processes may read it yet.
        """
        context = self.context(view)
        base = context.uri.removesuffix(context.view.version)
        return remove_old_versions(context.view, self.online_store, self._parts.kept, lambda version: f"{base}{version}")

    def plan(self, views: Sequence[str] | None = None) -> Plan:
        """What changed between the stored definitions and those given here, view by view, and what it costs.

        Parameters
        ----------
        views
            Of these alone; None for all, removed ones too.
        """
        planner = Planner(self.definitions, self._parts, self.online_store, self.newest_as_of, self._missing_days)
        return planner.plan(views)

    def forget(self, view: str, keys: Mapping[str, Any]) -> ForgetReport:
        """Take an entity out of everything that is kept of it: logs, tables, the online store, and the files of all these.

        Its events are those of the view's source whose columns hold these keys; they leave every view of that source. What
        comes after is counted as if it were new. Run it while nothing builds: `left` tells what was built meanwhile.

        Parameters
        ----------
        keys
            The join keys of the view.

        Raises
        ------
        InputError
            If the keys are not the view's, are no columns of its source, or some view makes them of other columns.
        StoreUnavailableError
            If a server does not answer, or a stream writer takes too long. Run it again.
        """
        context = self.context(view)
        source = context.view.source.name
        forgetting, desk = Forgetting(context, self._parts.contexts_of(source), keys), self._parts.events(source)
        stream = self._passed_stream(source) if desk.has_stream else None
        self._parts.flush_samples()
        return forgetting.run(self.online_store, desk.dead_letters, stream)

    def _passed_stream(self, source: str) -> PassedStream:
        """The stream log, once its events up to now are in the event log and in the stream parts."""
        positions = {shard: place.position for shard, place in self.drain(source).places.items()}
        desk = self._parts.streams(source)
        desk.make_visible(positions, wait=True)
        return PassedStream(desk.log, positions)

    def newest_as_of(self, view: str) -> datetime:
        """The newest watermark that is due: `floor(now - data_delay, batch_schedule)`."""
        declared = self.definitions.view(view)
        return to_datetime(edge_us(to_us(self.now()), declared.schedule_us, declared.data_delay_us))

    def _import_missing(self, view: FeatureView, as_of_us: int) -> None:
        if view.source.batch_config is None:
            return
        desk, options = self._parts.events(view.source.name), self._home.storage_options
        missing = self._missing_days(view, as_of_us)
        with ProgressBar(f"{view.source.name}: days imported", len(missing)) as bar:
            desk.import_days(missing, self.now(), options, bar.step)

    def _missing_days(self, view: FeatureView, as_of_us: int) -> list[date]:
        """The days that would be imported from the source's files."""
        if view.source.batch_config is None:
            return []
        return self._parts.events(view.source.name).missing_days(day_of(as_of_us - 1), self._home.storage_options)

    def _days(self, start: datetime, end: datetime) -> list[date]:
        first, last = to_us(checked_time("start", start)), to_us(checked_time("end", end))
        return days_between(first, last)

    # --- reads

    def get_features(self, name: str, keys: Mapping[str, Any], at: datetime | None = None) -> FeatureVector:
        """The features of a view or service for one entity, now or at a time at or after the watermark.

        Raises
        ------
        InputError
            If a join key is missing, unknown, null or of a wrong type.
        ReadTimeError
            If `at` lies before the watermark.
        NotOnlineError
            If the view, or one of the service, is declared `online=False`.
        UnknownNameError
            If nothing of that name is declared.
        """
        return self._parts.reader(name).get(keys, self._read_time(at), now=at is None)

    def get_features_batch(
        self, name: str, keys: Sequence[Mapping[str, Any]], at: datetime | None = None
    ) -> list[FeatureVector]:
        """`get_features` for many entities in one round trip, in the order asked."""
        return self._parts.reader(name).get_many(keys, self._read_time(at), now=at is None)

    def get_features_for_events(
        self, name: str, spine: pl.DataFrame | pl.LazyFrame, timestamp: str = "timestamp"
    ) -> pl.DataFrame:
        """A training set: for each row of the spine the values that a read would have served at its time.

        Parameters
        ----------
        spine
            Join keys and a UTC time; further columns are kept.

        Returns
        -------
        pl.DataFrame
            The spine's columns unchanged, then one column `view__feature` each; the spine's rows in their order.
        """
        selections = [(self.context(view.name), numbers) for view, numbers in self.definitions.selection(name)]
        return features_for_events(selections, checked_spine(spine), timestamp)

    def write_training_set(
        self,
        name: str,
        spine: pl.DataFrame | pl.LazyFrame | str | Path,
        place: str | Path,
        timestamp: str = "timestamp",
        *,
        overwrite: bool = False,
    ) -> TrainingSetReport:
        """`get_features_for_events` into a file or table, of a spine of any length: memory holds a part of it at a time.

        Parameters
        ----------
        spine
            A frame, or the place of one: Parquet (`.parquet`, globs too), CSV (`.csv`), else a Delta table.
        place
            Where the training set goes: a Parquet file, in the spine's order, where it ends in `.parquet`, else a Delta table.
        overwrite
            Whether it may replace what is there.

        Raises
        ------
        InputError
            As `get_features_for_events`.
        FileError
            If the spine cannot be read, the place cannot be written, or something is there already.
        """
        options = self._home.storage_options
        selections = [(self.context(view.name), numbers) for view, numbers in self.definitions.selection(name)]
        if isinstance(spine, str | Path):
            rows = scan_spine(str(spine), key_types(self.definitions, name), timestamp, options)
            target = Target(str(place), options, overwrite, str(spine), self.now())
        else:
            rows, target = checked_spine(spine), Target(str(place), options, overwrite, "the given frame", self.now())
        return write_training(name, selections, rows, timestamp, target)

    def parity(self, view: str, since: datetime | None = None, samples_max: int | None = None) -> ParityReport:
        """Recompute what was sampled of served values (see `sampling`) from the event log; a stream is drained into it first.

        Of the version that answers reads; of the declared one, where the code of that is not at hand.

        Parameters
        ----------
        since
            Only those served at this time or later; None: all that are kept.
        samples_max
            At most so many, the newest.
        """
        answering = self._parts.answering(view)
        context = answering if is_computable(answering.view) else self.context(view)
        asked = Asked(0 if since is None else to_us(checked_time("since", since)), samples_max)
        self._parts.flush_samples()
        if not context.is_stream or not context.samples.days():
            return recompute(context, asked)
        self.drain(context.view.source.name)
        return recompute(context, asked, log_number(self.stream_log(context.view.source.name).incarnation))

    def explain(
        self, view: str, keys: Mapping[str, Any], at: datetime | None = None, *, reference: bool = False
    ) -> Explanation:
        """The tiles behind each value of one entity.

        Parameters
        ----------
        reference
            Compare the values with what plain Python makes of the event log, which a stream is drained into first. It
            goes over every event of the entity within reach of a window.

        Raises
        ------
        InputError
            As `get_features`; with `reference`, if the entity has more events than plain Python is asked to go over.
        """
        answering, time = self._parts.view_reader(view).context, self._read_time(at)
        reader = self._parts.plain_reader(answering.view)
        explained = explain(answering, reader, self.online_store, keys, time, now=at is None)
        if not reference:
            return explained.explanation
        source = self.definitions.view(view).source.name
        if self._parts.events(source).has_stream:
            self.drain(source)
        return explained.compared()

    def online_client(self) -> OnlineClient:
        """A client of the online store's server, for inspection and benchmarks."""
        return self.online_store.client

    def online_key(self, view: str, keys: Mapping[str, Any]) -> bytes:
        """The key (of a hash) that holds an entity."""
        return self._parts.view_reader(view).key(keys)

    def get_own_features_batch(
        self, view: str, keys: Sequence[Mapping[str, Any]], at: datetime | None = None
    ) -> list[FeatureVector]:
        """`get_features_batch` of the version that is declared here, whichever is served: for checks before a switch."""
        return self._parts.own_reader(view).get_many(keys, self._read_time(at), now=at is None)

    def versions(self, view: str) -> Versions:
        """Which versions of a view the online store holds, and which is served."""
        return self.online_store.versions.of(view)

    def _read_time(self, at: datetime | None) -> datetime:
        return self.now() if at is None else checked_time("at", at)
