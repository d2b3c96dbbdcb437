"""The command line: which commands there are, and the options that say which workspace is meant.

The rule: a command is a few lines (parse, one call of the Workspace, show) and stands by topic in `commands_*`. Options that
say which workspace is meant may stand before or behind the command.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

import tilefold
from tilefold.cli import commands_building as building
from tilefold.cli import commands_looking as looking
from tilefold.cli import commands_reading as reading
from tilefold.cli import commands_running as running
from tilefold.cli import keys as api_keys
from tilefold.cli.endings import leave_in_order
from tilefold.cli.faults import guarded
from tilefold.cli.session import Session

GLOBAL_OPTIONS = ("--root", "--definitions", "--online", "--stream", "--name")
GLOBAL_FLAGS = ("--debug",)
COMMANDS: dict[str, Callable[..., None]] = {  # in the order of the help
    "demo": running.demo,
    "up": running.up,
    "replay": running.replay,
    "materialize": building.materialize,
    "plan": building.plan,
    "write-stream": running.write_stream,
    "serve": running.serve,
    "prune": building.prune,
    "forget": building.forget,
    "get": reading.get,
    "training-set": reading.training_set,
    "explain": reading.explain,
    "parity": reading.parity,
    "views": looking.views,
    "doctor": looking.doctor,
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Windowed features from daily compacted tiles. Options that name the workspace may stand behind a command too.",
)

for _name, _command in COMMANDS.items():
    app.command(name=_name)(_command)
app.add_typer(api_keys.app, name="keys")


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
