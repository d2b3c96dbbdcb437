"""What must hold after every step of a schedule: each value is right for the events that the key shows, and none is ever lost.

The rule: which events a key shows is known from the stores alone: those of its batch part (the rows that the compaction in
force was built from, before its watermark) and those of its stream part (what was seeded, and what lies in the log up to its
positions) that the batch part does not cover. The value must be what the naive reference says of these; none may disappear from
one step to the next, and in the end they must be all that were accepted.
"""

import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from tests.simulation.events import Event
from tests.simulation.lines import Line, Odds
from tests.simulation.memory_redis import MemoryOnline
from tests.simulation.views import Kit
from tests.simulation.world import World, mask
from tilefold.engine.codec import HEADER
from tilefold.engine.mark import STAMP_SIZE_BYTES, Mark
from tilefold.engine.reference import agree
from tilefold.engine.stream_codec import REVISION_START
from tilefold.engine.time import to_datetime
from tilefold.serving.read import FeatureVector, ServiceReader, Status, ViewReader
from tilefold.stores.cached_mark import REFRESH_S, CachedMark
from tilefold.stores.stream_parts import log_number

_PLACE = struct.Struct("<Hq")
_PLACES_START = REVISION_START + 3 * 8  # revision, log, pruned


class WrongRead(AssertionError):  # noqa: N818 - what it is
    """A read that product code must never give."""


class Seen(NamedTuple):
    """A read: of which view and key, when, and what it answered."""

    kit: Kit
    user: str
    at_us: int
    vector: FeatureVector


@dataclass
class KeyTruth:
    """What the harness knows of one key of one view.

    Attributes
    ----------
    stream
        The events that its stream part was given.
    shown
        Those that a read has shown, or that a process said to be visible.
    folded_us
        The latest time that a clock showed up to the last write of its stream part.
    """

    stream: int = 0
    positions: dict[int, int] = field(default_factory=dict)
    shown: int = 0
    folded_us: int = -(2**62)


