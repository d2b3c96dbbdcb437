"""`tilefold write-stream` as processes of their own, over a root with a stream source and a view of it."""

import signal
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.running import PROJECT, TILEFOLD, environment, until
from tilefold import Workspace

DECLARED = """
from datetime import UTC, datetime, timedelta

from tilefold import Aggregate, BatchSource, Entity, StreamSource, stream_feature_view
from tilefold.types import Field, Int64, String, Timestamp

columns = [Field("user", String), Field("at", Timestamp), Field("units", Int64)]
clicks = StreamSource("clicks", schema=columns, timestamp_field="at")
orders = BatchSource("orders", schema=columns, timestamp_field="at")
user = Entity("user", join_keys=[Field("user", String)])
units = Aggregate(input_column=Field("units", Int64), function="sum", name="units_1d", time_window=timedelta(days=1))

@stream_feature_view(source=clicks, entities=[user], mode="polars", features=[units],
                     feature_start_time=datetime(2026, 1, 1, tzinfo=UTC))
def clicking(clicks):
    return clicks
"""
START_S, TAKEN_S = 60.0, 30.0


class Writer:
    """A started writer."""

    def __init__(self, root: Path, declared: Path, log: Path, *arguments: str, command: Sequence[str] = TILEFOLD) -> None:
        self.log = log
        given = [*command, "--root", str(root), "--definitions", str(declared), "write-stream", *arguments]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                given, cwd=PROJECT, env=environment(), stdout=output, stderr=output, start_new_session=True
            )

    @property
    def said(self) -> str:
        """What it has told so far."""
        return self.log.read_text()

    def wait_until_it_says(self, words: str) -> None:
        """Return when it has said so; that it ended before is a failure."""

        def heard() -> bool:
            assert self.process.poll() is None, self.said
            return words in self.said

        until(heard, START_S, f"{words!r} in {self.log}", 0.05)

    def end(self) -> tuple[int, str]:
        """Send SIGTERM; its exit code and what it said."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TAKEN_S), self.said

    def kill(self) -> None:
        """As `kill -9` does; nothing to do where it has ended."""
        self.process.kill()
        self.process.wait()


def push(ws: Workspace, *ids: str, visible: bool = True) -> None:
    """Ingest a unit each."""
    now = datetime.now(UTC)
    records = [{"user": "u", "at": now, "units": 1, "event_id": event_id} for event_id in ids]
    receipt = ws.ingest("clicks", records, wait_for="visible" if visible else None)
    assert (receipt.accepted, receipt.refused) == (len(ids), [])


def counted(ws: Workspace) -> Any:
    """How many units a read sees."""
    return ws.get_features("clicking", {"user": "u"}).values["clicking.units_1d"]
