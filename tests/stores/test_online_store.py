"""Syncs through the online store: the order of stamps, superseded syncs, what is lost and what is removed."""

from itertools import pairwise

import pytest

from tests.stores.syncs import EARLY, LATE, MIDDLE, VERSION, VIEW, Syncs
from tilefold.engine.codec import seal, seal_many
from tilefold.engine.mark import Mark
from tilefold.errors import CorruptBlobError, StoreUnavailableError
from tilefold.stores.online_store import OnlineStore


@pytest.fixture
def syncs(store: OnlineStore) -> Syncs:
    """Syncs of one view."""
    return Syncs(store)


def test_parts_come_back_as_written(store: OnlineStore, syncs: Syncs) -> None:
    """An entity's batch part is read byte by byte as it was written; an unknown entity has none."""
    blob = bytes(range(256)) * 8
    assert store.write_parts(VIEW, VERSION, EARLY, syncs.keys("a"), [seal(blob, EARLY)], None)
    assert store.read(syncs.key("a")) == [seal(blob, EARLY), None]
    assert store.read(syncs.key("unknown")) == [None, None]


def test_many_are_read_in_the_order_asked(store: OnlineStore, syncs: Syncs) -> None:
    """A batch of reads answers in order, unknown and repeated keys included."""
    names = [f"entity {number}" for number in range(300)]
    blobs = [seal(name.encode(), EARLY) for name in names]
    assert store.write_parts(VIEW, VERSION, EARLY, syncs.keys(*names), blobs, None)
    assert store.read_many(syncs.keys("unknown", *names, names[0])) == [
        [None, None],
        *([blob, None] for blob in blobs),
        [blobs[0], None],
    ]
    assert store.read_many([]) == []


def test_both_parts_are_read(store: OnlineStore, syncs: Syncs) -> None:
    """The stream part, which another writer keeps, comes with the batch part and is left alone by a sync."""
    store.client.hset(syncs.key("a"), "s", b"stream")
    assert syncs.write(EARLY, "a")
    assert store.read(syncs.key("a")) == [syncs.part(EARLY), b"stream"]


def test_a_view_without_a_sync_has_no_mark(store: OnlineStore) -> None:
    """Before the first commit there is no mark, and no sync has begun."""
    assert store.mark(VIEW, VERSION) is None
    assert store.begun(VIEW, VERSION) == []


def test_a_commit_moves_the_mark_and_voids_what_began(store: OnlineStore) -> None:
    """Begun syncs are listed until one at or above them commits."""
    assert store.begin(VIEW, VERSION, EARLY)
    assert store.begin(VIEW, VERSION, MIDDLE)
    assert sorted(store.begun(VIEW, VERSION)) == [EARLY, MIDDLE]
    assert store.mark(VIEW, VERSION) is None
    assert store.commit(VIEW, VERSION, MIDDLE)
    assert store.mark(VIEW, VERSION) == MIDDLE
    assert store.begun(VIEW, VERSION) == []


def test_a_newer_begun_sync_outlives_an_older_commit(store: OnlineStore) -> None:
    """The begun list loses only what is not above the committed mark."""
    for mark in (EARLY, MIDDLE):
        assert store.begin(VIEW, VERSION, mark)
    assert store.commit(VIEW, VERSION, EARLY)
    assert store.begun(VIEW, VERSION) == [MIDDLE]


def test_beginning_again_is_allowed(store: OnlineStore) -> None:
    """A sync that was killed may be repeated: it is listed once."""
    assert store.begin(VIEW, VERSION, EARLY)
    assert store.begin(VIEW, VERSION, EARLY)
    assert store.begun(VIEW, VERSION) == [EARLY]


def test_repeating_a_committed_sync_changes_nothing(store: OnlineStore, syncs: Syncs) -> None:
    """Begin, write and commit with the mark that stands all succeed."""
    for _ in range(2):
        assert syncs.whole(EARLY, "a")
    assert store.mark(VIEW, VERSION) == EARLY
    assert store.begun(VIEW, VERSION) == []


def test_what_is_kept_of_syncs_does_not_grow(store: OnlineStore) -> None:
    """A process that syncs for months remembers the last sync alone, and still knows an overtaken one as superseded."""
    marks = [Mark(number, number) for number in range(1, 20)]
    for mark, after in pairwise(marks):
        assert store.begin(VIEW, VERSION, mark)
        assert store.begin(VIEW, VERSION, after)
        assert store.commit(VIEW, VERSION, after)
        assert not store.commit(VIEW, VERSION, mark)
    assert len(store._servers) == 1


@pytest.mark.parametrize("begun_only", [True, False])
@pytest.mark.parametrize("older", [Mark(1, 2), Mark(2, 1), Mark(1, 3), Mark(3, 1)])
def test_a_sync_that_is_not_above_in_both_parts_is_superseded(store: OnlineStore, older: Mark, begun_only: bool) -> None:
    """Below the mark or a begun sync in either part, a sync does not begin, and leaves no trace."""
    assert store.begin(VIEW, VERSION, Mark(2, 2))
    if not begun_only:
        assert store.commit(VIEW, VERSION, Mark(2, 2))
    before = store.begun(VIEW, VERSION), store.mark(VIEW, VERSION)
    assert not store.begin(VIEW, VERSION, older)
    assert (store.begun(VIEW, VERSION), store.mark(VIEW, VERSION)) == before


