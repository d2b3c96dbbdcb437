"""Merged reads through the facade: names, types, statuses, times, and what a request must be."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import DAY, Clock, day, declare, features, frame, opened
from tilefold import Aggregate, BatchSource, Entity, FeatureService, Field, Workspace, batch_feature_view
from tilefold.aggregation_functions import last
from tilefold.errors import InputError, ReadTimeError, UnknownNameError
from tilefold.serving.read import Status
from tilefold.types import Bool, Float32, Int32, Int64, String, Timestamp

ROWS = [("a", 0.5, 4, "1"), ("a", 1.25, 5, "2"), ("b", 1.5, 6, "3"), ("b", 2.5, 7, "4")]
MIXED = BatchSource(
    "mixed",
    schema=[
        Field("shop", String),
        Field("number", Int64),
        Field("at", Timestamp),
        Field("flag", Bool),
        Field("small", Int32),
        Field("single", Float32),
        Field("born", pl.Date()),
    ],
    timestamp_field="at",
)
SHOP = Entity("shop", join_keys=[Field("shop", String)])
TILL = Entity("till", join_keys=[Field("number", Int64)])


def of(name: str, dtype: Any, function: Any) -> Aggregate:
    """A function of a column over a day."""
    return Aggregate(input_column=Field(name, dtype), function=function, time_window=DAY)


@batch_feature_view(
    source=MIXED,
    entities=[SHOP, TILL],
    features=[
        of("at", Timestamp, "max"),
        of("flag", Bool, "last"),
        of("flag", Bool, "sum"),
        of("small", Int32, "max"),
        of("single", Float32, "sum"),
        of("born", pl.Date(), last(2)),
        of("single", Float32, "mean"),
    ],
    feature_start_time=day(0),
)
def tills(mixed: pl.LazyFrame) -> pl.LazyFrame:
    """The sample with two join keys."""
    return mixed


SPEND = declare()
TOGETHER = FeatureService("together", features=[SPEND[["units_sum_3d"]], tills[["flag_sum_1d", "at_max_1d"]]])


@pytest.fixture
def ws(tmp_path: Path, online_url: str) -> Any:
    """A workspace of two views and a service, materialized as of the third day."""
    with opened(tmp_path, online_url, SPEND, tills, TOGETHER, now=day(3.5)) as workspace:
        workspace.append("events", frame(ROWS))
        mixed = {"shop": "s", "number": 7, "flag": True, "small": -3, "single": 0.1, "born": date(2020, 2, 29)}
        workspace.append("mixed", [mixed | {"at": day(2.5)}])
        workspace.materialize("spend", day(3))
        workspace.materialize("tills", day(3))
        yield workspace


def test_names(ws: Workspace) -> None:
    """Values, statuses and effective times have the same keys, `view.feature`, for every feature of the view."""
    found = ws.get_features("spend", {"user": "a"})
    names = [f"spend.{feature.name}" for feature in ws.definitions.view("spend").features]
    assert list(found.values) == list(found.statuses) == list(found.effective_times) == names


def test_plain_values(ws: Workspace) -> None:
    """Values are plain Python: ints, floats, booleans, aware datetimes, dates, lists; a Float32 is rounded to its type."""
    found = ws.get_features("tills", {"shop": "s", "number": 7}).values
    single = pl.Series([0.1], dtype=pl.Float32)[0]
    wanted: dict[str, Any] = {
        "at_max": day(2.5),
        "flag_last": True,
        "flag_sum": 1,
        "small_max": -3,
        "single_sum": single,
        "born_last_2": [date(2020, 2, 29)],
        "single_mean": single,
    }
    assert found == {f"tills.{name}_1d": value for name, value in wanted.items()}
    assert [type(value) for value in found.values()] == [type(value) for value in wanted.values()]


def test_unknown_key(ws: Workspace) -> None:
    """Of an unknown key, counts are 0, lists are empty and all else is None; the status is MISSING_DATA."""
    found = ws.get_features("spend", {"user": "nobody"})
    empty = {"count_1d": 0, "count_3d": 0} | {
        f"{name}_{w}": [] for name in ("units_first_2", "label_last_distinct_2") for w in ("1d", "3d")
    }
    assert found.values == {name: empty.get(name.removeprefix("spend.")) for name in found.values}
    assert set(found.statuses.values()) == {Status.MISSING_DATA}
    assert set(found.effective_times.values()) == {day(3)}


def test_statuses_are_words(ws: Workspace) -> None:
    """A status is a string: PRESENT where events are behind the value, MISSING_DATA where none are."""
    found = ws.get_features("spend", {"user": "a"})
    assert found.statuses["spend.units_sum_3d"] == "PRESENT"
    assert found.statuses["spend.count_1d"] == "MISSING_DATA"
    assert {status.value for status in Status} == {"PRESENT", "MISSING_DATA", "STALE", "NOT_READY", "OVERFLOW", "TIME_OUT"}


def test_zero_is_present(ws: Workspace) -> None:
    """A sum of 0 is a value; only a count of 0 says that no event is there."""
    ws.append("events", frame([("zero", 2.5, 0, "z")]))
    ws.materialize("spend", day(3))
    found = ws.get_features("spend", {"user": "zero"})
    assert (found.values["spend.units_sum_1d"], found.statuses["spend.units_sum_1d"]) == (0, Status.PRESENT)


def test_null_inputs(ws: Workspace) -> None:
    """Null inputs are skipped by every function, and counted by `count()` alone."""
    ws.append("events", frame([("null", 2.5, None, "n")]))
    ws.materialize("spend", day(3))
    found = ws.get_features("spend", {"user": "null"}).values
    assert (found["spend.count_1d"], found["spend.units_sum_1d"], found["spend.label_last_1d"]) == (1, None, None)
    assert found["spend.units_first_2_1d"] == []


def test_overflow(ws: Workspace) -> None:
    """A sum out of Int64's range is None with status OVERFLOW, online, and null in a training set; it never wraps."""
    ws.append("events", frame([("big", 2.1, 2**63 - 1, "x"), ("big", 2.2, 1, "y")]))
    ws.materialize("spend", day(3))
    found = ws.get_features("spend", {"user": "big"})
    assert (found.values["spend.units_sum_1d"], found.statuses["spend.units_sum_1d"]) == (None, Status.OVERFLOW)
    assert found.statuses["spend.count_1d"] is Status.PRESENT
    trained = ws.get_features_for_events("spend", pl.DataFrame({"user": ["big"], "timestamp": [day(3)]}))
    assert trained["spend__units_sum_1d"].to_list() == [None]


