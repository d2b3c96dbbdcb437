"""Materialize: everything between the event log and the online store, at one watermark.

The rule: what was pushed is drained first. Then it is a no-op when neither the log nor the definition changed since the mark;
else it takes the source's next barrier, builds the days that changed, compacts and syncs. Each step can be killed and repeated.
A view that is declared `online=False` is compacted and not synced: its newest compaction at the watermark stands for the mark.
"""

from collections.abc import Callable

from tilefold.engine.time import to_datetime
from tilefold.serving.compaction import run_compaction
from tilefold.serving.compaction_reach import is_current
from tilefold.serving.context import ViewContext
from tilefold.serving.progress import ProgressBar
from tilefold.serving.reports import MaterializeReport
from tilefold.serving.sync_frames import StreamSide, run_sync, takes_stream
from tilefold.stores.event_log import Barrier
from tilefold.stores.online_store import OnlineStore


def materialize(
    context: ViewContext,
    online: OnlineStore,
    as_of_us: int,
    take_barrier: Callable[[], Barrier],
    *,
    full: bool = False,
    stream: StreamSide | None = None,
) -> MaterializeReport:
    """Bring the online store to a watermark; with `full` every key is written, whatever the store seems to hold.

    The source was drained before. A view with `online=False` ends with its compaction.
    """
    view, as_of = context.view, to_datetime(as_of_us)
    if not full and _is_current(context, online, as_of_us) and takes_stream(context, online, stream):
        return MaterializeReport(view.name, as_of, None, None, skipped=True)
    barrier = take_barrier()
    with ProgressBar(f"{view.name}: tiles") as bar:
        compaction = run_compaction(context, as_of_us, barrier, progress=bar.step)
    if not view.online:
        return MaterializeReport(view.name, as_of, compaction, None, skipped=False)
    with ProgressBar(f"{view.name}: keys") as bar:
        sync = run_sync(context, online, as_of_us, full=full, progress=bar.update, stream=stream)
    return MaterializeReport(view.name, as_of, compaction, sync, skipped=False)


def _is_current(context: ViewContext, online: OnlineStore, as_of_us: int) -> bool:
    """Whether the compaction of this watermark is there, served where the view is, and the log is as that one saw it."""
    epoch = _served_epoch(context, online, as_of_us) if context.view.online else context.compacted.latest(as_of_us)
    if epoch is None or (as_of_us, epoch) not in context.compacted.partitions():
        return False
    return is_current(context, context.log.snapshot(), as_of_us, epoch)


def _served_epoch(context: ViewContext, online: OnlineStore, as_of_us: int) -> int | None:
    """The epoch of the view's mark; None where it is of another watermark, or a sync has begun."""
    view = context.view
    mark = online.mark(view.name, view.version)
    if mark is None or mark.watermark_us != as_of_us or online.begun(view.name, view.version):
        return None
    return mark.epoch
