"""Frames that are put aside come back as they were, from memory or from disk."""

import tempfile
from pathlib import Path

import polars as pl
import pytest

from tilefold.stores import spill
from tilefold.stores.spill import Spill

FRAME = pl.DataFrame({"number": [1, 2], "text": ["a", None], "list": [[1.5], []]})


@pytest.fixture(params=[0, 150, 10**9])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files are put aside, with no, little and much room in memory."""
    monkeypatch.setattr(spill, "HELD_BYTES_MAX", request.param)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_out_in_the_order_in(folder: Path) -> None:
    """Frames of one name are one frame, and looking at it does not take it out."""
    with Spill() as held:
        for part in FRAME.iter_slices(1):
            held.add("a", part)
            held.add(("b", 1), part.reverse())
        assert held.look("a").equals(FRAME)
        assert held.take("a").equals(FRAME)
        assert (held.holds("a"), held.holds(("b", 1))) == (False, True)
    assert not list(folder.rglob("*"))


def test_room_is_given_back(folder: Path) -> None:
    """What was taken out holds no room, in memory or on disk."""
    with Spill() as held:
        for _ in range(20):
            held.add("a", FRAME)
            assert held.take("a").equals(FRAME)
            assert not list(folder.rglob("*.arrow"))
