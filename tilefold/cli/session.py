"""What the options before a command say: which workspace, and how much to tell when something fails."""

from dataclasses import dataclass

from tilefold.workspace import Workspace


@dataclass(slots=True)
class Session:
    """One call of the command.

    Attributes
    ----------
    root, definitions, online, name, stream
        As `Workspace` takes them.
    debug
        Show tracebacks.
    """

    root: str = "data"
    definitions: str = "features"
    online: str | None = None
    name: str | None = None
    stream: str | None = None
    debug: bool = False

    def workspace(self) -> Workspace:
        """Open it; the caller closes it."""
        return Workspace(self.root, self.definitions, self.online, name=self.name, stream=self.stream)