def test_a_newer_part_stops_a_sync(store: OnlineStore, syncs: Syncs) -> None:
    """An older sync that goes on beside a newer one stops at the first key that the newer one has written."""
    assert store.begin(VIEW, VERSION, EARLY)
    assert store.begin(VIEW, VERSION, MIDDLE)
    assert syncs.write(EARLY, "a")
    assert syncs.write(MIDDLE, "b")
    assert not syncs.write(EARLY, "b")
    assert syncs.stamps() == {"a": EARLY, "b": MIDDLE}


def test_a_sleeper_writes_nothing_after_a_newer_commit(store: OnlineStore, syncs: Syncs) -> None:
    """An older sync that resumes after a newer commit writes no key, new ones included, and does not move the mark back."""
    assert store.begin(VIEW, VERSION, EARLY)
    assert syncs.whole(MIDDLE, "a")
    assert not syncs.write(EARLY, "never written")
    assert not store.commit(VIEW, VERSION, EARLY)
    assert store.mark(VIEW, VERSION) == MIDDLE
    assert syncs.stamps() == {"a": MIDDLE}


def test_a_sync_stops_in_the_midst_of_many_keys(store: OnlineStore, syncs: Syncs) -> None:
    """One newer key among thousands stops the sync, wherever it stands."""
    names = [f"entity {number}" for number in range(1000)]
    assert syncs.write(MIDDLE, names[600])
    assert not store.write_parts(VIEW, VERSION, EARLY, syncs.keys(*names), [syncs.part(EARLY)] * 1000, None)
    assert syncs.stamps()[names[600]] == MIDDLE


def test_stamps_are_compared_as_numbers(syncs: Syncs) -> None:
    """Times around 1970, byte boundaries and today's microseconds are all in order, as bytes compared as text would not be."""
    times_us = [-(2**40), -1, 0, 1, 127, 128, 255, 256, 2**31, 2**32, 1_700_000_000_000_000, 1_700_000_000_000_001, 2**53 - 1]
    for epoch, (below_us, above_us) in enumerate(pairwise(times_us)):
        lower, upper = Mark(below_us, epoch), Mark(above_us, epoch)
        name = f"entity {epoch}"
        assert syncs.write(lower, name)
        assert syncs.write(upper, name)
        assert not syncs.write(lower, name)


def test_a_part_too_short_for_a_stamp_is_written_over(store: OnlineStore, syncs: Syncs) -> None:
    """A broken part does not stand in a sync's way; until then a check names its key."""
    store.client.hset(syncs.key("a"), "b", b"short")
    with pytest.raises(CorruptBlobError, match=r":a'"):
        list(store.sample_stamps(VIEW, VERSION, 10))
    assert syncs.write(EARLY, "a")
    assert syncs.stamps() == {"a": EARLY}


def test_an_emptied_part_is_removed_by_a_later_sync(store: OnlineStore, syncs: Syncs) -> None:
    """Only empty parts go, and only those stamped at or below the given mark."""
    assert syncs.whole(EARLY, "full")
    assert syncs.empty(EARLY, "emptied")
    assert store.begin(VIEW, VERSION, MIDDLE)
    assert syncs.empty(MIDDLE, "emptied now")
    assert store.commit(VIEW, VERSION, MIDDLE)
    keys = syncs.keys("full", "emptied", "emptied now", "unknown")
    assert store.remove_emptied(VIEW, VERSION, keys, EARLY) == 1
    assert set(syncs.stamps()) == {"full", "emptied now"}


def test_an_emptied_part_with_a_stream_part_stays(store: OnlineStore, syncs: Syncs) -> None:
    """A key whose stream part still holds events is not removed."""
    assert syncs.whole(EARLY)
    assert syncs.empty(EARLY, "a")
    store.client.hset(syncs.key("a"), "s", b"stream")
    assert store.remove_emptied(VIEW, VERSION, syncs.keys("a"), EARLY) == 0


def test_an_emptied_part_above_the_mark_stays(store: OnlineStore, syncs: Syncs) -> None:
    """Until the mark stands against a sleeper, an emptied key is kept, since its stamp alone does."""
    assert syncs.whole(EARLY)
    assert store.begin(VIEW, VERSION, MIDDLE)
    assert syncs.empty(MIDDLE, "a")
    assert store.remove_emptied(VIEW, VERSION, syncs.keys("a"), MIDDLE) == 0
    assert syncs.stamps() == {"a": MIDDLE}


