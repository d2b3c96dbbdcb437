"""What several commands take, and the workspace that they are about.

The rule: an argument that means the same has one name, one help and one place.
"""

from typing import Annotated, Any

import typer

from tilefold.cli.session import SAMPLE_KEEP_DAYS, SAMPLE_RATE, Session
from tilefold.serving.given import key_types, parsed_keys
from tilefold.workspace import Workspace

ViewName = Annotated[str, typer.Argument(metavar="VIEW", help="A feature view; `tilefold views` lists them.")]
ReadName = Annotated[str, typer.Argument(metavar="NAME", help="A feature view or a feature service.")]
Keys = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE...", help="The join keys of one entity.")]
WithParent = Annotated[bool, typer.Option("--with-parent", help="End with the process that started this one.")]
SampleRate = Annotated[
    float, typer.Option(min=0, max=1, envvar=SAMPLE_RATE, help="The share of reads that `tilefold parity` recomputes; 0: none.")
]
KeepDays = Annotated[int, typer.Option(min=1, envvar=SAMPLE_KEEP_DAYS, help="For how many days samples of reads are kept.")]
At = Annotated[str | None, typer.Option(help="Read as of this time (ISO 8601, UTC); now, where not given.")]


def opened(context: typer.Context) -> Workspace:
    """The workspace that is meant, open; the caller closes it."""
    session: Session = context.obj
    return session.workspace()


def entity_of(workspace: Workspace, name: str, keys: list[str] | None) -> dict[str, Any]:
    """The join keys as they were typed, in the types of a view or service."""
    return parsed_keys(name, keys or [], key_types(workspace.definitions, name))
