"""Training sets as assets: what they write, what they say, and what they depend on."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets import training_set_asset
from tests.dagster.shop.shop import START, user_spend
from tests.dagster.shop.shop import shop as both
from tests.dagster.shopping import DAYS, Shop

ROWS = pl.DataFrame(
    {
        "user_id": ["u1", "u2", "nobody"],
        "merchant": ["a", "z", "b"],
        "timestamp": [START + timedelta(days=8, hours=hour) for hour in (1, 2, 3)],
        "more": [1, 2, 3],
    },
    schema_overrides={"timestamp": pl.Datetime("us", "UTC")},
)


@dg.asset
def labels() -> Any:
    """A spine that an asset makes."""
    return ROWS


def spine_of(kind: str, folder: Path) -> Any:
    """A spine from an asset, or in a file."""
    if kind == "asset":
        return dg.AssetKey("labels")
    ROWS.write_parquet(folder / "spine.parquet")
    return folder / "spine.parquet"


@pytest.mark.parametrize(("kind", "out"), [("asset", "set.parquet"), ("file", "set")])
def test_it_writes_what_the_workspace_gives(shop: Shop, tmp_path: Path, kind: str, out: str) -> None:
    """Rows, features and the share of nulls are said; a second run replaces the first one's rows."""
    shop.run(["purchases/event_log"], DAYS[0], DAYS[-1])
    asset = training_set_asset(both, spine_of(kind, tmp_path), tmp_path / out)
    for _ in range(2):
        result = shop.select(
            dg.AssetSelection.assets(asset.key, *(["labels"] if kind == "asset" else [])), more=[asset, labels]
        )
        assert result.success
    with shop.open() as ws:
        expected = ws.get_features_for_events("shop", ROWS)
    found = pl.read_parquet(tmp_path / out) if out.endswith("parquet") else pl.read_delta(str(tmp_path / out)).sort("more")
    assert_frame_equal(found, expected)
    (event,) = result.asset_materializations_for_node("training_set__shop")
    facts = {name: value.value for name, value in event.metadata.items()}
    values = expected.drop(ROWS.columns)
    nulls = sum(column.null_count() for column in values)
    assert (facts["rows"], facts["features"], facts["rows_after_now"]) == (3, values.width, 0)
    assert facts["null_share"] == round(nulls / (3 * values.width), 4)
    assert values.columns[0] in str(facts["nulls"])


def test_it_depends_on_the_event_logs(tmp_path: Path) -> None:
    """Upstream are the logs of the views' sources, and the spine where an asset makes it."""
    of_asset = training_set_asset(both, dg.AssetKey("labels"), tmp_path / "set", key=["mine"])
    of_file = training_set_asset(user_spend, tmp_path / "spine.csv", tmp_path / "set")
    log = dg.AssetKey(["purchases", "event_log"])
    assert set(of_asset.dependency_keys) == {dg.AssetKey("labels"), log}
    assert (of_asset.key, of_file.key) == (dg.AssetKey("mine"), dg.AssetKey(["training_set", "user_spend"]))
    assert list(of_file.dependency_keys) == [log]
