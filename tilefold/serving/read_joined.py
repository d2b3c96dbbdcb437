"""Merged reads for an event loop: those of concurrent requests share one connection, and one that is slow holds up nobody.

The rule: as in `read`, the mark is known before a key is read, never after: it is cached, or it is asked for in front of the
keys, over the same connection. Where there is none, what holds instead is found out first, and the keys are read after that.
What a read asks goes out as one request:

    view 1: [mark?] [keys] [newest event?]    view 2: [mark?] [keys] [newest event?]   ...

so that when time is up, the views and rows whose replies have come are served and the others are told apart.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from tilefold.engine.mark import Mark
from tilefold.serving.read import Asked, ServiceReader, ViewReader, ViewValues
from tilefold.serving.read_cache import ReadCache
from tilefold.stores.cached_mark import UNKNOWN, Asking
from tilefold.stores.joined_reads import JoinedReads
from tilefold.stores.online_store import OnlineStore

_MISSING: Any = object()
FOLDS_AT_ONCE = 64
"""So many rows are folded before other tasks have their turn: one or two milliseconds."""


class ReadOptions(NamedTuple):
    """How a read is meant.

    Attributes
    ----------
    read_us
        The time it is for.
    now
        Whether that is the present one.
    wall_clock
        Windows end at the read time, also those of views that are declared to end at the newest event.
    budget_s
        How long the store may take; None: as long as the connection's own limit.
    from_cache, to_cache
        Whether a row may come from the cache, and whether a row that was read is put there.
    sizes
        Whether it is told how many bytes the store gave.
    """

    read_us: int
    now: bool = True
    wall_clock: bool = False
    budget_s: float | None = None
    from_cache: bool = False
    to_cache: bool = False
    sizes: bool = False


@dataclass(slots=True)
class Reading:
    """What a read has found.

    Attributes
    ----------
    rows
        Of each entity the values of each view, in the service's order.
    complete
        Whether everything has arrived in time.
    store_s
        How long the store took; None where it was not asked.
    sizes
        Of each entity how many bytes of parts the store gave; empty where that was not wanted.
    """

    rows: list[tuple[ViewValues, ...]]
    complete: bool = True
    store_s: float | None = None
    sizes: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Block:
    """What is asked of one view: its mark where that is not known, the keys that no cache holds, the newest event."""

    reader: ViewReader
    keys: Sequence[bytes]
    asked: Sequence[bytes]
    cached: list[ViewValues | None] | None
    newest: bool
    mark: Mark | None = None
    asking: Asking | None = None
    parts: list[Any] = field(default_factory=list)
    newest_us: int | None = None

    async def settle(self) -> bytes:
        """Know the mark, or return what asks for it in front of the keys."""
        known = self.reader.known_mark()
        if known is UNKNOWN:
            head, self.asking = self.reader.ask_mark()
            return head
        self.mark = await asyncio.to_thread(self.reader.unmarked) if known is None else known  # type: ignore[assignment]
        return b""

    @property
    def is_unsettled(self) -> bool:
        """Whether the store has told that there is no mark: what holds then was not known before the keys were read."""
        return self.asking is not None and self.mark is None and bool(self.parts)

    async def request(self, online: OnlineStore) -> tuple[bytes, int]:
        """Its commands, and how many."""
        if not self.asked:
            return b"", 0
        head = await self.settle()
        tail = self.reader.ask_newest() if self.newest else b""
        return head + online.read_request(self.asked) + tail, bool(head) + len(self.asked) + self.newest

    def take(self, replies: Iterator[Any]) -> None:
        """Its replies, as far as they have come."""
        if self.asking is not None:
            reply = next(replies, _MISSING)
            if reply is _MISSING:
                return
            self.mark = self.reader.told_mark(self.asking, reply)
        self.parts = list(islice(replies, len(self.asked)))
        if self.newest:
            reply = next(replies, _MISSING)
            if reply is _MISSING:
                self.parts.clear()  # where the windows end is not known
            else:
                self.newest_us = self.reader.told_newest(reply)

    def sizes(self) -> list[int]:
        """How many bytes the store gave for each key."""
        came = iter([sum(len(part or b"") for part in parts) for parts in self.parts])
        return [next(came, 0) if row is None else 0 for row in self.cached or [None] * len(self.keys)]


class JoinedReader:
    """Reads services for the tasks of one event loop.

    Parameters
    ----------
    cache
        None: nothing is cached, whatever a request asks for.
    """

    def __init__(self, online: OnlineStore, joined: JoinedReads, cache: ReadCache | None = None) -> None:
        self._online, self._joined, self._cache = online, joined, cache

    async def read(self, service: ServiceReader, asked: Asked, options: ReadOptions) -> Reading:
        """The values of some entities.

        Parameters
        ----------
        asked
            As `ServiceReader.asked` gives it.

        Raises
        ------
        StoreUnavailableError
            The store is away or too slow, and the budget, if any, was not what ended the wait.
        ReadTimeError
            The time lies before the watermark.
        """
        reading, began_s = Reading([]), time.perf_counter()
        connections, blocks = -1, list[_Block]()
        while reading.complete and (
            connections != self._online.connections  # as in `ServiceReader.get_many`
            or any(block.is_unsettled for block in blocks)
            or asked.is_behind
        ):
            connections = self._online.connections
            if blocks and asked.is_behind:  # the store has told so beside the marks
                asked = await asyncio.to_thread(service.followed, asked)
            blocks = [self._block(reader, own, options) for reader, own in zip(asked.readers, asked.keys, strict=True)]
            await self._ask(blocks, reading, options.budget_s, began_s)
        for block in blocks:
            if block.is_unsettled or block.reader.is_behind:  # there was no time to ask again
                block.parts.clear()
        columns = [await self._fold(block, options) for block in blocks]
        reading.rows = list(zip(*columns, strict=True))
        if options.sizes:
            reading.sizes = [sum(row) for row in zip(*(block.sizes() for block in blocks), strict=True)]
        return reading

    def _block(self, reader: ViewReader, keys: Sequence[bytes], options: ReadOptions) -> _Block:
        newest = reader.ends_at_newest and not options.wall_clock
        if self._cache is None or not options.from_cache or not options.now:
            return _Block(reader, keys, keys, None, newest)
        cached = [self._cache.get(key) for key in keys]
        asked = [key for key, row in zip(keys, cached, strict=True) if row is None]
        return _Block(reader, keys, asked, cached, newest and bool(asked))

    async def _ask(self, blocks: Sequence[_Block], reading: Reading, budget_s: float | None, began_s: float) -> None:
        """One round trip for all blocks."""
        requests = [await block.request(self._online) for block in blocks]
        count = sum(replies for _, replies in requests)
        if not count:
            return
        loop = asyncio.get_running_loop()
        waiter = self._joined.ask(b"".join([request for request, _ in requests]), count)
        left_s = None if budget_s is None else max(began_s + budget_s - time.perf_counter(), 0.0)
        timer = None if left_s is None else loop.call_later(left_s, waiter.give_up)
        try:
            await self._joined.arrived(waiter)
        finally:
            if timer is not None:
                timer.cancel()
        replies = iter(waiter.replies)
        for block in blocks:
            block.take(replies)
        reading.complete = waiter.complete
        reading.store_s = time.perf_counter() - began_s

    async def _fold(self, block: _Block, options: ReadOptions) -> list[ViewValues]:
        """The values of one view of all entities."""
        reader, at = block.reader, block.reader.time_at(options.read_us, block.newest_us, now=options.now)
        folded: list[ViewValues] = []
        for start in range(0, len(block.parts), FOLDS_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            span = slice(start, start + FOLDS_AT_ONCE)
            rows = reader.fold_all(block.mark, block.parts[span], at)
            reader.sample(block.asked[span], block.parts[span], rows)
            folded += rows
        if self._cache is not None and options.to_cache and options.now:
            for key, row in zip(block.asked, folded, strict=False):
                if row.held is not None:
                    self._cache.put(key, row)
        if len(folded) < len(block.asked):
            folded += [reader.nothing(at, arrived=False) for _ in range(len(block.asked) - len(folded))]
        if block.cached is None:
            return folded
        fresh = iter(folded)
        return [next(fresh) if row is None else row for row in block.cached]

    def close(self) -> None:
        """Close the connection."""
        self._joined.close()
