"""A process's copy of the marks: at most a second old, never newer than the store."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.stores.syncs import EARLY, LATE, MIDDLE, VERSION, VIEW, Syncs
from tilefold.engine.mark import Mark
from tilefold.stores.cached_mark import CachedMark
from tilefold.stores.online_store import OnlineStore


@dataclass
class FakeStore:
    """A store whose mark and clock the test sets."""

    mark: Mark | None = None
    now_s: float = 100.0
    asked: int = 0
    meanwhile: Callable[[], None] = field(default=lambda: None)

    def fetch(self, view: str, version: str) -> Mark | None:
        """What `OnlineStore.mark` does; something may happen before the answer arrives."""
        assert (view, version) == (VIEW, VERSION)
        self.asked += 1
        answer = self.mark
        self.meanwhile()
        return answer

    def cached(self) -> CachedMark:
        """A cache on this store."""
        return CachedMark(self.fetch, lambda: self.now_s)


def test_a_mark_is_asked_for_once_a_second() -> None:
    """Within a second the copy serves; after it the store is asked again."""
    store = FakeStore(EARLY)
    marks = store.cached()
    assert [marks.get(VIEW, VERSION) for _ in range(3)] == [EARLY] * 3
    store.mark = MIDDLE
    store.now_s += 0.99
    assert marks.get(VIEW, VERSION) == EARLY
    store.now_s += 0.01
    assert marks.get(VIEW, VERSION) == MIDDLE
    assert store.asked == 2


def test_no_mark_is_remembered_too() -> None:
    """A view that was never synced does not cost a question per read."""
    store = FakeStore()
    marks = store.cached()
    assert [marks.get(VIEW, VERSION) for _ in range(3)] == [None] * 3
    assert store.asked == 1


def test_an_own_sync_is_known_at_once() -> None:
    """What this process has committed serves without asking."""
    store = FakeStore(EARLY)
    marks = store.cached()
    marks.get(VIEW, VERSION)
    marks.set(VIEW, VERSION, MIDDLE)
    assert marks.get(VIEW, VERSION) == MIDDLE
    assert store.asked == 1


def test_an_answer_from_before_an_own_sync_does_not_undo_it() -> None:
    """An answer that was on its way while a sync committed is dropped."""
    store = FakeStore(EARLY)
    marks = store.cached()
    store.meanwhile = lambda: marks.set(VIEW, VERSION, LATE)
    assert marks.get(VIEW, VERSION) == LATE
    store.meanwhile = lambda: None
    assert marks.get(VIEW, VERSION) == LATE


def test_a_lost_store_is_seen_within_a_second() -> None:
    """The copy does not outlive the mark of a store that was emptied."""
    store = FakeStore(EARLY)
    marks = store.cached()
    marks.get(VIEW, VERSION)
    store.mark = None
    store.now_s += 1
    assert marks.get(VIEW, VERSION) is None


def test_a_slow_answer_counts_from_when_it_was_asked() -> None:
    """The second starts before the question, so the copy is never older than it says."""
    store = FakeStore(EARLY)
    marks = store.cached()

    def slow() -> None:
        store.now_s += 2

    store.meanwhile = slow
    marks.get(VIEW, VERSION)
    marks.get(VIEW, VERSION)
    assert store.asked == 2


def test_it_works_on_a_real_store_from_many_threads(store: OnlineStore) -> None:
    """Threads see the marks only grow while a sync commits."""
    marks = CachedMark(store.mark, lambda: 0.0)
    syncs, seen = Syncs(store), list[list[Mark | None]]()

    def look() -> None:
        seen.append([marks.get(VIEW, VERSION) for _ in range(500)])

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for mark in (EARLY, MIDDLE, LATE):
        assert syncs.whole(mark)
        marks.set(VIEW, VERSION, mark)
    for thread in threads:
        thread.join()
    for one in seen:
        epochs = [mark.epoch if mark else 0 for mark in one]
        assert epochs == sorted(epochs)


def test_a_new_connection_makes_a_copy_void() -> None:
    """A server that was killed may have come back with an older mark, over a new connection: the copy counts no more."""
    store, opened = FakeStore(MIDDLE), 1
    marks = CachedMark(store.fetch, lambda: store.now_s, lambda: opened)
    assert marks.get(VIEW, VERSION) == MIDDLE
    store.mark, opened = EARLY, 2
    assert marks.get(VIEW, VERSION) == EARLY
    marks.set(VIEW, VERSION, LATE)
    assert marks.get(VIEW, VERSION) == LATE
    opened = 3
    assert marks.get(VIEW, VERSION) == EARLY
