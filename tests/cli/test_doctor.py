"""`tilefold doctor`: what it finds, and that what it says to do helps."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.conftest import Run
from tests.cli.writers import push
from tilefold import Workspace
from tilefold.cli import checks
from tilefold.cli.checks import FREE_FAIL_BYTES, Level
from tilefold.cli.faults import FAULT
from tilefold.cli.session import Session
from tilefold.serving.writer_seat import WriterSeat


def test_a_sound_workspace_needs_nothing(tilefold: Run) -> None:
    """Every check is ok after both views were materialized."""
    tilefold("materialize", "spend")
    tilefold("materialize", "turnover")
    code, out, _ = tilefold("doctor")
    assert (code, out.splitlines()[-1]) == (0, "Nothing needs mending.")
    assert {line[:4].strip() for line in out.splitlines()[:-1]} == {"ok"}


def test_a_folder_that_is_not_there_is_left_so(tilefold: Run, tmp_path: Path) -> None:
    """Looking makes nothing."""
    code, out, _ = tilefold("doctor", "--root", str(tmp_path / "none"))
    assert (code, "does not exist yet" in out) == (0, True)
    assert not (tmp_path / "none").exists()


def test_a_view_that_is_not_served_yet_is_a_warning(tilefold: Run) -> None:
    """With the command that serves it."""
    code, out, _ = tilefold("doctor")
    assert (code, "-> tilefold materialize spend" in out) == (0, True)


def test_a_view_that_is_behind_is_a_warning(tilefold: Run) -> None:
    """A watermark older than the newest due is told with the command that moves it."""
    tilefold("materialize", "spend", "--as-of", "2024-03-02")
    _, out, _ = tilefold("doctor")
    assert "A newer day is due: tilefold materialize spend" in out


def test_wrong_definitions_fail(tilefold: Run, definitions: Path) -> None:
    """Definitions that do not load are a failure with their message."""
    (definitions / "payments.py").write_text("nonsense(")
    code, out, _ = tilefold("doctor")
    assert (code, "fail  definitions" in out, "payments.py, line 1" in out) == (FAULT, True, True)


def test_a_store_that_is_down_fails(tilefold: Run) -> None:
    """A store that does not answer is a failure, and the other checks run all the same."""
    code, out, _ = tilefold("doctor", "--online", "redis://127.0.0.1:1/0")
    assert (code, "fail  store" in out, "ok    definitions" in out) == (FAULT, True, True)


def test_a_broken_table_fails(tilefold: Run, root: Path) -> None:
    """A table whose log is broken is named."""
    tilefold("materialize", "spend")
    for commit in (root / "payments/event_log/_delta_log").glob("*.json"):
        commit.write_text("broken")
    code, out, _ = tilefold("doctor")
    assert (code, "fail  source payments" in out) == (FAULT, True)


def test_a_password_that_others_can_read_fails(tilefold: Run, root: Path) -> None:
    """The address file must be its owner's alone; the command that is named mends it."""
    tilefold("views")
    secret = root / "online/address.json"
    secret.chmod(0o644)
    code, out, _ = tilefold("doctor")
    assert (code, f"chmod 600 {secret}" in out) == (FAULT, True)
    secret.chmod(0o600)
    assert tilefold("doctor")[0] == 0


def test_another_version_than_tested_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of another version is named with both; a missing one is a failure."""
    monkeypatch.setattr(checks, "_installed", {"polars": "1.0.0", "redis": None}.get)
    found = {finding.found.split()[0]: finding for finding in checks.packages(Session())}
    assert (found["polars"].level, "is 1.0.0, tested with" in found["polars"].found) == (Level.WARN, True)
    assert found["redis"].level is Level.FAIL


def test_a_full_disk_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Too little room is told before a write fails."""
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: SimpleNamespace(free=FREE_FAIL_BYTES - 1))
    (finding,) = checks.folder(Session(root=str(tmp_path)))
    assert finding.level is Level.FAIL


