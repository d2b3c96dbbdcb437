"""`/explain` and `/explain.json`: what is behind a value, for people and for programs.

The rule: it may take long (it may go over an event log), so it has threads of its own, few of them, and never holds up a read.
A mistake is told on the page, beside what was typed.
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
    definitions = call.served.workspace.definitions
    asked, told = Asked(), None
    try:
        asked = Asked.of(call.scope["query_string"])
        if asked.view:
            definitions.view(asked.view)
        if asked.is_complete:
            told = await _explained(call, asked)
    except TilefoldError as error:
        refusal = refusal_of(error)
        failure = Failure(f"{refusal.kind.value[2].capitalize()}.", refusal.message)
        page = explain_page(definitions, asked, None, failure)
        return Answer(refusal.kind.status, page.encode("utf-8", "replace"), HTML, (*_headers, *refusal.headers))
    return Answer(200, explain_page(definitions, asked, told).encode("utf-8", "replace"), HTML, _headers)


async def explain_json(call: Call) -> Answer:
    """The same for programs."""
    asked = Asked.of(call.scope["query_string"])
    told = await _explained(call, asked)
    return Answer(200, json.dumps(as_json(told, asked.feature)).encode())


def refused_page(refusal: Refusal) -> Answer:
    """A refusal as a page."""
    page = rendered("refused.html", title=refusal.kind.value[2].capitalize(), message=refusal.message)
    return Answer(refusal.kind.status, page.encode("utf-8", "replace"), HTML, (*_headers, *refusal.headers))


async def _explained(call: Call, asked: Asked) -> Explanation:
    call.outcome.service = asked.view if asked.view in call.served.workspace.definitions.views else ""
    return await asyncio.get_running_loop().run_in_executor(_threads, call.served.explain, asked)
