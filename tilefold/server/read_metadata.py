"""What an answer says beside the values, for those who ask for it.

The rule: what was not asked for is not there; nothing is ever null in place of an object, which clients stumble over.
"""

import time
from collections.abc import Sequence
from typing import Any

from tilefold.server.services import Service
from tilefold.server.statuses import reasons_of, statuses_of, wire_statuses
from tilefold.server.values import time_text
from tilefold.server.wire import MetadataOptions, RequestOptions
from tilefold.serving.read import ViewValues
from tilefold.serving.read_joined import Reading


def metadata(
    service: Service, reading: Reading, wanted: MetadataOptions, options: RequestOptions, began_s: float
) -> dict[str, Any]:
    """Of an answer for one entity."""
    row, told = reading.rows[0], _heads(service, wanted)
    found: dict[str, Any] = {"partialResults": not reading.complete}
    if wanted.include_serving_status or wanted.include_slo_info:
        statuses = statuses_of(service, row)
        if wanted.include_slo_info:
            size = sum(reading.sizes)
            found["sloInfo"] = _slo(reasons_of(service, statuses), reading, size, began_s)
        if wanted.include_serving_status:
            words = wire_statuses(service, row, statuses, report_stale=bool(options.report_stale))
            told = _with(told, "status", words)
    if wanted.include_effective_times:
        told = _with(told, "effectiveTime", _effective(service, row))
    if any(told):
        found["features"] = told
    return found


def batch_metadata(
    service: Service, reading: Reading, wanted: MetadataOptions, options: RequestOptions, began_s: float
) -> dict[str, Any]:
    """Of an answer for many entities: what differs from row to row is a list."""
    told = _heads(service, wanted)
    found: dict[str, Any] = {"partialResults": not reading.complete}
    if wanted.include_serving_status or wanted.include_slo_info:
        statuses = [statuses_of(service, row) for row in reading.rows]
        if wanted.include_slo_info:
            reasons = [reasons_of(service, each) for each in statuses]
            sizes = reading.sizes
            found["sloInfo"] = [_slo(why, reading, size, began_s) for why, size in zip(reasons, sizes, strict=True)]
            every = sorted({reason for why in reasons for reason in why})
            found["batchSloInfo"] = _slo(every, reading, sum(sizes), began_s)
        if wanted.include_serving_status:
            stale = bool(options.report_stale)
            words = [
                wire_statuses(service, row, each, report_stale=stale) for row, each in zip(reading.rows, statuses, strict=True)
            ]
            told = _with(told, "status", list(zip(*words, strict=True)))
    if wanted.include_effective_times:
        told = _with(told, "effectiveTime", list(zip(*(_effective(service, row) for row in reading.rows), strict=True)))
    if any(told):
        found["features"] = told
    return found


def _heads(service: Service, wanted: MetadataOptions) -> list[dict[str, Any]]:
    return service.heads(
        names=bool(wanted.include_names),
        types=bool(wanted.include_data_types),
        descriptions=bool(wanted.include_feature_descriptions),
        tags=bool(wanted.include_feature_tags),
    )


def _with(told: Sequence[dict[str, Any]], key: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    return [{**each, key: value} for each, value in zip(told, values, strict=True)]


def _effective(service: Service, row: Sequence[ViewValues]) -> list[str | None]:
    """As of when each value is; null where there is none."""
    times = [part.effective_time() for part in row]
    texts = [None if each is None else time_text(each) for each in times]
    return [texts[view] for view, _ in service.reader.sources]


def _slo(reasons: Sequence[str], reading: Reading, size_bytes: int, began_s: float) -> dict[str, Any]:
    took_s = time.perf_counter() - began_s
    return {
        "sloEligible": not reasons,
        "sloIneligibilityReasons": list(reasons),
        "sloServerTimeSeconds": took_s,
        "serverTimeSeconds": took_s,
        "storeMaxLatency": reading.store_s or 0.0,
        "storeResponseSizeBytes": size_bytes,
    }
