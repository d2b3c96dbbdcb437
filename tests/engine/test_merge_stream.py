"""The merged read of a stream view's key: every window of every kind equals the reference, or says that it is inexact."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.engine.drawing import HOUR_US, feature, full_view
from tests.engine.stream_drawing import BEGIN_US, SCHEDULE_US, SPAN_US
from tests.engine.stream_keys import Arrived, StreamKey, few_loose, many_arrivals, stream_views, view_of
from tilefold.declaration.windows import Window
from tilefold.engine.codec import Part
from tilefold.engine.layout import is_moved
from tilefold.engine.mark import Mark
from tilefold.engine.merge import is_covered
from tilefold.engine.stream_part import NOTHING_PRUNED_US
from tilefold.engine.windows import bounds_us, oldest_us

RELAXED = settings(deadline=None, max_examples=examples(25), suppress_health_check=list(HealthCheck), print_blob=True)
LOOSE = st.sampled_from([(0, 0), (4, 2), (64, 16)])
SEEDS = st.integers(0, 2**32)


class Life:
    """A key's days, drawn from a seed: events come late or not at all, compactions begin, are synced late, or never."""

    def __init__(self, key: StreamKey, chance: random.Random, few: int) -> None:
        self.key, self.chance, self.few = key, chance, few
        self.now_us, self.epoch = BEGIN_US, 1
        size = chance.choice([3, 12, 50, 150])
        self.waiting = many_arrivals(key.view, chance, size, until_us=BEGIN_US + SPAN_US - 1)
        self.compacted: list[tuple[Mark, Part | None]] = []

    def steps(self) -> Iterator[int]:
        """Let time pass; each clock at which something happened."""
        while self.now_us < BEGIN_US + SPAN_US:
            self.now_us += self.chance.randint(1, SCHEDULE_US)
            self._arrive()
            yield self.now_us
            if self.chance.random() < 0.4:
                self._compact()
            if self.compacted and self.chance.random() < 0.6 and self._sync():
                yield self.now_us

    def _arrive(self) -> None:
        there = [one for one in self.waiting if one.time_us <= self.now_us and self.chance.random() < 0.7]
        self.waiting = [one for one in self.waiting if one not in there]
        self.key.write([replace(one, epoch=self.epoch) for one in there], self.now_us, whole=self.chance.random() < 0.5)

    def _compact(self) -> None:
        """The next compaction; now and then at the watermark before the newest."""
        newest_us = self.now_us // SCHEDULE_US * SCHEDULE_US
        mark = Mark(newest_us - self.chance.choice([0, 0, 0, SCHEDULE_US]), self.epoch)
        self.epoch += 1
        self.compacted.append((mark, self.key.compact(mark, self.few)))

    def _sync(self) -> bool:
        """Commit the last one, if it is not superseded; the key's own part is written only if it has one or had."""
        mark, part = self.compacted.pop()
        if self.key.mark is not None and not mark.at_or_above(self.key.mark):
            return False
        self.key.sync(mark, part, stamped=self.key.batch is not None)
        return True


@RELAXED
@given(drawn=st.data(), few=st.sampled_from([0, 3, 64]), loose=LOOSE, seed=SEEDS)
def test_a_read_equals_the_reference_whatever_happened(
    drawn: st.DataObject, few: int, loose: tuple[int, int], seed: int
) -> None:
    """No read is wrong; and at or after the last fold, while the batch part is valid, none is inexact either."""
    key, chance = StreamKey(drawn.draw(stream_views())), random.Random(seed)
    with few_loose(*loose):
        for now_us in Life(key, chance, few).steps():
            until_us = max(key.held.watermark_us, BEGIN_US) + key.valid_for_us
            for at_us in [now_us, chance.randint(now_us, max(now_us, until_us)), until_us, chance.randint(BEGIN_US, now_us)]:
                if at_us >= key.held.watermark_us:
                    assert not key.wrong(at_us)
                if now_us <= at_us <= until_us:
                    assert not key.inexact(at_us)


