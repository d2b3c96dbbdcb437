"""What changed between the definitions that are stored and those that are given, and what it costs.

The rule: it is worked out from the stores before anything starts, and changes nothing. A view is compared with the version that
is served; where none is, with the last one that was kept. Numbers that only the work itself can tell are estimates from the
version before, and left out where there is none.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from tilefold.declaration.described import describe_view
from tilefold.declaration.views import FeatureView
from tilefold.serving.building import stale_days
from tilefold.serving.compaction_reach import days_in_reach, is_current, reads_of
from tilefold.serving.context import ViewContext
from tilefold.serving.differences import differences
from tilefold.stores.view_versions import Versions

RUNS = 5
Facts = Mapping[str, Any]


class Change(StrEnum):
    """What becomes of a view."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Cost:
    """What it takes to make a version ready.

    Attributes
    ----------
    import_days, build_days
        UTC days to import from the source's files, and days of the event log whose tiles must be built.
    events
        How many events these days hold; those that are not imported yet are not among them.
    keys, size_bytes
        What must be written to the online store; an estimate from the version that is served. None where there is none.
    seconds
        Of building and compacting, as earlier compactions took; None where none has built anything.
    """

    import_days: int
    build_days: int
    events: int
    keys: int | None
    size_bytes: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """What becomes of one view.

    Attributes
    ----------
    old, new
        The versions; None where there is none.
    differences
        What changed, each in a line of plain words.
    ready
        Whether the new version is materialized as of `as_of`, and waits for the switch alone.
    """

    view: str
    change: Change
    old: str | None
    new: str | None
    differences: tuple[str, ...] = ()
    as_of: datetime | None = None
    ready: bool = False
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of all views that were asked for, by name."""

    views: tuple[ViewPlan, ...]

    @property
    def changes(self) -> list[ViewPlan]:
        """Those of which something changed."""
        return [each for each in self.views if each.change is not Change.UNCHANGED]


def planned(view: FeatureView, versions: Versions, kept: Mapping[str, str]) -> ViewPlan:
    """What becomes of a declared view, without its cost.

    Parameters
    ----------
    kept
        The descriptions of its kept versions, the oldest first.
    """
    last = None if view.online else next(reversed(list(kept)), None)
    old = versions.served or last
    if old is None:
        return ViewPlan(view.name, Change.ADDED, None, view.version)
    if old == view.version:
        return ViewPlan(view.name, Change.UNCHANGED, old, view.version)
    if old not in kept:
        return ViewPlan(view.name, Change.CHANGED, old, view.version, ("what it was before is not kept",))
    told = differences(json.loads(kept[old]), json.loads(describe_view(view)))
    return ViewPlan(view.name, Change.CHANGED, old, view.version, tuple(told))


def removed(declared: Iterable[str], served: Mapping[str, str]) -> list[ViewPlan]:
    """The views that have a version in the stores and are not declared any more; `served` has their versions by name."""
    return [ViewPlan(name, Change.REMOVED, served[name], None) for name in sorted(served.keys() - set(declared))]


def cost_of(context: ViewContext, old: ViewContext | None, as_of_us: int, import_days: int) -> Cost:
    """What it takes to bring a view to a watermark.

    Parameters
    ----------
    old
        The version that is served, of whose keys there may be as many.
    """
    log = context.log.snapshot()
    first, last = days_in_reach(context, reads_of(context, log, as_of_us))
    days: list[date] = stale_days(context, log, first, last)
    held = log.days()
    events = sum(held[day].rows for day in days if day in held)
    keys, size_bytes = _written(context, old, as_of_us)
    seconds = _seconds([context, *([old] if old is not None else [])], events)
    return Cost(import_days, len(days), events, keys, size_bytes, seconds)


def is_compacted(context: ViewContext, as_of_us: int) -> bool:
    """Whether a compaction of this watermark is there, from what the log holds now."""
    epoch = context.compacted.latest(as_of_us)
    return epoch is not None and is_current(context, context.log.snapshot(), as_of_us, epoch)


def _newest(context: ViewContext) -> Facts | None:
    partitions = context.compacted.partitions()
    return context.compacted.metadata(*max(partitions)) if partitions else None


def _written(context: ViewContext, old: ViewContext | None, as_of_us: int) -> tuple[int | None, int | None]:
    """How many keys, and of how many bytes: its own, where it is compacted; else the old one's, by the number of features."""
    if is_compacted(context, as_of_us):
        facts = _newest(context)
        assert facts is not None, "one is there"
        return facts["keys"], facts["size_bytes"]
    before = None if old is None or old.view.join_keys != context.view.join_keys else _newest(old)
    if old is None or before is None:
        return None, None
    return before["keys"], before["size_bytes"] * len(context.view.features) // len(old.view.features)


def _seconds(contexts: Iterable[ViewContext], events: int) -> float | None:
    """How long so many events take to build and compact, as in the largest of the last runs of these versions."""
    runs = [
        context.compacted.metadata(*each) for context in contexts for each in sorted(context.compacted.partitions())[-RUNS:]
    ]
    largest = max(runs, key=lambda facts: facts.get("built_events", 0), default=None)
    if largest is None or not largest.get("built_events"):
        return None
    return round(float(largest["duration_s"]) * events / int(largest["built_events"]), 1)


def as_json(plan: Plan) -> list[dict[str, Any]]:
    """The plan for programs."""
    return [_plain(each) for each in plan.views]


def _plain(each: ViewPlan) -> dict[str, Any]:
    cost = each.cost
    return {
        "view": each.view,
        "change": str(each.change),
        "old": each.old,
        "new": each.new,
        "differences": list(each.differences),
        "as_of": None if each.as_of is None else each.as_of.isoformat(),
        "ready": each.ready,
        "cost": None
        if cost is None
        else {
            "import_days": cost.import_days,
            "build_days": cost.build_days,
            "events": cost.events,
            "keys": cost.keys,
            "size_bytes": cost.size_bytes,
            "seconds": cost.seconds,
        },
    }
