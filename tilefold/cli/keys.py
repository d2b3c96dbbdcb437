"""`tilefold keys`: the API keys of the feature server.

The rule: a key is shown once, when it is made, alone on standard output; the folder keeps its hash. No store is opened.
"""

from typing import Annotated

import typer
from rich.table import Table

from tilefold.cli import show
from tilefold.cli.faults import say
from tilefold.cli.session import Session
from tilefold.server.key_file import KeyFile
from tilefold.server.roles import ROLES, role_of

app = typer.Typer(no_args_is_help=True, help="The API keys of the feature server.")

KeyName = Annotated[str, typer.Argument(metavar="NAME", help="Who uses the key.")]


@app.command()
def create(
    context: typer.Context,
    name: KeyName,
    role: Annotated[str, typer.Option(help=f"What it is for: {', '.join(ROLES)}; admin may do everything.")] = "read",
) -> None:
    """Make a key and print it. It is not kept: what is lost is revoked, and made anew."""
    print(_file(context).create(name, role_of(role, "option --role")))  # noqa: T201 - what the command gives
    may = "do everything" if role == "admin" else role
    say(f"Key '{name}' may {may}. It is shown this once; running servers take it within seconds.")


@app.command(name="list")
def list_keys(context: typer.Context) -> None:
    """List the keys by name: what each may do, since when, and whether it was revoked."""
    table = Table("name", "role", "created", "revoked")
    for key in _file(context).read():
        table.add_row(key.name, key.role, show.text(key.created), show.text(key.revoked))
    show.console().print(table)


@app.command()
def revoke(context: typer.Context, name: KeyName) -> None:
    """Let a key count no more; running servers refuse it within seconds."""
    _file(context).revoke(name)
    say(f"Key '{name}' is revoked.")


def _file(context: typer.Context) -> KeyFile:
    session: Session = context.obj
    return KeyFile(session.root)
