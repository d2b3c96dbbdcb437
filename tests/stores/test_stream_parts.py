"""Stream parts in the online store: compare-and-set, places that never go back, and who may write after a view began anew."""

import secrets
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.stores.syncs import EARLY, LATE, VERSION, VIEW, Syncs
from tilefold.engine.codec import HEADER
from tilefold.engine.stream_codec import FORMAT_VERSION, REVISION, STREAM_FLAG
from tilefold.stores.embedded import open_embedded
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.script_runner import PIPELINE_SCRIPTS, SCRIPT_KEYS
from tilefold.stores.stream_log import Place
from tilefold.stores.stream_parts import Seeded, StreamParts, StreamWrite, Taken, log_number
from tilefold.stores.stream_scripts import WRITE_STREAM

LOG, OTHER = log_number("one"), log_number("another")
PLACES = {0: Place(10, 1), 1: Place(20, 1)}
HOUR_MS = 3_600_000
FOREVER, GONE = -1, -2


def blob(revision: int, text: bytes = b"rows") -> bytes:
    """A part of a revision, as far as a script looks at it."""
    return HEADER.pack(FORMAT_VERSION, STREAM_FLAG, 0, 0) + REVISION.pack(revision) + text


def first(key: bytes, text: bytes = b"rows") -> StreamWrite:
    """A write where there was no part."""
    return StreamWrite(key, None, blob(1, text))


class View:
    """A view of its own on a store, which takes a log."""

    def __init__(self, store: OnlineStore, places: dict[int, Place] | None = None) -> None:
        self.store, self.parts, self.syncs = store, store.streams, Syncs(store)
        assert self.parts.register(VIEW, VERSION, Taken(LOG, places or PLACES))

    @property
    def taken(self) -> Taken:
        """How it takes the log now."""
        found = self.parts.taken(VIEW, VERSION)
        assert found is not None
        return found

    def write(self, *writes: StreamWrite, taken: Taken | None = None, ttl_ms: int | None = None) -> list[bool] | None:
        """Write parts."""
        return self.parts.write(VIEW, VERSION, taken or self.taken, writes, ttl_ms)

    def held(self, *names: str) -> list[bytes | None]:
        """The parts of these entities."""
        return self.parts.read(self.syncs.keys(*names))

    def left_ms(self, name: str) -> int:
        """How long a key lives."""
        left = self.store.client.pttl(self.syncs.key(name))
        assert isinstance(left, int)
        return left


@pytest.fixture
def view(store: OnlineStore) -> View:
    """A view that takes a log."""
    return View(store)


# --- how far a view is


def test_a_view_takes_no_log_at_first(store: OnlineStore) -> None:
    """Nothing is taken, written or moved before a view was registered or seeded."""
    parts, taken = store.streams, Taken(LOG, PLACES)
    assert parts.taken(VIEW, VERSION) is None
    assert parts.write(VIEW, VERSION, taken, [first(Syncs(store).key("a"))], None) is None
    assert not parts.advance(VIEW, VERSION, taken)
    assert parts.taken(VIEW, VERSION) is None
    assert parts.read(Syncs(store).keys("a")) == [None]


def test_a_view_is_registered_once(view: View) -> None:
    """Who comes second, with another log or other places, changes nothing."""
    before = view.taken
    assert (before.log, before.places) == (LOG, PLACES)
    assert not view.parts.register(VIEW, VERSION, Taken(OTHER, {0: Place(0, 1)}))
    assert not view.parts.register(VIEW, VERSION, Taken(LOG, {0: Place(99, 9)}))
    assert view.taken == before


