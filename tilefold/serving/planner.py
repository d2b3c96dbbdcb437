"""Plans of a workspace: what `planning` states, put together with its stores.

The rule: it asks the stores and changes nothing in them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime

from tilefold.declaration.views import FeatureView
from tilefold.engine.time import to_us
from tilefold.serving.assembly import Assembly
from tilefold.serving.definitions import Definitions
from tilefold.serving.planning import Change, Plan, ViewPlan, cost_of, planned, removed
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.view_versions import NO_VERSIONS


class Planner:
    """Makes the plans of one workspace.

    Parameters
    ----------
    newest_as_of
        The newest watermark of a view that is due.
    missing_days
        The days that must be imported for a view's watermark.
    """

    def __init__(
        self,
        definitions: Definitions,
        parts: Assembly,
        online: OnlineStore,
        newest_as_of: Callable[[str], datetime],
        missing_days: Callable[[FeatureView, int], list[date]],
    ) -> None:
        self._definitions, self._parts, self._online = definitions, parts, online
        self._newest_as_of, self._missing_days = newest_as_of, missing_days

    def plan(self, views: Sequence[str] | None = None) -> Plan:
        """The plan of some views; of all, removed ones too, where None are named."""
        names = list(self._definitions.views) if views is None else list(views)
        plans = [self._planned(self._definitions.view(name)) for name in names]
        gone = [] if views is not None else removed(self._definitions.views, self._parts.served_versions())
        return Plan(tuple(plans + gone))

    def _planned(self, view: FeatureView) -> ViewPlan:
        kept = {each.version: each.description for each in self._parts.kept.of(view.name)}
        found = planned(view, self._online.versions.of(view.name) if view.online else NO_VERSIONS, kept)
        if found.change is Change.UNCHANGED:
            return found
        as_of = self._newest_as_of(view.name)
        before = None if found.old is None else self._parts.kept.readable(view.name, found.old)
        context, old = self._parts.context(view.name), None if before is None else self._parts.context_of(before)
        cost = cost_of(context, old, to_us(as_of), len(self._missing_days(view, to_us(as_of))))
        mark = self._online.mark(view.name, view.version) if view.online else None
        ready = mark is not None and mark.watermark_us >= to_us(as_of) and not cost.build_days
        return replace(found, as_of=as_of, cost=cost, ready=ready)