def test_not_ready(tmp_path: Path, online_url: str) -> None:
    """A view whose source holds history but that was never compacted answers NOT_READY, all values None."""
    with opened(tmp_path, online_url, SPEND, now=day(3.5)) as ws:
        ws.append("events", frame(ROWS))
        found = ws.get_features("spend", {"user": "a"})
        assert set(found.values.values()) == {None}
        assert len(found.values) == len(SPEND.features)
        assert set(found.statuses.values()) == {Status.NOT_READY}
        assert set(found.effective_times.values()) == {None}


def test_stale(ws: Workspace) -> None:
    """Reads are exact up to two cadences after the watermark, both ends in, and STALE after it, value still given."""
    latest = day(3) + 2 * DAY
    assert Status.STALE not in ws.get_features("spend", {"user": "a"}, at=latest).statuses.values()
    found = ws.get_features("spend", {"user": "a"}, at=latest + timedelta(microseconds=1))
    assert set(found.statuses.values()) == {Status.STALE}
    assert found.values == ws.get_features("spend", {"user": "a"}, at=latest).values


@pytest.mark.parametrize("at", [day(3) - timedelta(microseconds=1), day(0)])
def test_before_the_watermark(ws: Workspace, at: Any) -> None:
    """A read before the watermark is an error, for known and unknown keys."""
    for user in ("a", "nobody"):
        with pytest.raises(ReadTimeError, match="at or after its watermark 2024-01-04"):
            ws.get_features("spend", {"user": user}, at=at)


@pytest.mark.parametrize("at", [day(3.5).replace(tzinfo=None), "2024-01-04", 5])
def test_bad_time(ws: Workspace, at: Any) -> None:
    """A time without zone, or that is none, is refused."""
    with pytest.raises(InputError, match="parameter 'at': it must be a time with a zone"):
        ws.get_features("spend", {"user": "a"}, at=at)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, r"join keys must be those of its entities; got \[\]. Give exactly these keys: user"),
        ({"usr": "a"}, r"got \['usr'\]"),
        ({"user": "a", "shop": "s"}, r"got \['user', 'shop'\]"),
        ({"user": None}, "join key 'user' must be a string; got None"),
        ({"user": 1}, "join key 'user' must be a string; got 1"),
        ({"user": b"a"}, "join key 'user' must be a string"),
        ({"user": "\ud800"}, "join keys must be whole Unicode text"),
        (None, "join keys must be a mapping from names to values; got None"),
        ("a", "join keys must be a mapping from names to values; got 'a'"),
        (["user"], "join keys must be a mapping from names to values"),
    ],
)
def test_bad_keys(ws: Workspace, keys: Any, message: str) -> None:
    """Keys that are missing, unknown, null or of a wrong type are an InputError that names them."""
    for ask in (ws.get_features, ws.explain, ws.online_key):
        with pytest.raises(InputError, match=message):
            ask("spend", keys)


