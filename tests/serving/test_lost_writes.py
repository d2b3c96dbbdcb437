"""Writers of an online store whose server is killed and comes back without its newest writes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.streams import opened, record, source, view_of
from tilefold import Workspace
from tilefold.serving.stream_desk import StreamDesk
from tilefold.stores.embedded import EmbeddedServer, open_embedded

VIEW = view_of(source())
LEASE_MS = 600_000


@dataclass
class Lossy:
    """A workspace that ingests, two writers of it, and a store that can go back to what it once held."""

    ws: Workspace
    one: StreamDesk
    other: StreamDesk
    server: EmbeddedServer
    folder: Path
    kept: list[tuple[bytes, bytes]]

    def push(self, event_id: str) -> None:
        """Ingest an event; nobody folds it yet."""
        self.ws.ingest("pushed", [record("u", 9.1, 1, event_id)])

    def keep(self) -> None:
        """Remember what the store holds."""
        client = self.ws.online_client()
        self.kept = [(key, client.dump(key)) for key in client.scan_iter()]

    def lose(self) -> EmbeddedServer:
        """Start the server again with what was remembered."""
        client = self.ws.online_client()
        client.flushall()
        for key, value in self.kept:
            client.restore(key, 0, value)
        self.server.close()
        return open_embedded(self.folder)


def fold(desk: StreamDesk) -> None:
    """Step until nothing is left."""
    while desk.writer.step().entries:
        pass


@pytest.fixture
def lossy(tmp_path: Path, stream_url: str) -> Iterator[tuple[Lossy, Callable[[EmbeddedServer], object]]]:
    """A view without events, whose writers have looked; and what lets a server end with the test."""
    with ExitStack() as stack:
        server = stack.enter_context(open_embedded(tmp_path / "server"))
        ws = stack.enter_context(opened(tmp_path / "root", server.url, stream_url, VIEW))
        writing = [stack.enter_context(opened(tmp_path / "root", server.url, stream_url, VIEW, name=ws.name)) for _ in range(2)]
        ws.online_store.streams.claim("pushed", b"writer", 4, LEASE_MS)
        one, other = (each.stream_desk("pushed") for each in writing)
        made = Lossy(ws, one, other, server, tmp_path / "server", [])
        made.push("first")
        for desk in (one, other):
            desk.look()
        yield made, stack.enter_context


def test_a_lost_revision_is_not_taken_for_another(lossy: tuple[Lossy, Callable[[EmbeddedServer], object]]) -> None:
    """A writer that knows a lost part by its revision does not write over the part that another one gave this revision."""
    made, until_the_end = lossy
    fold(made.one)
    made.keep()
    made.push("second")
    fold(made.one)
    until_the_end(made.lose())
    made.push("third")
    made.other.look()
    fold(made.other)
    made.one.look()
    made.push("fourth")
    fold(made.one)
    assert made.ws.get_features("spend", {"user": "u"}).values["spend.units_count_1d"] == 4
