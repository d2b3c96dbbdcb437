"""`/explain` and `/explain.json`: what is behind a value, for people and for programs.

The rule: it may take long (it may go over an event log), so it is done in threads of its own, few of them, drawing included:
the event loop goes on with reads. A mistake is told on the page, beside what was typed.
"""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tilefold.errors import TilefoldError
from tilefold.server.answers import Answer
from tilefold.server.endpoints import Call
from tilefold.server.explain_json import as_json
from tilefold.server.explain_page import SECURITY, Failure, explain_page, rendered
from tilefold.server.explain_query import Asked
from tilefold.server.refusals import Refusal, refusal_of
from tilefold.serving.explained import Explanation

THREADS = 2
HTML: Final = b"text/html; charset=utf-8"

_threads = ThreadPoolExecutor(THREADS, "explain")
_headers = tuple((name.encode(), value.encode()) for name, value in SECURITY.items())


async def explain_html(call: Call) -> Answer:
    """The page: a form, and what it asks for."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _page, call)


async def explain_json(call: Call) -> Answer:
    """The same for programs."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _data, call)


def _page(call: Call) -> Answer:
    definitions = call.served.workspace.definitions
    query = call.scope["query_string"]
    asked, told, failure = Asked.readable(query), None, None
    status, headers = 200, _headers
    try:
        asked = Asked.of(query)
        if asked.view:
            definitions.view(asked.view)
        if asked.is_complete:
            told = _explained(call, asked)
    except TilefoldError as error:
        refusal = refusal_of(error)
        failure = Failure(f"{refusal.kind.value[2].capitalize()}.", refusal.message)
        status, headers = refusal.kind.status, (*_headers, *refusal.headers)
    return Answer(status, explain_page(definitions, asked, told, failure).encode("utf-8", "replace"), HTML, headers)


def _data(call: Call) -> Answer:
    asked = Asked.of(call.scope["query_string"])
    return Answer(200, json.dumps(as_json(_explained(call, asked), asked.feature)).encode())


def _explained(call: Call, asked: Asked) -> Explanation:
    call.outcome.service = asked.view if asked.view in call.served.workspace.definitions.views else ""
    return call.served.explain(asked)


def refused_page(refusal: Refusal) -> Answer:
    """A refusal as a page."""
    page = rendered("refused.html", title=refusal.kind.value[2].capitalize(), message=refusal.message)
    return Answer(refusal.kind.status, page.encode("utf-8", "replace"), HTML, (*_headers, *refusal.headers))
