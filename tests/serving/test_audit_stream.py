"""The audit of what a stream view serves: a wrong value is found, what is right passes, and what moves is left out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines import day
from tests.streams import opened, record, source, view_of
from tilefold import Workspace
from tilefold.serving import audit_stream as module
from tilefold.serving.audit_online import Keys, SampleAudit
from tilefold.serving.audit_stream import StreamedView, audit_stream
from tilefold.serving.read import FeatureVector

VIEW = view_of(source())
SEED = 7
USERS = 8


@pytest.fixture
def ws(tmp_path: Path, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A workspace whose view was compacted over nine days of pushed events, some of them late, and got more since."""
    with opened(tmp_path, online_url, stream_url, VIEW) as workspace:
        push(workspace, [(user, at / 4, at) for at in range(36) for user in range(USERS)])
        workspace.materialize("spend", day(9))
        push(workspace, [(user, 9 + at / 40, at) for at in range(10) for user in range(USERS)])
        push(workspace, [(user, 5.55, 500) for user in range(USERS)])
        yield workspace


def push(ws: Workspace, rows: Sequence[tuple[int, float, int]]) -> None:
    """Ingest events of some users."""
    receipt = ws.ingest("pushed", [record(f"u{user}", at, units) for user, at, units in rows])
    assert receipt.accepted == len(rows)


def sample(ws: Workspace, count: int = 30, **parts: Any) -> SampleAudit:
    """The audit of some keys; parts replace how it drains and reads."""
    mark = ws.online_store.mark("spend", VIEW.version)
    given = {
        "drain": lambda: ws.drain("pushed"),
        "read": lambda keys: ws.get_features_batch("spend", keys),
        "desk": ws.stream_desk("pushed"),
    }
    return audit_stream(StreamedView(context=ws.context("spend"), mark=mark, **(given | parts)), count, SEED)


def test_what_is_right_passes(ws: Workspace) -> None:
    """Keys with batch and stream parts, late events among them, equal the reference at the time of the read."""
    audit = sample(ws)
    assert (audit.current, audit.wrong, audit.keys) == (True, (), USERS)
    assert audit.values == USERS * len(VIEW.features)


def test_a_view_that_was_never_compacted_is_compared(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """What is served from the stream alone is compared too."""
    with opened(tmp_path, online_url, stream_url, VIEW) as fresh:
        push(fresh, [(user, 9.2, 1) for user in range(3)])
        audit = sample(fresh)
        assert (audit.mark, audit.current, audit.keys, audit.wrong) == (None, True, 3, ())


def test_a_lost_stream_part_is_found(ws: Workspace) -> None:
    """A key whose stream part was deleted lacks what came since the compaction, and is named with both values."""
    ws.online_client().hdel(ws.online_key("spend", {"user": "u3"}), "s")
    wrong = sample(ws).wrong
    assert any(text.startswith("{'user': 'u3'}: units_count_1d is ") for text in wrong)
    assert not [text for text in wrong if not text.startswith("{'user': 'u3'}")]


def test_a_key_that_moves_is_left_out(ws: Workspace) -> None:
    """Of a key whose events come between the drain and the read nothing can be said; the others are compared."""

    def read(keys: Sequence[Keys]) -> list[FeatureVector]:
        push(ws, [(2, 9.4, 1)])
        return ws.get_features_batch("spend", keys)

    audit = sample(ws, read=read)
    assert (audit.current, audit.keys, audit.wrong) == (True, USERS - 1, ())


def test_nothing_is_compared_while_a_writer_is_behind(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where drained events are not in all stream parts, reads rightly lack them."""
    monkeypatch.setattr(module, "WAIT_S", 0.05)
    ws.online_store.streams.claim("pushed", b"asleep", 4, 600_000)
    push(ws, [(1, 9.3, 1)])
    assert not sample(ws).current


def test_nothing_is_compared_while_history_waits_for_a_compaction(ws: Workspace) -> None:
    """Appended events are visible after the next sync, which is no error of what is served before."""
    ws.append("pushed", [record("u1", 8.5) | {"amount": 1.0}])
    assert not sample(ws).current
    ws.materialize("spend", day(9))
    assert sample(ws).current


def test_nothing_is_compared_where_no_view_takes_the_stream(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """A view that waits for its first sync serves nothing."""
    with opened(tmp_path, online_url, stream_url, VIEW) as fresh:
        fresh.append("pushed", [record("u1", 8.5) | {"amount": 1.0}])
        assert sample(fresh) == SampleAudit(None, current=False)
