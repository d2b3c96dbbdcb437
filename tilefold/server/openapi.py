"""The OpenAPI document: what the server takes and answers, built from the structs that read requests.

The rule: a request's schema is made of the struct that decodes it, so that they cannot say different things; what a struct
cannot say (the declared names, limits) is added here. The document is of one workspace: it names what that serves.
"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

import msgspec

from tilefold.declaration.sources import StreamSource
from tilefold.server import wire, wire_answers
from tilefold.server.explain_query import AXES
from tilefold.server.read_options import BUDGET_MS_MAX
from tilefold.serving.definitions import Definitions

REF: Final = "#/components/schemas/{name}"
_READS: Final = "/api/v1/feature-service/"
_TYPES: Final[list[Any]] = [
    wire.ReadRequest,
    wire.BatchRequest,
    wire.MetadataRequest,
    wire.IngestRequest,
    wire_answers.ReadAnswer,
    wire_answers.BatchAnswer,
    wire_answers.ServiceAnswer,
    wire_answers.IngestAnswer,
    wire_answers.IngestFailed,
    wire_answers.Health,
    wire_answers.Failed,
]
_STATUSES: Final = {
    "400": "A field is wrong; the message names it.",
    "401": "The API key is missing, or none of this workspace's.",
    "403": "The key has another role.",
    "404": "No such service, view or source.",
    "405": "The path takes another method.",
    "429": "The server is busy.",
    "503": "A store does not answer; Retry-After says when to ask again.",
    "504": "The latency budget ran out.",
}
Json = dict[str, Any]


def document(definitions: Definitions) -> Json:
    """The OpenAPI 3.1 document of a workspace's server."""
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template=REF)
    _name_what_is_declared(schemas, definitions)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tilefold feature server",
            "version": version("tilefold"),
            "description": "Feature values, online, as Tecton's clients ask for them. Errors have a JSON body with `message`.",
        },
        "paths": _paths(definitions),
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
        "security": [{"key": []}, {"bearer": []}],
    }


_SECURITY: Final[Json] = {
    "key": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Tecton-key KEY`"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


def _name_what_is_declared(schemas: dict[str, Json], definitions: Definitions) -> None:
    """Put names and limits into the schemas of requests."""
    names = sorted([*definitions.services, *(name for name, view in definitions.views.items() if view.online)])
    for params in ("ReadParams", "BatchParams", "MetadataParams"):
        schemas[params]["properties"]["featureServiceName"] |= {
            "examples": names,
            "description": f"One of: {', '.join(names)}.",
        }
    schemas["BatchParams"]["properties"]["requestData"] |= {"maxItems": wire.ROWS_MAX}
    budget = schemas["RequestOptions"]["properties"]["latencyBudgetMs"]
    for kind in budget["anyOf"]:
        if kind.get("type") == "integer":
            kind |= {"minimum": 1, "maximum": BUDGET_MS_MAX}
    sources = sorted(name for name, source in definitions.sources.items() if isinstance(source, StreamSource))
    records = schemas["IngestRequest"]["properties"]["records"]
    records |= {"description": f"By source; one of: {', '.join(sources) or 'none'}."}


def _paths(definitions: Definitions) -> Json:
    views = sorted(name for name, view in definitions.views.items() if view.online)
    return {
        f"{_READS}get-features": {"post": _operation("The features of one entity", "read", "ReadRequest", "ReadAnswer")},
        f"{_READS}get-features-batch": {
            "post": _operation("The features of many entities", "read", "BatchRequest", "BatchAnswer")
        },
        f"{_READS}metadata": {"post": _operation("What a service takes and gives", "read", "MetadataRequest", "ServiceAnswer")},
        "/ingest": {"post": _operation("Push events", "ingest", "IngestRequest", "IngestAnswer", failed="IngestFailed")},
        "/explain.json": {"get": _explain("What is behind a value", views, "application/json", {"type": "object"})},
        "/explain": {"get": _explain("The same as a page", views, "text/html", {"type": "string"}, page=True)},
        "/healthz": {"get": _plain("Whether the process answers", "application/json", _ref("Health"), open_=True)},
        "/readyz": {
            "get": _plain("Whether the stores answer and all views are fresh", "application/json", _ref("Health"), open_=True)
        },
        "/metrics": {"get": _plain("Counters for Prometheus", "text/plain", {"type": "string"})},
        "/openapi.json": {"get": _plain("This document", "application/json", {"type": "object"})},
        "/docs": {"get": _plain("This document as a page", "text/html", {"type": "string"})},
    }


def _operation(summary: str, role: str, request: str, answer: str, failed: str = "Failed") -> Json:
    return {
        "summary": summary,
        "description": f"Needs a key of role `{role}`, once there are keys.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(request)}}},
        "responses": {"200": _answer("Done.", "application/json", _ref(answer)), **_failures(_ref(failed))},
    }


def _explain(summary: str, views: list[str], content: str, schema: Json, *, page: bool = False) -> Json:
    shown = {"type": "string", "examples": views}
    parameters = [
        {"name": "view", "in": "query", "required": not page, "schema": shown, "description": f"One of: {', '.join(views)}."},
        {
            "name": "keys",
            "in": "query",
            "required": not page,
            "style": "deepObject",
            "explode": True,
            "description": "The join keys: `keys[user_id]=u1`.",
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        {"name": "feature", "in": "query", "schema": {"type": "string"}, "description": "One of the view's; all without it."},
        {"name": "at", "in": "query", "schema": {"type": "string"}, "description": "ISO 8601; now without it."},
        {
            "name": "reference",
            "in": "query",
            "schema": {"type": "string", "enum": ["0", "1"]},
            "description": "1: compare with what the event log gives.",
        },
    ]
    if page:
        about = "How time is drawn; what shows more, without it."
        parameters.append(
            {"name": "axis", "in": "query", "schema": {"type": "string", "enum": list(AXES)}, "description": about}
        )
    failed = {"type": "string"} if page else _ref("Failed")
    responses = {"200": _answer("Done.", content, schema), **_failures(failed, content)}
    return {"summary": summary, "description": _READ, "parameters": parameters, "responses": responses}


_READ: Final = "Needs a key of role `read`, once there are keys; a browser may give it as a password."


def _plain(summary: str, content: str, schema: Json, *, open_: bool = False) -> Json:
    responses = {"200": _answer("Done.", content, schema), **_failures(_ref("Health") if open_ else _ref("Failed"))}
    about = {"description": "Open to everybody.", "security": []} if open_ else {"description": _READ}
    return {"summary": summary, **about, "responses": responses}


def _failures(schema: Json, content: str = "application/json") -> Json:
    return {status: _answer(about, content, schema) for status, about in _STATUSES.items()}


def _answer(about: str, content: str, schema: Json) -> Json:
    return {"description": about, "content": {content: {"schema": schema}}}


def _ref(name: str) -> Json:
    return {"$ref": REF.format(name=name)}


def schema_of(found: Json, name: str) -> Mapping[str, Any]:
    """A schema of a document by its name."""
    schema: Mapping[str, Any] = found["components"]["schemas"][name]
    return schema
