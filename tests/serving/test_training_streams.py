"""Training sets of stream views: point in time at each row's own timestamp, exact to the event."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.pipelines import DAY, HOUR, assert_same, day, expected, frame, opened
from tests.serving.clicks import declared
from tilefold import Aggregate, LifetimeWindow, TimeWindow, TimeWindowSeries, Workspace
from tilefold.declaration import FeatureView

US = timedelta(microseconds=1)
DAYS = 6
RELAXED = settings(deadline=None, max_examples=examples(6), suppress_health_check=list(HealthCheck))
WINDOWS: list[Any] = [
    DAY,
    timedelta(minutes=10),
    TimeWindow(3 * DAY),
    TimeWindow(DAY, offset=-3 * HOUR),
    TimeWindowSeries(series_start=-3 * DAY, step_size=DAY),
    LifetimeWindow(),
]
KINDS = {
    "auto": {},
    "exact": {"trailing_edge": "exact"},
    "tecton": {"trailing_edge": "tecton"},
    "coarse": {"trailing_edge": timedelta(minutes=10)},
    "lifetime start": {"lifetime_start_time": day(2)},
}

times = st.integers(0, DAYS * 24 * 6).map(lambda tens: day(0) + tens * timedelta(minutes=10)) | st.datetimes(
    day(0).replace(tzinfo=None), day(DAYS).replace(tzinfo=None)
).map(lambda at: at.replace(tzinfo=day(0).tzinfo))


def assert_point_in_time(ws: Workspace, view: FeatureView, events: pl.DataFrame, asked: list[tuple[str, datetime]]) -> None:
    """Each row's values are the reference's at its time, or at the newest event until then."""
    spine = pl.DataFrame(asked, schema={"user": pl.String(), "timestamp": pl.Datetime("us", "UTC")}, orient="row")
    found = ws.get_features_for_events("spend", spine)
    for (user, at), row in zip(asked, found.to_dicts(), strict=True):
        read_at = at
        if view.leading_edge == "latest_event":
            read_at = max((each for each in events["at"] if each <= at), default=at)
        values = {name.replace("__", ".", 1): value for name, value in row.items() if "__" in name}
        assert_same(values, expected(view, events, user, read_at))


@pytest.mark.parametrize("leading_edge", ["wall_clock", "latest_event"])
@pytest.mark.parametrize("kind", KINDS)
@RELAXED
@given(drawn=st.data())
def test_values_are_the_reference(
    tmp_path_factory: pytest.TempPathFactory, online_url: str, kind: str, leading_edge: str, drawn: st.DataObject
) -> None:
    """Every kind of window at any times, on grids and off them, before, between and behind all events."""
    view = declared(WINDOWS, aggregation_leading_edge=leading_edge, **KINDS[kind])
    happened = drawn.draw(st.lists(st.tuples(st.sampled_from("ab"), times), max_size=25))
    events = frame((user, at, number, f"{number:02}") for number, (user, at) in enumerate(happened))
    near = [at + step * US for _, at in happened for step in (-1, 0, 1)]
    asked = drawn.draw(
        st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([*near, day(0)]) | times), min_size=1, max_size=15)
    )
    with opened(tmp_path_factory.mktemp("t"), online_url, view, now=day(20)) as ws:
        if events.height:
            ws.append("events", events)
        assert_point_in_time(ws, view, events, asked)


def test_no_data_delay(tmp_path: Path, online_url: str) -> None:
    """A stream view is read at the row's own time: neither its schedule nor its delay holds events back."""
    view = declared([DAY], data_delay=HOUR)
    with opened(tmp_path, online_url, view, now=day(20)) as ws:
        ws.append("events", frame([("a", 2.5, 1)]))
        spine = pl.DataFrame({"user": ["a", "a"], "timestamp": [day(2.5) - US, day(2.5)]})
        assert ws.get_features_for_events("spend", spine)["spend__count_1d"].to_list() == [0, 1]


def test_newest_event_of_another_key(tmp_path: Path, online_url: str) -> None:
    """The newest event is the source's, of whichever key and even of none that the view keeps."""
    wanted = [Aggregate(function="count", time_window=HOUR)]
    view = declared([DAY], aggregation_leading_edge="latest_event", features=wanted)
    with opened(tmp_path, online_url, view, now=day(20)) as ws:
        ws.append("events", frame([("a", 2.5, 1, "one"), ("b", 2.6, 1, "two"), ("a", 9.5, 1, "three")]))
        spine = pl.DataFrame({"user": ["a"] * 3, "timestamp": [day(2.5) + HOUR, day(3), day(9.4)]})
        assert ws.get_features_for_events("spend", spine)["spend__count_1h"].to_list() == [1, 0, 0]


def test_a_repeated_event_is_not_the_newest(tmp_path: Path, online_url: str) -> None:
    """An id that was sent again, with another time, moves nothing."""
    view = declared([HOUR], aggregation_leading_edge="latest_event")
    with opened(tmp_path, online_url, view, now=day(20)) as ws:
        ws.append("events", frame([("a", 2.5, 1, "one")]))
        ws.append("events", frame([("b", 2.9, 1, "one")]))
        spine = pl.DataFrame({"user": ["a"], "timestamp": [day(3)]})
        assert ws.get_features_for_events("spend", spine)["spend__count_1h"].to_list() == [1]
