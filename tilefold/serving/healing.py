"""Which days want healing: what is compacted of them is not what the event log holds now.

The rule: a late event, or a day that was replaced, changes the day's files in the log, and with them its fingerprint; the tiles
keep the one that they were built from. Only days that a compaction has covered already are told: what comes later goes into the
next one anyway. Days that were never built are no wound, unless windows reach them.
"""

from datetime import date

from tilefold.engine.time import day_of
from tilefold.serving.compaction_reach import built_reads, days_in_reach
from tilefold.serving.context import ViewContext
from tilefold.stores.log_snapshot import NO_EVENTS


def days_to_heal(context: ViewContext) -> list[date]:
    """The days before the newest compaction's watermark whose tiles are not those of the log, ascending.

    Nothing where the view was never compacted.
    """
    compactions = context.compacted.partitions()
    if not compactions:
        return []
    newest = max(compactions)
    reached, _ = days_in_reach(context, built_reads(context, *newest))
    first, end = day_of(context.view.feature_start_us), day_of(newest[0])
    logged = {day: files.fingerprint for day, files in context.log.snapshot().days().items()}
    built = {day: tiles.fingerprint for day, tiles in context.tile_table().snapshot().days().items()}
    known = {day for day in built.keys() | logged.keys() if first <= day < end and (day in built or day >= reached)}
    return sorted(day for day in known if built.get(day, NO_EVENTS) != logged.get(day, NO_EVENTS))
