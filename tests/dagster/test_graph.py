"""The asset graph as a whole, against a text that people have read."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from tests.dagster.shopping import Shop

GOLDEN = Path(__file__).parents[1] / "golden" / "asset_graph.txt"


def described(definitions: dg.Definitions) -> str:
    """Assets with their partitions, dependencies and checks, then the sensors, one a line, in the order of their names."""
    graph = definitions.resolve_asset_graph()
    lines = [line for key in sorted(graph.get_all_asset_keys()) for line in _asset(graph, key)]
    sensors = [each for each in definitions.sensors or [] if isinstance(each, dg.SensorDefinition)]
    lines += [_sensor(each) for each in sorted(sensors, key=lambda each: each.name)]
    return "\n".join(lines) + "\n"


def _asset(graph: AssetGraph, key: dg.AssetKey) -> Iterator[str]:
    node = graph.get(key)
    yield f"{key.to_user_string()} (group {node.group_name})"
    yield f"  partitions: {_partitions(node.partitions_def)}"
    yield f"  backfill: {node.backfill_policy.policy_type.value}"
    for parent in sorted(node.parent_keys):
        yield f"  after: {parent.to_user_string()}"
    for check in sorted(node.check_keys, key=lambda each: each.name):
        about = graph.get(check)
        effect = "blocks" if about.blocking else "tells"
        yield f"  check: {check.name}, {effect}, partitions: {_partitions(about.partitions_def)}"


def _sensor(sensor: dg.SensorDefinition) -> str:
    return f"sensor {sensor.name}: every {sensor.minimum_interval_seconds} s, {sensor.default_status.value} from the start"


def _partitions(partitions: dg.PartitionsDefinition | None) -> str:
    if partitions is None:
        return "none"
    assert isinstance(partitions, dg.TimeWindowPartitionsDefinition)
    return f"{partitions.cron_schedule} {partitions.timezone} from {partitions.start:%Y-%m-%d %H:%M}, keys {partitions.fmt}"


def test_the_graph_is_the_golden_one(shop: Shop) -> None:
    """Keys, dependencies, partitions and blocking checks of all assets are those of the golden text, and so are the sensors."""
    assert described(shop.definitions) == GOLDEN.read_text()
