"""The Dagster project around the library: where its files are, and the environment that its processes share with us.

The rule: Dagster is started as a command, never imported; its processes learn which workspace is meant from the environment.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import tilefold
from tilefold.cli.session import Session
from tilefold.errors import FileError, complaint

WORKSPACE_FILE = "workspace.yaml"
INSTANCE_FILE = "dagster.yaml"


@dataclass(frozen=True, slots=True)
class Project:
    """A checkout with `workspace.yaml` and `dagster.yaml`, and the Dagster home of a root."""

    folder: Path
    home: Path

    @classmethod
    def of(cls, session: Session) -> "Project":
        """The project that one stands in, else the one that this library lies in.

        Raises
        ------
        FileError
            If there is none.
        """
        places = (Path.cwd(), Path(tilefold.__file__).resolve().parents[1])
        for folder in places:
            if (folder / WORKSPACE_FILE).is_file() and (folder / INSTANCE_FILE).is_file():
                return cls(folder, Path(session.root).absolute() / "dagster")
        mend = f"Run it in the project's folder, the one with {WORKSPACE_FILE} and {INSTANCE_FILE}."
        raise FileError(complaint("Dagster", f"there must be a {WORKSPACE_FILE}", str(Path.cwd()), mend))

    def prepare(self) -> None:
        """Make the Dagster home; its settings are the project's."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            (self.home / INSTANCE_FILE).write_bytes((self.folder / INSTANCE_FILE).read_bytes())
        except OSError as error:
            mend = "Give your user the right to write there, or name another --root."
            thing, rule = "Dagster", f"its home must be writable ({error.strerror})"
            raise FileError(complaint(thing, rule, str(self.home), mend)) from error

    def environment(self, session: Session) -> dict[str, str]:
        """Our environment, with the workspace that is meant."""
        named = Path(session.definitions)
        paths = [str(self.folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        meant = {
            "TILEFOLD_ROOT": str(self.home.parent),
            "TILEFOLD_DEFINITIONS": str(named.absolute()) if named.is_dir() else session.definitions,
            "TILEFOLD_ONLINE_URL": session.online,
            "TILEFOLD_STREAM_URL": session.stream,
            "TILEFOLD_NAME": session.name,
            "DAGSTER_HOME": str(self.home),
            "PYTHONPATH": os.pathsep.join(paths),
        }
        return {**os.environ, **{name: value for name, value in meant.items() if value}}

    def command(self, module: str, *arguments: str) -> list[str]:
        """A module of Dagster as a command of this Python."""
        return [sys.executable, "-m", module, *arguments]
