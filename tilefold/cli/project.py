"""The Dagster project around the library: where its files are, and the environment that its processes share with us.

The rule: Dagster is started as a command, never imported; its processes learn which workspace is meant from the environment.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import tilefold
from tilefold.cli.session import Session
from tilefold.errors import FileError, SystemFault, complaint
from tilefold.serving.priority import RUN_NICENESS

WORKSPACE_FILE = "workspace.yaml"
INSTANCE_FILE = "dagster.yaml"
RECORDS = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
"""What Dagster makes in its home when it first starts."""


class DagsterStartError(SystemFault):
    """Dagster could not be started."""


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

    def make_records(self, session: Session) -> None:
        """Let one process make Dagster's records where there are none: two that start at once fail on each other's tables.

        Raises
        ------
        DagsterStartError
            If it fails; the message holds the last of what it said.
        """
        if all((self.home / name).exists() for name in RECORDS):
            return
        command, env = self.command("dagster", "instance", "info"), self.environment(session)
        made = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - ours
        if made.returncode:
            said = (made.stderr or made.stdout).strip().rpartition("\n")[2]
            mend = "Run `tilefold doctor`; if nothing is wrong there, remove what the message names and start again."
            thing, rule = "Dagster", "it must be able to make its records in its home"
            raise DagsterStartError(complaint(thing, rule, f"{self.home}: {said}", mend))

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
            "TILEFOLD_RUN_NICENESS": os.environ.get("TILEFOLD_RUN_NICENESS") or str(RUN_NICENESS),
            "DAGSTER_HOME": str(self.home),
            "PYTHONPATH": os.pathsep.join(paths),
        }
        return {**os.environ, **{name: value for name, value in meant.items() if value}}

    def command(self, module: str, *arguments: str) -> list[str]:
        """A module as a command of this Python."""
        return [sys.executable, "-m", module, *arguments]
