"""`get-features`, `get-features-batch` and `metadata`.

The rule: one request is one read, however many views and entities it names; what an answer says beside the values is only
worked out for who asks for it. Long batches let other requests have their turn in between.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from tilefold.server.answers import Answer
from tilefold.server.endpoints import Call
from tilefold.server.outcomes import Outcome
from tilefold.server.read_metadata import batch_metadata, metadata
from tilefold.server.read_options import check_context, check_workspace, read_options
from tilefold.server.refusals import Kind, Refusal
from tilefold.server.services import Service
from tilefold.server.wire import (
    NO_METADATA,
    NO_OPTIONS,
    ROWS_MAX,
    BatchParams,
    BatchRequest,
    MetadataRequest,
    ReadParams,
    ReadRequest,
    decoded,
)
from tilefold.serving.read import ViewValues
from tilefold.serving.read_joined import FOLDS_AT_ONCE, Reading

_encode = msgspec.json.Encoder().encode


async def get_features(call: Call) -> Answer:
    """The features of one entity."""
    params = decoded(call.body, ReadRequest).params
    options = params.request_options or NO_OPTIONS
    service = _service(call, params)
    check_context(params.request_context_map, options, "params.requestContextMap")
    keys = [service.join_keys.parsed(params.join_key_map or {})]
    reading = await _read(call, service, params, keys)
    body: dict[str, Any] = {"result": {"features": service.values_of(reading.rows[0])}}
    if params.metadata_options is not None and params.metadata_options != NO_METADATA:
        body["metadata"] = metadata(service, reading, params.metadata_options, options, call.began_s)
    elif not reading.complete:
        body["metadata"] = {"partialResults": True}
    return Answer(200, _encode(body))


async def get_features_batch(call: Call) -> Answer:
    """The features of many entities."""
    params = decoded(call.body, BatchRequest).params
    options = params.request_options or NO_OPTIONS
    service = _service(call, params)
    if len(params.request_data) > ROWS_MAX:
        rule = f"it must have at most {ROWS_MAX} rows"
        raise Refusal(Kind.INVALID, f"params.requestData: {rule}; got {len(params.request_data)}. Send several requests.")
    for number, row in enumerate(params.request_data):
        check_context(row.request_context_map, options, f"params.requestData[{number}].requestContextMap")
    keys = [service.join_keys.parsed(row.join_key_map or {}) for row in params.request_data]
    if not keys:
        return Answer(200, b'{"result":[]}')
    reading = await _read(call, service, params, keys)
    body: dict[str, Any] = {"result": await _results(service, reading.rows)}
    if params.metadata_options is not None and params.metadata_options != NO_METADATA:
        body["metadata"] = batch_metadata(service, reading, params.metadata_options, options, call.began_s)
    elif not reading.complete:
        body["metadata"] = {"partialResults": True}
    return Answer(200, _encode(body))


async def service_metadata(call: Call) -> Answer:
    """What a service takes and gives."""
    params = decoded(call.body, MetadataRequest).params
    check_workspace(call.served, params.workspace_name)
    return Answer(200, _encode(call.served.service(params.feature_service_name).described()))


def _service(call: Call, params: ReadParams | BatchParams) -> Service:
    check_workspace(call.served, params.workspace_name)
    service = call.served.service(params.feature_service_name)
    call.outcome.service = service.name
    return service


async def _read(call: Call, service: Service, params: ReadParams | BatchParams, keys: Sequence[Any]) -> Reading:
    """Read, note how it went, and refuse what is not complete unless that is allowed."""
    options, wanted = params.request_options or NO_OPTIONS, params.metadata_options or NO_METADATA
    waited_s = time.perf_counter() - call.began_s
    meant = read_options(call.served, service, options, waited_s, sizes=bool(wanted.include_slo_info))
    reading = await call.served.reads.read(service.reader, service.reader.asked(keys), meant)
    _note(call.outcome, reading)
    if not reading.complete and not params.allow_partial_results:
        mend = "Allow more time, or set params.allowPartialResults."
        rule = "the store must answer within it"
        raise Refusal(
            Kind.TOO_LATE, f"params.requestOptions.latencyBudgetMs: {rule}; got {options.latency_budget_ms} ms. {mend}"
        )
    return reading


async def _results(service: Service, rows: Sequence[Sequence[ViewValues]]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    for start in range(0, len(rows), FOLDS_AT_ONCE):
        if start:
            await asyncio.sleep(0)
        results += [{"features": service.values_of(row)} for row in rows[start : start + FOLDS_AT_ONCE]]
    return results


def _note(outcome: Outcome, reading: Reading) -> None:
    """For metrics."""
    outcome.rows, outcome.store_s = len(reading.rows), reading.store_s
    for row in reading.rows:
        odd, cached = [], True
        for part in row:
            cached = cached and part.cached
            if not part.is_plain:
                odd.append(part)
        outcome.cached += cached
        if odd:
            outcome.timed_out += any(not part.arrived for part in odd)
            outcome.not_ready += any(part.arrived and part.held is None for part in odd)
            outcome.stale += any(part.held is not None for part in odd)
