"""What answers look like, for the document that describes them.

The rule: these are never filled in, only described: answers are put together where they are made, field by field as they are
asked for. The tests hold real answers against them.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class Failed(msgspec.Struct):
    """Why a request was refused: the message names the field, what was sent and what is accepted."""

    error: str
    message: str
    code: int


class Values(msgspec.Struct):
    """The values of one entity in the order of the service's features. Integers are text, also inside lists; NaN is "NaN"."""

    features: list[Any]


class SloInfo(msgspec.Struct, rename="camel"):
    """What it took, and whether every value is as good as is promised."""

    slo_eligible: bool
    slo_ineligibility_reasons: list[str]
    slo_server_time_seconds: float
    server_time_seconds: float
    store_max_latency: float
    store_response_size_bytes: int


class FeatureInfo(msgspec.Struct, rename="camel"):
    """What is told of a feature; fields that were not asked for are not there."""

    name: str | UnsetType = UNSET
    data_type: dict[str, Any] | UnsetType = UNSET
    effective_time: str | list[str | None] | UnsetType | None = UNSET
    status: str | list[str] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    tags: dict[str, str] | UnsetType = UNSET


class Metadata(msgspec.Struct, rename="camel"):
    """What is told beside the values."""

    partial_results: bool
    features: list[FeatureInfo] | UnsetType = UNSET
    slo_info: SloInfo | UnsetType = UNSET


class BatchMetadata(msgspec.Struct, rename="camel"):
    """What is told beside the values of many entities; what differs from row to row is a list."""

    partial_results: bool
    features: list[FeatureInfo] | UnsetType = UNSET
    slo_info: list[SloInfo] | UnsetType = UNSET
    batch_slo_info: SloInfo | UnsetType = UNSET


class ReadAnswer(msgspec.Struct):
    """The features of one entity."""

    result: Values
    metadata: Metadata | UnsetType = UNSET


class BatchAnswer(msgspec.Struct):
    """The features of many entities, in the order asked."""

    result: list[Values]
    metadata: BatchMetadata | UnsetType = UNSET


class NamedType(msgspec.Struct, rename="camel"):
    """A name and its type."""

    name: str
    data_type: dict[str, Any]


class ServiceAnswer(msgspec.Struct, rename="camel"):
    """What a service takes and gives."""

    feature_service_type: str
    input_join_keys: list[NamedType]
    input_request_context_keys: list[NamedType]
    feature_values: list[NamedType]


class Counts(msgspec.Struct):
    """What became of the events of a source."""

    accepted: int
    duplicate: int
    refused: int
    late: int


class RecordError(msgspec.Struct, rename="camel"):
    """Why an event was refused."""

    push_source_name: str
    index: int
    error_type: str
    error_message: str


class IngestAnswer(msgspec.Struct, rename="camel"):
    """What became of pushed events; those that were accepted are durable."""

    workspace_name: str
    dry_run: bool
    counts: dict[str, Counts]
    record_errors: list[RecordError]


class RequestError(msgspec.Struct, rename="camel"):
    """The message of a refused request, as Tecton's ingest tells it."""

    error_message: str


class IngestFailed(msgspec.Struct, rename="camel"):
    """Why pushed events were refused: the request as a whole, or each of them."""

    error: str
    message: str
    code: int
    request_error: RequestError
    record_errors: list[RecordError] | UnsetType = UNSET


class Health(msgspec.Struct):
    """How the server stands."""

    status: str
    message: str | UnsetType = UNSET
    code: int | UnsetType = UNSET
    views: list[dict[str, Any]] | UnsetType = UNSET
