"""Late events, corrections and harm: seen at once, counted once, and mended by the batch."""

import pytest

from tests.pipelines import day
from tests.streams import record
from tests.workspace_streams.reads import history, move, values
from tilefold import Workspace


def test_a_late_event_is_seen_at_once_and_counted_once(ws: Workspace) -> None:
    """`ts < E`: visible straight away, and still once after the next compaction, and the one after that."""
    ws.ingest("pushed", [record("a", 8.6), record("a", 9.4)])
    ws.materialize("spend")
    assert values(ws) == [2, 2]
    ws.ingest("pushed", [record("a", 8.9)])
    assert values(ws) == [3, 3]
    for at in (9.6, 10.2):
        move(ws, day(at))
        ws.materialize("spend")
        assert values(ws)[1] == 3
    ws.compact("spend", day(10))
    assert values(ws)[1] == 3


def test_a_compaction_that_is_never_synced(ws: Workspace) -> None:
    """It takes a number and changes no read; events before and after it are counted once."""
    for number, at in enumerate((8.7, 9.1, 9.2)):
        ws.ingest("pushed", [record("a", at, number)])
        ws.compact("spend", day(9))
        assert values(ws)[1] == number + 1
    ws.materialize("spend")
    assert values(ws) == [3, 3]


def test_an_older_sync_is_superseded(ws: Workspace) -> None:
    """It reports so, raises nothing and changes nothing."""
    ws.ingest("pushed", [record("a", 7.5), record("a", 8.7), record("a", 9.2)])
    ws.compact("spend", day(8))
    ws.materialize("spend")
    assert ws.sync("spend", day(8)).superseded
    assert values(ws) == [2, 3]


def test_a_correction_heals_with_the_next_sync(ws: Workspace) -> None:
    """`append(replace=...)` takes the place of pushed events of its days too, drained or not."""
    ws.ingest("pushed", [record("a", 8.2, 1, "wrong"), record("a", 8.4, 1, "wrong too"), record("a", 9.2, 1, "right")])
    ws.materialize("spend")
    ws.ingest("pushed", [record("a", 8.5, 1, "late and wrong")])
    assert values(ws)[1] == 4
    ws.append("pushed", history(record("a", 8.3, 1, "corrected")), replace=(day(8), day(9)))
    ws.materialize("spend")
    assert values(ws)[1] == 2


@pytest.mark.parametrize("harm", ["lost", "doubled", "altered", "foreign"])
def test_the_batch_mends_what_the_stream_had_wrong(ws: Workspace, harm: str) -> None:
    """A stream part that lost, doubled or altered rows is wrong until a compaction covers them, and right from then on."""
    ws.ingest("pushed", [record("a", 9.1), record("a", 9.2), record("b", 9.1)])
    streams, context = ws.online_store.streams, ws.context("spend")
    key = ws.online_key("spend", {"user": "a"})
    (data,) = streams.read([key])
    assert data is not None
    part = context.stream_codec.decode(data)
    rows = part.groups[1].loose
    if harm == "lost":
        del rows[0]
    elif harm == "doubled":
        rows[0] = rows[0]._replace(components=context.stream_folder.join(rows[0].components, rows[0].components))
    elif harm == "altered":
        rows[0] = rows[0]._replace(first_us=rows[0].first_us - 10**9, last_us=rows[0].last_us - 10**9)
    else:
        part.groups[1].loose = [*rows, rows[-1]._replace(first_us=rows[-1].first_us + 5, last_us=rows[-1].last_us + 5)]
    ws.online_client().hset(key, "s", context.stream_codec.encode(part))
    assert values(ws)[1] == {"lost": 1, "doubled": 3, "altered": 2, "foreign": 3}[harm]
    move(ws, day(10.5))
    ws.materialize("spend")
    assert values(ws) == [0, 2]
    assert values(ws, "b") == [0, 1]
