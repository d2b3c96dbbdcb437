"""How a stream view's trailing edges are set, and which grid each window gets."""

from datetime import timedelta
from typing import Any

import pytest

from tests.declaration.samples import DAY, DAY_US, HOUR, HOUR_US, declare_stream, moved, series, stream_refusal, total
from tilefold import LifetimeWindow, StreamProcessingMode
from tilefold.declaration import Window

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
SECOND_US, MINUTE_US = 1_000_000, 60_000_000


def windows_of(window: Any, edge: Any = None, **parameters: Any) -> tuple[Window, ...]:
    """What the engine makes of a window whose Aggregate has this trailing edge."""
    return declare_stream(features=[total(window, trailing_edge=edge)], **parameters).features[0].windows


def hop_of(window: Any, edge: Any = None, **parameters: Any) -> int | None:
    """The grid of a window's trailing edge."""
    return windows_of(window, edge, **parameters)[0].hop_us


@pytest.mark.parametrize(
    ("size", "hop_us"),
    [
        (100 * SECOND - SECOND, 0),
        (100 * SECOND, SECOND_US),
        (timedelta(seconds=100.5), 0),
        (17 * MINUTE, 10 * SECOND_US),
        (timedelta(seconds=1001), SECOND_US),
        (HOUR, 10 * SECOND_US),
        (2 * HOUR, MINUTE_US),
        (DAY, 5 * MINUTE_US),
        (100 * HOUR, HOUR_US),
        (100 * HOUR - MINUTE, MINUTE_US),
        (7 * DAY, HOUR_US),
        (30 * DAY, HOUR_US),
        (100 * DAY, DAY_US),
        (100 * DAY + HOUR, HOUR_US),
        (365 * DAY, DAY_US),
    ],
)
def test_auto(size: timedelta, hop_us: int) -> None:
    """The default is the coarsest grid that divides the size and is at most a hundredth of it; exact where none is."""
    assert hop_of(size) == hop_of(size, "auto") == hop_of(size, trailing_edge="auto") == hop_us


def test_auto_series() -> None:
    """A series gets a grid that divides its step, its start and its end too."""
    assert hop_of(series(10 * DAY, HOUR, window_size=5 * DAY)) == HOUR_US
    assert hop_of(series(10 * DAY, 30 * MINUTE, window_size=5 * DAY)) == 5 * MINUTE_US
    assert hop_of(series(10 * DAY + SECOND, HOUR, window_size=5 * DAY)) == SECOND_US
    assert hop_of(series(10 * DAY, HOUR, series_end=-MINUTE, window_size=5 * DAY)) == MINUTE_US


@pytest.mark.parametrize(
    ("size", "window"),
    [
        (HOUR, Window(HOUR_US + 1, hop_us=0)),
        (2 * DAY - MINUTE, Window(2 * DAY_US - MINUTE_US + 1, hop_us=0)),
        (2 * DAY, Window(2 * DAY_US, hop_us=HOUR_US)),
        (10 * DAY, Window(10 * DAY_US, hop_us=HOUR_US)),
        (11 * DAY, Window(11 * DAY_US, hop_us=DAY_US)),
        (moved(HOUR, HOUR), Window(HOUR_US + 1, HOUR_US, hop_us=0)),
        (moved(11 * DAY, HOUR), Window(11 * DAY_US, HOUR_US, hop_us=DAY_US, ends_on_grid=True)),
    ],
)
def test_tecton(size: Any, window: Window) -> None:
    """Tecton's grid follows the size; below two days both ends of the window are in it."""
    assert windows_of(size, "tecton") == (window,)


def test_tecton_name() -> None:
    """A window with both ends in it is still called by its size."""
    assert declare_stream(features=[total(HOUR)], trailing_edge="tecton").features[0].name == "amount_sum_1h"


def test_tecton_series() -> None:
    """Windows of a series never overlap by an end."""
    assert windows_of(series(2 * HOUR, HOUR), "tecton") == (Window(HOUR_US, HOUR_US, hop_us=0), Window(HOUR_US, hop_us=0))


def test_exact() -> None:
    """Exact windows have no grid."""
    assert windows_of(30 * DAY, "exact") == (Window(30 * DAY_US, hop_us=0),)
    assert windows_of(moved(DAY, HOUR), "exact") == (Window(DAY_US, HOUR_US, hop_us=0),)


def test_grid() -> None:
    """A timedelta is the grid; windows that are moved or in a series end on it too."""
    assert windows_of(DAY, HOUR) == (Window(DAY_US, hop_us=HOUR_US),)
    assert windows_of(moved(DAY, MINUTE), HOUR) == (Window(DAY_US, MINUTE_US, hop_us=HOUR_US, ends_on_grid=True),)
    steps = windows_of(series(2 * HOUR, HOUR), HOUR)
    assert steps == tuple(Window(HOUR_US, back * HOUR_US, hop_us=HOUR_US, ends_on_grid=True) for back in (1, 0))


