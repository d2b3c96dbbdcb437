"""Views that a person launches, and views that begin with their source: what Dagster runs by itself, and from when on."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestration.definitions import build_definitions
from orchestration.jobs import due_together
from orchestration.partitions import WITHOUT_VIEWS, partitioning_of
from resources import WorkspaceResource
from tests.declaration.samples import declare
from tilefold import BatchTriggerType
from tilefold.declaration import FeatureView
from tilefold.errors import OpenStartWarning
from tilefold.serving.definitions import load_definitions

MANUAL = declare(name="by_hand", batch_trigger=BatchTriggerType.MANUAL)
SCHEDULED = declare(name="daily")


def due(*views: FeatureView) -> set[str]:
    """The assets that the schedules run."""
    declared = load_definitions(list(views))
    return {key.to_user_string() for each in due_together(declared, partitioning_of(declared)) for key in each.assets}


def test_a_manual_view_is_never_due() -> None:
    """The schedule runs everything but its tiles, its compaction and its sync; its source is imported."""
    both = due(MANUAL, SCHEDULED)
    assert both == {"transactions/event_log", "daily/tiles", "daily/compacted", "daily/online", "daily/served"}
    assert due(MANUAL) == {"transactions/event_log"}


@pytest.mark.parametrize("views", [[MANUAL], [MANUAL, SCHEDULED]])
def test_it_has_its_assets(views: list[Any], tmp_path: Path) -> None:
    """A person can launch it: its assets are in the graph, beside or without views of the schedule; healing leaves it out."""
    built = build_definitions(load_definitions(views), WorkspaceResource(root=str(tmp_path), definitions="features"))
    keys = {key.to_user_string() for key in built.resolve_asset_graph().get_all_asset_keys()}
    assert {"by_hand/tiles", "by_hand/compacted", "by_hand/online"} <= keys
    heal = next(each for each in built.sensors or [] if each.name == "heal")
    assert "by_hand" not in str(heal.asset_selection)


def test_an_open_start_makes_no_partitions() -> None:
    """Days before the first start that a view names have no partitions; without any they begin where they do without views."""
    with pytest.warns(OpenStartWarning):
        open_start = declare(name="open", feature_start_time=...)
    assert partitioning_of(load_definitions([open_start, SCHEDULED])).daily.start == datetime(2022, 5, 1, tzinfo=UTC)
    assert partitioning_of(load_definitions([open_start])).daily.start == WITHOUT_VIEWS
