"""What the options before a command say: which workspace, and how much to tell when something fails."""

from dataclasses import dataclass
from pathlib import Path

from tilefold.serving.sampling import Sampling
from tilefold.workspace import Workspace

SAMPLE_RATE, SAMPLE_KEEP_DAYS = "TILEFOLD_SAMPLE_RATE", "TILEFOLD_SAMPLE_KEEP_DAYS"


@dataclass(slots=True)
class Session:
    """One call of the command.

    Attributes
    ----------
    root, definitions, online, name, stream
        As `Workspace` takes them.
    debug
        Show tracebacks.
    sampling
        How much of what is served is sampled; None for nothing.
    """

    root: str = "data"
    definitions: str = "features"
    online: str | None = None
    name: str | None = None
    stream: str | None = None
    debug: bool = False
    sampling: Sampling | None = None

    def environment(self) -> dict[str, str]:
        """The variables by which another process of ours knows which workspace is meant: they may hold passwords."""
        named = Path(self.definitions)
        meant = {
            "TILEFOLD_ROOT": self.root if "://" in self.root else str(Path(self.root).absolute()),
            "TILEFOLD_DEFINITIONS": str(named.absolute()) if named.is_dir() else self.definitions,
            "TILEFOLD_ONLINE_URL": self.online,
            "TILEFOLD_STREAM_URL": self.stream,
            "TILEFOLD_NAME": self.name,
        }
        if self.sampling is not None:
            meant |= {SAMPLE_RATE: f"{self.sampling.rate:g}", SAMPLE_KEEP_DAYS: str(self.sampling.keep_days)}
        return {name: value for name, value in meant.items() if value}

    def workspace(self) -> Workspace:
        """Open it; the caller closes it."""
        return Workspace(self.root, self.definitions, self.online, name=self.name, stream=self.stream, sampling=self.sampling)
