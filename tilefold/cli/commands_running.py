"""The commands that stay: processes, and the demo that starts with them.

The rule: parse, one call; what a process does stands in the file of its name (`demo`, `up`, `replaying`, `writing`, `serving`).
"""

from typing import Annotated

import typer

from tilefold.cli.arguments import KeepDays, SampleRate, WithParent
from tilefold.cli.demo import run_demo
from tilefold.cli.replaying import run_replay
from tilefold.cli.serving import Asked, run_serve
from tilefold.cli.up import DEFAULT_PORT, run_up
from tilefold.cli.writing import run_writer
from tilefold.server.options import REQUESTS_MAX, ServerOptions
from tilefold.serving.sampling import KEEP_DAYS, Sampling

DEFAULT_SPEED = 60.0
SERVE_PORT = 8080

Speed = Annotated[float, typer.Option(help="How many minutes of flights come in a minute.")]


def demo(
    context: typer.Context,
    days: Annotated[int | None, typer.Option(help="Take the last so many days alone; all 366, where not given.")] = None,
    import_only: Annotated[bool, typer.Option("--import-only", help="Bring in the flights, and stop there.")] = False,
    without_dagster: Annotated[bool, typer.Option("--without-dagster", help="Compute in this process.")] = False,
) -> None:
    """Bring in a year of flights, compute their features and serve some."""
    run_demo(context.obj, days, import_only=import_only, dagster=not without_dagster)


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


def replay(
    context: typer.Context,
    speed: Speed = DEFAULT_SPEED,
    with_parent: WithParent = False,
) -> None:
    """Push the demo's departures as a stream, moved to now, and stay until Ctrl-C. It goes on where it was."""
    run_replay(context.obj, speed, with_parent=with_parent)


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
