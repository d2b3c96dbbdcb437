"""Folding: what a busy key's rows become, and that no read at or after the fold's clock sees a difference."""

import random
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.engine.drawing import feature
from tests.engine.stream_drawing import BEGIN_US, SCHEDULE_US, SPAN_US
from tests.engine.stream_keys import (
    LOG,
    VALID_FOR_US,
    Arrived,
    StreamKey,
    arrivals,
    few_loose,
    many_arrivals,
    stream_views,
    view_of,
)
from tilefold.declaration.windows import Window
from tilefold.engine.join_zones import Zone, heads_of, join_zones
from tilefold.engine.mark import Mark
from tilefold.engine.settled_cells import join_at
from tilefold.engine.stream_fold import LOOSE_ROWS, NEWEST_ROWS
from tilefold.engine.stream_part import NOTHING_PRUNED_US, Row, StreamPart
from tilefold.functions import FunctionRequest

RELAXED = settings(deadline=None, max_examples=examples(25), suppress_health_check=list(HealthCheck), print_blob=True)
EXACT = [("whole", "sum"), ("narrow", "max"), ("text", "last"), ("text", FunctionRequest("first_distinct", (("n", 2),)))]
COUNT = (None, "count")
CLOCKS = st.lists(st.integers(1, 2 * SCHEDULE_US), min_size=1, max_size=8)


def simple(*windows: Window) -> StreamKey:
    """A key of a view that counts over these windows."""
    return StreamKey(view_of([feature(*COUNT, (window,), number) for number, window in enumerate(windows)]))


def at(*times_us: int, epoch: int = 1) -> list[Arrived]:
    """Events at these times after the beginning."""
    return [Arrived(BEGIN_US + time_us, f"{number:04}", {}, epoch) for number, time_us in enumerate(times_us)]


def part_of(key: StreamKey) -> StreamPart:
    """Its stream part as a writer has it."""
    assert key.stream is not None
    return key.codec.decode(key.stream)


def cells_of(key: StreamKey) -> list[tuple[int, int]]:
    """The first and last microsecond of its cells, after the beginning."""
    grain = key.layout.grain_us
    return [
        (first * grain - BEGIN_US, (last + 1) * grain - 1 - BEGIN_US)
        for group in part_of(key).groups.values()
        if group.settled
        for first, last in zip(group.settled.first, group.settled.last, strict=True)
    ]


def loose_of(key: StreamKey) -> list[int]:
    """The times of its single events, after the beginning."""
    return [row.first_us - BEGIN_US for group in part_of(key).groups.values() for row in group.loose]


@pytest.fixture
def busy() -> Iterator[None]:
    """Every key counts as busy, and no event stays single once it has passed."""
    with few_loose(0, 0):
        yield


# --- laws


@RELAXED
@given(drawn=st.data(), loose=st.sampled_from([(0, 0), (3, 2), (64, 16)]), clocks=CLOCKS, seed=st.integers(0, 2**32))
def test_folding_changes_no_read(drawn: st.DataObject, loose: tuple[int, int], clocks: list[int], seed: int) -> None:
    """However often it is folded, no read from the clock on is wrong, and none inexact while a first part is valid."""
    key, now_us = StreamKey(drawn.draw(stream_views())), BEGIN_US
    chance, until_us = random.Random(seed), BEGIN_US + clocks[0] + VALID_FOR_US
    with few_loose(*loose):
        for passes_us in clocks:
            now_us += passes_us
            key.write(many_arrivals(key.view, chance, 8, until_us=now_us + 5), now_us)
            for at_us in [now_us, now_us + chance.randrange(VALID_FOR_US), until_us]:
                assert at_us < now_us or not key.wrong(at_us)
                assert not now_us <= at_us <= until_us or not key.inexact(at_us)