def test_lifetime() -> None:
    """A lifetime needs no grid, whatever the view's is."""
    assert windows_of(LifetimeWindow(), trailing_edge=HOUR) == (Window(None, hop_us=0),)


def test_ways_to_set() -> None:
    """The grid of a view may be written in Tecton's ways, and each Aggregate may have its own."""
    assert hop_of(DAY, aggregation_interval=HOUR) == HOUR_US
    assert hop_of(DAY, stream_processing_mode=StreamProcessingMode.CONTINUOUS) == 0
    assert hop_of(DAY, stream_processing_mode="continuous", trailing_edge="exact") == 0
    assert hop_of(DAY, stream_processing_mode=StreamProcessingMode.TIME_INTERVAL, aggregation_interval=HOUR) == HOUR_US
    assert hop_of(DAY, trailing_edge=HOUR, aggregation_interval=HOUR) == HOUR_US
    assert hop_of(DAY, MINUTE, trailing_edge=HOUR) == MINUTE_US
    assert hop_of(DAY, "exact", trailing_edge=HOUR) == 0


@pytest.mark.parametrize(
    "parameters",
    [
        {"trailing_edge": "exact", "aggregation_interval": HOUR},
        {"trailing_edge": HOUR, "aggregation_interval": MINUTE},
        {"trailing_edge": "auto", "stream_processing_mode": StreamProcessingMode.CONTINUOUS},
        {"aggregation_interval": HOUR, "stream_processing_mode": StreamProcessingMode.CONTINUOUS},
        {"trailing_edge": "exact", "stream_processing_mode": StreamProcessingMode.TIME_INTERVAL},
    ],
)
def test_contradictions(parameters: dict[str, Any]) -> None:
    """Ways to set the grid that contradict each other are refused, each with its value."""
    message = stream_refusal(**parameters)
    rule = "trailing_edge, aggregation_interval and stream_processing_mode may not contradict each other; got {"
    assert message.startswith(f"view 'spend': {rule}")
    assert all(repr(name) in message for name in parameters)


@pytest.mark.parametrize(
    ("window", "edge", "rule"),
    [
        (36 * HOUR, DAY, "window_size must be a multiple of trailing_edge (here 1d); got '1d12h'"),
        (HOUR, DAY, "window_size must be a multiple of trailing_edge (here 1d); got '1h'"),
        (series(3 * DAY, HOUR, window_size=DAY), DAY, "step_size must be a multiple of trailing_edge (here 1d); got '1h'"),
        (series(36 * HOUR, DAY), DAY, "series_start must be a multiple of trailing_edge (here 1d); got '-1d12h'"),
        (series(3 * DAY, DAY, series_end=-HOUR), DAY, "series_end must be a multiple of trailing_edge (here 1d); got '-1h'"),
        (
            50 * HOUR + MINUTE,
            "tecton",
            "window_size must be a multiple of the grid that trailing_edge=\"tecton\" gives this window (1h); got '2d2h1m'",
        ),
        (HOUR, "hourly", "trailing_edge must be a grid or one of its words; got 'hourly'"),
        (HOUR, 3600, "trailing_edge must be a grid or one of its words; got 3600"),
        (HOUR, 0 * HOUR, "trailing_edge must be positive; got datetime.timedelta(0)"),
        (LifetimeWindow(), HOUR, "a lifetime has no trailing_edge; got datetime.timedelta(seconds=3600)"),
    ],
)
def test_refusals(window: Any, edge: Any, rule: str) -> None:
    """A grid that does not fit is refused; the error names the view, the feature, the rule and the value."""
    message = stream_refusal(features=[total(window, trailing_edge=edge)])
    assert message.startswith("view 'spend', feature 'amount_sum': ")
    assert rule in message


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({"trailing_edge": "hourly"}, "trailing_edge must be a grid or one of its words; got 'hourly'"),
        ({"aggregation_interval": 0 * HOUR}, "aggregation_interval must be positive"),
        ({"aggregation_interval": 7 * DAY}, "window_size must be a multiple of aggregation_interval (here 7d); got '30d'"),
        ({"stream_processing_mode": "batch"}, "stream_processing_mode must be a StreamProcessingMode; got 'batch'"),
    ],
)
def test_refusals_of_views(parameters: dict[str, Any], rule: str) -> None:
    """What a view says of its grid is checked; the error names the parameter that was written."""
    assert rule in stream_refusal(**parameters)
