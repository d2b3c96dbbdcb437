"""Versions of a view in the store: which is served, the switch, and what is removed when."""

import pytest

from tests.stores.syncs import EARLY, LATE, VIEW
from tilefold.errors import ConflictError
from tilefold.stores import view_versions
from tilefold.stores.online_store import OnlineStore

OLD, NEW = "000000000001", "000000000002"


def commit(store: OnlineStore, version: str) -> None:
    """A whole sync of a version, of no keys."""
    store.versions.enter(VIEW, version)
    assert store.begin(VIEW, version, EARLY)
    assert store.commit(VIEW, version, EARLY)


@pytest.fixture
def both(store: OnlineStore) -> OnlineStore:
    """A store that holds both versions and serves the old one."""
    for version in (OLD, NEW):
        commit(store, version)
    assert store.versions.serve_first(VIEW, OLD)
    return store


def test_the_first_is_served(store: OnlineStore) -> None:
    """Where none is served the first that can be is; a second one is not."""
    assert store.versions.of(VIEW).served is None
    assert store.versions.serve_first(VIEW, OLD)
    assert not store.versions.serve_first(VIEW, NEW)
    found = store.versions.of(VIEW)
    assert (found.served, dict(found.since_ms), found.retired) == (OLD, {OLD: 0, NEW: 0}, [])


def test_the_switch_is_told_with_the_mark(both: OnlineStore) -> None:
    """From the switch on the old version's readers are told the new one, beside the mark that stays; again it is a no-op."""
    assert both.held(VIEW, OLD) == (EARLY, None)
    both.versions.switch(VIEW, OLD, NEW)
    assert both.held(VIEW, OLD) == (EARLY, NEW)
    assert both.held(VIEW, NEW) == (EARLY, None)
    before = both.versions.of(VIEW)
    assert (before.served, before.retired, before.since_ms[NEW]) == (NEW, [OLD], 0)
    both.versions.switch(VIEW, OLD, NEW)
    assert both.versions.of(VIEW) == before


def test_back_again(both: OnlineStore) -> None:
    """A version that is switched back to is told to nobody any more."""
    both.versions.switch(VIEW, OLD, NEW)
    both.versions.switch(VIEW, NEW, OLD)
    assert both.held(VIEW, OLD) == (EARLY, None)
    assert both.held(VIEW, NEW) == (EARLY, OLD)
    assert both.versions.of(VIEW).retired == [NEW]


def test_only_what_is_whole(both: OnlineStore) -> None:
    """A version without a mark, or whose stream parts are being written, is not switched to; nor past another's switch."""
    both.versions.enter(VIEW, "third")
    both.begin(VIEW, "third", LATE)
    with pytest.raises(ConflictError, match="only a version that is whole"):
        both.versions.switch(VIEW, OLD, "third")
    both.streams.begin_seed(VIEW, NEW, b"token")
    with pytest.raises(ConflictError, match="only a version that is whole"):
        both.versions.switch(VIEW, OLD, NEW)
    with pytest.raises(ConflictError, match="version other must be served"):
        both.versions.switch(VIEW, "other", NEW)
    assert both.versions.of(VIEW).served == OLD


def test_a_mark_of_another_store_is_not_whole(both: OnlineStore) -> None:
    """What was committed in a store that was replaced does not count."""
    both.client.set(both._keys.store_id, "another")
    with pytest.raises(ConflictError, match="only a version that is whole"):
        both.versions.switch(VIEW, OLD, NEW)


def test_what_is_removed_when(both: OnlineStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while it is served, not within a minute, not what is not there; then nobody reads or writes it."""
    versions = both.versions
    with pytest.raises(ConflictError, match="the version that is served is not removed"):
        versions.begin_removal(VIEW, OLD)
    with pytest.raises(ConflictError, match="only a version that the store holds"):
        versions.begin_removal(VIEW, "nobody")
    versions.switch(VIEW, OLD, NEW)
    with pytest.raises(ConflictError, match="Try again in 60 s"):
        versions.begin_removal(VIEW, OLD)
    monkeypatch.setattr(view_versions, "KEPT_MS", 0)
    key = both.entity_key(VIEW, OLD, "a")
    both.client.hset(key, "b", b"part")
    versions.begin_removal(VIEW, OLD)
    assert both.held(VIEW, OLD) == (None, NEW), "its readers still learn what is served"
    assert versions.of(VIEW).standing == [NEW]
    assert versions.remove_keys(VIEW, OLD) == 1
    assert not both.client.exists(key)
    versions.end_removal(VIEW, OLD)
    assert dict(versions.of(VIEW).since_ms) == {NEW: 0}
