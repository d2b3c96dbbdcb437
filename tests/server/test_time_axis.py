"""The axis of a picture: order is kept, labels do not overlap, and the scale is the one that shows more."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilefold.server.time_axis import TimeAxis, duration, fitting_axis

END = datetime(2026, 11, 24, 10, tzinfo=UTC)
APART = 84.0
AXES = st.builds(
    lambda span_s, logarithmic: TimeAxis(END - timedelta(seconds=span_s), END, 12, 1028, logarithmic),
    st.floats(1e-3, 4e8),
    st.booleans(),
)


@given(AXES, st.floats(0, 1), st.floats(0, 1))
def test_later_is_further_right(axis: TimeAxis, one: float, other: float) -> None:
    """On either scale the order of times is that of places, and both ends are reached."""
    span = axis.end - axis.start
    low, high = sorted((axis.end - one * span, axis.end - other * span))
    assert axis.left <= axis.x(low) <= axis.x(high) <= axis.right
    assert (axis.x(axis.start), axis.x(axis.end)) == (axis.left, axis.right)


@given(AXES)
def test_labels_have_room(axis: TimeAxis) -> None:
    """Two labels are never nearer than asked, and all lie on the axis."""
    places = [tick.x for tick in axis.ticks(APART)]
    assert all(other - one >= APART for one, other in itertools.pairwise(places))
    assert all(axis.left <= place <= axis.right for place in places)


@pytest.mark.parametrize(
    ("span", "labels"),
    [
        (timedelta(minutes=70), ["09:00", "09:15"]),
        (timedelta(days=1), ["11-24"]),
        (timedelta(days=10), ["2026-11-15", "2026-11-16"]),
    ],
)
def test_labels_are_round_times(span: timedelta, labels: list[str]) -> None:
    """Minutes for hours, hours for a day, days for weeks."""
    ticks = [tick.label for tick in TimeAxis(END - span, END, 0, 1000).ticks(APART)]
    assert set(labels) <= set(ticks)


def test_recent_tiles_of_a_long_window_get_room() -> None:
    """A year with the tiles of its last hour is drawn by age; equal tiles are drawn evenly."""
    start = END - timedelta(days=365)
    minutes = [(END - timedelta(minutes=number + 1), END - timedelta(minutes=number)) for number in range(20)]
    months = [(END - timedelta(days=30 * (number + 1)), END - timedelta(days=30 * number)) for number in range(12)]
    assert fitting_axis(start, END, 0, 1000, minutes).logarithmic
    assert not fitting_axis(start, END, 0, 1000, months).logarithmic


def test_durations_in_words() -> None:
    """The two largest units."""
    spans = [timedelta(days=30), timedelta(days=1, hours=2, minutes=3), timedelta(minutes=5), timedelta(0)]
    assert [duration(span) for span in spans] == ["30 d", "1 d 2 h", "5 min", "0 s"]
