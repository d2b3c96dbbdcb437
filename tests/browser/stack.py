"""`tilefold up` as people start it: a process of its own, with everything behind it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

TILEFOLD = Path(sys.executable).with_name("tilefold")
UP_S = 120.0
STOP_S = 60.0
LAUNCH = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
  __typename ... on PartitionBackfill { status numPartitions error { message } } } }"""


def until(found: Callable[[], Any], limit_s: float, what: str, pause_s: float = 0.5) -> Any:
    """What is found, once it is."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        if value := found():
            return value
        time.sleep(pause_s)
    message = f"{what}: not within {limit_s:.0f} s"
    raise TimeoutError(message)


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    """Ours, without what names another workspace or Dagster home."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TILEFOLD_", "DAGSTER_"))}


def import_flights(root: Path, days: int) -> list[str]:
    """The demo's last days of flights, imported; the days of theirs that are over, ascending."""
    command = [str(TILEFOLD), "--root", str(root), "demo", "--days", str(days), "--import-only"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    said = re.search(r"(\d{4}-\d\d-\d\d) to (\d{4}-\d\d-\d\d)", done.stdout + done.stderr)
    assert said is not None
    first, last = map(date.fromisoformat, said.groups())
    return [str(first + timedelta(days=day)) for day in range((last - first).days)]


@dataclass
class Stack:
    """A running stack."""

    root: Path
    port: int
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, root: Path) -> "Stack":
        """Start it, and return when the UI answers."""
        port = free_port()
        command = [str(TILEFOLD), "--root", str(root), "up", "--port", str(port)]
        with (root / "up.log").open("wb") as output:
            process = subprocess.Popen(command, env=environment(), stdout=output, stderr=output, start_new_session=True)
        stack = cls(root, port, process)
        until(stack.answers, UP_S, "the UI")
        return stack

    @property
    def url(self) -> str:
        """Where the UI is."""
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """Whether the UI answers; an end of the stack before it does is a failure."""
        assert self.process.poll() is None, (self.root / "up.log").read_text()
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/server_info", timeout=2):
            return True
        return False

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The answer to a GraphQL query that has one field."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer
        (value,) = answer["data"].values()
        return dict(value)

    def backfill(self, assets: Sequence[str], days: Sequence[str]) -> str:
        """Start a backfill; its id."""
        selection = [{"path": name.split("/")} for name in assets]
        params = {"assetSelection": selection, "partitionNames": list(days), "title": "The last days of flights"}
        launched = self.ask(LAUNCH, params=params)
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return str(launched["backfillId"])

    def backfill_ended(self, backfill: str) -> str:
        """The status that a backfill ends with."""

        def ended() -> str | None:
            status = str(self.ask(STATUS, id=backfill)["status"])
            return status if status.startswith(("COMPLETED", "FAILED", "CANCELED")) else None

        return str(until(ended, 200, "the backfill", 2))

    def processes(self) -> dict[int, str]:
        """Command lines of all living processes that work on the root folder, by process id."""
        mark = os.fsencode(self.root)
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    about = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
                    if mark in about + os.fsencode((entry / "cwd").readlink()):
                        found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def stop(self) -> int:
        """Send SIGTERM to `up`, as a service manager does; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)
