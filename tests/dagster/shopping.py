"""Runs of the shop's assets in this process, and what they left behind."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from orchestration.definitions import build_definitions
from resources import WorkspaceResource
from tests.dagster.shop.shop import START
from tilefold.engine.mark import Mark
from tilefold.serving.definitions import load_definitions
from tilefold.workspace import Workspace

DEFINITIONS = Path(__file__).parent / "shop"
DAYS = [(START + timedelta(days=day)).strftime("%Y-%m-%d") for day in range(10)]
SPEND = ("user_spend/tiles", "user_spend/compacted", "user_spend/online")
PER_DAY = 40


def purchases() -> pl.DataFrame:
    """Ten days of forty purchases each by twelve users, a few of them without an amount."""
    drawn = random.Random(7)
    rows = [
        {
            "user_id": f"u{drawn.randrange(12)}",
            "timestamp": START + timedelta(days=day, seconds=drawn.randrange(86_400)),
            "amount": None if drawn.random() < 0.1 else round(drawn.uniform(1, 100), 2),
            "merchant": drawn.choice("abcde"),
        }
        for day in range(len(DAYS))
        for _ in range(PER_DAY)
    ]
    return pl.DataFrame(rows, schema_overrides={"timestamp": pl.Datetime("us", "UTC")})


def write_purchases(root: Path) -> None:
    """Put the file where the source looks for it."""
    (root / "source").mkdir(parents=True)
    purchases().write_parquet(root / "source" / "purchases.parquet")


@dataclass
class Shop:
    """The shop's Dagster project over a root folder."""

    root: Path
    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)

    def __post_init__(self) -> None:
        self.resource = WorkspaceResource(root=str(self.root), definitions=str(DEFINITIONS))
        self.definitions = build_definitions(load_definitions(str(DEFINITIONS)), self.resource)

    def open(self) -> Workspace:
        """The shop's workspace, beside Dagster."""
        return self.resource.open()

    def run(self, assets: Sequence[str], first: str, last: str | None = None) -> dg.ExecuteInProcessResult:
        """Materialize a partition, or a range of them in one run, with the checks; a failed check stops what depends on it."""
        return self.select(dg.AssetSelection.assets(*[dg.AssetKey(name.split("/")) for name in assets]), first, last)

    def select(
        self,
        chosen: dg.AssetSelection,
        first: str | None = None,
        last: str | None = None,
        more: Sequence[Any] = (),
        tags: Mapping[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Run what is selected, of a partition or a range of them; of none, where nothing selected has partitions.

        `more` are assets beside those of the shop, `tags` those of the run.
        """
        assets: list[Any] = [*(self.definitions.assets or []), *(self.definitions.asset_checks or []), *more]
        span = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last} if last else {}
        return dg.materialize(
            assets,
            selection=chosen,
            instance=self.instance,
            resources=self.definitions.resources,
            partition_key=None if last else first,
            tags={**span, **(tags or {})},
            raise_on_error=False,
        )

    def launch(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """Do what the daemon does with a sensor's request."""
        chosen = dg.AssetSelection.assets(*(request.asset_selection or []))
        return self.select(chosen, request.partition_key, tags=request.tags)

    def tick(self, sensor: str, cursor: str | None = None) -> SensorExecutionData:
        """Evaluate a sensor as the daemon does, and let the instance keep what it reports."""
        repository = self.definitions.get_repository_def()
        given: dict[str, Any] = {"cursor": cursor, "repository_def": repository, "resources": {"workspace": self.resource}}
        with dg.build_sensor_context(self.instance, **given) as context:
            ticked = repository.get_sensor_def(sensor).evaluate_tick(context)
        for event in ticked.asset_events:
            self.instance.report_runless_asset_event(event)
        return ticked


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> Mapping[str, Mapping[str, Any]]:
    """The metadata of each partition that a run materialized."""
    events = result.asset_materializations_for_node(asset.replace("/", "__"))
    return {str(event.partition): {name: value.value for name, value in event.metadata.items()} for event in events}


def mark_of(shop: Shop) -> Mark | None:
    """The mark of what is served of `user_spend`."""
    with shop.open() as ws:
        view = ws.definitions.view("user_spend")
        return ws.online_store.mark(view.name, view.version)


def stored(shop: Shop) -> Mapping[bytes, Mapping[bytes, bytes]]:
    """Every hash of `user_spend` in the online store, byte by byte: the parts of its keys, and its mark."""
    with shop.open() as ws:
        client, view = ws.online_client(), ws.definitions.view("user_spend")
        keys = sorted(client.scan_iter(f"{ws.name}:{view.name}:{view.version}*"))
        return {key: client.hgetall(key) for key in keys if client.type(key) == b"hash"}


def append_late(shop: Shop, day: str) -> None:
    """An event of a day that was built already."""
    row = {
        "user_id": ["u1"],
        "amount": [1.0],
        "merchant": ["a"],
        "timestamp": [START + timedelta(days=DAYS.index(day), hours=13)],
    }
    with shop.open() as ws:
        ws.append("purchases", pl.DataFrame(row))


def lose_rows(shop: Shop, table: str, where: str) -> None:
    """Take the first key out of the files of a table of `user_spend` whose path holds a text, as a stray hand would."""
    with shop.open() as ws:
        folder = Path(ws.context("user_spend").uri, table)
    for path in folder.rglob("*.parquet"):
        if where in str(path):
            rows = pl.read_parquet(path, hive_partitioning=False)
            rows[1:].write_parquet(path, metadata=pl.read_parquet_metadata(path))
