"""Prune: remove compactions that nobody will ask for.

The rule: the newest watermarks stay, and whatever the online store may hold keys of: the compaction that is served and those
whose sync has begun. Without these the next sync would write every key. Files are deleted by a vacuum alone, so who is reading
a removed compaction reads on.
"""

from tilefold.engine.time import to_datetime
from tilefold.errors import InputError, complaint
from tilefold.serving.context import ViewContext
from tilefold.serving.reports import PruneReport
from tilefold.stores.online_store import OnlineStore


def prune(context: ViewContext, online: OnlineStore, keep: int) -> PruneReport:
    """Remove all compactions of a view but those of its newest `keep` watermarks, the served one and begun ones.

    Raises
    ------
    InputError
        If `keep` is below 1.
    """
    view = context.view
    if keep < 1:
        mend = "Keep 1 or more: the newest one is what the next compaction starts from."
        raise InputError(complaint(f"view '{view.name}'", "a whole number of watermarks must be kept", keep, mend))
    mark = online.mark(view.name, view.version)
    held = {(each.watermark_us, each.epoch) for each in [*([mark] if mark else []), *online.begun(view.name, view.version)]}
    watermarks = sorted({as_of_us for as_of_us, _ in context.compacted.partitions()})
    # A bound, not a list: what is compacted while we look is newer, and stays.
    oldest_us = watermarks[-keep] if len(watermarks) >= keep else min(watermarks, default=0)
    removed = context.compacted.prune(lambda as_of_us, epoch: as_of_us >= oldest_us or (as_of_us, epoch) in held)
    return PruneReport(
        view=view.name,
        removed=tuple((to_datetime(as_of_us), epoch) for as_of_us, epoch in removed),
        kept=len(context.compacted.partitions()),
        served=None if mark is None else (to_datetime(mark.watermark_us), mark.epoch),
    )
