"""Expiry in the online store: relative, never shortened, none where a window never ends."""

import pytest

from tests.stores.syncs import EARLY, MIDDLE, Syncs
from tilefold.stores.online_store import OnlineStore

HOUR_MS = 3_600_000
FOREVER = -1


@pytest.fixture
def syncs(store: OnlineStore) -> Syncs:
    """Syncs of one view."""
    return Syncs(store)


def _left_ms(syncs: Syncs) -> int:
    left = syncs.store.client.pttl(syncs.key("a"))
    assert isinstance(left, int)
    return left


def test_without_ttl_a_key_stays(syncs: Syncs) -> None:
    """A view with a lifetime window sets no expiry."""
    assert syncs.write(EARLY, "a")
    assert _left_ms(syncs) == FOREVER


def test_a_new_key_expires(syncs: Syncs) -> None:
    """A key is given its time from now on, whatever time its events have."""
    assert syncs.write(EARLY, "a", ttl_ms=HOUR_MS)
    assert HOUR_MS - 10_000 < _left_ms(syncs) <= HOUR_MS


def test_writing_again_prolongs(syncs: Syncs) -> None:
    """A later sync gives more time."""
    assert syncs.write(EARLY, "a", ttl_ms=HOUR_MS)
    assert syncs.write(MIDDLE, "a", ttl_ms=2 * HOUR_MS)
    assert _left_ms(syncs) > HOUR_MS


def test_a_time_is_never_shortened(syncs: Syncs) -> None:
    """A shorter ttl leaves the longer one."""
    assert syncs.write(EARLY, "a", ttl_ms=2 * HOUR_MS)
    assert syncs.write(MIDDLE, "a", ttl_ms=HOUR_MS)
    assert _left_ms(syncs) > HOUR_MS


def test_a_key_that_never_expires_stays_so(syncs: Syncs) -> None:
    """A ttl does not shorten forever."""
    assert syncs.write(EARLY, "a")
    assert syncs.write(MIDDLE, "a", ttl_ms=HOUR_MS)
    assert _left_ms(syncs) == FOREVER


@pytest.mark.parametrize(
    ("stream_ms", "expected_ms"), [(HOUR_MS, 2 * HOUR_MS), (3 * HOUR_MS, 3 * HOUR_MS), (None, 2 * HOUR_MS)]
)
def test_a_batch_part_beside_a_stream_part(syncs: Syncs, stream_ms: int | None, expected_ms: int) -> None:
    """The first batch part of a key that streams gives it the longer of the two times."""
    syncs.store.client.hset(syncs.key("a"), "s", b"stream")
    if stream_ms is not None:
        syncs.store.client.pexpire(syncs.key("a"), stream_ms)
    assert syncs.write(EARLY, "a", ttl_ms=2 * HOUR_MS)
    assert expected_ms - 10_000 < _left_ms(syncs) <= expected_ms


def test_a_key_whose_time_is_over_is_gone(syncs: Syncs) -> None:
    """A part that no window can reach any more frees its memory."""
    assert syncs.write(EARLY, "a", ttl_ms=1)
    while syncs.store.client.exists(syncs.key("a")):
        pass
    assert syncs.store.read(syncs.key("a")) == [None, None]