@RELAXED
@given(drawn=st.data(), few=st.sampled_from([0, 3]), seed=SEEDS)
def test_a_window_is_inexact_exactly_if_a_row_is_cut(drawn: st.DataObject, few: int, seed: int) -> None:
    """Long past what parts are valid for: STALE where the window's start, or its end if it is moved, lies inside of a row."""
    key, chance = StreamKey(drawn.draw(stream_views(max_features=2))), random.Random(seed)
    with few_loose(0, 0):
        for now_us in Life(key, chance, few).steps():
            at_us = chance.randint(now_us, now_us + 6 * SCHEDULE_US)
            rows, pruned_us = list(spans_of(key)), pruned_of(key)
            for window in key.folder.windows:
                start_us, end_us = bounds_us(window, at_us)
                cut = is_cut(rows, start_us) or (is_moved(window) and is_cut(rows, end_us))
                reachable = start_us < end_us or is_moved(window)
                told = pruned_us != NOTHING_PRUNED_US and oldest_us(window, at_us) <= pruned_us
                assert (window in key.inexact(at_us)) == ((reachable and cut) or told), (at_us, window)


def spans_of(key: StreamKey) -> Iterator[tuple[int, int]]:
    """The first and last microsecond of every row, cell and tile that counts."""
    grain = key.layout.grain_us
    if key.batch is not None:
        spans = zip(key.batch.first, key.batch.last, strict=True)
        yield from (((first + key.batch.base) * grain, (last + key.batch.base + 1) * grain - 1) for first, last in spans)
    for group in key.codec.view(key.stream).groups if key.stream else ():
        unit = group.unit_us
        for first, last in zip(group.part.first, group.part.last, strict=True):
            first_us = (first + group.part.base) * unit
            if not (is_covered(group.epoch, key.held) and first_us < key.held.watermark_us):
                yield first_us, (last + group.part.base + 1) * unit - 1


def is_cut(rows: Sequence[tuple[int, int]], edge_us: int) -> bool:
    """Whether an edge lies inside of a row."""
    return any(first < edge_us <= last for first, last in rows)


def pruned_of(key: StreamKey) -> int:
    """The newest event that was pruned."""
    return key.codec.view(key.stream).pruned_us if key.stream else NOTHING_PRUNED_US


# --- the predicate, row by row


def counted(key: StreamKey, at_us: int) -> int:
    """The events that a read counts."""
    count = key.read(at_us)[0][-1]
    assert isinstance(count, int)
    return count


def lifetime() -> StreamKey:
    """A key of a view that counts everything."""
    return StreamKey(view_of([feature(None, "count", (Window(None, hop_us=0),))]))


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize(
    ("time_us", "epoch", "counts"),
    [(47, 1, False), (47, 2, False), (47, 3, True), (48, 1, True), (48, 2, True), (48, 3, True)],
)
def test_what_the_batch_part_covers_is_left_out(time_us: int, epoch: int, counts: bool, settled: bool) -> None:
    """Of the mark (48 us, epoch 2) a row counts unless it lies before the watermark and is of epoch 2 or earlier."""
    key = lifetime()
    with few_loose(0 if settled else 64, 0):
        key.write([Arrived(BEGIN_US + time_us, "a", {}, epoch)], BEGIN_US + 60)
    key.sync(Mark(BEGIN_US + 48, 2), None)
    assert counted(key, BEGIN_US + 60) == counts


@pytest.mark.parametrize(("stamp", "mark", "left"), [((48, 2), (96, 3), 1), ((96, 3), (48, 2), 1), ((48, 2), (48, 2), 2)])
def test_the_larger_of_stamp_and_mark_holds(stamp: tuple[int, int], mark: tuple[int, int], left: int) -> None:
    """A key that was not written keeps its old stamp, one that was may be ahead of the mark: the larger says what counts."""
    key = lifetime()
    key.write([Arrived(BEGIN_US + time_us, "", {}) for time_us in (10, 50, 100)], BEGIN_US + 110)
    key.sync(Mark(BEGIN_US + stamp[0], stamp[1]), None)
    key.mark = Mark(BEGIN_US + mark[0], mark[1])
    assert counted(key, BEGIN_US + 110) == left


