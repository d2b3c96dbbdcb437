"""Training sets that are written: the same values as in memory, however little memory there is."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.pipelines import DAY, HOUR, day, declare, frame, opened, wide_features
from tests.serving.clicks import declared
from tests.test_workspace_training import ROWS, spine
from tilefold import Aggregate, FeatureService, Field, Workspace
from tilefold.errors import FileError, InputError
from tilefold.serving import training, training_view, training_writing
from tilefold.stores import spill
from tilefold.types import Float64

SPEND, FEW = declare(wanted=wide_features()), declare("few")
BOTH = FeatureService("both", features=[FEW[["units_sum_3d"]], SPEND])
ASKED = spine(*[(user, at) for at in (3, 2.5, 7, 0, 1.999, 30) for user in ("a", "b", "nobody", "a")]).with_row_index("extra")


@pytest.fixture
def ws(tmp_path: Path, online_url: str) -> Any:
    """A workspace with events, of which nothing was materialized."""
    with opened(tmp_path / "root", online_url, SPEND, FEW, BOTH, now=day(9)) as workspace:
        workspace.append("events", frame(ROWS))
        yield workspace


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of five rows, several buckets, days one by one, and everything on disk."""
    monkeypatch.setattr(training, "CHUNK_ROWS", 5)
    monkeypatch.setattr(training_writing, "CHUNK_ROWS", 5)
    monkeypatch.setattr(training_view, "BUCKET_BYTES", 700)
    monkeypatch.setattr(training_view, "READ_ROWS", 1)
    monkeypatch.setattr(spill, "HELD_BYTES_MAX", 0)


@pytest.mark.parametrize("place", ["set.parquet", "set", "deep/down/set.parquet"])
@pytest.mark.usefixtures("little_memory")
def test_written_is_what_a_frame_holds(ws: Workspace, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parquet, in the spine's order, and Delta hold the same rows, of several views, from chunks and buckets."""
    report = ws.write_training_set("both", ASKED.lazy(), tmp_path / place)
    monkeypatch.undo()
    whole = ws.get_features_for_events("both", ASKED)
    read = pl.read_parquet if place.endswith(".parquet") else pl.read_delta
    found = read(str(tmp_path / place))
    found = found if place.endswith(".parquet") else found.sort("extra")  # a table has no order
    assert_frame_equal(found, whole.cast(dict(found.schema)), rel_tol=1e-9)
    assert found.columns == whole.columns
    assert (report.rows, report.rows_after_now) == (ASKED.height, 4)
    assert report.nulls == {name: whole[name].null_count() for name in whole.columns[3:]}
    assert not list(tmp_path.rglob(".*parquet*"))


@pytest.mark.usefixtures("little_memory")
def test_a_frame_from_chunks(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame is the same whether it was made at once or from chunks and buckets."""
    found = ws.get_features_for_events("both", ASKED)
    monkeypatch.undo()
    assert_frame_equal(found, ws.get_features_for_events("both", ASKED), rel_tol=1e-9)


@pytest.mark.usefixtures("little_memory")
def test_chunks_of_a_stream_view(tmp_path: Path, online_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view whose leading edge is the newest event is asked chunk by chunk at the same times as at once."""
    view = declared([DAY, HOUR], aggregation_leading_edge="latest_event")
    with opened(tmp_path, online_url, view, now=day(9)) as ws:
        ws.append("events", frame([("ab"[number % 2], number / 3, number, f"{number}") for number in range(24)]))
        found = ws.get_features_for_events("spend", ASKED)
        monkeypatch.undo()
        assert_frame_equal(found, ws.get_features_for_events("spend", ASKED), rel_tol=1e-9)


def test_an_empty_spine(ws: Workspace, tmp_path: Path) -> None:
    """It gives an empty training set of all columns."""
    report = ws.write_training_set("few", ASKED.clear(), tmp_path / "set.parquet")
    assert pl.read_parquet(tmp_path / "set.parquet").equals(ws.get_features_for_events("few", ASKED.clear()))
    assert (report.rows, report.null_share) == (0, 0.0)


SPINES: dict[str, Any] = {
    "spine.parquet": lambda rows, path: rows.write_parquet(path),
    "spine.csv": lambda rows, path: rows.with_columns(pl.col("timestamp").dt.to_string("iso:strict")).write_csv(path),
    "spine": lambda rows, path: rows.cast({"extra": pl.Int64}).write_delta(path),
}


@pytest.mark.parametrize("name", SPINES)
@pytest.mark.parametrize("rows", [ASKED, ASKED.clear()], ids=["rows", "empty"])
def test_a_spine_in_a_file(ws: Workspace, tmp_path: Path, name: str, rows: pl.DataFrame) -> None:
    """A spine may lie in Parquet, CSV or Delta; further columns are kept."""
    SPINES[name](rows, tmp_path / name)
    ws.write_training_set("few", str(tmp_path / name), tmp_path / "set.parquet")
    found = pl.read_parquet(tmp_path / "set.parquet")
    assert found.drop("extra").equals(ws.get_features_for_events("few", rows).drop("extra"))
    assert found["extra"].cast(pl.Int64).to_list() == rows["extra"].to_list()


def test_nothing_is_replaced_unasked(ws: Workspace, tmp_path: Path) -> None:
    """What is there stays, whatever it is, unless overwriting is asked for."""
    for place in ("set.parquet", "set"):
        ws.write_training_set("few", ASKED, tmp_path / place)
        with pytest.raises(FileError, match="nothing may be there yet"):
            ws.write_training_set("few", ASKED, tmp_path / place)
        ws.write_training_set("both", ASKED[:1], tmp_path / place, overwrite=True)
    assert pl.read_parquet(tmp_path / "set.parquet").height == 1
    assert pl.read_delta(str(tmp_path / "set")).equals(pl.read_parquet(tmp_path / "set.parquet").cast({"extra": pl.Int64}))


def test_a_failure_leaves_what_is_there(ws: Workspace, tmp_path: Path) -> None:
    """A spine that breaks a rule in its last row replaces nothing."""
    place = tmp_path / "set.parquet"
    ws.write_training_set("few", ASKED, place)
    with pytest.raises(InputError, match="'user' must not be null"):
        ws.write_training_set(
            "few", pl.concat([ASKED, ASKED[:1].with_columns(user=None)], how="vertical_relaxed"), place, overwrite=True
        )
    assert pl.read_parquet(place).height == ASKED.height


def test_cancellation_over_a_lifetime(tmp_path: Path, online_url: str) -> None:
    """A sum of small values has every digit, however large those are that came and went before it."""
    wanted = [Aggregate(input_column=Field("amount", Float64), function="sum", time_window=timedelta(days=1))]
    with opened(tmp_path, online_url, declare("small", wanted=wanted), now=day(9)) as ws:
        rows = [("a", 0.1, 0, "x"), ("a", 0.2, 0, "y"), ("a", 1.5, 0, "z"), ("a", 2.5, 0, "nan"), ("a", 3.5, 0, "w")]
        amounts = pl.Series("amount", [1e300, float("inf"), 0.1, float("nan"), 0.2])
        ws.append("events", frame(rows).with_columns(amounts))
        found = ws.get_features_for_events("small", spine(("a", 2), ("a", 4)))
        assert found["small__amount_sum_1d"].to_list() == [0.1, 0.2]
