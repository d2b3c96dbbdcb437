"""Tiles: what a row holds, how ties are broken, and which columns features share."""

import re
from datetime import date

import polars as pl
import pytest

from tests.engine.drawing import BEGIN_US, HOUR_US, DrawnView, dense_frame, feature, full_view
from tilefold.declaration.windows import Window
from tilefold.engine.layout import EPOCH, EVENTS, FIRST, LAST, layout_of
from tilefold.engine.tiles import build_tiles, check_day, check_keys, prepare_events
from tilefold.engine.time import DAY_US, day_start_us
from tilefold.errors import InputError
from tilefold.functions.base import TIE
from tilefold.types import Field

DAY = (Window(DAY_US),)
KEYS = (Field("key", pl.String),)


def layout_for(*pairs: tuple[str | None, str], grain_us: int = DAY_US):  # noqa: ANN201 - a Layout
    """The layout of these functions over a day."""
    wanted = tuple(feature(column, function, DAY, number) for number, (column, function) in enumerate(pairs))
    return layout_of(DrawnView("drawn", KEYS, wanted, grain_us))


def test_states_are_shared() -> None:
    """Features of one input share states: count, sum and mean keep one count and one sum between them."""
    layout = layout_for(("real", "count"), ("real", "sum"), ("real", "mean"), ("real", "min"), (None, "count"))
    assert [name for name, _ in layout.components] == ["tf_events", "real__count", "real__sum", "real__min"]
    assert list(layout.tile_schema) == ["key", EPOCH, FIRST, LAST, "tf_events", "real__count", "real__sum", "real__min"]


def test_inputs_are_not_mixed_up() -> None:
    """A count of events and one of a column are different states, and so are columns whose names begin alike."""
    layout = layout_for((None, "count"), ("whole", "sum"), ("narrow", "sum"))
    names = [name for name, _ in layout.components]
    assert len(set(names)) == len(names) == 6


def test_a_row_per_cell() -> None:
    """A row has a cell's first and last event and their number; cells are half open."""
    layout = layout_for((None, "count"), grain_us=HOUR_US)
    times = [BEGIN_US, BEGIN_US + HOUR_US - 1, BEGIN_US + HOUR_US]
    frame = pl.DataFrame(
        {"key": "a", "timestamp": pl.Series(times).cast(pl.Datetime("us", "UTC")), "event_id": ["x", "y", "z"]}
    )
    rows = build_tiles(prepare_events(frame.lazy(), layout, "timestamp", 0), layout, 5).collect().sort(FIRST)
    assert rows.select(FIRST, LAST, EVENTS, EPOCH).rows() == [(times[0], times[1], 2, 5), (times[2], times[2], 1, 5)]


def test_since() -> None:
    """Events before the feature start are in no tile; one at it is."""
    layout = layout_for((None, "count"))
    frame = pl.DataFrame({"key": ["a", "a"], "timestamp": pl.Series([5, 6]).cast(pl.Datetime("us", "UTC"))})
    assert prepare_events(frame.lazy(), layout, "timestamp", 6).collect().height == 1


def test_any_order_of_events() -> None:
    """Events in any order make the same tiles: rows depend on the events alone."""
    view = full_view(HOUR_US)
    layout, frame = layout_of(view), dense_frame(4)
    floats = [name for name, component in layout.components if component.dtype in (pl.Float64, pl.Float32)]

    def built(events: pl.DataFrame) -> pl.DataFrame:
        prepared = prepare_events(events.lazy(), layout, "timestamp", BEGIN_US)
        return build_tiles(prepared, layout, 1, one_day=False).collect().sort("key", FIRST).drop(floats)

    assert built(frame).equals(built(frame.sample(fraction=1, shuffle=True, seed=9)))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("text", ["a", "b", None, ""]),
        ("nested", [["a", None], ["a"], None, []]),
        ("record", [{"x": 1, "y": "a"}, {"x": 1, "y": None}, None, {"x": 11, "y": "a"}]),
        ("octets", [b"\xff", b"\x00", None, b""]),
        ("real", [0.1, -0.1, None, 1e300]),
    ],
)
def test_rows_break_ties(name: str, values: list[object]) -> None:
    """Without event ids, events of one time are ordered by their rows: rows that differ, in a column of any type, differ."""
    layout = layout_for(("whole", "last"))
    times = pl.Series([7] * 4).cast(pl.Datetime("us", "UTC"))
    frame = pl.DataFrame({"key": "a", "timestamp": times, "whole": 1, name: values})
    ties = prepare_events(frame.lazy(), layout, "timestamp", 0).collect()[TIE]
    assert (ties.null_count(), ties.n_unique()) == (0, 4)
    reordered = frame[::-1].select("whole", name, "timestamp", "key")
    assert prepare_events(reordered.lazy(), layout, "timestamp", 0).collect()[TIE].to_list() == ties.to_list()


def test_event_ids_break_ties() -> None:
    """Where the output keeps event ids, they order events of one time."""
    layout = layout_for(("whole", "last"))
    frame = pl.DataFrame({"key": "a", "timestamp": pl.Series([7, 7]).cast(pl.Datetime("us", "UTC")), "whole": [1, 2]})
    named = frame.with_columns(event_id=pl.Series(["b", "a"]))
    assert prepare_events(named.lazy(), layout, "timestamp", 0).collect()["whole"].to_list() == [2, 1]


def test_null_keys_are_named() -> None:
    """A null key is refused with the view, the key, how many events have it, and the filter to write."""
    layout = layout_for((None, "count"))
    times = pl.Series([5, 6, 7]).cast(pl.Datetime("us", "UTC"))
    frame = pl.DataFrame({"key": ["a", None, None], "timestamp": times})
    tiles = build_tiles(prepare_events(frame.lazy(), layout, "timestamp", 0), layout, 1).collect()
    message = r"view 'drawn': join key 'key' must not be null, and is in 2 events; .*pl\.col\('key'\)\.is_not_null\(\)"
    with pytest.raises(InputError, match=message):
        check_keys(tiles, layout)


def test_events_of_another_day() -> None:
    """Tiles of events that a transformation moved to another day are refused; the last microsecond of a day is in it."""
    layout, day = layout_for((None, "count")), date(2022, 1, 8)
    assert day_start_us(day) == BEGIN_US
    frame = dense_frame(1, rows=3).with_columns(timestamp=pl.Series([BEGIN_US, BEGIN_US + DAY_US - 1, BEGIN_US + DAY_US]))
    events = frame.with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC"))).lazy()
    tiles = build_tiles(prepare_events(events, layout, "timestamp", 0), layout, 1, one_day=False).collect()
    check_day(tiles.filter(pl.col(LAST) < BEGIN_US + DAY_US), layout, day)
    message = "view 'drawn': its function must leave each event's time in the event's own UTC day; got '2022-01-09 00:00:00"
    with pytest.raises(InputError, match=re.escape(message)):
        check_day(tiles, layout, day)
