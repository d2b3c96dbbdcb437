"""Frames put aside until they are needed: in memory while they are small, on disk beyond that.

The rule: a frame is put in by name and taken out once; several of one name come out as one, in the order in which they went in.
What is on disk lies in a folder for temporary files (`TMPDIR` says where) and is gone at the end.
"""

import tempfile
from collections.abc import Hashable
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from tilefold.stores.delta_errors import writing

HELD_BYTES_MAX = 512_000_000


class Spill:
    """Frames by name."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._kept: dict[Hashable, list[pl.DataFrame | Path]] = {}
        self._held_bytes, self._files = 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._kept.clear()
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, name: Hashable, frame: pl.DataFrame) -> None:
        """Put a frame aside; raises FileError where the disk has no room."""
        size = int(frame.estimated_size())
        if self._held_bytes + size <= HELD_BYTES_MAX:
            self._held_bytes += size
            self._kept.setdefault(name, []).append(frame)
            return
        path = self._path()
        with writing(str(path)):
            frame.write_ipc(path, compression="lz4")
        self._kept.setdefault(name, []).append(path)

    def holds(self, name: Hashable) -> bool:
        """Whether anything is put aside by that name."""
        return name in self._kept

    def take(self, name: Hashable) -> pl.DataFrame:
        """All that was put aside by that name, and forget it."""
        kept = self._kept.pop(name)
        frames = [self._read(each) if isinstance(each, Path) else each for each in kept]
        self._held_bytes -= sum(int(each.estimated_size()) for each in kept if isinstance(each, pl.DataFrame))
        return pl.concat(frames)

    def look(self, name: Hashable) -> pl.DataFrame:
        """What was put aside by that name, without taking it out."""
        return pl.concat([pl.read_ipc(each) if isinstance(each, Path) else each for each in self._kept[name]])

    def _read(self, path: Path) -> pl.DataFrame:
        frame = pl.read_ipc(path)
        path.unlink()
        return frame

    def _path(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="tilefold-")
        self._files += 1
        return Path(self._folder.name) / f"{self._files}.arrow"
