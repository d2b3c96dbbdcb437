"""The bytes of single events that a writer keeps and adds to."""

import struct

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.engine.stream_drawing import BEGIN_US
from tests.engine.stream_keys import LOG, Arrived, StreamKey, few_loose
from tests.engine.test_stream_codec import ALL, NUMBERS, plain, values_of
from tilefold.engine.mark import Mark
from tilefold.engine.single_events import SingleEvents
from tilefold.engine.stream_part import Group, Row, StreamPart

RELAXED = settings(deadline=None, max_examples=examples(60), suppress_health_check=list(HealthCheck), print_blob=True)
WRITES = st.lists(st.tuples(st.lists(st.integers(0, 200), max_size=6), st.integers(1, 2), st.integers(0, 300)), max_size=8)


@RELAXED
@given(writes=WRITES, loose=st.sampled_from([0, 3, 64]), covered=st.booleans())
def test_kept_bytes_are_those_that_would_be_made_anew(
    writes: list[tuple[list[int], int, int]], loose: int, covered: bool
) -> None:
    """Whatever comes, in order or not, and whatever is dropped or settled in between: each write holds exactly its rows."""
    key, part = StreamKey(NUMBERS), StreamPart(LOG)
    for number, (times, epoch, now) in enumerate(writes):
        rows = [key.row(Arrived(BEGIN_US + at, f"{number}{at}", values_of(NUMBERS, at))) for at in times]
        key.stream_folder.add(part, epoch, rows)
        with few_loose(loose, 2):
            key.stream_folder.tidy(part, Mark(BEGIN_US + now // 48 * 48, 1) if covered else None, BEGIN_US + now)
        part.revision = number
        data = key.codec.encode(part)
        again = key.codec.decode(data)
        assert plain(again) == plain(part)
        assert key.codec.encode(again) == data


def group_of(*times: int) -> Group:
    """Events of these times, each of 2.5 and 1.5."""
    return Group([Row(at, at, (1, 1, 2.5, at, 1.5)) for at in times])


def test_rows_behind_are_added_to_what_is_kept() -> None:
    """The first rows are not looked at again, whether one comes or several."""
    singles, group = SingleEvents(StreamKey(NUMBERS).layout), group_of(5, 7)
    first = singles.group(1, group)
    assert first is not None
    assert singles.group(1, group) is first
    for more in ((9,), (11, 12, 20)):
        group.loose += group_of(*more).loose
        group.loose[0] = group.loose[0]._replace(components=(None,) * 5)
        added = singles.group(1, group)
        assert added == singles.group(1, group_of(*(row.first_us for row in group.loose)))


def test_what_is_not_simple_is_left_to_the_encoder() -> None:
    """Nulls, larger counts, spans of time and texts: None, and nothing is kept."""
    singles = SingleEvents(StreamKey(NUMBERS).layout)
    for row in (Row(5, 5, (1, 1, None, 3, 1.5)), Row(5, 5, (256, 1, 2.5, 3, 1.5)), Row(5, 6, (1, 1, 2.5, 3, 1.5))):
        for group in (Group([row]), Group([*group_of(1).loose, row])):
            assert singles.group(1, group) is None
            assert group.packed is None
        kept = group_of(1, 2)
        assert singles.group(1, kept) is not None
        kept.loose.append(row)
        assert singles.group(1, kept) is None
        assert kept.packed is None
    assert SingleEvents(StreamKey(ALL).layout).group(1, group_of(1)) is None


def test_a_group_begins_with_its_head() -> None:
    """Epoch, loose, newest event and size stand before the rows, as in every group."""
    made = SingleEvents(StreamKey(NUMBERS).layout).group(3, group_of(5, 9))
    assert made is not None
    epoch, settled, newest_us, size = struct.unpack_from("<qBqI", made)
    assert (epoch, settled, newest_us, size) == (3, 0, 9, len(made) - 21)