def test_a_removed_key_is_not_resurrected(store: OnlineStore, syncs: Syncs) -> None:
    """A sleeper of an older sync cannot write a key again that was removed, since the mark stands against it."""
    assert store.begin(VIEW, VERSION, EARLY)
    assert store.begin(VIEW, VERSION, MIDDLE)
    assert syncs.empty(MIDDLE, "a")
    assert store.commit(VIEW, VERSION, MIDDLE)
    assert store.remove_emptied(VIEW, VERSION, syncs.keys("a"), MIDDLE) == 1
    assert not syncs.write(EARLY, "a")
    assert store.read(syncs.key("a")) == [None, None]


def test_many_keys_are_removed(store: OnlineStore, syncs: Syncs) -> None:
    """Removing counts over all its steps."""
    names = [f"entity {number}" for number in range(1000)]
    assert syncs.whole(EARLY)
    assert store.write_parts(VIEW, VERSION, EARLY, syncs.keys(*names), seal_many([b""] * 1000, EARLY), None)
    assert store.remove_emptied(VIEW, VERSION, iter(syncs.keys(*names)), EARLY) == 1000


def test_an_emptied_store_is_noticed(store: OnlineStore, syncs: Syncs) -> None:
    """After FLUSHALL there is no mark, and the next sync finds a store of another name."""
    assert syncs.whole(EARLY, "a")
    before = store.store_id
    store.client.flushall()
    assert store.mark(VIEW, VERSION) is None
    assert syncs.whole(MIDDLE, "a")
    assert store.store_id != before


def test_a_store_emptied_during_a_sync_is_never_committed(store: OnlineStore, syncs: Syncs) -> None:
    """What was written before the loss is gone, so the mark must not stand; syncing again mends it."""
    assert store.begin(VIEW, VERSION, EARLY)
    assert syncs.write(EARLY, "a")
    store.client.flushall()
    assert syncs.write(EARLY, "b")
    with pytest.raises(StoreUnavailableError, match="emptied, replaced or started again"):
        store.commit(VIEW, VERSION, EARLY)
    assert store.mark(VIEW, VERSION) is None
    assert syncs.whole(EARLY, "a", "b")


def test_a_sync_that_began_again_after_a_loss_does_not_cover_the_first(
    server_url: str, store: OnlineStore, syncs: Syncs
) -> None:
    """A sync of the same compaction that another process began in the emptied store cannot be committed by this one."""
    assert store.begin(VIEW, VERSION, EARLY)
    store.client.flushall()
    other = OnlineStore.connect(server_url, syncs.prefix)
    assert other.begin(VIEW, VERSION, EARLY)
    with pytest.raises(StoreUnavailableError, match="emptied, replaced or started again"):
        store.commit(VIEW, VERSION, EARLY)
    assert other.commit(VIEW, VERSION, EARLY)
    other.close()


def test_another_client_sees_the_same_store(server_url: str, store: OnlineStore, syncs: Syncs) -> None:
    """The store's name, marks and keys are the store's, not the client's."""
    assert syncs.whole(EARLY, "a")
    other = OnlineStore.connect(server_url, syncs.prefix)
    assert other.store_id == store.store_id
    assert other.mark(VIEW, VERSION) == EARLY
    other.close()


def test_workspaces_share_a_server(server_url: str, syncs: Syncs) -> None:
    """Another prefix sees neither the mark nor the keys."""
    assert syncs.whole(EARLY, "a")
    other = OnlineStore.connect(server_url, "another")
    assert other.mark(VIEW, VERSION) is None
    assert list(other.scan_entities(VIEW, VERSION)) == []
    other.close()


def test_versions_do_not_meet(store: OnlineStore, syncs: Syncs) -> None:
    """A view's other version has a mark and keys of its own."""
    assert syncs.whole(LATE, "a")
    assert store.begin(VIEW, "other", EARLY)
    assert store.mark(VIEW, "other") is None
    assert list(store.scan_entities(VIEW, "other")) == []


def test_scanning_finds_each_entity_and_nothing_else(store: OnlineStore, syncs: Syncs) -> None:
    """The state and other views are not taken for entities, and texts with `:`, `*` or other alphabets are found."""
    names = ["3:abc2:12", "*", "a:b", "mark", "Zoë", "", *map(str, range(2000))]
    assert store.write_parts(VIEW, VERSION, EARLY, syncs.keys(*names), [syncs.part(EARLY)] * len(names), None)
    assert store.write_parts(
        f"{VIEW}s", VERSION, EARLY, [store.entity_key(f"{VIEW}s", VERSION, "a")], [syncs.part(EARLY)], None
    )
    assert store.begin(VIEW, VERSION, EARLY)
    assert set(store.scan_entities(VIEW, VERSION)) == set(syncs.keys(*names))
    assert len(list(store.scan_entities(VIEW, VERSION, 50))) == 50


def test_usage_is_of_the_server(store: OnlineStore) -> None:
    """Memory, limit and number of keys are the server's own."""
    usage = store.usage()
    assert usage.server.split()[0] in {"Valkey", "Redis"}
    assert usage.memory_bytes > 0
    assert usage.limit_bytes == 0
    assert usage.keys == store.client.dbsize()
