"""Which values a compaction keeps as answers (see `answers`), and how it comes by them.

The rule: an answer is what the bulk expressions make of the tiles that a window asks for at the watermark: the same bits as a
read would fold. Functions whose states cost much to merge say so themselves (`is_kept`).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from pyarrow import LargeBinaryArray, large_binary, py_buffer  # type: ignore[attr-defined] # untyped

from tilefold.declaration.windows import Window
from tilefold.engine.answers import HEAD, REAL, WHOLE
from tilefold.engine.layout import FIRST, Layout, Output
from tilefold.engine.windows import bounds_us

Ints = npt.NDArray[np.int64]
_ROW = "__row"
_NUMBER_MAX = 2**16 - 1


class Kept(NamedTuple):
    """What a layout keeps answers of: an output for each function of an input, and all windows of these."""

    outputs: list[Output]
    windows: list[Window]
    letters: bytes


def kept_of(layout: Layout) -> Kept:
    """The functions whose values are kept, in order, and the windows that they are kept of."""
    found = {made_of(output): output for output in layout.outputs if output.feature.function.is_kept}
    windows = dict.fromkeys(
        window for output in layout.outputs if made_of(output) in found for window in output.feature.windows
    )
    letters = bytes(WHOLE if each.feature.function.result_dtype == pl.Int64 else REAL for each in found.values())
    return Kept(list(found.values()), list(windows), letters)


def made_of(output: Output) -> tuple[str, str | None]:
    """What tells functions of inputs from each other."""
    return output.feature.function.label, output.feature.input_column


def answers_of(tiles: pl.DataFrame, counts: Ints, layout: Layout, watermark_us: int) -> pl.Series | None:
    """The bytes of the answers of many keys of a batch view.

    Parameters
    ----------
    tiles
        The tiles of all keys; those of a key stand together, ascending in time.
    counts
        The number of tiles of each key, all above zero.
    watermark_us
        Where windows end.

    Returns
    -------
    pl.Series | None
        One Binary per key; None where the layout keeps no answers.
    """
    kept = kept_of(layout)
    if not kept.outputs or not len(counts) or counts.max() > _NUMBER_MAX or len(kept.windows) > _NUMBER_MAX:
        return None
    first, starts = tiles[FIRST].to_numpy(), np.cumsum(counts) - counts
    slots = sorted({slot for output in kept.outputs for slot in output.slots})
    names = [name for slot in slots for name in layout.slots[slot].names]
    rows = tiles.select(pl.Series(_ROW, np.repeat(np.arange(len(counts)), counts)), *names)
    spans: list[Ints] = []
    values: list[list[pl.Series]] = []
    for window in kept.windows:
        start_us, end_us = bounds_us(window, watermark_us)
        spans += [np.add.reduceat((first < edge).astype(np.int64), starts) for edge in (start_us, end_us)]
        inside = rows.filter(pl.Series((first >= start_us) & (first < end_us)))
        values.append(_values(inside, len(counts), layout, kept, slots))
    return _packed(kept, spans, values)


def _values(rows: pl.DataFrame, keys: int, layout: Layout, kept: Kept, slots: Sequence[int]) -> list[pl.Series]:
    """Of each function the value of these tiles of each key."""
    states = [each for slot in slots for each in layout.slots[slot].partial.merge_rows(layout.slots[slot].prefix)]
    merged = rows.lazy().group_by(_ROW).agg(states)
    made = [
        output.feature.function.finalize_rows(*(layout.slots[slot].names for slot in output.slots)).alias(f"{number}")
        for number, output in enumerate(kept.outputs)
    ]
    every = pl.LazyFrame({_ROW: np.arange(keys)}).join(merged, on=_ROW, how="left", maintain_order="left")
    found = every.select(made).collect()
    return [
        column.fill_null(output.feature.function.empty) if letter == WHOLE else column
        for column, output, letter in zip(found, kept.outputs, kept.letters, strict=True)
    ]


def _packed(kept: Kept, spans: Sequence[Ints], values: Sequence[Sequence[pl.Series]]) -> pl.Series:
    head = HEAD.pack(len(kept.windows), len(kept.outputs)) + kept.letters
    columns: list[npt.NDArray[Any]] = [edge.astype("<u2") for edge in spans]
    for number, letter in enumerate(kept.letters):
        dtype = "<i8" if letter == WHOLE else "<f8"
        columns += [each[number].to_numpy().astype(dtype) for each in values]
    bodies = np.hstack([column.view(np.uint8).reshape(len(column), -1) for column in columns])
    heads = np.broadcast_to(np.frombuffer(head, np.uint8), (len(bodies), len(head)))
    data = np.ascontiguousarray(np.hstack([heads, bodies]))
    ends = np.arange(len(data) + 1, dtype=np.int64) * data.shape[1]
    array = LargeBinaryArray.from_buffers(large_binary(), len(data), [None, py_buffer(ends), py_buffer(data)])
    return pl.Series(array, dtype=pl.Binary)
