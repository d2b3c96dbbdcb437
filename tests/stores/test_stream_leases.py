"""Who writes which shard: leases that end by themselves, fair shares, and letting go."""

import time
from collections.abc import Mapping

import pytest

from tilefold.stores.online_store import OnlineStore

SHARDS = 4
LONG_MS, SHORT_MS = 60_000, 60


def claim(
    store: OnlineStore, writer: str, *, lease_ms: int = LONG_MS, source: str = "clicks", shards: int = SHARDS
) -> list[int]:
    """What a writer owns after saying that it lives."""
    return store.streams.claim(source, writer.encode(), shards, lease_ms)


def owners(store: OnlineStore, source: str = "clicks") -> Mapping[int, bytes]:
    """Who owns what."""
    return store.streams.owners(source, range(SHARDS))


def test_one_writer_owns_all(store: OnlineStore) -> None:
    """Alone, a writer takes every shard and keeps it by claiming again; nobody owns what was never claimed."""
    assert owners(store) == {}
    for _ in range(2):
        assert claim(store, "one") == [0, 1, 2, 3]
        assert owners(store) == dict.fromkeys(range(SHARDS), b"one")
    assert owners(store, "views") == {}


def test_shares_are_fair(store: OnlineStore) -> None:
    """A second writer gets its half once the first one has let go of it; a third makes it a third each, of all shards."""
    assert claim(store, "b") == [0, 1, 2, 3]
    assert claim(store, "a") == []
    assert claim(store, "b") == [1, 3]
    assert claim(store, "a") == [0, 2]
    assert claim(store, "c") == []
    shares = {name: claim(store, name) for _ in range(2) for name in "abc"}
    assert sorted(shard for share in shares.values() for shard in share) == [0, 1, 2, 3]
    assert max(map(len, shares.values())) == 2


def test_no_shard_has_two_owners(store: OnlineStore) -> None:
    """Whoever claims in whatever order, a shard is told to one writer at a time."""
    owned: dict[str, set[int]] = {}
    for name in "adbcabdcaabbccdd":
        owned[name] = set(claim(store, name))
        for other, theirs in owned.items():
            assert other == name or not {s for s in theirs if owners(store)[s] == other.encode()} & owned[name]
    assert {name: len(share) for name, share in owned.items()} == dict.fromkeys("abcd", 1)


def test_a_writer_that_lets_go(store: OnlineStore) -> None:
    """What it owned is free at once, and the others' share is what it was before; what others own it cannot let go."""
    assert claim(store, "a") == [0, 1, 2, 3]
    assert claim(store, "b") == []
    store.streams.release("clicks", b"b", SHARDS)
    assert owners(store) == dict.fromkeys(range(SHARDS), b"a")
    assert claim(store, "a") == [0, 1, 2, 3]
    store.streams.release("clicks", b"a", SHARDS)
    assert owners(store) == {}
    assert claim(store, "b") == [0, 1, 2, 3]


def test_a_lease_ends_by_itself(store: OnlineStore) -> None:
    """A killed writer's shards are free when its lease is over, and it counts for nobody's share any more."""
    assert claim(store, "killed", lease_ms=SHORT_MS) == [0, 1, 2, 3]
    deadline_s = time.monotonic() + 20
    while owners(store):
        assert time.monotonic() < deadline_s
    while claim(store, "next", lease_ms=SHORT_MS) != [0, 1, 2, 3]:
        assert time.monotonic() < deadline_s


def test_more_writers_than_shards(store: OnlineStore) -> None:
    """Those that get none wait, and take over what is let go."""
    for _ in range(3):
        shares = {name: claim(store, name) for name in "abcdef"}
    assert sorted(map(len, shares.values())) == [0, 0, 1, 1, 1, 1]
    idle = [name for name, share in shares.items() if not share]
    for name in shares.keys() - set(idle):
        store.streams.release("clicks", name.encode(), SHARDS)
    taken = {name: claim(store, name) for _ in range(2) for name in idle}
    assert sorted(shard for share in taken.values() for shard in share) == [0, 1, 2, 3]


@pytest.mark.parametrize("shards", [1, 7])
def test_any_number_of_shards(store: OnlineStore, shards: int) -> None:
    """All shards of a source are owned, however many there are."""
    claim(store, "a", shards=shards)
    claim(store, "b", shards=shards)
    shares = [claim(store, name, shards=shards) for name in "abab"][2:]
    assert sorted(shard for share in shares for shard in share) == list(range(shards))


def test_sources_have_their_own_writers(store: OnlineStore) -> None:
    """A writer of one source takes nothing of another one's."""
    assert claim(store, "a") == [0, 1, 2, 3]
    assert claim(store, "b", source="views") == [0, 1, 2, 3]
    assert claim(store, "a") == [0, 1, 2, 3]
