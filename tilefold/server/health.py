"""Whether the server lives, and whether it is fit to be asked.

The rule: `/healthz` says that the process answers, whatever its stores do. `/readyz` says 200 only while the online store
answers and the batch part of every view is as fresh as its reads promise; it names each view, so that one sees which is not.
"""

import asyncio
from datetime import datetime
from typing import Any

import msgspec

from tilefold.engine.time import to_datetime, to_us
from tilefold.errors import StoreUnavailableError
from tilefold.server.answers import Answer
from tilefold.server.endpoints import Call
from tilefold.server.refusals import RETRY_AFTER_S
from tilefold.server.served import Served

_ALIVE = Answer(200, b'{"status":"alive"}')
_RETRY = ((b"retry-after", b"%d" % RETRY_AFTER_S),)


async def healthz(call: Call) -> Answer:
    """The process answers."""
    del call
    return _ALIVE


async def readyz(call: Call) -> Answer:
    """The store answers, and all views are fresh."""
    try:
        views = await asyncio.to_thread(views_of, call.served)
    except StoreUnavailableError:
        # `message` as in every refusal; which store it is, its log says.
        gone = {"status": "unavailable", "message": "online store: it must answer, but does not.", "code": 14}
        return Answer(503, msgspec.json.encode(gone), headers=_RETRY)
    late = sorted(view["name"] for view in views if not view["fresh"])
    if late:
        message = f"views: each must be compacted within what its reads promise; these are not: {', '.join(late)}."
        return Answer(503, msgspec.json.encode({"status": "not ready", "message": message, "code": 14, "views": views}))
    return Answer(200, msgspec.json.encode({"status": "ready", "views": views}))


def views_of(served: Served) -> list[dict[str, Any]]:
    """How far each view that is kept online is; asks the store.

    Raises
    ------
    StoreUnavailableError
        It does not answer.
    """
    served.workspace.online_store.ping()
    now = served.workspace.now()
    views = [view for view in served.workspace.definitions.views.values() if view.online]
    return [_standing(served, view.name, view.valid_for_us, now) for view in views]


def _standing(served: Served, view: str, valid_for_us: int, now: datetime) -> dict[str, Any]:
    reader = served.parts.view_reader(view)
    mark = reader.mark()
    if reader.is_behind:
        reader = reader.followed()
        mark = reader.mark()
    declared = served.workspace.definitions.view(view).version
    versions = {} if reader.version == declared else {"served_version": reader.version, "definitions_version": declared}
    if mark is None:
        return {"name": view, "watermark": None, "fresh": False, **versions}
    age_us = to_us(now) - mark.watermark_us
    fresh = mark.epoch == 0 or age_us <= valid_for_us  # the nothing before any event never is late
    return {
        "name": view,
        "watermark": to_datetime(mark.watermark_us).isoformat(),
        "age_s": age_us / 1e6,
        "fresh": fresh,
        **versions,
    }
