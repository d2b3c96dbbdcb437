"""The commands that say how things stand: what is declared, and whether all is well.

The rule: parse, one call, show; they end with a fault where something is wrong.
"""

from typing import Annotated

import typer

from tilefold.cli import show
from tilefold.cli.arguments import opened
from tilefold.cli.doctor import bind, examine, move_stream
from tilefold.cli.faults import FAULT
from tilefold.cli.listing import listing
from tilefold.cli.migration import show_migration


def views(context: typer.Context) -> None:
    """List what is declared, and how far it is served."""
    with opened(context) as workspace:
        show.console().print(listing(workspace))


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
