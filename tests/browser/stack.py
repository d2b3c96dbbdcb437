"""The stack that the browser looks at: flights that were imported, `tilefold up` over them, and its GraphQL."""

import json
import re
import signal
import subprocess
import urllib.request
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.running import TILEFOLD, Up, environment, family, processes, until

BACKFILL_S = 300.0
LAUNCH = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
  __typename ... on PartitionBackfill { status error { message } } ... on PythonError { message } } }"""


def import_flights(root: Path, days: int) -> list[str]:
    """The demo's last days of flights, imported; all days from the first of them to yesterday, ascending."""
    command = [*TILEFOLD, "--root", str(root), "demo", "--days", str(days), "--import-only"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    said = re.search(r"(\d{4}-\d\d-\d\d) to ", done.stderr)
    assert said is not None, done
    first, today = date.fromisoformat(said[1]), datetime.now(UTC).date()
    return [str(first + timedelta(days=day)) for day in range((today - first).days)]


class Stack(Up):
    """A running stack."""

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

    def backfill_ended(self, backfill: str) -> dict[str, Any]:
        """What is known of a backfill that has ended."""

        def ended() -> dict[str, Any] | None:
            known = self.ask(STATUS, id=backfill)
            return known if known["status"].startswith(("COMPLETED", "FAILED", "CANCELED")) else None

        return dict(until(ended, BACKFILL_S, "the backfill", 2))

    def stop(self) -> tuple[int, dict[int, str]]:
        """Send SIGTERM to `up`, as a service manager does; its exit code, and who of its family is left."""
        members = family(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        code, _ = self.wait_for_its_end()
        return code, {pid: members[pid] for pid in members.keys() & processes().keys()}
