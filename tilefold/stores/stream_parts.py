"""The stream parts of entities in the online store, and how far each view includes the stream.

The rule: a stream part is replaced by compare-and-set of its revision, so a writer that slept, or that was started by mistake
beside another, loses and looks again. How far a view's parts include the log is written after them, never before. A writer that
believes them to be further than they are (they were seeded anew, or the server came back without its last writes) is refused.
"""

import secrets
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple

from redis.exceptions import RedisError

from tilefold.engine.mark import Mark
from tilefold.engine.stream_codec import REVISION
from tilefold.stores.online_samples import scan
from tilefold.stores.script_runner import PIPELINE_SCRIPTS, SCRIPT_BYTES, SCRIPT_KEYS, SLICE_KEYS, Call, batched, spans
from tilefold.stores.source_streams import SourceStreams
from tilefold.stores.stream_log import Place
from tilefold.stores.stream_scripts import (
    ADVANCE,
    BEGIN_SEED,
    CLEAR,
    LAPSE,
    LOG_FIELD,
    PLACE_PREFIX,
    REGISTER,
    SEED,
    TAKEN,
    WRITE_STREAM,
)

TOKEN_BYTES = 16

_PLACE = struct.Struct(">qq")
_NUMBER = struct.Struct(">q")
_READ = b"*3\r\n$4\r\nHGET\r\n$%d\r\n%b\r\n$1\r\ns\r\n"


def log_number(incarnation: str) -> int:
    """A log's incarnation as the number that stream parts carry."""
    return _NUMBER.unpack(sha256(incarnation.encode()).digest()[:8])[0]  # type: ignore[no-any-return] # an int


class StreamWrite(NamedTuple):
    """A stream part to write: the key, the revision it was made from (None where there was none), the bytes."""

    key: bytes
    revision: int | None
    blob: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """Which log a view takes, and how far it is in all of its stream parts.

    Attributes
    ----------
    token
        Of the registration or seeding that it takes the log by; another one than before is another beginning.
    server
        The run id of the server that said so; another one than before may have lost its last writes.
    """

    log: int
    places: dict[int, Place]
    token: bytes = b""
    server: bytes = b""


@dataclass(frozen=True, slots=True)
class Seeded:
    """What a sync that has seeded stream parts commits: its token, the log, the places that the parts include."""

    token: bytes
    taken: Taken

    def to_args(self) -> list[bytes]:
        """As the script takes it."""
        return [self.token, *_taken_args(replace(self.taken, token=self.token))]


