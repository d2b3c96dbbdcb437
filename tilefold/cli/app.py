"""The commands and their options.

The rule: a command is a few lines: parse, one call of the Workspace, show. Options that say which workspace is meant may stand
before or behind the command.
"""

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

import tilefold
from tilefold.cli import keys as api_keys
from tilefold.cli import show
from tilefold.cli.consent import require_consent
from tilefold.cli.demo import run_demo
from tilefold.cli.doctor import bind, examine, move_stream
from tilefold.cli.endings import leave_in_order
from tilefold.cli.faults import FAULT, guarded
from tilefold.cli.listing import listing
from tilefold.cli.migration import show_migration
from tilefold.cli.replaying import run_replay
from tilefold.cli.serving import Asked, run_serve
from tilefold.cli.session import SAMPLE_KEEP_DAYS, SAMPLE_RATE, Session
from tilefold.cli.show_explained import explanation
from tilefold.cli.show_forgotten import forgotten
from tilefold.cli.show_parity import parity_found
from tilefold.cli.show_plan import planned
from tilefold.cli.up import DEFAULT_PORT, run_up
from tilefold.cli.writing import run_writer
from tilefold.errors import InputError, complaint
from tilefold.server.explain_json import as_json as as_plain
from tilefold.server.explain_query import Asked as Explained
from tilefold.server.options import REQUESTS_MAX, ServerOptions
from tilefold.serving.given import key_types, parsed_keys, parsed_time
from tilefold.serving.planning import as_json as plan_as_json
from tilefold.serving.priority import give_way
from tilefold.serving.sampling import KEEP_DAYS, Sampling
from tilefold.workspace import Workspace

GLOBAL_OPTIONS = ("--root", "--definitions", "--online", "--stream", "--name")
GLOBAL_FLAGS = ("--debug",)
DEFAULT_SPEED = 60.0
SERVE_PORT = 8080
CHANGES = 3
"""The exit code of `plan --detailed-exitcode` where something changed: 1 and 2 are errors."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Windowed features from daily compacted tiles. Options that name the workspace may stand behind a command too.",
)

app.add_typer(api_keys.app, name="keys")

ViewName = Annotated[str, typer.Argument(metavar="VIEW", help="A feature view; `tilefold views` lists them.")]
ReadName = Annotated[str, typer.Argument(metavar="NAME", help="A feature view or a feature service.")]
Keys = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE...", help="The join keys of one entity.")]
Speed = Annotated[float, typer.Option(help="How many minutes of flights come in a minute.")]
WithParent = Annotated[bool, typer.Option("--with-parent", help="End with the process that started this one.")]
SampleRate = Annotated[
    float, typer.Option(min=0, max=1, envvar=SAMPLE_RATE, help="The share of reads that `tilefold parity` recomputes; 0: none.")
]
KeepDays = Annotated[int, typer.Option(min=1, envvar=SAMPLE_KEEP_DAYS, help="For how many days samples of reads are kept.")]
At = Annotated[str | None, typer.Option(help="Read as of this time (ISO 8601, UTC); now, where not given.")]


def _version(asked: bool) -> None:
    if asked:
        print(f"tilefold {tilefold.__version__}")  # noqa: T201
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    root: Annotated[str, typer.Option(envvar="TILEFOLD_ROOT", help="The folder that holds everything.")] = "data",
    definitions: Annotated[
        str, typer.Option(envvar="TILEFOLD_DEFINITIONS", help="A folder of Python files, or a module.")
    ] = "features",
    online: Annotated[
        str | None, typer.Option(envvar="TILEFOLD_ONLINE_URL", help="A Redis URL; an embedded server where not given.")
    ] = None,
    stream: Annotated[
        str | None,
        typer.Option(envvar="TILEFOLD_STREAM_URL", help="For pushed events: a Redis URL that syncs each write, or kafka://."),
    ] = None,
    name: Annotated[str | None, typer.Option(envvar="TILEFOLD_NAME", help="The prefix of the workspace's keys.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool, typer.Option("--version", is_eager=True, callback=_version)] = False,
) -> None:
    """Remember which workspace is meant."""
    del version
    session: Session = context.obj
    session.root, session.definitions, session.online, session.name = root, definitions, online or None, name or None
    session.stream, session.debug = stream or None, debug


@app.command()
def demo(
    context: typer.Context,
    days: Annotated[int | None, typer.Option(help="Take the last so many days alone; all 366, where not given.")] = None,
    import_only: Annotated[bool, typer.Option("--import-only", help="Bring in the flights, and stop there.")] = False,
    without_dagster: Annotated[bool, typer.Option("--without-dagster", help="Compute in this process.")] = False,
) -> None:
    """Bring in a year of flights, compute their features and serve some."""
    run_demo(context.obj, days, import_only=import_only, dagster=not without_dagster)


@app.command()
def up(
    context: typer.Context,
    port: Annotated[
        int, typer.Option(min=1, max=65535, envvar="TILEFOLD_PORT", help="Where the Dagster UI listens.")
    ] = DEFAULT_PORT,
    host: Annotated[str, typer.Option(help="The address it listens on.")] = "127.0.0.1",
    speed: Annotated[
        float, typer.Option(envvar="TILEFOLD_SPEED", help="Replay the demo's departures at this speed; 0 for no replay.")
    ] = 0.0,
    serve_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Serve features over HTTP there, too, on the same address; 0 for no server.")
    ] = 0,
    sample_rate: SampleRate = 0.0,
    sample_keep_days: KeepDays = KEEP_DAYS,
) -> None:
    """Start the Dagster UI with everything behind it, and stay until Ctrl-C."""
    context.obj.sampling = Sampling(sample_rate, sample_keep_days)
    raise typer.Exit(run_up(context.obj, host, port, speed, serve_port))


@app.command()
def replay(
    context: typer.Context,
    speed: Speed = DEFAULT_SPEED,
    with_parent: WithParent = False,
) -> None:
    """Push the demo's departures as a stream, moved to now, and stay until Ctrl-C. It goes on where it was."""
    run_replay(context.obj, speed, with_parent=with_parent)


