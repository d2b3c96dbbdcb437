"""Files of declarations are imported from their text, whatever bytecode there is."""

import os
import sys
from pathlib import Path

import pytest

from tilefold.errors import DeclarationError
from tilefold.serving.modules import modules_of

TIME_NS = 1_700_000_000_000_000_000


def write(folder: Path, word: str) -> None:
    """A file and its neighbour, of one size and time whatever the word."""
    for name, text in (("one.py", f"WORD = {word!r}"), ("other.py", "from .one import WORD")):
        (folder / name).write_text(text)
        os.utime(folder / name, ns=(TIME_NS, TIME_NS))


def test_a_change_within_the_second_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the same size and time is read again, by its neighbours too, and no bytecode is left in the folder."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for word in ("sum", "max"):
        write(tmp_path, word)
        assert [module.WORD for module in modules_of(tmp_path)] == [word, word]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.py", "other.py"]


def test_nothing_of_it_stays(tmp_path: Path) -> None:
    """Other imports are as they were, after a file that fails too."""
    before = list(sys.meta_path)
    (tmp_path / "one.py").write_text("1 / 0")
    with pytest.raises(DeclarationError, match="line 1 must import"):
        modules_of(tmp_path)
    assert sys.meta_path == before
