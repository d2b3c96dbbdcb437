"""What each value is worth, in the words of the wire.

The rule: the contract's clients know PRESENT, MISSING_DATA, TIME_OUT, UNKNOWN_STATUS and their CACHED_ forms. A STALE value is
told as such only to who asks for it (`reportStale`), else as PRESENT; that it is stale, or that a view is not ready, or that a
sum does not fit its type (null, UNKNOWN_STATUS), always stands among the reasons why a request is not eligible for a service
level.
"""

from collections.abc import Sequence

from tilefold.server.services import Service
from tilefold.serving.read import Status, ViewValues, is_missing

_TROUBLE = (Status.STALE, Status.NOT_READY, Status.TIME_OUT, Status.OVERFLOW)


def statuses_of(service: Service, row: Sequence[ViewValues]) -> list[Status]:
    """Of each feature of one entity."""
    return [row[view].status(number) for view, number in service.reader.sources]


def wire_statuses(service: Service, row: Sequence[ViewValues], statuses: Sequence[Status], *, report_stale: bool) -> list[str]:
    """The same in the words of the wire."""
    sources = service.reader.sources
    return [
        _wire(row[view], number, status, report_stale=report_stale)
        for (view, number), status in zip(sources, statuses, strict=True)
    ]


def _wire(part: ViewValues, number: int, status: Status, *, report_stale: bool) -> str:
    if status is Status.OVERFLOW:
        return "UNKNOWN_STATUS"
    if status is Status.NOT_READY:
        status = Status.MISSING_DATA
    elif status is Status.STALE and not report_stale:
        missing = is_missing(part.values[number], part.reader.features[number])
        status = Status.MISSING_DATA if missing else Status.PRESENT
    return f"CACHED_{status}" if part.cached and status is not Status.STALE else str(status)


def reasons_of(service: Service, statuses: Sequence[Status]) -> list[str]:
    """Why an answer is not what a service level promises: the view and what is the matter; empty where it is."""
    readers, sources = service.reader.readers, service.reader.sources
    found = {
        f"{status}: {readers[view].view_name}"
        for (view, _), status in zip(sources, statuses, strict=True)
        if status in _TROUBLE
    }
    return sorted(found)