def test_a_folder_is_bound_to_another_store(tilefold: Run, online_url: str) -> None:
    """After `--bind-online` the folder opens with that store, and back again with the embedded one."""
    tilefold("materialize", "spend")
    assert tilefold("doctor", "--bind-online", online_url)[0] == 0
    assert tilefold("materialize", "spend", "--online", online_url)[1].count("2 keys written") == 1
    assert tilefold("doctor", "--bind-online", "embedded")[0] == 0
    assert tilefold("get", "spend", "user=1")[0] == 0


def test_a_store_that_cannot_be_used_is_not_bound(tilefold: Run) -> None:
    """Binding asks the store first; the folder stays with the one it has."""
    tilefold("views")
    assert tilefold("doctor", "--bind-online", "redis://127.0.0.1:1/0")[0] == FAULT
    assert tilefold("views")[0] == 0


def test_who_writes_a_stream_is_told(tilefold: Run, streams: Path, root: Path) -> None:
    """Which process writes it; what a writer waits for, and events that wait without one, with the command that mends it."""
    given = ("--definitions", str(streams))
    with Workspace(root, str(streams)) as ws:
        seat = WriterSeat(ws.stream_desk("clicks"), "one", lambda: None)
        seat.claim(600.0, 0.0, "")
        push(ws, "a", "b", visible=False)
        ws.drain("clicks")
        assert "(2 events waiting)" in tilefold("views", *given)[1]
        out = tilefold("doctor", *given)[1]
        assert "ok    stream clicks: 2 events accepted, drained, 0 dead letters; one writes 4 of 4 shards" in out
        assert "ok    view clicking: served from its stream alone, not compacted yet" in out
        seat.claim(600.0, 99.0, "the store is away")
        assert "A writer waits: the store is away" in tilefold("doctor", *given)[1]
        seat.claim(600.0, 99.0, "")
        assert "It has been behind for 99 s" in tilefold("doctor", *given)[1]
        seat.release()
        out = tilefold("doctor", *given)[1]
        assert "warn  stream clicks: 2 events accepted, drained, 0 dead letters; no writer process" in out
        assert "-> 2 events wait for a writer: tilefold write-stream" in out


PUSHED = """
from tilefold import StreamSource
from tilefold.types import Field, String, Timestamp

clicks = StreamSource("clicks", schema=[Field("user", String), Field("at", Timestamp)], timestamp_field="at")
"""


def test_a_stream_that_waits_is_a_warning(
    tilefold: Run, root: Path, definitions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is said of a stream that was never used; then what waits, and what was refused, is told."""
    monkeypatch.delenv("TILEFOLD_STREAM_URL", raising=False)
    (definitions / "clicks.py").write_text(PUSHED)
    assert "stream clicks" not in tilefold("doctor")[1]
    assert not (root / "stream").exists()
    with Session(str(root), str(definitions)).workspace() as workspace:
        workspace.ingest("clicks", [{"user": "a", "at": workspace.now()}, {"user": 7, "at": workspace.now()}])
        assert "warn  stream clicks: 1 events accepted" in tilefold("doctor")[1]
        workspace.drain("clicks")
        assert "ok    stream clicks: 1 events accepted, drained, 1 dead letters" in tilefold("doctor")[1]


def test_streams_are_moved(tilefold: Run, root: Path, definitions: Path, stream_url: str) -> None:
    """After `--bind-stream` events go to the other place; before, it is refused."""
    (definitions / "clicks.py").write_text(PUSHED)
    with Session(str(root), str(definitions)).workspace() as workspace:
        workspace.open_streams()
    code, out, _ = tilefold("doctor", "--stream", stream_url)
    assert (code, "bound to the stream log embedded" in out) == (FAULT, True)
    assert tilefold("doctor", "--bind-stream", stream_url)[0] == 0
    assert "ok    stream clicks: 0 events accepted, drained" in tilefold("doctor", "--stream", stream_url)[1]
    assert tilefold("doctor", "--bind-stream", "embedded")[0] == 0