@pytest.mark.parametrize("number", [True, 7.0, "7", None])
def test_bad_number(ws: Workspace, number: Any) -> None:
    """An integer key takes integers alone: True, 7.0 and "7" are none."""
    with pytest.raises(InputError, match="join key 'number' must be an integer"):
        ws.get_features("tills", {"shop": "s", "number": number})


def test_batch_order(ws: Workspace) -> None:
    """A batch is answered in the order asked, repeats and unknown keys too; an empty one by nothing."""
    asked = [{"user": user} for user in ("b", "nobody", "a", "b")]
    found = ws.get_features_batch("spend", asked)
    assert [vector.values["spend.units_sum_3d"] for vector in found] == [13, None, 9, 13]
    assert ws.get_features_batch("spend", []) == []


def test_service(ws: Workspace) -> None:
    """A service gives the chosen features of its views, in its order, each view by its own keys."""
    found = ws.get_features("together", {"user": "b", "shop": "s", "number": 7})
    assert found.values == {"spend.units_sum_3d": 13, "tills.flag_sum_1d": 1, "tills.at_max_1d": day(2.5)}
    assert list(found.values) == list(found.statuses) == list(found.effective_times)


def test_service_of_views_at_different_watermarks(ws: Workspace) -> None:
    """Each feature's effective time is the watermark of its own view."""
    ws._clock.now = day(4.5)  # type: ignore[attr-defined] # it is the test's
    ws.materialize("spend", day(4))
    found = ws.get_features("together", {"user": "b", "shop": "s", "number": 7})
    assert list(found.effective_times.values()) == [day(4), day(3), day(3)]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"user": "b", "shop": "s"}, "view 'tills': join keys must be those of its entities"),
        ({"user": "b", "shop": "s", "number": 7, "x": 1}, r"service: join keys must be those of its views; got \['x'\]"),
    ],
)
def test_bad_keys_of_a_service(ws: Workspace, keys: Any, message: str) -> None:
    """A service wants the keys of all its views and no others."""
    with pytest.raises(InputError, match=message):
        ws.get_features("together", keys)


def test_unknown_name(ws: Workspace) -> None:
    """A name that is neither view nor service is an error that lists both."""
    with pytest.raises(UnknownNameError, match=r"got 'spent'.*spend.*together"):
        ws.get_features("spent", {"user": "a"})


def test_explain(ws: Workspace) -> None:
    """An explanation shows the tiles inside of each window, and their events add up to the count."""
    told = ws.explain("spend", {"user": "b"})
    assert (told.watermark, told.epoch, told.online_key) == (day(3), 1, ws.online_key("spend", {"user": "b"}))
    by_name = {feature.name: feature for feature in told.features}
    assert by_name["spend.count_3d"].value == sum(tile.events for tile in by_name["spend.count_3d"].tiles) == 2
    assert (by_name["spend.count_1d"].start, by_name["spend.count_1d"].end) == (day(2), day(3))
    assert [tile.first for tile in by_name["spend.count_1d"].tiles] == [day(2)]
    assert told.part_bytes > 0


def test_explain_nothing(tmp_path: Path, online_url: str) -> None:
    """A view that is not ready explains itself without values."""
    with opened(tmp_path, online_url, SPEND, now=day(3.5)) as ws:
        ws.append("events", frame(ROWS))
        told = ws.explain("spend", {"user": "a"})
        assert (told.watermark, told.tiles, told.features[0].status) == (None, (), Status.NOT_READY)


def test_clock_decides_now(tmp_path: Path, online_url: str) -> None:
    """A read without a time is one at the clock's."""
    clock = Clock(day(3.5))
    view = declare(wanted=features(DAY), name="now")
    with Workspace(tmp_path, [view], online=online_url, clock=clock, name="reads-now") as ws:
        ws.append("events", frame(ROWS))
        ws.materialize("now", day(3))
        clock.now = day(1)
        with pytest.raises(ReadTimeError):
            ws.get_features("now", {"user": "a"})
