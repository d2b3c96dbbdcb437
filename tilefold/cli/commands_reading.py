"""The commands that read: features, training sets, what is behind a value, and whether it was right.

The rule: parse, one call of the Workspace, show.
"""

import json
from typing import Annotated

import typer

from tilefold.cli import show
from tilefold.cli.arguments import At, Keys, ReadName, ViewName, entity_of, opened
from tilefold.cli.faults import FAULT
from tilefold.cli.show_explained import explanation
from tilefold.cli.show_parity import parity_found
from tilefold.server.explain_json import as_json as as_plain
from tilefold.server.explain_query import Asked as Explained
from tilefold.serving.given import parsed_time
from tilefold.serving.priority import give_way


def get(
    context: typer.Context,
    name: ReadName,
    keys: Keys = None,
    at: At = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with every digit.")] = False,
) -> None:
    """Show the features of one entity."""
    with opened(context) as workspace:
        entity = entity_of(workspace, name, keys)
        vector = workspace.get_features(name, entity, parsed_time("option --at", at))
        show.console().print(show.features(vector)) if not as_json else print(show.features_json(vector))  # noqa: T201


def training_set(
    context: typer.Context,
    name: ReadName,
    spine: Annotated[str, typer.Argument(metavar="SPINE", help="Join keys and times: Parquet, CSV or a Delta table.")],
    out: Annotated[str, typer.Option(help="Where it goes: a file that ends in .parquet, else a Delta table.")],
    timestamp: Annotated[str, typer.Option(help="The spine's column of times.")] = "timestamp",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Write the features of every row of a spine as of its own time, straight from the event log."""
    with opened(context) as workspace:
        give_way()
        report = workspace.write_training_set(name, spine, out, timestamp, overwrite=overwrite)
        print(show.training_set(report))  # noqa: T201


def explain(
    context: typer.Context,
    view: ViewName,
    keys: Keys = None,
    at: At = None,
    feature: Annotated[str | None, typer.Option(help="Show what each tile brings to this feature.")] = None,
    reference: Annotated[bool, typer.Option("--reference", help="Compare with what the event log gives.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with every digit.")] = False,
) -> None:
    """Show the tiles behind each value of one entity."""
    with opened(context) as workspace:
        Explained(view, feature=feature or "").check_feature(workspace.definitions)
        entity = entity_of(workspace, view, keys)
        found = workspace.explain(view, entity, parsed_time("option --at", at), reference=reference)
        if as_json:
            print(json.dumps(as_plain(found, feature or ""), indent=2))  # noqa: T201
        else:
            explanation(found, feature, show.console())


def parity(
    context: typer.Context,
    view: Annotated[str | None, typer.Argument(metavar="[VIEW]", help="A feature view; all that are online, if none.")] = None,
    since: Annotated[str | None, typer.Option(help="Only reads served at this time or later (ISO 8601, UTC).")] = None,
) -> None:
    """Recompute what was sampled of served values, and say which are not what they should have been."""
    with opened(context) as workspace:
        declared = workspace.definitions.views.values()
        names = [each.name for each in declared if each.online] if view is None else [view]
        reports = [workspace.parity(name, parsed_time("option --since", since)) for name in names]
    for report in reports:
        parity_found(report, show.console())
    if not all(report.passed for report in reports):
        raise typer.Exit(FAULT)
