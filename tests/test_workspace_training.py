"""Training sets through the facade: the spine unchanged, values as of each row's own edge, and what a spine must be."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import DAY, assert_same, day, declare, expected, frame, opened, wide_features
from tilefold import Aggregate, BatchSource, Entity, FeatureService, Field, FileConfig, Workspace, batch_feature_view
from tilefold.errors import InputError
from tilefold.types import Int32, String, Timestamp

ROWS = [("a", number / 3, number, f"{number}") for number in range(20)] + [("b", 1.5, 6, "x"), ("b", 2.5, None, "y")]
SPEND = declare(wanted=wide_features())
FEW = declare("few")
COUNT = [Aggregate(function="count", time_window=DAY)]
BOTH = FeatureService("both", features=[FEW[["units_sum_3d"]], SPEND[["count_1d"]]])


@pytest.fixture
def ws(tmp_path: Path, online_url: str) -> Any:
    """A workspace with events, of which nothing was materialized."""
    with opened(tmp_path, online_url, SPEND, FEW, BOTH, now=day(9)) as workspace:
        workspace.append("events", frame(ROWS))
        yield workspace


def spine(*rows: tuple[Any, ...], **columns: Any) -> pl.DataFrame:
    """Rows of user and days after the start."""
    frame_of = pl.DataFrame({"user": [user for user, _ in rows], "timestamp": [day(at) for _, at in rows]})
    return frame_of.with_columns(**columns)


def test_no_compaction_needed(ws: Workspace) -> None:
    """Values come from the event log: each row's are the reference's at its own edge, and nothing is compacted."""
    asked = [(user, at) for at in (3, 2.5, 7, 0, 1.999, 30) for user in ("a", "b", "nobody")]
    found = ws.get_features_for_events("spend", spine(*asked))
    for (user, at), row in zip(asked, found.to_dicts(), strict=True):
        edge = day(int(at))
        values = {name.replace("__", ".", 1): value for name, value in row.items() if "__" in name}
        assert_same(values, expected(SPEND, frame(ROWS), user, edge))
    assert ws.context("spend").compacted.partitions() == []


def test_spine_is_kept(ws: Workspace) -> None:
    """The spine's columns stand first, unchanged, rows in their order, repeated rows too, then `view__feature` each."""
    given = spine(("b", 3), ("a", 2), ("b", 3), ("nobody", 1), extra=pl.Series(["w", None, "x", "y"]), units=pl.lit(1.5))
    found = ws.get_features_for_events("few", given)
    assert found.select(given.columns).equals(given)
    assert found.columns == [*given.columns, *(f"few__{feature.name}" for feature in FEW.features)]
    assert found["few__units_sum_3d"].to_list() == [6, 15, 6, None]


def test_types(ws: Workspace) -> None:
    """Each column has its feature's type, on an empty spine and on unknown keys too."""
    wanted = {f"spend__{feature.name}": feature.dtype for feature in SPEND.features}
    for given in (spine(("a", 3)), spine(("nobody", 3)), spine(("a", 3)).clear()):
        found = ws.get_features_for_events("spend", given)
        assert {name: dtype for name, dtype in found.schema.items() if name in wanted} == wanted
        assert found.height == given.height


def test_unknown_key_counts_zero(ws: Workspace) -> None:
    """Counts of an unknown key are 0, as online."""
    found = ws.get_features_for_events("few", spine(("nobody", 3)))
    assert found["few__count_1d"].to_list() == [0]
    assert found["few__units_first_2_3d"].to_list() == [[]]


def test_service(ws: Workspace) -> None:
    """A service gives its chosen features, view by view."""
    found = ws.get_features_for_events("both", spine(("a", 3)))
    assert found.columns[2:] == ["few__units_sum_3d", "spend__count_1d"]
    assert found.row(0)[2:] == (36, 3)


@pytest.mark.parametrize("form", ["lazy", "when", "ns", "ms"])
def test_forms_of_a_spine(ws: Workspace, form: str) -> None:
    """A lazy spine, another name for the time and other units of it make no difference."""
    given = spine(("a", 3), ("b", 2))
    forms: dict[str, Any] = {
        "lazy": given.lazy(),
        "when": given.rename({"timestamp": "when"}),
        "ns": given.cast({"timestamp": pl.Datetime("ns", "UTC")}),
        "ms": given.cast({"timestamp": pl.Datetime("ms", "UTC")}),
    }
    found = ws.get_features_for_events("few", forms[form], timestamp="when" if form == "when" else "timestamp")
    wanted = ws.get_features_for_events("few", given)
    assert found.select(pl.col("^few__.*$")).equals(wanted.select(pl.col("^few__.*$")))


