"""A training set as an asset: the features of a view or service for every row of a spine, straight from the event log.

The rule: it is written where it is asked to be, anew each time; Dagster keeps what is said of it, never its rows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from assets.event_log import event_log_key
from assets.metadata import bar_chart
from resources import WorkspaceResource
from tilefold.declaration.services import FeatureService
from tilefold.declaration.views import FeatureView
from tilefold.serving.reports import TrainingSetReport

CHARTED = 20  # features, the emptiest first


def training_set_asset(
    features: FeatureView | FeatureService,
    spine: dg.AssetKey | str | Path,
    out: str | Path,
    *,
    key: Sequence[str] | None = None,
    timestamp: str = "timestamp",
    group_name: str = "training",
) -> dg.AssetsDefinition:
    """Build the asset.

    Parameters
    ----------
    spine
        An upstream asset, whose value is a Polars frame; or the place of one: Parquet (`.parquet`, globs too), CSV (`.csv`),
        else a Delta table.
    out
        Where the training set goes, replacing what is there: a Parquet file where it ends in `.parquet`, else a Delta table.
    key
        The asset's; `["training_set", <name of the view or service>]`, where not given.
    timestamp
        The spine's column of times.
    """
    views = [features] if isinstance(features, FeatureView) else list(features.views)
    name, place = features.name, str(out)
    from_asset = isinstance(spine, dg.AssetKey)

    @dg.asset(
        key=dg.AssetKey(list(key or ["training_set", name])),
        ins={"rows": dg.AssetIn(spine)} if isinstance(spine, dg.AssetKey) else None,
        deps=[event_log_key(source) for source in dict.fromkeys(view.source.name for view in views)],
        group_name=group_name,
        kinds={"polars", "parquet" if place.endswith(".parquet") else "deltalake"},
        description=f"The features of '{name}' for every row of a spine, as of its own time, in {place}.",
    )
    def training_set(workspace: WorkspaceResource, **given: Any) -> dg.MaterializeResult[None]:
        rows = given["rows"] if from_asset else str(spine)
        report = workspace.workspace.write_training_set(name, rows, place, timestamp, overwrite=True)
        return dg.MaterializeResult(metadata=_facts(report))

    return training_set


def _facts(report: TrainingSetReport) -> dict[str, Any]:
    emptiest = sorted(report.nulls.items(), key=lambda each: -each[1])[:CHARTED]
    return {
        "rows": report.rows,
        "features": len(report.nulls),
        "null_share": round(report.null_share, 4),
        "rows_after_now": report.rows_after_now,
        "duration_s": report.duration_s,
        "place": report.place,
        "nulls": bar_chart("Rows without a value, by feature", emptiest),
    }
