"""From the event log to what is served: tiles, compactions, syncs, the version that answers.

The rule: each step can be called by itself; `materialize` is all of them in their order, and `plan` says what it would do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tilefold.declaration.views import FeatureView
from tilefold.engine.time import to_datetime, to_us
from tilefold.engine.windows import edge_us
from tilefold.serving.building import build_days
from tilefold.serving.compaction import run_compaction, run_compactions
from tilefold.serving.context import ViewContext, require_online
from tilefold.serving.materialize import materialize
from tilefold.serving.planner import Planner
from tilefold.serving.planning import Plan
from tilefold.serving.progress import ProgressBar
from tilefold.serving.reports import (
    CompactionReport,
    MaterializeReport,
    SwitchReport,
    SyncReport,
    TilesReport,
)
from tilefold.serving.switching import switch
from tilefold.serving.sync_frames import StreamSide, run_sync
from tilefold.serving.times import checked_as_of
from tilefold.stores.view_versions import Versions
from tilefold.workspace.events import Events


class Building(Events):
    """The workspace's tiles, compactions and online store, as they are made."""

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

    def versions(self, view: str) -> Versions:
        """Which versions of a view the online store holds, and which is served."""
        return self.online_store.versions.of(view)

    def plan(self, views: Sequence[str] | None = None) -> Plan:
        """What changed between the stored definitions and those given here, view by view, and what it costs.

        Parameters
        ----------
        views
            Of these alone; None for all, removed ones too.
        """
        planner = Planner(self.definitions, self._parts, self.online_store, self.newest_as_of, self._missing_days)
        return planner.plan(views)

    def newest_as_of(self, view: str) -> datetime:
        """The newest watermark that is due: `floor(now - data_delay, batch_schedule)`."""
        declared = self.definitions.view(view)
        return to_datetime(edge_us(to_us(self.now()), declared.schedule_us, declared.data_delay_us))

    def _entered(self, view: str) -> ViewContext:
        """A view whose definition is kept from here on."""
        context = self.context(view)
        self._parts.enter(context.view)
        return context

    def _stream_side(self, view: FeatureView) -> StreamSide | None:
        if view.kind != "stream":
            return None
        source = view.source.name
        return StreamSide(self._parts.streams(source).log, self._now_us(), lambda: self.drain(source))