def test_an_event_late_for_the_batch_counts_once() -> None:
    """It is seen at once, beside the batch part that lacks it, and in the part of the next compaction instead of there."""
    key, late = lifetime(), Arrived(BEGIN_US + 20, "late", {}, 2)
    key.write([Arrived(BEGIN_US + 10, "first", {})], BEGIN_US + 50)
    key.sync(Mark(BEGIN_US + 48, 1), key.compact(Mark(BEGIN_US + 48, 1), 64))
    assert counted(key, BEGIN_US + 60) == 1
    key.write([late], BEGIN_US + 60)
    assert counted(key, BEGIN_US + 60) == 2
    part = key.compact(Mark(BEGIN_US + 48, 2), 64)
    assert counted(key, BEGIN_US + 60) == 2
    key.sync(Mark(BEGIN_US + 48, 2), part)
    assert counted(key, BEGIN_US + 60) == 2


def test_no_parts_at_all() -> None:
    """A key that nobody wrote gives what each function gives of nothing, exactly."""
    view = full_view(HOUR_US)
    windows = [replace(window, hop_us=HOUR_US, ends_on_grid=window.offset_us > 0) for window in view.features[0].windows]
    key = StreamKey(view_of([replace(one, windows=tuple(windows), is_series=False) for one in view.features]))
    values, inexact = key.read(BEGIN_US)
    assert not inexact
    assert values == [one.function.empty for one in key.view.features]


def test_reads_of_one_time_share_their_edges() -> None:
    """Edges are worked out once for a read time, and anew for the next."""
    key = StreamKey(view_of([feature(None, "count", (Window(48, hop_us=12),))]))
    key.write([Arrived(BEGIN_US + time_us, "", {}) for time_us in (0, 40, 80)], BEGIN_US + 80)
    assert [counted(key, BEGIN_US + at_us) for at_us in (80, 110, 80, 140, 80)] == [2, 1, 2, 0, 2]


def test_example() -> None:
    """Both parts with late events and one to come, read at 100: a window of 48 from 48 on, a lifetime, a window moved back.

                       E = 48
    batch    10  30  | 2 events, one tile
    stream e1          |  50  90
    stream e2    20    |      95   130
    """
    windows = [Window(48, hop_us=12), Window(None, hop_us=0), Window(24, 24, hop_us=12, ends_on_grid=True)]
    key = StreamKey(view_of([feature("narrow", "sum", (window,), number) for number, window in enumerate(windows)]))
    first = [Arrived(BEGIN_US + time_us, "", {"narrow": time_us}) for time_us in (10, 30, 50, 90)]
    key.write(first, BEGIN_US + 90)
    key.sync(Mark(BEGIN_US + 48, 1), key.compact(Mark(BEGIN_US + 48, 1), 0))
    key.write([Arrived(BEGIN_US + time_us, "", {"narrow": time_us}, 2) for time_us in (20, 95, 130)], BEGIN_US + 100)
    assert key.read(BEGIN_US + 100) == ([50 + 90 + 95, 10 + 30 + 20 + 50 + 90 + 95, 50], set())


def test_a_cell_over_the_end() -> None:
    """A read before the last fold says that it is inexact where its end, or what totals hold behind it, is in the way.

    cells    [24, 25]   [238, 239]        read at 238: the second holds an event of 239; at 30 nothing of it is inside
    """
    short, long = Window(2, hop_us=2), Window(240, hop_us=2)
    key = StreamKey(view_of([feature(None, "count", (window,), number) for number, window in enumerate((short, long))]))
    with few_loose(0, 0):
        key.write([Arrived(BEGIN_US + time_us, "", {}) for time_us in (24, 25, 238, 239)], BEGIN_US + 239)
    assert key.read(BEGIN_US + 239) == ([2, 4], set())
    assert key.inexact(BEGIN_US + 238) == {short, long}
    assert key.inexact(BEGIN_US + 30) == {long}
    assert key.read(BEGIN_US + 20) == ([0, 0], set())
