"""Events: how they come in, from outside of the workspace to the event log.

The rule: history goes straight into the log, pushed events by the stream log; what was pushed before is drained where an order
matters.
"""

from datetime import date, datetime

from tilefold.declaration.views import FeatureView
from tilefold.engine.time import day_of, days_between, to_us
from tilefold.errors import InputError, complaint
from tilefold.serving.context import ViewContext
from tilefold.serving.events import Frame
from tilefold.serving.progress import ProgressBar
from tilefold.serving.reports import (
    DrainReport,
    Receipt,
)
from tilefold.serving.times import checked_span, checked_time
from tilefold.stores.dead_letters import DeadLetters
from tilefold.stores.event_log import Barrier
from tilefold.workspace.opened import Opened

VISIBLE = "visible"


class Events(Opened):
    """The workspace's event logs and streams."""

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
