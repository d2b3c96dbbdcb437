"""The commands that change what is stored and served of a view, and the one that says what would change.

The rule: parse, one call of the Workspace, show.
"""

import json
from typing import Annotated

import typer

from tilefold.cli import show
from tilefold.cli.arguments import Keys, ViewName, entity_of, opened
from tilefold.cli.consent import require_consent
from tilefold.cli.faults import FAULT
from tilefold.cli.show_forgotten import forgotten
from tilefold.cli.show_plan import planned
from tilefold.errors import InputError, complaint
from tilefold.serving.given import parsed_time
from tilefold.serving.planning import as_json as plan_as_json
from tilefold.serving.priority import give_way

CHANGES = 3
"""The exit code of `plan --detailed-exitcode` where something changed: 1 and 2 are errors."""


def materialize(
    context: typer.Context,
    view: ViewName,
    as_of: Annotated[str | None, typer.Option(help="The watermark (ISO 8601, UTC); the newest due, where not given.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Write every key, whatever the store seems to hold.")] = False,
    switch: Annotated[
        bool | None,
        typer.Option(
            "--switch/--no-switch",
            help="Of a changed view: serve it, even where it was served before; or leave it beside what is served.",
        ),
    ] = None,
) -> None:
    """Bring the online store to the newest watermark of a view: import, build tiles, compact, sync; serve it if it changed."""
    with opened(context) as workspace:
        give_way()  # not before it is open: an embedded server that it starts serves reads
        print(show.materialized(workspace.materialize(view, parsed_time("option --as-of", as_of), full=full, switch=switch)))  # noqa: T201


def plan(
    context: typer.Context,
    view: Annotated[
        list[str] | None, typer.Argument(metavar="[VIEW]...", help="Of these alone; all, where none is named.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help=f"End with {CHANGES} where something changed.")
    ] = False,
) -> None:
    """Say what changed between the definitions that are stored and those given, and what it costs; change nothing."""
    with opened(context) as workspace:
        found = workspace.plan(view or None)
        if as_json:
            print(json.dumps(plan_as_json(found), indent=2))  # noqa: T201
        else:
            print(planned(found))  # noqa: T201
    if detailed_exitcode and found.changes:
        raise typer.Exit(CHANGES)


def prune(
    context: typer.Context,
    view: ViewName,
    keep: Annotated[int | None, typer.Option(help="How many of the newest watermarks to keep.")] = None,
    old_versions: Annotated[
        bool, typer.Option("--old-versions", help="Remove the versions that are not served any more: keys and tables.")
    ] = False,
) -> None:
    """Remove old compactions of a view, or old versions of it; what is served, and syncs that have begun, always stay."""
    if keep is None and not old_versions:
        mend = "Give --keep 30, or --old-versions."
        raise InputError(complaint("tilefold prune", "it must be told what to remove", None, mend))
    with opened(context) as workspace:
        if keep is not None:
            print(show.pruned(workspace.prune(view, keep)))  # noqa: T201
        if old_versions:
            print(show.removed(workspace.remove_old_versions(view)))  # noqa: T201


def forget(
    context: typer.Context,
    view: ViewName,
    keys: Keys = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take an entity out of everything that is kept of it: logs, tables, the online store, and their files."""
    with opened(context) as workspace:
        entity = entity_of(workspace, view, keys)
        require_consent(f"Forget {entity} of view '{view}' for good?", given=yes)
        report = workspace.forget(view, entity)
        print(forgotten(report))  # noqa: T201
        raise typer.Exit(FAULT if report.left else 0)