class Checks:
    """Looks at every read."""

    def __init__(self, world: World) -> None:
        self._world = world
        quiet = Line(world.chance, Odds())
        self._online = MemoryOnline(world.server, quiet)
        self._keys: dict[bytes, tuple[Kit, str]] = {}
        self._truths: dict[bytes, KeyTruth] = {}
        self._readers: dict[tuple[str, bool], tuple[ServiceReader, ViewReader]] = {}
        self._expected: dict[tuple[str, str, int, int], list[Any]] = {}
        self._cached_from_s = 0.0
        self._gone = 0
        self.reads = 0

    def add(self, kit: Kit, users: Sequence[str]) -> None:
        """Look at these keys of a view from here on."""
        for user in users:
            key = self._online.entity_key(kit.view.name, kit.view.version, user)
            self._keys[key] = (kit, user)
            self._truths[key] = KeyTruth()
        for cached in (False, True):
            clock = self._world.clock.seconds if cached else iter(range(0, 2**62, 10)).__next__
            marks = CachedMark(self._online.mark, clock)
            reader = ViewReader(kit.context, self._online, marks, lambda: self._has_history(kit))
            self._readers[kit.view.name, cached] = (
                ServiceReader(self._online, [(reader, range(len(kit.view.features)))]),
                reader,
            )

    def _has_history(self, kit: Kit) -> bool:
        return self.takes(kit) is None or self._world.table.versions[-1].has_unstreamed()

    # --- what happened

    def saved(self) -> dict[bytes, KeyTruth]:
        """What is known of the online store as it is now."""
        return {key: replace(truth, positions=dict(truth.positions)) for key, truth in self._truths.items()}

    def restored(self, saved: Mapping[bytes, KeyTruth]) -> None:
        """The online store holds again what it held then, or nothing: what it showed since may be missing for now.

        Whoever knows a mark that is newer than the store's is wrong for the second that marks are kept.
        """
        for key, truth in self._truths.items():
            held = saved.get(key, KeyTruth())
            truth.stream, truth.positions, truth.shown = held.stream, dict(held.positions), 0
        self._cached_from_s = self._world.clock.seconds() + REFRESH_S

    def gone(self, ids: Collection[str]) -> None:
        """These events are being replaced: from here on they may disappear."""
        self._gone |= mask(event for event in self._world.events if event.event_id in ids)

    def written(self) -> set[bytes]:
        """The keys whose reads may have changed; takes note of what was written to them."""
        changed, self._world.server.changed = self._world.server.changed, set()
        keys: set[bytes] = set()
        for key in changed:
            if key in self._keys:
                keys.add(key)
            else:
                keys |= {each for each in self._keys if each.startswith(key + b":")}
        notes, self._world.server.notes = self._world.server.notes, []
        for key, token in notes:
            self._note(key, token)
        return keys

    def _note(self, key: bytes, token: bytes | None) -> None:
        """A stream part was seeded with a token, or written by a writer."""
        kit, user = self._keys[key]
        truth = self._truths[key]
        if token is not None:
            truth.stream = mask(row.event for row in self._world.seedings[token].unique().values() if row.event.user == user)
            truth.positions = {}
        seeded = self._seeded(kit)
        before = {shard: max(seeded.get(shard, 0), truth.positions.get(shard, 0)) for shard in range(self._world.shards)}
        truth.positions = self._positions(key)
        for event in self._world.events:
            shard, position, _ = self._world.log.placed.get(event.event_id, (0, 0, 0))
            if event.user == user and token is None and before.get(shard, 0) < position <= truth.positions.get(shard, 0):
                truth.stream |= 1 << event.number
        truth.folded_us = self._world.clock.latest_us

    def _seeded(self, kit: Kit) -> dict[int, int]:
        """Up to where the seeding that a view takes the stream by has it: also in keys that it wrote no part of."""
        log, version = self._world.log, self._world.seedings.get(self.takes(kit) or b"")
        places = {} if version is None else version.drained(log.incarnation, range(log.shards))
        return {shard: place.position for shard, place in places.items()}

    def _positions(self, key: bytes) -> dict[int, int]:
        data = self._world.server.hashes.get(key, {}).get(b"s")
        if data is None:
            return {}
        return dict(_PLACE.unpack_from(data, _PLACES_START + 1 + n * _PLACE.size) for n in range(data[_PLACES_START]))

    def takes(self, kit: Kit) -> bytes | None:
        """By which token a view takes the stream; None where it does not."""
        taken = self._online.streams.taken(kit.view.name, kit.view.version)
        return None if taken is None or taken.log != log_number(self._world.log.incarnation) else taken.token

    def must_show(self, kit: Kit, events: Sequence[Event]) -> None:
        """From here on these events, which a process said to be visible, may not be missing."""
        for event in events:
            if event.event_id in self._world.log.placed and event.time_us >= kit.view.feature_start_us:
                key = self._online.entity_key(kit.view.name, kit.view.version, event.user)
                self._truths[key].shown |= 1 << event.number

    # --- what must hold

    def look(self, keys: Sequence[bytes], at_us: int | None = None) -> None:
        """Read these keys and compare."""
        for key in keys:
            kit, user = self._keys[key]
            shown = self._shown(key, kit, user)
            truth = self._truths[key]
            if lost := truth.shown & ~shown & ~self._gone:
                raise WrongRead(f"{kit.view.name} of {user} lost the events {list(self._numbers(lost))}")
            truth.shown = shown
            for cached in (False, True) if self._world.clock.seconds() >= self._cached_from_s else (False,):
                self._compare(key, self._read(kit, user, at_us, cached=cached), shown, cached=cached)

    def _read(self, kit: Kit, user: str, at_us: int | None, *, cached: bool) -> Seen:
        now_us = self._world.clock.now_us
        at = now_us if at_us is None else at_us
        service, _ = self._readers[kit.view.name, cached]
        self.reads += 1
        return Seen(kit, user, at, service.get({"user": user}, to_datetime(at), now=at_us is None))

    def _compare(self, key: bytes, seen: Seen, shown: int, *, cached: bool) -> None:
        part = seen.vector._parts[0]
        if part.held is None:
            self._check_not_ready(seen, cached=cached)
            return
        if cached and part.held.epoch and self._online.mark(seen.kit.view.name, seen.kit.view.version) is None:
            return  # the view lapsed: who knows its mark is wrong for the second that marks are kept
        if cached:  # whoever knows the mark of a second ago sees a key that has no batch part as it was then
            shown = self._shown_by(part.held, key, seen.kit, seen.user)
        expected = self._expects(seen.kit, seen.user, shown, part.time.end_us)
        may_be_stale = self._may_be_stale(key, seen, part.held)
        for (name, status), value, wanted in zip(
            seen.vector.statuses.items(), seen.vector.values.values(), expected, strict=True
        ):
            if status is Status.STALE and may_be_stale:
                continue
            if status is Status.STALE:
                raise WrongRead(f"{name} of {seen.user} is stale while its batch part is valid: {part.held}")
            if not agree(value, wanted, 1e4):
                events = list(self._numbers(shown))
                raise WrongRead(f"{name} of {seen.user} is {value!r}, not {wanted!r}, of {events}, {cached=}")

    def _check_not_ready(self, seen: Seen, *, cached: bool) -> None:
        view = seen.kit.view
        if cached and self._readers[view.name, True][1].mark() is None:
            return
        if self._online.mark(view.name, view.version) is not None:
            raise WrongRead(f"{view.name} is not ready, but has a mark")

    def _may_be_stale(self, key: bytes, seen: Seen, held: Mark) -> bool:
        view, truth, part = seen.kit.view, self._truths[key], seen.vector._parts[0]
        old = seen.at_us > held.watermark_us + view.valid_for_us
        before = seen.at_us < truth.folded_us
        return old or before or not part.time.certain

    def _shown(self, key: bytes, kit: Kit, user: str) -> int:
        """The events that a key shows."""
        return self._shown_by(self._in_force(key, kit), key, kit, user)

    def _shown_by(self, mark: Mark, key: bytes, kit: Kit, user: str) -> int:
        """The events that a key shows to whoever takes this mark to be in force."""
        truth = self._truths[key]
        held = 0
        if mark.epoch:
            rows = self._world.held_at(mark.epoch)
            held = mask(row.event for row in rows if row.event.user == user and row.event.time_us < mark.watermark_us)
        covered = 0
        for number in self._numbers(truth.stream):
            event = self._world.events[number]
            if event.time_us < mark.watermark_us and self._epoch(event) <= mark.epoch:
                covered |= 1 << number
        return (held | (truth.stream & ~covered)) & self._counting(kit)

    def _counting(self, kit: Kit) -> int:
        """The events that a window may hold."""
        return mask(event for event in self._world.events if event.time_us >= kit.view.feature_start_us)

    def _in_force(self, key: bytes, kit: Kit) -> Mark:
        mark = self._online.mark(kit.view.name, kit.view.version) or Mark(kit.view.feature_start_us, 0)
        data = self._world.server.fields(key).get(b"b")
        return mark if data is None else max(mark, Mark.from_bytes(data[HEADER.size : HEADER.size + STAMP_SIZE_BYTES]))

    def _epoch(self, event: Event) -> int:
        placed = self._world.log.placed.get(event.event_id)
        return self._world.table.appended[event.number] if placed is None else placed[2]

    def _expects(self, kit: Kit, user: str, shown: int, end_us: int) -> list[Any]:
        known = (kit.view.version, user, shown, end_us)
        if known not in self._expected:
            self._expected[known] = kit.expected(self._of(shown), end_us)
        return self._expected[known]

    def _of(self, shown: int) -> Iterator[Event]:
        return (self._world.events[number] for number in self._numbers(shown))

    @staticmethod
    def _numbers(bits: int) -> Iterator[int]:
        while bits:
            low = bits & -bits
            yield low.bit_length() - 1
            bits ^= low

    # --- what must be so in the end

    def everything(self) -> list[bytes]:
        """All keys."""
        return list(self._keys)

    def finish(self) -> None:
        """Everything that was accepted is there once, and every value is exact."""
        ids = [row.event.event_id for row in self._world.table.versions[-1].rows]
        accepted, held = self._world.log.ids - self._world.gone, set(ids)
        if len(ids) != len(held) or not accepted <= held:
            raise WrongRead(f"the event log holds {sorted(ids)}, accepted were {sorted(accepted)}")
        for key, (kit, user) in self._keys.items():
            own = [event for event in self._world.events if event.user == user and event.event_id in held]
            wanted = mask(own) & self._counting(kit)
            shown = self._shown(key, kit, user)
            if wanted != shown:
                raise WrongRead(f"{kit.view.name} of {user} lacks {list(self._numbers(wanted & ~shown))} in the end")
            seen = self._read(kit, user, None, cached=False)
            if bad := set(seen.vector.statuses.values()) - {Status.PRESENT, Status.MISSING_DATA}:
                raise WrongRead(f"{kit.view.name} of {user} ends {bad}")
        self.look(self.everything())