def test_registering_at_once(store: OnlineStore) -> None:
    """Of many that register a view at the same time one does."""
    won: list[int] = []

    def register(number: int) -> None:
        if store.streams.register(VIEW, VERSION, Taken(number, {0: Place(number, 1)})):
            won.append(number)

    threads = [threading.Thread(target=register, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = store.streams.taken(VIEW, VERSION)
    assert taken is not None
    assert won == [taken.log] == [taken.places[0].position]


def test_places_never_go_back(view: View) -> None:
    """A place moves forward with its epoch, each shard by itself, and an older one changes nothing."""
    taken = view.taken
    assert view.parts.advance(VIEW, VERSION, Taken(LOG, {0: Place(15, 2)}, taken.token, taken.server))
    assert view.taken.places == {0: Place(15, 2), 1: Place(20, 1)}
    older = {0: Place(12, 1), 1: Place(2**40, 3)}
    assert view.parts.advance(VIEW, VERSION, Taken(LOG, older, taken.token, taken.server))
    assert view.taken.places == {0: Place(15, 2), 1: Place(2**40, 3)}


def test_places_of_another_log_are_refused(view: View) -> None:
    """Who reads another log neither writes nor moves a place."""
    taken = view.taken
    other = Taken(OTHER, {0: Place(99, 1)}, taken.token, taken.server)
    assert view.write(first(view.syncs.key("a")), taken=other) is None
    assert not view.parts.advance(VIEW, VERSION, other)
    assert view.taken == taken
    assert view.held("a") == [None]


# --- parts


def test_parts_come_back_as_written(view: View) -> None:
    """Any bytes are read as they were written, in the order asked, and beside a batch part."""
    keys = view.syncs.keys("a", "b")
    assert view.syncs.write(EARLY, "b")
    blobs = [blob(1, bytes(range(256))), blob(1, b"")]
    assert view.write(*(StreamWrite(key, None, each) for key, each in zip(keys, blobs, strict=True))) == [True, True]
    assert view.held("b", "unknown", "a") == [blobs[1], None, blobs[0]]
    assert view.store.read(keys[1]) == [view.syncs.part(EARLY), blobs[1]]
    assert view.parts.read([]) == []
    assert view.write() == []


@pytest.mark.parametrize("revision", [None, 1, 3, 2**62])
def test_only_the_revision_that_is_there_is_replaced(view: View, revision: int | None) -> None:
    """A part that was made from another revision than the store's is not written."""
    key = view.syncs.key("a")
    assert view.write(first(key)) == [True]
    assert view.write(StreamWrite(key, 1, blob(2))) == [True]
    assert view.write(StreamWrite(key, revision, blob(9, b"wrong"))) == [False]
    assert view.held("a") == [blob(2)]
    assert view.write(StreamWrite(view.syncs.key("b"), 1, blob(2, b"wrong"))) == [False]
    assert view.held("b") == [None]


def test_each_part_is_told_by_itself(view: View) -> None:
    """Over several scripts and pipelines the answers come in order: what lost is told, what stands beside it is written."""
    names = [f"e{number}" for number in range(2 * SCRIPT_KEYS * PIPELINE_SCRIPTS + 7)]
    keys = view.syncs.keys(*names)
    assert view.write(*map(first, keys[::3])) == [True] * len(keys[::3])
    done = view.write(*(first(key, b"second") for key in keys))
    assert done == [number % 3 != 0 for number in range(len(keys))]
    assert view.held(*names) == [blob(1, b"second" if number % 3 else b"rows") for number in range(len(names))]


def test_large_parts_go_in_several_scripts(view: View) -> None:
    """A part larger than a script may take goes alone."""
    keys = view.syncs.keys("a", "b", "c")
    large = blob(1, secrets.token_bytes(100_000))
    assert view.write(*(StreamWrite(key, None, large) for key in keys)) == [True] * 3
    assert view.held("a", "b", "c") == [large] * 3


def test_two_writers_at_once(view: View) -> None:
    """Of writers that replace one revision at the same time one wins."""
    key, taken, won = view.syncs.key("a"), view.taken, []

    def replace(number: int) -> None:
        for revision in range(20):
            before = revision or None
            if view.parts.write(VIEW, VERSION, taken, [StreamWrite(key, before, blob(revision + 1, b"%d" % number))], None) == [
                True
            ]:
                won.append(revision)

    threads = [threading.Thread(target=replace, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(20))


# --- beginnings anew


def seeded(view: View, token: bytes, places: dict[int, Place]) -> bool:
    """Commit a sync that has seeded the view's parts."""
    assert view.store.begin(VIEW, VERSION, LATE)
    return view.store.commit(VIEW, VERSION, LATE, Seeded(token, Taken(LOG, places)))


def test_a_seeding_takes_the_view_away(view: View) -> None:
    """From its beginning on writers are refused, nobody else registers the view, and its places count from its commit on."""
    taken, key = view.taken, view.syncs.key("a")
    view.parts.begin_seed(VIEW, VERSION, b"token")
    assert view.parts.taken(VIEW, VERSION) is None
    assert view.write(first(key), taken=taken) is None
    assert not view.parts.advance(VIEW, VERSION, taken)
    assert not view.parts.register(VIEW, VERSION, taken)
    assert view.parts.seed(VIEW, VERSION, b"token", [key], [blob(7)], None)
    assert seeded(view, b"token", {0: Place(5, 1), 1: Place(6, 2)})
    assert view.taken.places == {0: Place(5, 1), 1: Place(6, 2)}
    assert view.held("a") == [blob(7)]
    assert view.store.mark(VIEW, VERSION) == LATE


def test_a_writer_that_slept_through_a_seeding_is_refused(view: View) -> None:
    """What it read and wrote before is void: it may be neither in the parts nor behind the places."""
    taken, key = view.taken, view.syncs.key("a")
    view.parts.begin_seed(VIEW, VERSION, b"token")
    assert seeded(view, b"token", PLACES)
    assert view.taken.places == taken.places
    assert view.write(first(key), taken=taken) is None
    assert not view.parts.advance(VIEW, VERSION, taken)
    assert view.write(first(key)) == [True]


def test_the_last_seeding_wins(view: View) -> None:
    """A later one takes over: the earlier writes no part and commits no mark any more."""
    view.parts.begin_seed(VIEW, VERSION, b"first")
    view.parts.begin_seed(VIEW, VERSION, b"second")
    assert not view.parts.seed(VIEW, VERSION, b"first", view.syncs.keys("a"), [blob(1)], None)
    assert not seeded(view, b"first", PLACES)
    assert view.store.mark(VIEW, VERSION) is None
    assert view.parts.seed(VIEW, VERSION, b"second", view.syncs.keys("a"), [blob(2)], None)
    assert seeded(view, b"second", PLACES)
    assert view.held("a") == [blob(2)]


def test_a_seeding_writes_whatever_is_there(view: View) -> None:
    """It needs no revision: parts of any revision, broken ones too, are replaced."""
    names = ["a", "b", "c"]
    keys = view.syncs.keys(*names)
    assert view.write(first(keys[0])) == [True]
    view.store.client.hset(keys[1], "s", b"")
    view.parts.begin_seed(VIEW, VERSION, b"token")
    blobs = [blob(number + 40) for number in range(3)]
    assert view.parts.seed(VIEW, VERSION, b"token", keys, blobs, None)
    assert view.held(*names) == blobs


def test_a_commit_without_seeding_leaves_the_stream_alone(view: View) -> None:
    """The mark of a plain sync moves beside the log and its places."""
    before = view.taken
    assert view.store.begin(VIEW, VERSION, EARLY)
    assert view.store.commit(VIEW, VERSION, EARLY)
    assert view.taken == before


# --- a server that lost its last writes


def test_a_writer_that_began_elsewhere_is_refused(view: View) -> None:
    """Ahead of the store it would claim events that are in no part; behind, what it read may be of another epoch by now."""
    taken = view.taken
    ahead = Taken(LOG, {0: Place(11, 1)}, taken.token, taken.server)
    assert view.write(first(view.syncs.key("a")), taken=ahead) is None
    assert view.held("a") == [None]
    unknown = Taken(LOG, {7: Place(0, 1)}, taken.token, taken.server)
    assert view.write(first(view.syncs.key("a")), taken=unknown) is None
    behind = Taken(LOG, {0: Place(9, 1), 1: Place(20, 1)}, taken.token, taken.server)
    assert view.write(first(view.syncs.key("a")), taken=behind) is None
    assert view.write(first(view.syncs.key("a"))) == [True]


def test_no_part_is_written_over_a_restart(tmp_path: Path) -> None:
    """A revision that a writer knows from before a restart may be another part's now: it is refused until it has looked."""
    with open_embedded(tmp_path) as server, closing(OnlineStore.connect(server.url, "restarted")) as store:
        view = View(store)
        before = view.taken
        assert view.write(first(view.syncs.key("a"), b"lost")) == [True]
        store.client.delete(view.syncs.key("a"))
    with open_embedded(tmp_path) as server, closing(OnlineStore.connect(server.url, "restarted")) as store:
        key, parts = Syncs(store).key("a"), store.streams
        again = parts.taken(VIEW, VERSION)
        assert again is not None
        assert parts.write(VIEW, VERSION, again, [first(key, b"of another writer")], None) == [True]
        assert parts.write(VIEW, VERSION, before, [StreamWrite(key, 1, blob(2, b"from the lost one"))], None) is None
        assert parts.read([key]) == [blob(1, b"of another writer")]


def test_places_do_not_move_over_a_restart(tmp_path: Path) -> None:
    """A server that was started again may have lost the parts that were written before: their places stay."""
    with open_embedded(tmp_path) as server, closing(OnlineStore.connect(server.url, "restarted")) as store:
        view = View(store)
        taken = view.taken
        assert view.write(first(view.syncs.key("a"))) == [True]
    with open_embedded(tmp_path) as server, closing(OnlineStore.connect(server.url, "restarted")) as store:
        ahead = Taken(LOG, {0: Place(15, 1)}, taken.token, taken.server)
        assert not store.streams.advance(VIEW, VERSION, ahead)
        again = store.streams.taken(VIEW, VERSION)
        assert again is not None
        assert again.places == PLACES
        assert again.token == taken.token
        assert again.server != taken.server


# --- time to live


def test_a_new_key_expires(view: View) -> None:
    """A key that only streams gets its time from now on; a view with a lifetime sets none."""
    assert view.write(first(view.syncs.key("a")), ttl_ms=HOUR_MS) == [True]
    assert HOUR_MS - 10_000 < view.left_ms("a") <= HOUR_MS
    assert view.write(first(view.syncs.key("b"))) == [True]
    assert view.left_ms("b") == FOREVER


def test_a_time_grows_and_is_never_shortened(view: View) -> None:
    """Each write gives the time anew, unless the key lives longer anyway."""
    key = view.syncs.key("a")
    assert view.write(first(key), ttl_ms=HOUR_MS) == [True]
    assert view.write(StreamWrite(key, 1, blob(2)), ttl_ms=3 * HOUR_MS) == [True]
    assert view.left_ms("a") > 2 * HOUR_MS
    assert view.write(StreamWrite(key, 2, blob(3)), ttl_ms=HOUR_MS) == [True]
    assert view.left_ms("a") > 2 * HOUR_MS


def test_a_key_that_lives_for_ever_stays_so(view: View) -> None:
    """A batch part without an end is not given one by its stream part."""
    assert view.syncs.write(EARLY, "a")
    assert view.write(first(view.syncs.key("a")), ttl_ms=HOUR_MS) == [True]
    assert view.left_ms("a") == FOREVER


def test_a_batch_part_that_expires_lives_as_long_as_its_stream_part(view: View) -> None:
    """The longer of the two times counts."""
    assert view.syncs.write(EARLY, "a", ttl_ms=HOUR_MS)
    assert view.write(first(view.syncs.key("a")), ttl_ms=3 * HOUR_MS) == [True]
    assert view.left_ms("a") > 2 * HOUR_MS


def test_what_lost_gets_no_time(view: View) -> None:
    """A part that was not written changes nothing of its key."""
    key = view.syncs.key("a")
    assert view.write(first(key), ttl_ms=HOUR_MS) == [True]
    assert view.write(first(key), ttl_ms=5 * HOUR_MS) == [False]
    assert view.left_ms("a") <= HOUR_MS
    assert view.write(StreamWrite(view.syncs.key("b"), 3, blob(4)), ttl_ms=HOUR_MS) == [False]
    assert view.left_ms("b") == GONE


def test_seeded_keys_expire_likewise(view: View) -> None:
    """A seeding gives new keys their time, and shortens none."""
    view.parts.begin_seed(VIEW, VERSION, b"token")
    assert view.syncs.write(EARLY, "old", ttl_ms=5 * HOUR_MS)
    keys = view.syncs.keys("new", "old")
    assert view.parts.seed(VIEW, VERSION, b"token", keys, [blob(1)] * 2, HOUR_MS)
    assert HOUR_MS - 10_000 < view.left_ms("new") <= HOUR_MS
    assert view.left_ms("old") > 4 * HOUR_MS


# --- the newest event


def test_the_newest_event_stays(store: OnlineStore) -> None:
    """Only a newer one replaces it, before 1970 too; each source has its own."""
    streams: StreamParts = store.streams
    assert streams.latest("clicks") is None
    for time_us, expected in [(-5, -5), (-9, -5), (7, 7), (3, 7), (1_790_000_000_000_001, 1_790_000_000_000_001)]:
        streams.note_latest("clicks", time_us)
        assert streams.latest("clicks") == expected
    assert streams.latest("views") is None


def test_the_state_says_what_the_docs_say(view: View) -> None:
    """`log` is 24 bytes, a place 16; a commit of a seeding leaves `seed` away."""
    fields = view.store.client.hgetall(view.store.mark_key(VIEW, VERSION))
    assert {name: len(value) for name, value in fields.items()} == {b"log": 24, b"w0": 16, b"w1": 16}
    view.parts.begin_seed(VIEW, VERSION, b"t" * 16)
    assert view.store.client.hgetall(view.store.mark_key(VIEW, VERSION)) == {b"seed": b"t" * 16}
    assert seeded(view, b"t" * 16, PLACES)
    names = view.store.client.hkeys(view.store.mark_key(VIEW, VERSION))
    assert sorted(names) == [b"log", b"mark", b"store", b"w0", b"w1"]


def test_a_script_that_the_server_forgot_is_sent_again(view: View) -> None:
    """A server that was flushed of its scripts is told them anew."""
    view.store.client.script_flush()
    assert view.write(first(view.syncs.key("a"))) == [True]
    assert view.store.client.script_exists(WRITE_STREAM.digest.decode()) == [True]