@RELAXED
@given(drawn=st.data(), loose=st.sampled_from([(0, 0), (3, 2)]), shuffler=st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(drawn: st.DataObject, loose: tuple[int, int], shuffler: random.Random) -> None:
    """Of functions that round nothing, the same events give the same bytes, in whatever order and batches they came."""
    windows = drawn.draw(stream_views(max_features=1)).features[0].windows
    key = StreamKey(view_of([feature(*pair, windows, number) for number, pair in enumerate(EXACT)]))
    events = drawn.draw(arrivals(key.view, 30))
    clocks = [BEGIN_US + SPAN_US, BEGIN_US + SPAN_US + 30]
    written = []
    with few_loose(*loose):
        for turned in (events, sorted(events, key=lambda one: one.time_us), shuffler.sample(events, len(events))):
            one = key.twin()
            one.write(turned, clocks[0], whole=shuffler.random() < 0.5)
            one.write([], clocks[1])
            written.append(one.stream)
    assert written[0] == written[1] == written[2]


@RELAXED
@given(drawn=st.data(), clocks=CLOCKS, seed=st.integers(0, 2**32))
def test_late_events_find_their_cell(drawn: st.DataObject, clocks: list[int], seed: int) -> None:
    """Totals stay right where events come into cells, between them and before all of them, and cells are joined over."""
    key, now_us = StreamKey(drawn.draw(stream_views())), BEGIN_US
    chance = random.Random(seed)
    with few_loose(0, 0):
        for passes_us in clocks:
            now_us += passes_us
            key.write(many_arrivals(key.view, chance, 5, until_us=BEGIN_US + SPAN_US), now_us)
            later_us = max(now_us, BEGIN_US + SPAN_US - 1)
            assert not key.wrong(now_us)
            assert not key.wrong(later_us)


@RELAXED
@given(drawn=st.data(), clocks=st.lists(st.integers(-150, 150), min_size=2, max_size=8), seed=st.integers(0, 2**32))
def test_a_clock_that_jumps_back(drawn: st.DataObject, clocks: list[int], seed: int) -> None:
    """A writer whose clock goes back and forth makes no read wrong; from its latest time on a lifetime is exact."""
    key, now_us = StreamKey(drawn.draw(stream_views())), BEGIN_US + SPAN_US // 2
    chance, latest_us = random.Random(seed), now_us
    with few_loose(0, 0):
        for jumps_us in clocks:
            now_us = max(BEGIN_US, now_us + jumps_us)
            latest_us = max(latest_us, now_us)
            key.write(many_arrivals(key.view, chance, 6, until_us=now_us + 1), now_us)
            assert not key.wrong(now_us)
            assert not key.wrong(latest_us)
        key.write([], latest_us)
        assert all(window.size_us for window in key.inexact(latest_us))


@RELAXED
@given(drawn=st.data(), seed=st.integers(0, 2**32), steps=st.integers(0, 11), epoch=st.integers(0, 4))
def test_what_a_mark_covers_is_dropped(drawn: st.DataObject, seed: int, steps: int, epoch: int) -> None:
    """After a fold, rows of covered epochs begin at the watermark, and all others are still there."""
    key = StreamKey(drawn.draw(stream_views(max_features=1, reaching=True)))
    key.mark = Mark(BEGIN_US + steps * SCHEDULE_US, epoch)
    events = many_arrivals(key.view, random.Random(seed), 40, until_us=BEGIN_US + SPAN_US, epochs=4)
    with few_loose(0, 0):
        twin = key.twin()
        twin.write(events, BEGIN_US + SPAN_US)
        twin.mark = key.mark
        twin.write([], BEGIN_US + SPAN_US)
        key.write(events, BEGIN_US + SPAN_US)
    left = [one for one in events if one.time_us >= key.mark.watermark_us or one.epoch > epoch]
    for each in (key, twin):
        assert counted(part_of(each)) == {n: count for n in range(1, 5) if (count := sum(one.epoch == n for one in left))}


def counted(part: StreamPart) -> dict[int, int]:
    """How many events each epoch of a part holds; the first component counts them, in cells as a total from the front on."""
    return {
        epoch: sum(row.components[0] for row in group.loose) + (group.settled.columns[0][0] if group.settled else 0)
        for epoch, group in part.groups.items()
    }


@RELAXED
@given(drawn=st.data(), seed=st.integers(0, 2**32), clocks=CLOCKS)
def test_cells_keep_to_epochs_and_the_schedule(drawn: st.DataObject, seed: int, clocks: list[int]) -> None:
    """Cells of one epoch are ascending and share no grain; none lies over a point where a watermark may be."""
    key, now_us, chance = StreamKey(drawn.draw(stream_views(max_features=1))), BEGIN_US, random.Random(seed)
    grain = key.layout.grain_us
    with few_loose(0, 0):
        for passes_us in clocks:
            now_us += passes_us
            key.write(many_arrivals(key.view, chance, 12, until_us=now_us, epochs=3), now_us)
    for group in part_of(key).groups.values():
        assert not group.loose
        settled = group.settled
        assert settled is not None
        assert all(last < first for last, first in zip(settled.last, settled.first[1:], strict=False))
        for first, last in zip(settled.first, settled.last, strict=True):
            assert first * grain // SCHEDULE_US == ((last + 1) * grain - 1) // SCHEDULE_US


# --- single rules


def test_few_rows_stay_single() -> None:
    """A key of up to 64 events keeps them at their own times; one more, and those that passed are settled but the newest."""
    key = simple(Window(SPAN_US, hop_us=SCHEDULE_US))
    key.write(at(*range(LOOSE_ROWS)), BEGIN_US + 400)
    assert loose_of(key) == list(range(LOOSE_ROWS))
    key.write(at(LOOSE_ROWS), BEGIN_US + 400)
    assert loose_of(key) == list(range(LOOSE_ROWS + 1 - NEWEST_ROWS, LOOSE_ROWS + 1))
    assert cells_of(key) == [(0, 47), (48, 95)]


@pytest.mark.parametrize("behind_us", [0, 1, 15, 16])
def test_a_reader_whose_clock_is_behind(behind_us: int) -> None:
    """A busy key read a little before its writer's clock is exact: the newest events, and those at the start, are single."""
    key, now_us = simple(Window(96, hop_us=12), Window(48, hop_us=0)), BEGIN_US + 396
    with few_loose(LOOSE_ROWS, NEWEST_ROWS, 16):
        key.write(at(*range(200, 397)), now_us)
    assert len(cells_of(key)) > 1
    assert not key.inexact(now_us - behind_us)
    assert not key.wrong(now_us - behind_us)
    assert key.inexact(now_us - 40)


@pytest.mark.usefixtures("busy")
def test_nothing_that_a_reader_behind_reaches_is_pruned() -> None:
    """Rows are dropped a little after every window has passed them."""
    key = simple(Window(48, hop_us=0))
    with few_loose(0, 0, 16):
        key.write(at(50), BEGIN_US + 98 + 16)
        assert counted(part_of(key)) == {1: 1}
        key.write([], BEGIN_US + 99 + 16)
    assert part_of(key) == StreamPart(LOG, pruned_us=BEGIN_US + 50)


@pytest.mark.usefixtures("busy")
def test_what_is_still_to_come_stays_single() -> None:
    """An event ahead of the clock is never in a cell, so that a read before its time leaves it out."""
    key = simple(Window(SPAN_US, hop_us=SCHEDULE_US))
    key.write(at(10, 20, 101, 102, 110), BEGIN_US + 101)
    assert loose_of(key) == [102, 110]
    assert key.read(BEGIN_US + 101)[0] == [3]
    assert key.read(BEGIN_US + 105)[0] == [4]
    key.write([], BEGIN_US + 120)
    assert loose_of(key) == []


def test_pruned_rows_are_told() -> None:
    """What every window has passed is dropped; a read before that, which still reaches it, says that it is inexact.

    pruned  . .  |          . . .     now
            [==== before ====)
                  [======= now ========]
    """
    short, long = Window(48, hop_us=0), Window(144, hop_us=12)
    key = simple(short, long)
    with few_loose(LOOSE_ROWS, NEWEST_ROWS):
        key.write(at(0, 5, 190, 200), BEGIN_US + 200)
    assert part_of(key).pruned_us - BEGIN_US == 5
    assert not key.inexact(BEGIN_US + 200)
    assert key.inexact(BEGIN_US + 150) == {long}
    assert key.inexact(BEGIN_US + 52) == {short, long}
    with few_loose(LOOSE_ROWS, NEWEST_ROWS):
        key.write([], BEGIN_US + 1_000)
    assert part_of(key) == StreamPart(LOG, pruned_us=BEGIN_US + 200)


@pytest.mark.usefixtures("busy")
def test_pruned_cells_are_told() -> None:
    """Cells are dropped whole, and told by the last microsecond that they may hold."""
    key = simple(Window(48, hop_us=12))
    key.write(at(1, 13, 100), BEGIN_US + 100)
    assert [cell[0] for cell in cells_of(key)] == [96]
    assert part_of(key).pruned_us - BEGIN_US == 13
    key.write(at(150), BEGIN_US + 180)
    assert part_of(key).pruned_us - BEGIN_US == 107
    assert [cell[0] for cell in cells_of(key)] == [144]


@pytest.mark.usefixtures("busy")
def test_nothing_is_pruned_for_ever() -> None:
    """A view with a lifetime keeps all that no compaction has covered."""
    key = simple(Window(48, hop_us=0), Window(None, hop_us=0))
    key.write(at(0, 5), BEGIN_US + 10**9)
    assert counted(part_of(key)) == {1: 2}
    assert part_of(key).pruned_us == NOTHING_PRUNED_US


@pytest.mark.usefixtures("busy")
def test_windows_that_end_at_the_newest_event() -> None:
    """Reads may still be at the newest event, however long ago that was: nothing that they reach is pruned or joined."""
    key, part = simple(Window(48, hop_us=0)), StreamPart(LOG)
    key.stream_folder.add(part, 1, [key.row(one) for one in at(10, 20, 40)])
    key.stream_folder.tidy(part, None, BEGIN_US + 10**9, BEGIN_US + 40)
    assert part.pruned_us == NOTHING_PRUNED_US
    values, inexact = key.merger.fold(None, key.codec.view(key.codec.encode(part)), Mark(BEGIN_US, 0), BEGIN_US + 40)
    assert (list(values), list(inexact)) == ([3], [])


def test_empty_epochs_are_dropped() -> None:
    """A part of which a mark covers everything holds nothing but its places."""
    key = simple(Window(SPAN_US, hop_us=12))
    key.write(at(10, 20, epoch=1) + at(30, epoch=2), BEGIN_US + 40)
    key.mark = Mark(BEGIN_US + 48, 2)
    key.write([], BEGIN_US + 50)
    assert part_of(key).groups == {}
    assert part_of(key).rows() == 0


def test_rows_of_one_time_are_one() -> None:
    """Events of the same microsecond share a row of their epoch, and of theirs alone."""
    key = simple(Window(SPAN_US, hop_us=12))
    key.write(at(10, 10, 20, 10, epoch=1) + at(10, epoch=2), BEGIN_US + 40)
    assert loose_of(key) == [10, 20, 10]
    assert counted(part_of(key)) == {1: 4, 2: 1}


def test_rows_over_a_span_are_taken_in() -> None:
    """Spans that overlap become one, whichever comes first."""
    key, part = simple(Window(SPAN_US, hop_us=12)), StreamPart(LOG)
    one = key.row(at(0)[0]).components
    spans = [Row(BEGIN_US + low, BEGIN_US + high, one) for low, high in [(5, 9), (30, 40), (20, 22), (8, 21), (1, 2)]]
    key.stream_folder.add(part, 1, spans)
    assert [(row.first_us - BEGIN_US, row.last_us - BEGIN_US, row.components[0]) for row in part.groups[1].loose] == [
        (1, 2, 1),
        (5, 22, 3),
        (30, 40, 1),
    ]


def test_join_zones() -> None:
    """Cells may be joined up to the schedule, but on the hops of the windows whose edges pass there.

    E-300 .. E-192 (hop 7, with the schedule: 1)        E-24 .. E+72 (hop 12)
    """
    zones = join_zones([Window(294, hop_us=7), Window(24, hop_us=12), Window(None, hop_us=0)], 960, 960 + 96, 48)
    cuts = [(zone.low_us, zone.high_us, zone.grid_us) for zone in zones[1:-1]]
    assert cuts == [(665, 757, 1), (757, 936, 48), (936, 1033, 12)]
    assert zones[0] == Zone(-(2**62), 665, 48)
    assert zones[-1] == Zone(1033, 2**62, 48)


def test_zones_of_moved_windows() -> None:
    """A window that is moved back cuts at its end too."""
    zones = join_zones([Window(48, 100, hop_us=12, ends_on_grid=True)], 960, 960 + 24, 48)
    assert [(zone.low_us, zone.high_us, zone.grid_us) for zone in zones[1:-1]] == [
        (804, 829, 12),
        (829, 852, 48),
        (852, 877, 12),
    ]


@pytest.mark.usefixtures("busy")
def test_example() -> None:
    """A lifetime and a window of 96 us by 12: cells of 12 where its start may still be, cells of a schedule elsewhere.

    |----48----|----48----|-12-|-12-| .. |-12-|
                          now-96 ..          now
    """
    key = simple(Window(96, hop_us=12), Window(None, hop_us=0))
    key.write(at(*range(0, 480, 6)), BEGIN_US + 479)
    assert cells_of(key)[:8] == [*((n, n + 47) for n in range(0, 336, 48)), (336, 371)]
    assert cells_of(key)[8:] == [(n, n + 11) for n in range(372, 480, 12)]
    assert all(second == first + 1 for (_, first), (second, _) in pairwise(cells_of(key)))


def test_an_encoded_group_is_kept_until_it_changes() -> None:
    """A settled group that nothing happens to is not encoded again; joining cells in place makes it encode anew."""
    key = simple(Window(96, hop_us=12))
    with few_loose(0, 0):
        key.write(at(*range(0, 96, 6)), BEGIN_US + 95)
        part = part_of(key)
        key.codec.encode(part)
        held = part.groups[1].settled
        assert held is not None
        assert held.encoded is not None
        key.stream_folder.tidy(part, None, BEGIN_US + 95)
        assert held.encoded is not None
        key.stream_folder.add(part, 1, [key.row(each) for each in at(96)])
        key.stream_folder.tidy(part, None, BEGIN_US + 100)
        again = part.groups[1].settled
        assert again is not None
        assert again.encoded is None
        again.encoded = b"kept"
        zones, folder = [Zone(-(2**62), 2**62, SCHEDULE_US)], key.stream_folder
        join_at(folder._slots, again, heads_of(again, zones, folder._grain_us))
        assert again.encoded is None
        decoded = key.codec.decode(key.codec.encode(part)).groups[1].settled
        assert decoded is not None
        assert decoded.first == again.first
