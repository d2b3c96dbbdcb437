"""`/ingest`: events pushed over HTTP.

The rule: events are accepted one by one, and the answer, which comes when they are durable, says what became of each: how many
of each source were accepted, were there before, or are late, and of each refused one why. Nothing is accepted where the request
itself is wrong (a source that is not there, a field of another type).
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec

from tilefold.declaration.sources import Source, StreamSource
from tilefold.errors import InputError, complaint
from tilefold.server.answers import Answer
from tilefold.server.endpoints import Call
from tilefold.server.event_values import from_json
from tilefold.server.read_options import check_workspace
from tilefold.server.refusals import Kind, Refusal
from tilefold.server.wire import IngestRequest, decoded
from tilefold.serving.reports import Receipt
from tilefold.stores.event_columns import EVENT_ID

THREADS = 16
ERROR_TYPE = "INVALID_RECORD"

_threads = ThreadPoolExecutor(THREADS, "ingest")  # of their own: one that waits for visibility holds up no other kind of work


async def ingest(call: Call) -> Answer:
    """Accept events of some sources."""
    request = decoded(call.body, IngestRequest)
    check_workspace(call.served, request.workspace_name)
    loop, dry_run = asyncio.get_running_loop(), bool(request.dry_run)
    batches = {name: _records(_source(call, name), request) for name in request.records}
    receipts: dict[str, Receipt] = {}
    for name, records in batches.items():
        work = partial(call.served.ingest, name, records, request.wait_for, dry_run=dry_run)
        receipts[name] = await loop.run_in_executor(_threads, work)
        call.outcome.ingested = {known: _counts(receipt) for known, receipt in receipts.items()}
    return _answer(receipts, call.served.workspace.name, dry_run=dry_run)


def refused(refusal: Refusal) -> Answer:
    """A refused request in the words of this endpoint, and in those of all."""
    answer = refusal.answer()
    body = {**msgspec.json.decode(answer.body), "requestError": {"errorMessage": refusal.message}}
    return answer._replace(body=msgspec.json.encode(body))


def _source(call: Call, name: str) -> Source:
    source = call.served.workspace.definitions.source(name)
    if not isinstance(source, StreamSource):
        mend = "Declare it as a StreamSource, or append its history with Workspace.append."
        raise InputError(complaint(f"records.{name}", "only a StreamSource takes pushed events", name, mend))
    return source


def _records(source: Source, request: IngestRequest) -> list[Mapping[str, Any]]:
    """The events of one source in Python's types."""
    return [
        from_json(source, each.record if each.event_id is None else {**each.record, EVENT_ID: each.event_id})
        for each in request.records[source.name]
    ]


def _counts(receipt: Receipt) -> dict[str, int]:
    return {
        "accepted": receipt.accepted,
        "duplicate": receipt.duplicate,
        "refused": len(receipt.refused),
        "late": receipt.late,
    }


def _answer(receipts: Mapping[str, Receipt], workspace: str, *, dry_run: bool) -> Answer:
    errors = [
        {"pushSourceName": name, "index": each.index, "errorType": ERROR_TYPE, "errorMessage": each.reason}
        for name, receipt in receipts.items()
        for each in receipt.refused
    ]
    body: dict[str, Any] = {
        "workspaceName": workspace,
        "dryRun": dry_run,
        "counts": {name: _counts(receipt) for name, receipt in receipts.items()},
        "recordErrors": errors,
    }
    if errors and not any(receipt.accepted or receipt.duplicate for receipt in receipts.values()):
        whole = Refusal(Kind.INVALID, f"records: all {len(errors)} were refused; recordErrors says why.")
        return Answer(whole.kind.status, msgspec.json.encode({**msgspec.json.decode(refused(whole).body), **body}))
    return Answer(200, msgspec.json.encode(body))
