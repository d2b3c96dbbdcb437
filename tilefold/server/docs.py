"""`/openapi.json`, and `/docs`, the same for people.

The rule: the page is made here of the document, without a script, and loads nothing.
"""

import asyncio
import json
from typing import Any

from tilefold.server.answers import Answer
from tilefold.server.endpoints import Call
from tilefold.server.explain import HTML
from tilefold.server.explain_page import SECURITY, rendered
from tilefold.server.openapi import document

_headers = tuple((name.encode(), value.encode()) for name, value in SECURITY.items())


async def openapi(call: Call) -> Answer:
    """The document."""
    return await asyncio.to_thread(_document, call)


async def docs(call: Call) -> Answer:
    """The page."""
    return await asyncio.to_thread(_page, call)


def _document(call: Call) -> Answer:
    return Answer(200, json.dumps(document(call.served.workspace.definitions)).encode())


def _page(call: Call) -> Answer:
    found = document(call.served.workspace.definitions)
    schemas = {name: _listed(schema) for name, schema in sorted(found["components"]["schemas"].items())}
    page = rendered("docs.html", info=found["info"], operations=list(_operations(found)), schemas=schemas)
    return Answer(200, page.encode(), HTML, _headers)


def _operations(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"path": path, "method": method.upper(), "id": f"{method}{path.replace('/', '-')}", **operation, **_named(operation)}
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
    ]


def _named(operation: dict[str, Any]) -> dict[str, Any]:
    """The names of the schemas that an operation takes and gives."""
    body = operation.get("requestBody", {}).get("content", {})
    answer = operation["responses"]["200"]["content"]
    return {"takes": _names(body), "gives": _names(answer), "parameters": operation.get("parameters", [])}


def _names(content: dict[str, Any]) -> list[tuple[str, str]]:
    return [(kind, each["schema"].get("$ref", "").rpartition("/")[2]) for kind, each in content.items()]


def _listed(schema: dict[str, Any]) -> dict[str, Any]:
    """The fields of a schema with their types in words."""
    needed = set(schema.get("required", ()))
    fields = [
        {"name": name, "type": _type(each), "required": name in needed, "about": each.get("description", "")}
        for name, each in schema.get("properties", {}).items()
    ]
    return {"about": schema.get("description", ""), "fields": fields}


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"object of {_type(inner)}" if isinstance(inner, dict) and inner else "object"
    return str(kind)
