"""Forgetting an entity: nothing of it is left, nothing else is touched."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import Clock, day
from tests.streams import record, source, view_of
from tilefold import Aggregate, Entity, Field, LifetimeWindow, TimeWindow, Workspace, stream_feature_view
from tilefold.errors import InputError
from tilefold.stores.compacted_table import CompactedTable
from tilefold.stores.dead_letters import DeadLetters
from tilefold.stores.event_log import EventLog
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.sample_table import SampleTable
from tilefold.stores.tile_table import TileTable
from tilefold.types import Float64, Int64, String

GONE, KEPT = "gone-7f3a", "kept-91bc"
PAIRED = "pairs"


def _paired(pushed: Any) -> Any:
    keys = [Field("user", String), Field("units", Int64)]
    features = [Aggregate(function="count", time_window=LifetimeWindow())]
    return view_of(pushed, PAIRED, entities=[Entity("pair", join_keys=keys)], features=features)


def _total(pushed: Any) -> Any:
    """A view of the same source that does not name the user."""
    features = [Aggregate(function="count", time_window=TimeWindow(timedelta(days=30)))]
    return view_of(pushed, "totals", entities=[Entity("unit", join_keys=[Field("units", Int64)])], features=features)


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    """Servers of its own, so that their files may be looked at."""
    pushed = source()
    with Workspace(tmp_path, [pushed, view_of(pushed), _paired(pushed), _total(pushed)], clock=Clock(day(9.5))) as opened:
        yield opened


def _fill(ws: Workspace) -> None:
    """History, two compactions, a stream with a late event, and a refused one."""
    rows = [record(user, at, 2, f"{user} {at}") for user in (GONE, KEPT) for at in (1, 3, 8.5)]
    ws.append("pushed", pl.DataFrame(rows).with_columns(amount=pl.lit(None, Float64())))
    for view in ("spend", PAIRED, "totals"):
        ws.materialize(view, day(8))
    ws.ingest("pushed", [record(user, 8.75, 3, f"{user} pushed") for user in (GONE, KEPT)])
    for view in ("spend", PAIRED, "totals"):
        ws.materialize(view, day(9))
    ws.ingest("pushed", [record(user, at, 5, f"{user} {at}") for user in (GONE, KEPT) for at in (2, 9.25)])
    refused = ws.ingest("pushed", [{"user": user, "at": day(9), "units": "many"} for user in (GONE, KEPT)])
    assert len(refused.refused) == 2


def _held(folder: Path) -> list[str]:
    """Where the forgotten user stands: in bytes of any file, or in a column of any table, read as it is compressed."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = [path for path in files if GONE.encode() in path.read_bytes()]
    for path in files:
        if path.suffix == ".parquet" and "_delta_log" not in path.parts:
            texts = pl.read_parquet(path, hive_partitioning=False).select(pl.col(pl.String))
            if any(texts[name].str.contains(GONE, literal=True).any() for name in texts.columns):
                found.append(path)
    return sorted({str(path.relative_to(folder)) for path in found})


def test_no_file_and_no_key_names_it_any_more(ws: Workspace, tmp_path: Path) -> None:
    """Before, it stands in every kind of file; afterwards neither tables, their history, nor the servers' files hold it."""
    _fill(ws)
    ws.drain("pushed")
    before = {name.split("/")[0] for name in _held(tmp_path)}
    assert before == {"pushed", "spend", PAIRED, "online", "stream"}
    report = ws.forget("spend", {"user": GONE})
    assert (report.events, report.dead_letters, report.left) == (6, 1, ())
    assert report.online_files_rewritten
    assert report.stream_files_rewritten
    assert _held(tmp_path) == []
    assert not [key for key in ws.online_client().scan_iter() if GONE.encode() in key]


def test_others_are_served_as_before(ws: Workspace) -> None:
    """The other user's values stay, now and after the next compaction; the forgotten one is unknown."""
    _fill(ws)
    kept, pair = {"user": KEPT}, {"user": KEPT, "units": 5}
    before = [ws.get_features("spend", kept).values, ws.get_features(PAIRED, pair).values]
    ws.forget("spend", {"user": GONE})
    for _ in range(2):
        assert [ws.get_features("spend", kept).values, ws.get_features(PAIRED, pair).values] == before
        assert set(ws.get_features("spend", {"user": GONE}).values.values()) == {None, 0}
        assert list(ws.get_features(PAIRED, {"user": GONE, "units": 5}).values.values()) == [0]
        for view in ("spend", PAIRED):
            ws.materialize(view, day(9))


