"""What a running server says of itself, for those who watch it from outside: is it ready, how slow is it, what is stale.

The rule: it is asked over HTTP by its public pages alone, `/readyz` and `/metrics`. A server that cannot be asked is an error
that says why, never a state that looks well.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from math import inf
from typing import Any

from tilefold.errors import InputError, StoreUnavailableError, complaint

TIMEOUT_S = 5.0
_BODY_MAX = 4_000_000
_SCHEMES = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class ServerState:
    """How a server stands.

    Attributes
    ----------
    ready
        Whether it says that it may be asked; `why` is what it says.
    requests
        How many reads of each service it has answered since its start.
    p99_s
        By service, how long 99 of 100 reads took at most, since its start; infinite past the largest bucket.
    stale
        How many rows were served with a STALE value since its start, by service.
    """

    ready: bool
    why: str
    requests: Mapping[str, int] = field(default_factory=dict)
    p99_s: Mapping[str, float] = field(default_factory=dict)
    stale: Mapping[str, int] = field(default_factory=dict)


def probe(url: str, key: str = "") -> ServerState:
    """Ask a server.

    Parameters
    ----------
    key
        An API key that may read; empty for none.

    Raises
    ------
    InputError
        If it is no HTTP address.
    StoreUnavailableError
        If it does not answer, or refuses the key.
    """
    if not url.startswith(_SCHEMES):
        raise InputError(complaint("server", "its address must be http:// or https://", url, "Write http://127.0.0.1:8080."))
    base = url.rstrip("/")
    status, body = _get(f"{base}/readyz", key)
    ready, why = status == _OK, _text(body)
    status, body = _get(f"{base}/metrics", key)
    if status != _OK:
        mend = "Give a key that may read, as TILEFOLD_SERVER_KEY."
        raise StoreUnavailableError(complaint(f"server {base}", "it must tell its metrics", f"status {status}", mend))
    return _state(ready, why, body.decode())


_OK = 200


def _get(url: str, key: str) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked by `probe`
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - as above
            return answer.status, answer.read(_BODY_MAX)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(_BODY_MAX)
    except OSError as error:
        mend = "Start `tilefold serve`, or mend its address."
        raise StoreUnavailableError(complaint("server", f"it must answer ({error})", url, mend)) from error


def _text(body: bytes) -> str:
    """What a page says, in a line."""
    try:
        found = json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")[:500]
    return str(found.get("message") or found.get("status") or found) if isinstance(found, dict) else str(found)[:500]


def _state(ready: bool, why: str, exposition: str) -> ServerState:
    buckets: dict[str, dict[float, float]] = {}
    stale: dict[str, int] = {}
    parser: Any = import_module("prometheus_client.parser")
    for family in parser.text_string_to_metric_families(exposition):
        for sample in family.samples:
            service = sample.labels.get("service", "")
            if sample.name == "tilefold_request_duration_seconds_bucket" and sample.labels["endpoint"].startswith(
                "get-features"
            ):
                held = buckets.setdefault(service, {})
                limit = float(sample.labels["le"])
                held[limit] = held.get(limit, 0.0) + sample.value
            elif sample.name == "tilefold_stale_reads_total":
                stale[service] = int(sample.value)
    requests = {service: int(held.get(inf, 0)) for service, held in buckets.items()}
    p99_s = {service: quantile(held, 0.99) for service, held in buckets.items() if held.get(inf)}
    return ServerState(ready, why, requests, p99_s, stale)


def quantile(buckets: Mapping[float, float], share: float) -> float:
    """The upper end of the bucket in which a share of all values ends, from cumulated counts by upper end.

    Examples
    --------
    >>> quantile({0.1: 90, 0.5: 100, float("inf"): 100}, 0.99)
    0.5
    """
    total = max(buckets.values())
    return next(limit for limit, count in sorted(buckets.items()) if count >= share * total)
