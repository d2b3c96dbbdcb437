"""Requests as they come: their fields, and what is said of those that are wrong.

The rule: a field that the contract does not know is passed over, one that it knows must be of its type. A refusal names the
field by its path (`params.joinKeyMap`), what was sent and what is accepted.
"""

import re
from typing import Any, TypeVar

import msgspec

from tilefold.server.refusals import Kind, Refusal

ROWS_MAX = 10_000

_WHERE = re.compile(r"(?P<rule>.*?)(?: - at `(?P<path>[^`]*)`)?", re.DOTALL)


class MetadataOptions(msgspec.Struct, rename="camel", frozen=True):
    """What an answer says beside the values."""

    include_names: bool | None = None
    include_data_types: bool | None = None
    include_effective_times: bool | None = None
    include_slo_info: bool | None = None
    include_serving_status: bool | None = None
    include_feature_descriptions: bool | None = None
    include_feature_tags: bool | None = None


class RequestOptions(msgspec.Struct, rename="camel", frozen=True):
    """How a read is meant; see docs/operations.md."""

    read_from_cache: bool | None = None
    write_to_cache: bool | None = None
    ignore_extra_request_context_fields: bool | None = None
    latency_budget_ms: int | None = None
    coerce_null_counts_to_zero: bool | None = None
    aggregation_leading_edge: str | None = None
    high_watermark_override: str | None = None
    report_stale: bool | None = None


NO_METADATA, NO_OPTIONS = MetadataOptions(), RequestOptions()


class ReadParams(msgspec.Struct, rename="camel", frozen=True):
    """`params` of get-features."""

    feature_service_name: str
    workspace_name: str | None = None
    join_key_map: dict[str, Any] | None = None
    request_context_map: dict[str, Any] | None = None
    allow_partial_results: bool | None = None
    metadata_options: MetadataOptions | None = None
    request_options: RequestOptions | None = None


class ReadRequest(msgspec.Struct, frozen=True):
    """A request for one entity."""

    params: ReadParams


class RequestRow(msgspec.Struct, rename="camel", frozen=True):
    """One entity of a batch."""

    join_key_map: dict[str, Any] | None = None
    request_context_map: dict[str, Any] | None = None


class BatchParams(msgspec.Struct, rename="camel", frozen=True):
    """`params` of get-features-batch."""

    feature_service_name: str
    request_data: list[RequestRow]
    workspace_name: str | None = None
    allow_partial_results: bool | None = None
    metadata_options: MetadataOptions | None = None
    request_options: RequestOptions | None = None


class BatchRequest(msgspec.Struct, frozen=True):
    """A request for many entities."""

    params: BatchParams


class MetadataParams(msgspec.Struct, rename="camel", frozen=True):
    """`params` of metadata."""

    feature_service_name: str
    workspace_name: str | None = None


class MetadataRequest(msgspec.Struct, frozen=True):
    """A request for what a service takes and gives."""

    params: MetadataParams


class IngestRecord(msgspec.Struct, frozen=True):
    """One event; its id may stand beside it or among its columns."""

    record: dict[str, Any]
    event_id: str | None = None


class IngestRequest(msgspec.Struct, frozen=True):
    """Events of some sources."""

    records: dict[str, list[IngestRecord]]
    workspace_name: str | None = None
    dry_run: bool | None = None
    wait_for: str | None = None


RequestT = TypeVar("RequestT", ReadRequest, BatchRequest, MetadataRequest, IngestRequest)

_DECODERS: dict[type[Any], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (ReadRequest, BatchRequest, MetadataRequest, IngestRequest)
}


def decoded(body: bytes, kind: type[RequestT]) -> RequestT:
    """The request that a body holds.

    Raises
    ------
    Refusal
        It is no JSON, or a field is missing or of another type.
    """
    try:
        return _DECODERS[kind].decode(body)  # type: ignore[no-any-return] # a decoder of this kind
    except msgspec.ValidationError as error:
        raise _wrong_field(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        got = "nothing" if not body else str(error)
        raise Refusal(Kind.INVALID, f"body: it must be a JSON object in UTF-8; got {got}. {_mend(kind)}") from error


def _mend(kind: type[Any]) -> str:
    if kind is IngestRequest:
        return 'Send {"records": {"source": [{"record": {..}}]}}.'
    return 'Send {"params": {"featureServiceName": "..", ..}}.'


def _wrong_field(said: str) -> Refusal:
    """What msgspec says, with the field in front: "Expected `str`, got `int` - at `$.params.x`"."""
    found = _WHERE.fullmatch(said)
    rule, path = (found["rule"], found["path"]) if found else (said, None)
    field = (path or "$").removeprefix("$").removeprefix(".") or "body"
    missing = re.fullmatch(r"Object missing required field `(?P<name>[^`]*)`", rule)
    if missing:
        whole = missing["name"] if field == "body" else f"{field}.{missing['name']}"
        return Refusal(Kind.INVALID, f"{whole}: it is required; got none.")
    typed = re.fullmatch(r"Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`", rule)
    if typed:
        wanted = typed["wanted"].replace(" | ", " or ")
        return Refusal(Kind.INVALID, f"{field}: it must be of type {wanted}; got {typed['got']}.")
    return Refusal(Kind.INVALID, f"{field}: {rule}.")
