"""Drains beside others: what another drain, an append or a correction commits in between."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import day
from tests.streams import logged, opened, push, record
from tilefold import Workspace
from tilefold.stores import small_files
from tilefold.stores.delta import Change


@pytest.fixture
def ws(tmp_path: Path, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A workspace with a source that no view uses yet."""
    with opened(tmp_path, online_url, stream_url) as workspace:
        yield workspace


def test_racing_drains_bring_each_event_once(
    ws: Workspace, online_url: str, stream_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drain that another one overtakes between reading and committing begins behind it."""
    push(ws, "a", "b", refused=2)
    log = ws.event_log("pushed")
    real = log._table._write

    def overtaken(change: Change) -> None:
        monkeypatch.setattr(log._table, "_write", real)
        with opened(Path(ws.root), online_url, stream_url, name=ws.name) as other:
            push(other, "c", refused=1)
            other.drain("pushed")
        real(change)

    monkeypatch.setattr(log._table, "_write", overtaken)
    ws.drain("pushed")
    assert logged(ws) == ["a", "b", "c"]
    assert ws.dead_letters("pushed").count() == 3


def test_other_writers_do_not_disturb(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """When an append comes in between, the drain lands behind it with what it staged."""
    push(ws, "a")
    log = ws.event_log("pushed")
    real, read = log._table._write, ws.stream_log("pushed").read
    reads: list[int] = []

    def late(change: Change) -> None:
        monkeypatch.setattr(log._table, "_write", real)
        history = pl.DataFrame([record("h", 1, 1, "h") | {"amount": 0.5}])
        ws.append("pushed", history)
        real(change)

    def counted(*arguments: Any) -> Any:
        reads.append(1)
        return read(*arguments)

    monkeypatch.setattr(log._table, "_write", late)
    monkeypatch.setattr(ws.stream_log("pushed"), "read", counted)
    ws.drain("pushed")
    assert logged(ws) == ["a", "h"]
    assert len(reads) == 2, "one that found all, one that found the end"


def test_a_day_replaced_in_between_stays_replaced(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A correction that removes the files that a drain was about to merge is not undone by it, nor by what waited."""
    monkeypatch.setattr(small_files, "FILES_MAX", 2)
    for number in range(3):
        push(ws, str(number))
        ws.drain("pushed")
    push(ws, "new")
    log = ws.event_log("pushed")
    real = log._table._write

    def late(change: Change) -> None:
        monkeypatch.setattr(log._table, "_write", real)
        corrected = pl.DataFrame([record("k", 9, 1, "corrected") | {"amount": 0.5}])
        ws.append("pushed", corrected, replace=(day(9), day(10)))
        real(change)

    monkeypatch.setattr(log._table, "_write", late)
    ws.drain("pushed")
    assert logged(ws) == ["corrected"]
