"""The online store in memory, against the Lua on a real server."""

import secrets
import struct
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from tests.simulation.lines import Line, Odds
from tests.simulation.memory_redis import MemoryOnline, MemoryServer
from tilefold.engine.codec import HEADER, seal
from tilefold.engine.mark import Mark
from tilefold.errors import StoreUnavailableError
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.stream_log import Place
from tilefold.stores.stream_parts import Seeded, StreamWrite, Taken

VIEW = ("spend", "0123456789ab")
STEPS = 120
TTLS_MS = (None, 10**9, 2 * 10**9)
LOGS = (7, 8)
TOKENS = (b"a" * 16, b"b" * 16)


def _stream_part(revision: int, tag: int) -> bytes:
    return HEADER.pack(1, 2, 0, 0) + struct.pack(">qqq", revision, 7, tag)


class Both:
    """One random command after the other, on both stores; `tell` compares what they answer."""

    def __init__(self, real: OnlineStore, memory: OnlineStore, chance: Random) -> None:
        self._stores, self._chance = (real, memory), chance
        self._keys = [real.entity_key(*VIEW, name) for name in "pqr"]
        self._taken = [Taken(7, {}), Taken(7, {})]
        self._commands: list[Callable[[], Any]] = [getattr(self, name) for name in dir(self) if name.startswith("do_")]

    def step(self) -> None:
        """Draw a command and its arguments once, and run it on both."""
        self._chance.choice(self._commands)()

    def tell(self, ask: Callable[[OnlineStore], Any]) -> None:
        """Both must answer the same."""
        one, other = (self._answer(ask, store) for store in self._stores)
        assert one == other

    def _answer(self, ask: Callable[[OnlineStore], Any], store: OnlineStore) -> Any:
        try:
            return ask(store)
        except StoreUnavailableError:
            return "unavailable"

    def _mark(self) -> Mark:
        return Mark(self._chance.randint(1, 3), self._chance.randint(1, 3))

    def _some(self) -> list[bytes]:
        return self._chance.sample(self._keys, self._chance.randint(1, 3))

    def _places(self) -> dict[int, Place]:
        return {
            shard: Place(self._chance.randint(1, 4), 1) for shard in self._chance.sample(range(2), self._chance.randint(1, 2))
        }

    def do_begin(self) -> None:
        """Send a random `begin` to both."""
        mark = self._mark()
        self.tell(lambda store: store.begin(*VIEW, mark))

    def do_write(self) -> None:
        """Send a random `write` to both."""
        mark, keys, ttl = self._mark(), self._some(), self._chance.choice(TTLS_MS)
        blobs = [self._chance.choice([seal(b"", mark), seal(b"tiles", mark), b"broken"]) for _ in keys]
        self.tell(lambda store: store.write_parts(*VIEW, mark, keys, blobs, ttl))

    def do_empty(self) -> None:
        """Send a random `empty` to both."""
        keys, mark = self._some(), self._chance.choice([self._mark(), Mark(9, 9)])
        self.tell(lambda store: (store.note_emptied(*VIEW, keys), store.emptied(*VIEW))[1])
        self.tell(lambda store: store.remove_emptied(*VIEW, keys, mark))
        self.tell(lambda store: (store.forget_emptied(*VIEW, keys[:1]), store.emptied(*VIEW))[1])

    def do_commit(self) -> None:
        """Send a random `commit` to both."""
        mark, taken = self._mark(), Taken(self._chance.choice(LOGS), self._places())
        seeded = self._chance.choice([None, Seeded(self._chance.choice(TOKENS), taken)])
        if self._chance.random() < 0.5:
            self.tell(lambda store: store.begin(*VIEW, mark))
        self.tell(lambda store: store.commit(*VIEW, mark, seeded))

    def do_ask(self) -> None:
        """Send a random `ask` to both."""
        self.tell(lambda store: (store.mark(*VIEW), sorted(store.begun(*VIEW)), store.streams.latest("source")))

    def do_register(self) -> None:
        """Send a random `register` to both."""
        taken = Taken(self._chance.choice(LOGS), self._places())
        self.tell(lambda store: store.streams.register(*VIEW, taken))

    def do_take(self) -> None:
        """Send a random `take` to both."""
        self._taken = [store.streams.taken(*VIEW) or known for store, known in zip(self._stores, self._taken, strict=True)]
        assert replace(self._taken[0], server=b"") == replace(self._taken[1], server=b"")

    def do_write_stream(self) -> None:
        """Send a random `write_stream` to both."""
        known = self._taken[0].places or self._places()
        places, ttl, revisions = self._chance.choice([known, self._places()]), self._chance.choice(TTLS_MS), [None, 1, 2, 3]
        writes = [
            StreamWrite(key, self._chance.choice(revisions), _stream_part(self._chance.randint(1, 3), 5))
            for key in self._some()
        ]
        mark = self._chance.choice([None, None, self._mark()])
        self.tell(lambda store: store.streams.write(*VIEW, replace(self._taken_of(store), places=places), writes, ttl, mark))

    def do_advance(self) -> None:
        """Send a random `advance` to both."""
        places, wrong = self._places(), self._chance.random() < 0.2
        known = {"places": places} | ({"server": b"another"} if wrong else {})
        self.tell(lambda store: store.streams.advance(*VIEW, replace(self._taken_of(store), **known)))

    def do_lapse(self) -> None:
        """Send a random `lapse` to both."""
        starts = {shard: place.position for shard, place in self._places().items()}
        self.tell(lambda store: store.streams.lapse(*VIEW, self._taken_of(store), starts))

    def do_seed(self) -> None:
        """Send a random `seed` to both."""
        token, keys, ttl = self._chance.choice(TOKENS), self._some(), self._chance.choice(TTLS_MS)
        if self._chance.random() < 0.4:
            self.tell(lambda store: store.streams.begin_seed(*VIEW, token))
        blobs = [_stream_part(self._chance.randint(1, 3), 6) for _ in keys]
        self.tell(lambda store: store.streams.seed(*VIEW, token, keys, blobs, ttl))

    def do_keep(self) -> None:
        """Send a random `keep_only` to both."""
        token, keys = self._chance.choice(TOKENS), self._some()
        self.tell(lambda store: store.streams.keep_only(*VIEW, token, keys))

    def do_note(self) -> None:
        """Send a random `note` to both."""
        latest_us = self._chance.randint(1, 5)
        self.tell(lambda store: store.streams.note_latest("source", latest_us))

    def do_read(self) -> None:
        """Send a random `read` to both."""
        self.tell(lambda store: [list(each) for each in store.read_many(self._keys)])
        self.tell(lambda store: [*store.streams.read(self._keys), list(store.read(self._keys[0]))])

    def do_drop(self) -> None:
        """Send a random `drop` to both."""
        key = self._chance.choice(self._keys)
        self.tell(lambda store: store.drop_part(key))

    def _taken_of(self, store: OnlineStore) -> Taken:
        return self._taken[self._stores.index(store)]

    def state(self, store: OnlineStore, fields_of: Callable[[bytes], Any], expires: Callable[[bytes], int]) -> Any:
        """All that stands in the hashes, and when they expire, to ten seconds."""
        del store
        names = [self._stores[0].mark_key(*VIEW), *self._keys]
        return [(name, dict(fields_of(name)), round(expires(name) / 10_000)) for name in names]


@pytest.fixture
def both(online_url: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> Both:
    """A real store and one in memory, which draw the same ids and tokens."""
    monkeypatch.setattr(secrets, "token_hex", lambda _: "id")
    monkeypatch.setattr(secrets, "token_bytes", lambda size: b"t" * size)
    name = f"sim-{Random(seed).getrandbits(64):x}"
    memory = MemoryOnline(MemoryServer(lambda: 0), Line(Random(0), Odds()), name)
    return Both(OnlineStore.connect(online_url, name), memory, Random(seed))


@pytest.mark.parametrize("run", range(20))
def test_commands_in_memory_do_what_the_server_does(both: Both, run: int) -> None:
    """Random commands of syncs, seedings and writers get the same answers and leave the same fields and times to live."""
    del run
    real, memory = both._stores
    assert isinstance(memory, MemoryOnline)
    server: MemoryServer = memory._link._server
    for _ in range(STEPS):
        both.step()
        assert both.state(real, real.client.hgetall, real.client.pttl) == both.state(
            memory,
            server.fields,
            lambda key: server.deadlines_ms.get(key, -1 if server.fields(key) else -2),
        )
    real.close()
