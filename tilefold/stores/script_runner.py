"""Runs Lua in the online store, many calls at once.

The rule: a script is sent by its hash, and again with its text where the server does not know it (it was restarted), so every
script must be right when it runs twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha1
from itertools import islice
from typing import Any, TypeVar

from redis.exceptions import NoScriptError, RedisError

from tilefold.stores.round_trips import RoundTrips, packed
from tilefold.stores.store_errors import Faults

# The store serves one command at a time, and all of a pipeline that has arrived, so these set how long a read may wait. A
# script of 25 keys takes it 0.1 ms, of which a third is the script's own cost. A stream writer, whose events somebody waits
# for, sends four of them at once. A sync sends one of few keys at a time: with 25, reads beside it took 2.5x at p99.
SYNC_KEYS = 16
SCRIPT_KEYS = 25
SLICE_KEYS = 50
"""So many keys are read at a time by what nobody waits for: 5,000 at once held up reads beside them for milliseconds."""
SCRIPT_BYTES = 32 * 1024
PIPELINE_SCRIPTS = 4

T = TypeVar("T")


class Script:
    """A text in Lua."""

    __slots__ = ("digest", "text")

    def __init__(self, text: str) -> None:
        self.text = text.encode()
        self.digest = sha1(self.text, usedforsecurity=False).hexdigest().encode()  # what the protocol asks for


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a script."""

    keys: Sequence[bytes]
    args: Sequence[bytes]


class ScriptRunner:
    """Sends scripts over the connections of one store; raises our errors."""

    def __init__(self, trips: RoundTrips, faults: Faults) -> None:
        self._trips = trips
        self._faults = faults

    def run(self, script: Script, call: Call) -> int:
        """The answer to one call."""
        return self.run_all(script, [call])[0]

    def ask(self, script: Script, call: Call) -> Any:
        """The answer to one call, of whatever type."""
        return self.run_all(script, [call])[0]

    def run_all(self, script: Script, calls: Sequence[Call]) -> list[int]:
        """The answers to calls sent at once."""
        try:
            return self._sent(script, _request(script, calls), len(calls))
        except RedisError as error:
            raise self._faults.translated(error) from error

    def run_overlapped(self, script: Script, batches: Iterable[Sequence[Call]]) -> Iterator[Any]:
        """The answers to calls that are sent batch by batch; the next batch is made while the server works on the last."""
        rest = iter(batches)
        for first in rest:  # by itself, so that the server knows the script
            yield from self.run_all(script, first)
            break
        try:
            for answers in self._trips.overlapped((_request(script, batch), len(batch)) for batch in rest):
                yield from answers
        except RedisError as error:
            raise self._faults.translated(error) from error

    def _sent(self, script: Script, request: bytes, replies: int) -> list[Any]:
        try:
            return self._trips.many(request, replies)
        except NoScriptError:
            self._trips.one(packed(b"SCRIPT", b"LOAD", script.text))
            return self._trips.many(request, replies)


def _request(script: Script, calls: Sequence[Call]) -> bytes:
    return b"".join([packed(b"EVALSHA", script.digest, b"%d" % len(call.keys), *call.keys, *call.args) for call in calls])


def spans(sizes: Iterable[int]) -> Iterator[slice]:
    """Cut a run of keys, whose blobs have these sizes in bytes, into what one script of a sync may take."""
    start = end = bulk = 0
    for size in sizes:
        if end - start == SYNC_KEYS or (end > start and bulk + size > SCRIPT_BYTES):
            yield slice(start, end)
            start, bulk = end, 0
        end += 1
        bulk += size
    if end > start:
        yield slice(start, end)


def batched(items: Iterable[T], length: int) -> Iterator[list[T]]:
    """Lists of `length` items, the last one shorter (`itertools.batched` of Python 3.12)."""
    rest = iter(items)
    while batch := list(islice(rest, length)):
        yield batch
