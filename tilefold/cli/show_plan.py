"""A plan as text for people: a line for each view, and below it what changed and what it costs."""

from tilefold.cli.show import size, text
from tilefold.serving.planning import Change, Cost, Plan, ViewPlan

_SIGNS = {Change.ADDED: "+", Change.CHANGED: "~", Change.REMOVED: "-", Change.UNCHANGED: " "}


def planned(plan: Plan) -> str:
    """The plan."""
    if not plan.changes:
        return f"Nothing changed: {len(plan.views)} views are as they are served."
    lines = [line for each in plan.changes for line in _lines(each)]
    names = " ".join(each.view for each in plan.changes if each.change is not Change.REMOVED)
    todo = f"\nTo do it: tilefold materialize VIEW, for {names}." if names else ""
    return "\n".join(lines) + todo


def _lines(each: ViewPlan) -> list[str]:
    head = f"{_SIGNS[each.change]} {each.view}: {_what(each)}"
    told = [f"    {line}" for line in each.differences]
    if each.cost is not None:
        told.append(f"    cost: {_cost(each.cost)}, as of {text(each.as_of)}")
    if each.ready:
        told.append("    it is materialized, and waits for the switch")
    return [head, *told]


def _what(each: ViewPlan) -> str:
    if each.change is Change.ADDED:
        return f"added, version {each.new}"
    if each.change is Change.REMOVED:
        return f"not declared any more; version {each.old} is in the stores"
    return f"changed, version {each.old} -> {each.new}"


def _cost(cost: Cost) -> str:
    parts = [f"{cost.import_days:,} days to import"] if cost.import_days else []
    parts += [f"{cost.events:,} events to read", f"{cost.build_days:,} days to build"]
    if cost.keys is not None and cost.size_bytes is not None:
        parts.append(f"about {cost.keys:,} keys to write ({size(cost.size_bytes)})")
    else:
        parts.append("as many keys to write as there are")
    if cost.seconds is not None:
        parts.append(f"about {cost.seconds:,.3g} s to build and compact")
    return ", ".join(parts)
