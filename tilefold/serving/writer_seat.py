"""The seat of one writer process at the desk of one source.

The rule: it goes by one name, drawn when the process takes it, and says with each claim how it does.
"""

import os
import secrets
import socket
from collections.abc import Callable, Collection

from tilefold.serving.stream_desk import StreamDesk
from tilefold.serving.writer_report import WriterReport


def drawn_name() -> str:
    """A name that no other writer has: host, process and a few random letters."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


class WriterSeat:
    """What `WriterLoop` works with.

    Parameters
    ----------
    close
        Closes what the desk belongs to.
    """

    def __init__(self, desk: StreamDesk, name: str, close: Callable[[], None]) -> None:
        self._desk, self._name, self._close = desk, name.encode(), close
        self._events = 0
        desk.register()

    def claim(self, lease_s: float, behind_s: float, waiting: str) -> list[int]:
        """See `Seat`."""
        conflicts = sum(view.conflicts for view in self._desk.writer.views)
        report = WriterReport(socket.gethostname(), os.getpid(), self._events, conflicts, round(behind_s, 1), waiting)
        return self._desk.claim(self._name, int(lease_s * 1000), report.to_bytes())

    def release(self) -> None:
        """See `Seat`."""
        self._desk.release(self._name)

    def look(self) -> None:
        """See `Seat`."""
        self._desk.look()

    def step(self, shards: Collection[int], wait_ms: int) -> int | None:
        """See `Seat`."""
        writer = self._desk.writer
        entries = writer.step(shards, wait_ms=wait_ms).entries
        self._events += entries
        return entries if writer.places(shards) else None

    def close(self) -> None:
        """See `Seat`."""
        self._close()