@app.command()
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
    with _opened(context) as workspace:
        give_way()  # not before it is open: an embedded server that it starts serves reads
        print(show.materialized(workspace.materialize(view, parsed_time("option --as-of", as_of), full=full, switch=switch)))  # noqa: T201


@app.command()
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
    with _opened(context) as workspace:
        found = workspace.plan(view or None)
        if as_json:
            print(json.dumps(plan_as_json(found), indent=2))  # noqa: T201
        else:
            print(planned(found))  # noqa: T201
    if detailed_exitcode and found.changes:
        raise typer.Exit(CHANGES)


@app.command(name="write-stream")
def write_stream(
    context: typer.Context,
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SOURCE]...", help="Sources that take pushed events; all, where none is named."),
    ] = None,
    with_parent: WithParent = False,
) -> None:
    """Fold pushed events into what is served, as they come, and stay until Ctrl-C. Several may run side by side."""
    run_writer(context.obj, sources or [], with_parent=with_parent)


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="The address it listens on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0 for any that is free.")] = SERVE_PORT,
    workers: Annotated[int, typer.Option(min=1, help="How many processes answer.")] = 1,
    tls_cert: Annotated[str | None, typer.Option(help="A certificate in PEM, for https.")] = None,
    tls_key: Annotated[str | None, typer.Option(help="Its key in PEM.")] = None,
    cache_ttl: Annotated[
        float, typer.Option(min=0, help="Seconds that the read cache may answer for, where requests ask for it; 0: no cache.")
    ] = 0.0,
    requests_max: Annotated[
        int, typer.Option(min=1, help="Requests that a worker has in hand; more get status 429.")
    ] = REQUESTS_MAX,
    sample_rate: SampleRate = 0.0,
    sample_keep_days: KeepDays = KEEP_DAYS,
    listening: Annotated[int | None, typer.Option(hidden=True)] = None,
    with_parent: WithParent = False,
) -> None:
    """Serve features over HTTP until Ctrl-C; SIGHUP brings new definitions without dropping a request."""
    context.obj.sampling = Sampling(sample_rate, sample_keep_days)
    options = ServerOptions(tls_cert=tls_cert, tls_key=tls_key, cache_ttl_s=cache_ttl, requests_max=requests_max)
    raise typer.Exit(run_serve(context.obj, Asked(host, port, workers, options, listening, with_parent)))


@app.command()
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
    with _opened(context) as workspace:
        if keep is not None:
            print(show.pruned(workspace.prune(view, keep)))  # noqa: T201
        if old_versions:
            print(show.removed(workspace.remove_old_versions(view)))  # noqa: T201


