"""A writer beside syncs that write all stream parts of its view anew."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pipelines import day
from tests.streams import opened, record, source, view_of
from tilefold import Workspace
from tilefold.serving.stream_desk import StreamDesk

VIEW = view_of(source())
LEASE_MS = 600_000


@dataclass
class Beside:
    """A workspace that ingests and syncs, and the writer of another one, which owns all shards."""

    ws: Workspace
    desk: StreamDesk

    def push(self, *event_ids: str) -> None:
        """Ingest events of one user; nobody folds them yet."""
        self.ws.ingest("pushed", [record("u", 9.1, 1, event_id) for event_id in event_ids])

    def fold(self) -> None:
        """The writer's steps until nothing is left."""
        while self.desk.writer.step().entries:
            pass

    @property
    def count(self) -> int:
        """How many events a read counts."""
        found: int = self.ws.get_features("spend", {"user": "u"}).values["spend.units_count_1d"]
        return found


@pytest.fixture
def beside(tmp_path: Path, online_url: str, stream_url: str) -> Iterator[Beside]:
    """A view that was compacted, with one event that was drained and one that was not, both in its stream part."""
    with ExitStack() as stack:
        ws = stack.enter_context(opened(tmp_path, online_url, stream_url, VIEW))
        writing = stack.enter_context(opened(tmp_path, online_url, stream_url, VIEW, name=ws.name))
        made = Beside(ws, writing.stream_desk("pushed"))
        ws.online_store.streams.claim("pushed", b"writer", 4, LEASE_MS)
        made.push("first")
        ws.materialize("spend", day(9))
        made.fold()
        made.push("second")
        made.fold()
        assert made.count == 2
        yield made


def test_a_seeding_between_two_steps_is_noticed(beside: Beside) -> None:
    """Where all parts were written anew from an earlier place, the writer goes on from there, not from where it was."""
    beside.ws.sync("spend", day(9), full=True)
    assert beside.count == 1
    beside.push("third")
    beside.fold()
    assert beside.count == 3


def test_a_look_finds_a_seeding(beside: Beside) -> None:
    """Asked where its views stand, a writer folds again what the parts lack, without any further event."""
    beside.ws.sync("spend", day(9), full=True)
    beside.desk.look()
    beside.fold()
    assert beside.count == 2


def test_a_writer_of_before_a_seeding_moves_no_place(beside: Beside) -> None:
    """The places of a seeding stay as they are where a writer of before it says how far it is."""
    streams, version = beside.ws.online_store.streams, VIEW.version
    before = streams.taken("spend", version)
    beside.ws.sync("spend", day(9), full=True)
    seeded = streams.taken("spend", version)
    assert before is not None
    assert seeded is not None
    streams.advance("spend", version, before)
    assert streams.taken("spend", version) == seeded
    assert before.places != seeded.places