def test_totals_lose_its_events_at_the_next_compaction(ws: Workspace) -> None:
    """A view that does not name the entity is counted anew of the days that changed."""
    _fill(ws)
    assert list(ws.get_features("totals", {"units": 2}).values.values()) == [6]
    ws.forget("spend", {"user": GONE})
    ws.materialize("totals", day(9))
    assert list(ws.get_features("totals", {"units": 2}).values.values()) == [3]


def test_what_comes_after_counts(ws: Workspace) -> None:
    """An entity that comes back begins at nothing, in the stream and in the next compaction."""
    _fill(ws)
    ws.forget("spend", {"user": GONE})
    ws.ingest("pushed", [record(GONE, 9.375, 7)])
    for now, as_of in ((9.5, 9), (10.25, 10)):
        clock = ws._clock
        assert isinstance(clock, Clock)
        clock.now = day(now)
        ws.materialize("spend", day(as_of))
        seen = ws.get_features("spend", {"user": GONE}).values
        assert [seen["spend.units_sum_30d"], seen["spend.units_count_30d"]] == [7, 1]


def test_tiles_of_others_are_not_built_again(ws: Workspace) -> None:
    """The days that changed stay current in the views that name the entity."""
    _fill(ws)
    ws.materialize("spend", day(9))
    ws.forget("spend", {"user": GONE})
    report = ws.materialize("spend", day(9))
    assert report.compaction is not None
    assert not report.compaction.rebuilt_days


def test_forgetting_again_finds_nothing(ws: Workspace) -> None:
    """A repeat, and an entity that never was, change nothing and say so."""
    _fill(ws)
    ws.forget("spend", {"user": GONE})
    for user in (GONE, "nobody"):
        report = ws.forget("spend", {"user": user})
        views = [(each.tiles, each.parts, each.online) for each in report.views]
        assert (report.events, report.days, views) == (0, (), [(0, 0, 0), (0, 0, 0)])


@pytest.mark.parametrize(
    ("place", "step"),
    [
        (EventLog, "forget"),
        (DeadLetters, "forget"),
        (TileTable, "forget"),
        (CompactedTable, "forget"),
        (OnlineStore, "rewrite_files"),
    ],
)
def test_it_can_be_killed_and_repeated(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: type, step: str
) -> None:
    """Whatever step it does not come to, the next one finds all that is left, keys that only the stream knows among them."""
    _fill(ws)
    ws.ingest("pushed", [record(GONE, 9.3, 77)])  # of an entity of the paired view that no compaction holds

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(place, step, killed)
        with pytest.raises(KeyboardInterrupt):
            ws.forget("spend", {"user": GONE})
    assert ws.forget("spend", {"user": GONE}).left == ()
    assert _held(tmp_path) == []
    assert not [key for key in ws.online_client().scan_iter() if GONE.encode() in key]


def test_samples_are_told_that_came_meanwhile(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample that another process writes behind its back is told as left."""
    _fill(ws)
    monkeypatch.setattr(SampleTable, "holds", lambda _table, entities: GONE in entities)
    left = ws.forget("spend", {"user": GONE}).left
    assert left == ("spend: samples that another process wrote meanwhile",)


def test_wrong_keys_are_refused(ws: Workspace) -> None:
    """Keys that are not the view's are told, and nothing is changed."""
    _fill(ws)
    wrong: list[dict[str, Any]] = [{}, {"usr": GONE}, {"user": None}, {"user": 7}]
    for keys in wrong:
        with pytest.raises(InputError, match="join key"):
            ws.forget("spend", keys)
    assert ws.get_features("spend", {"user": GONE}).values["spend.units_count_30d"] == 6


def test_a_key_that_a_view_makes_itself_is_refused(tmp_path: Path) -> None:
    """Where other columns make the key, the events would stay: it says so before it touches any."""
    pushed = source()

    @stream_feature_view(
        source=pushed,
        entities=[Entity("user", join_keys=[Field("user", String)])],
        features=[Aggregate(function="count", time_window=LifetimeWindow())],
        feature_start_time=day(0),
        mode="polars",
    )
    def lowered(pushed: pl.LazyFrame) -> pl.LazyFrame:
        return pushed.select(pl.col("user").str.to_lowercase(), "at")

    with Workspace(tmp_path, [pushed, lowered], clock=Clock(day(9.5))) as ws:
        ws.ingest("pushed", [record("Zoe", 8), record("zoe", 8.5)])
        with pytest.raises(InputError, match="1 events that make it of other columns"):
            ws.forget("lowered", {"user": "zoe"})
        assert list(ws.get_features("lowered", {"user": "zoe"}).values.values()) == [2]
