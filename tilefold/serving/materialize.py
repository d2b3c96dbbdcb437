"""Materialize: everything between the event log and the online store, at one watermark.

The rule: it is a no-op when neither the log nor the definition changed since the mark; else it takes the source's next
barrier, builds the days that changed, compacts and syncs. Each step can be killed and repeated.
"""

from tilefold.engine.time import to_datetime
from tilefold.serving.compaction import is_current, run_compaction
from tilefold.serving.context import ViewContext
from tilefold.serving.progress import ProgressBar
from tilefold.serving.reports import MaterializeReport
from tilefold.serving.sync import run_sync
from tilefold.stores.online_store import OnlineStore


def materialize(context: ViewContext, online: OnlineStore, as_of_us: int, *, full: bool = False) -> MaterializeReport:
    """Bring the online store to a watermark; with `full` every key is written, whatever the store seems to hold."""
    view, as_of = context.view, to_datetime(as_of_us)
    if not full and _is_current(context, online, as_of_us):
        return MaterializeReport(view.name, as_of, None, None, skipped=True)
    barrier = context.log.take_barrier()
    with ProgressBar(f"{view.name}: tiles") as bar:
        compaction = run_compaction(context, as_of_us, barrier, progress=bar.step)
    with ProgressBar(f"{view.name}: keys") as bar:
        sync = run_sync(context, online, as_of_us, full=full, progress=bar.update)
    return MaterializeReport(view.name, as_of, compaction, sync, skipped=False)


def _is_current(context: ViewContext, online: OnlineStore, as_of_us: int) -> bool:
    """Whether the store holds the compaction of this watermark, and the log is as that one saw it."""
    view = context.view
    mark = online.mark(view.name, view.version)
    if mark is None or mark.watermark_us != as_of_us or online.begun(view.name, view.version):
        return False
    if (as_of_us, mark.epoch) not in context.compacted.partitions():
        return False
    return is_current(context, context.log.snapshot(), as_of_us, mark.epoch)