@app.command()
def forget(
    context: typer.Context,
    view: ViewName,
    keys: Keys = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take an entity out of everything that is kept of it: logs, tables, the online store, and their files."""
    with _opened(context) as workspace:
        entity = _entity(workspace, view, keys)
        require_consent(f"Forget {entity} of view '{view}' for good?", given=yes)
        report = workspace.forget(view, entity)
        print(forgotten(report))  # noqa: T201
        raise typer.Exit(FAULT if report.left else 0)


@app.command()
def get(
    context: typer.Context,
    name: ReadName,
    keys: Keys = None,
    at: At = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with every digit.")] = False,
) -> None:
    """Show the features of one entity."""
    with _opened(context) as workspace:
        entity = _entity(workspace, name, keys)
        vector = workspace.get_features(name, entity, parsed_time("option --at", at))
        show.console().print(show.features(vector)) if not as_json else print(show.features_json(vector))  # noqa: T201


@app.command(name="training-set")
def training_set(
    context: typer.Context,
    name: ReadName,
    spine: Annotated[str, typer.Argument(metavar="SPINE", help="Join keys and times: Parquet, CSV or a Delta table.")],
    out: Annotated[str, typer.Option(help="Where it goes: a file that ends in .parquet, else a Delta table.")],
    timestamp: Annotated[str, typer.Option(help="The spine's column of times.")] = "timestamp",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Write the features of every row of a spine as of its own time, straight from the event log."""
    with _opened(context) as workspace:
        give_way()
        report = workspace.write_training_set(name, spine, out, timestamp, overwrite=overwrite)
        print(show.training_set(report))  # noqa: T201


@app.command()
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
    with _opened(context) as workspace:
        Explained(view, feature=feature or "").check_feature(workspace.definitions)
        entity = _entity(workspace, view, keys)
        found = workspace.explain(view, entity, parsed_time("option --at", at), reference=reference)
        if as_json:
            print(json.dumps(as_plain(found, feature or ""), indent=2))  # noqa: T201
        else:
            explanation(found, feature, show.console())


@app.command()
def parity(
    context: typer.Context,
    view: Annotated[str | None, typer.Argument(metavar="[VIEW]", help="A feature view; all that are online, if none.")] = None,
    since: Annotated[str | None, typer.Option(help="Only reads served at this time or later (ISO 8601, UTC).")] = None,
) -> None:
    """Recompute what was sampled of served values, and say which are not what they should have been."""
    with _opened(context) as workspace:
        declared = workspace.definitions.views.values()
        names = [each.name for each in declared if each.online] if view is None else [view]
        reports = [workspace.parity(name, parsed_time("option --since", since)) for name in names]
    for report in reports:
        parity_found(report, show.console())
    if not all(report.passed for report in reports):
        raise typer.Exit(FAULT)


@app.command()
def views(context: typer.Context) -> None:
    """List what is declared, and how far it is served."""
    with _opened(context) as workspace:
        show.console().print(listing(workspace))


@app.command()
def doctor(
    context: typer.Context,
    bind_online: Annotated[
        str | None, typer.Option(help="Bind the folder to this store (a Redis URL, or `embedded`) first.")
    ] = None,
    bind_stream: Annotated[
        str | None, typer.Option(help="Bind the folder's streams to this place (a URL, or `embedded`) first.")
    ] = None,
    migrate: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="List what of a folder of Tecton definitions carries over."),
    ] = None,
) -> None:
    """Check versions, folder, store, tables and definitions, and say how to mend what is wrong."""
    if migrate is not None:
        raise typer.Exit(0 if show_migration(migrate, show.console()) else FAULT)
    if bind_online is not None:
        bind(context.obj, bind_online)
    if bind_stream is not None:
        move_stream(context.obj, bind_stream)
    if not examine(context.obj, show.console()):
        raise typer.Exit(FAULT)


def main() -> None:
    """The command."""
    leave_in_order()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the command with these arguments; its exit code."""
    session = Session(debug="--debug" in arguments)
    return guarded(session, lambda: app(args=hoisted(arguments), obj=session, prog_name="tilefold"))


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The arguments with those options first that stand before a command.

    Examples
    --------
    >>> hoisted(["get", "spend", "user_id=u1", "--root", "here"])
    ['--root', 'here', 'get', 'spend', 'user_id=u1']
    """
    first: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            rest += [word, *waiting]
            break
        known = word.partition("=")[0] in GLOBAL_OPTIONS or word in GLOBAL_FLAGS
        (first if known else rest).append(word)
        if word in GLOBAL_OPTIONS and waiting:
            first.append(waiting.pop(0))
    return first + rest


def _opened(context: typer.Context) -> Workspace:
    session: Session = context.obj
    return session.workspace()


def _entity(workspace: Workspace, name: str, keys: list[str] | None) -> dict[str, Any]:
    return parsed_keys(name, keys or [], key_types(workspace.definitions, name))