class StreamParts(SourceStreams):
    """Reads and writes the stream parts of one workspace; raises the errors of the online store."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The stream parts of these keys; None for those that have none."""
        if not keys:
            return []
        try:
            return list(self._link.trips.in_slices((_READ % (len(key), key) for key in keys), SLICE_KEYS))
        except RedisError as error:
            raise self._link.faults.translated(error) from error

    def write(
        self,
        view: str,
        version: str,
        taken: Taken,
        writes: Iterable[StreamWrite],
        ttl_ms: int | None,
        mark: Mark | None = None,
    ) -> list[bool] | None:
        """Replace stream parts, each if its revision is still the one given; they are made while others are on their way.

        Parameters
        ----------
        taken
            As it was told; its places are those behind which the writer read what it adds.
        mark
            By which rows were dropped from the parts; the view's own may be a newer one.

        Returns
        -------
        Whether each was written; None where the view does not take this log any more, is at other places by now, or lost this
        mark, or where the server was started again.
        """
        state = self._keys.state(view, version)
        lows = [each for shard, place in taken.places.items() for each in (_field(shard), _NUMBER.pack(place.position))]
        stamp = b"" if mark is None else mark.to_bytes()
        head = [_log_value(taken), stamp, taken.server, _ttl(ttl_ms), b"%d" % len(taken.places), *lows]
        calls = (Call([state, *(write.key for write in some)], [*head, *_pairs(some)]) for some in _scriptfuls(writes))
        answers = list(self._scripts.run_overlapped(WRITE_STREAM, batched(calls, PIPELINE_SCRIPTS)))
        if not all(answers):
            return None
        return [digit == ord("1") for digit in b"".join(answers)]

    def taken(self, view: str, version: str) -> Taken | None:
        """Which log the view takes, and how far; None where it takes none."""
        found, server = self._scripts.ask(TAKEN, Call([self._keys.state(view, version)], []))
        fields = dict(zip(found[::2], found[1::2], strict=True))
        if LOG_FIELD not in fields:
            return None
        places = {
            int(field[len(PLACE_PREFIX) :]): Place(*_PLACE.unpack(value))
            for field, value in fields.items()
            if field.startswith(PLACE_PREFIX) and field[len(PLACE_PREFIX) :].isdigit()
        }
        value: bytes = fields[LOG_FIELD]
        return Taken(_NUMBER.unpack_from(value)[0], places, value[_NUMBER.size :], server)

    def register(self, view: str, version: str, taken: Taken) -> bool:
        """Let a view take a log that holds nothing before these places; False where it takes one already."""
        drawn = replace(taken, token=secrets.token_bytes(TOKEN_BYTES))
        return self._scripts.run(REGISTER, Call([self._keys.state(view, version)], _taken_args(drawn))) == 1

    def advance(self, view: str, version: str, taken: Taken) -> bool:
        """Note how far the log is in all stream parts; never back.

        False, and nothing is noted, where the view does not take this log any more, or the server was started again since
        `taken` was told: it may have lost the last parts.
        """
        log, *places = _taken_args(taken)
        return self._scripts.run(ADVANCE, Call([self._keys.state(view, version)], [log, taken.server, *places])) == 1

    def begin_seed(self, view: str, version: str, token: bytes) -> None:
        """Take the view from the writers, to write all of its stream parts anew."""
        self._scripts.run(BEGIN_SEED, Call([self._keys.state(view, version)], [token]))

    def lapse(self, view: str, version: str, taken: Taken, starts: Mapping[int, int]) -> bool:
        """Make a view that is behind where its log begins not ready until it is seeded anew; False where it is not behind."""
        pairs = [each for shard, start in starts.items() for each in (_field(shard), _NUMBER.pack(start))]
        nobody = secrets.token_bytes(TOKEN_BYTES)
        return self._scripts.run(LAPSE, Call([self._keys.state(view, version)], [_log_value(taken), nobody, *pairs])) == 1

    def seed(
        self, view: str, version: str, token: bytes, keys: Sequence[bytes], blobs: Sequence[bytes], ttl_ms: int | None
    ) -> bool:
        """Write stream parts, whatever is there; False where another seeding has taken over."""
        state = self._keys.state(view, version)
        calls = (Call([state, *keys[span]], [token, _ttl(ttl_ms), *blobs[span]]) for span in spans(map(len, blobs)))
        return all(self._scripts.run(SEED, call) for call in calls)

    def keep_only(self, view: str, version: str, token: bytes, keys: Collection[bytes]) -> bool:
        """Remove the stream parts of all other entities; False where another seeding has taken over."""
        state, there = self._keys.state(view, version), scan(self._link, self._keys.all_entities(view, version))
        others = batched((key for key in there if key not in keys), SCRIPT_KEYS)
        calls = (Call([state, *some], [token]) for some in others)
        return all(self._scripts.run(CLEAR, call) for call in calls)


def _scriptfuls(writes: Iterable[StreamWrite]) -> Iterator[list[StreamWrite]]:
    """As many at a time as one script may take."""
    some: list[StreamWrite] = []
    size_bytes = 0
    for write in writes:
        if len(some) == SCRIPT_KEYS or (some and size_bytes + len(write.blob) > SCRIPT_BYTES):
            yield some
            some, size_bytes = [], 0
        some.append(write)
        size_bytes += len(write.blob)
    if some:
        yield some


def _ttl(ttl_ms: int | None) -> bytes:
    return b"" if ttl_ms is None else b"%d" % ttl_ms


def _pairs(writes: Iterable[StreamWrite]) -> list[bytes]:
    return [each for w in writes for each in (b"" if w.revision is None else REVISION.pack(w.revision), w.blob)]


def _taken_args(taken: Taken) -> list[bytes]:
    places: Mapping[int, Place] = taken.places
    pairs = [(_field(shard), _PLACE.pack(*place)) for shard, place in sorted(places.items())]
    return [_log_value(taken), *(each for pair in pairs for each in pair)]


def _log_value(taken: Taken) -> bytes:
    return _NUMBER.pack(taken.log) + taken.token


def _field(shard: int) -> bytes:
    return PLACE_PREFIX + b"%d" % shard