def test_data_delay(tmp_path: Path, online_url: str) -> None:
    """A row's edge is floor(t - data_delay, schedule)."""
    view = declare("delayed", data_delay=timedelta(hours=6))
    with opened(tmp_path, online_url, view, now=day(9)) as ws:
        ws.append("events", frame(ROWS))
        just_before = datetime(2024, 1, 4, 5, 59, 59, 999_999, tzinfo=UTC)
        times = pl.DataFrame({"user": ["a", "a"], "timestamp": [just_before, just_before + timedelta(microseconds=1)]})
        found = ws.get_features_for_events("delayed", times)["delayed__units_sum_1d"].to_list()
        assert found == [3 + 4 + 5, 6 + 7 + 8]


BAD_SPINES: dict[str, tuple[Any, str]] = {
    "no key": (spine(("a", 3)).drop("user"), "it must hold every join key and the timestamp; got 'user'"),
    "no time": (spine(("a", 3)).drop("timestamp"), "it must hold every join key and the timestamp; got 'timestamp'"),
    "null key": (spine(("a", 3), (None, 3)), "'user' must not be null"),
    "null time": (spine(("a", 3), timestamp=pl.lit(None, pl.Datetime("us", "UTC"))), "'timestamp' must not be null"),
    "naive": (spine(("a", 3), timestamp=pl.col("timestamp").dt.replace_time_zone(None)), "must be a UTC time"),
    "zone": (spine(("a", 3), timestamp=pl.col("timestamp").dt.convert_time_zone("Asia/Tokyo")), "must be a UTC time"),
    "text": (spine(("a", 3), timestamp=pl.lit("2024-01-04")), "must be a UTC time; got 'String'"),
    "key type": (spine(("a", 3), user=pl.lit(5)), "'user' must be String"),
    "feature's name": (spine(("a", 3), few__count_1d=pl.lit(5)), "may not hold a feature's name; got 'few__count_1d'"),
    "records": ([{"user": "a"}], "spine: it must be a Polars frame; got 'list'"),
}


@pytest.mark.parametrize("case", BAD_SPINES)
def test_bad_spine(ws: Workspace, case: str) -> None:
    """A spine that breaks a rule is an InputError that says which."""
    given, message = BAD_SPINES[case]
    with pytest.raises(InputError, match=message):
        ws.get_features_for_events("few", given)


def test_integer_keys(tmp_path: Path, online_url: str) -> None:
    """A spine's wider integers find their keys; one out of the key's range is an unknown key, as online."""
    source = BatchSource("numbers", schema=[Field("id", Int32), Field("at", Timestamp)], timestamp_field="at")
    entity = Entity("id", join_keys=[Field("id", Int32)])

    @batch_feature_view(source=source, entities=[entity], features=COUNT, feature_start_time=day(0))
    def counted(numbers: pl.LazyFrame) -> pl.LazyFrame:
        return numbers

    with opened(tmp_path, online_url, counted, now=day(9)) as ws:
        ws.append("numbers", pl.DataFrame({"id": [1], "at": [day(2.5)]}))
        given = pl.DataFrame({"id": [1, 2**40, -1], "timestamp": [day(3)] * 3})
        assert ws.get_features_for_events("counted", given)["counted__count_1d"].to_list() == [1, 0, 0]
        ws.materialize("counted", day(3))
        online = ws.get_features_batch("counted", [{"id": number} for number in (1, 2**40, -1)], at=day(3))
        assert [each.values["counted.count_1d"] for each in online] == [1, 0, 0]


def test_no_events(tmp_path: Path, online_url: str) -> None:
    """On a source without events, declared or not, values are those of empty windows."""
    files = BatchSource("files", batch_config=FileConfig(str(tmp_path / "*.parquet")), timestamp_field="at")
    entity = Entity("user", join_keys=[Field("user", String)])

    @batch_feature_view(source=files, entities=[entity], features=COUNT, feature_start_time=day(0))
    def counted(files: pl.LazyFrame) -> pl.LazyFrame:
        return files.select("user", "at")

    with opened(tmp_path / "root", online_url, counted, FEW, now=day(9)) as ws:
        assert ws.get_features_for_events("counted", spine(("a", 3)))["counted__count_1d"].to_list() == [0]
        assert ws.get_features_for_events("few", spine(("a", 3)))["few__count_1d"].to_list() == [0]
