"""What a request says about how it is meant, checked.

The rule: an option that is not set is as Tecton has it; one that this workspace cannot keep is refused, never passed over.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tilefold.engine.time import to_us
from tilefold.server.refusals import Kind, Refusal
from tilefold.server.served import Served
from tilefold.server.services import Service
from tilefold.server.wire import RequestOptions
from tilefold.serving.home import DEFAULT_NAME
from tilefold.serving.read_joined import ReadOptions

BUDGET_MS_MAX = 600_000
_PATH = "params.requestOptions"
_WALL_CLOCK = {"WALL_CLOCK", "WALL_CLOCK_TIME"}
_NEWEST = {"LATEST_EVENT", "LATEST_EVENT_TIME"}


def read_options(served: Served, service: Service, given: RequestOptions, waited_s: float, *, sizes: bool) -> ReadOptions:
    """How a read is meant.

    Parameters
    ----------
    waited_s
        How long the request has been here: it is part of the latency budget.
    """
    at_us = _override_us(given.high_watermark_override)
    return ReadOptions(
        read_us=to_us(served.workspace.now()) if at_us is None else at_us,
        now=at_us is None,
        wall_clock=_is_wall_clock(given.aggregation_leading_edge, service),
        budget_s=_budget_s(given.latency_budget_ms, waited_s),
        from_cache=bool(given.read_from_cache),
        to_cache=bool(given.write_to_cache),
        sizes=sizes,
    )


def check_workspace(served: Served, given: str | None) -> None:
    """Refuse a request for another workspace; where the workspace was given no name, any is meant."""
    name = served.workspace.name
    if given and name not in (given, DEFAULT_NAME):
        rule = "it must be the name of the served one"
        raise Refusal(Kind.NOT_FOUND, f"params.workspaceName: {rule}; got {given!r}. Ask {name!r}.")


def check_context(given: Mapping[str, Any] | None, options: RequestOptions, path: str) -> None:
    """Refuse values that no feature takes, unless the request says that they may be passed over."""
    if given and not options.ignore_extra_request_context_fields:
        mend = "Leave it out, or set requestOptions.ignoreExtraRequestContextFields."
        names = ", ".join(sorted(given))
        raise Refusal(Kind.INVALID, f"{path}: no feature of the service takes values of the request; got {names}. {mend}")


def _override_us(given: str | None) -> int | None:
    if given is None:
        return None
    try:
        time = datetime.fromisoformat(given)
        if time.tzinfo is not None:
            return to_us(time)
    except (ValueError, OverflowError):
        pass  # refused below, like a time without a zone
    rule = "it must be an ISO 8601 time with a zone, such as 2024-01-02T00:00:00Z"
    raise Refusal(Kind.INVALID, f"{_PATH}.highWatermarkOverride: {rule}; got {given[:100]!r}.")


def _budget_s(given: int | None, waited_s: float) -> float | None:
    if given is None:
        return None
    if not 1 <= given <= BUDGET_MS_MAX:
        raise Refusal(Kind.INVALID, f"{_PATH}.latencyBudgetMs: it must be from 1 to {BUDGET_MS_MAX}; got {given}.")
    return max(given / 1000 - waited_s, 0.0)


def _is_wall_clock(given: str | None, service: Service) -> bool:
    """Whether windows end at the read time whatever is declared."""
    if given is None:
        return False
    edge = given.upper().removeprefix("AGGREGATION_LEADING_EDGE_").removeprefix("AGGREGATION_MODE_")
    if edge in _WALL_CLOCK:
        return True
    if edge not in _NEWEST:
        raise Refusal(
            Kind.INVALID, f"{_PATH}.aggregationLeadingEdge: it must be WALL_CLOCK or LATEST_EVENT_TIME; got {given[:100]!r}."
        )
    if not service.has_newest:
        mend = "Declare its views with aggregation_leading_edge=AggregationLeadingEdge.LATEST_EVENT_TIME."
        rule = "only a service whose views all declare it is read up to the newest event"
        raise Refusal(Kind.INVALID, f"{_PATH}.aggregationLeadingEdge: {rule}; got {given!r}. {mend}")
    return False
