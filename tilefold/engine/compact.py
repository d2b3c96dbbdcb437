"""Compaction: of many small tiles the few that still answer every window exactly.

The rule: the part of a key depends on its own tiles and the plan alone. A key with at most `few` cells keeps them as
they are, so its part does not change from day to day while nothing happens to it; a busy key's cells are merged between
neighbouring cut points of the plan.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import polars as pl

from tilefold.declaration.windows import Window
from tilefold.engine.encode import Stored, encode_parts
from tilefold.engine.entity import KEY_HASH, key_hash_expr
from tilefold.engine.keep_answers import answers_of
from tilefold.engine.layout import EPOCH, EVENTS, FIRST, LAST, Layout
from tilefold.engine.nesting import merged
from tilefold.engine.plan import Ints, Plan, ReadSpan, plan_of

_CELL = "__cell"
_SEGMENT = "__segment"
CELLS, TILES, PART = "tf_cells", "tf_tiles", "tf_part"


def part_schema(layout: Layout) -> pl.Schema:
    """The columns of compacted rows: one row per key.

    `tf_part` is what `codec` reads, `tf_first_us` the first event it holds, `tf_cells` how many cells it was made from,
    `tf_tiles` how many tiles it has, `tf_events` how many events are in them.
    """
    keys = {field.name: field.dtype for field in layout.join_keys}
    numbers = {FIRST: pl.Int64(), CELLS: pl.Int64(), TILES: pl.Int64(), EVENTS: pl.Int64()}
    return pl.Schema({KEY_HASH: pl.Int64(), **keys, **numbers, PART: pl.Binary()})


def compact(tiles: pl.DataFrame, layout: Layout, windows: Iterable[Window], reads: ReadSpan, few: int | None) -> pl.DataFrame:
    """The batch parts at a watermark.

    Parameters
    ----------
    tiles
        Rows of `layout.tile_schema` below the watermark, of every epoch that the compaction covers, in any order.
    reads
        Which reads the parts must answer.
    few
        Up to how many cells a key keeps as they are; None keeps all (compaction switched off).

    Returns
    -------
    pl.DataFrame
        Rows of `part_schema`, sorted by `tf_key_hash`; no row for a key without tiles in reach.
    """
    plan = plan_of(windows, reads)
    hashed = _in_reach(tiles, plan.start_us, plan.watermark_us).with_columns(key_hash_expr(layout.join_keys))
    cells, counts = _by_key(_one_row_per_cell(hashed, layout).drop(EPOCH, strict=False), layout)
    busy = counts > few if few is not None else np.zeros(len(counts), bool)
    if not busy.any():
        return _encode(cells, counts, counts, layout)
    mask = pl.Series(np.repeat(busy, counts))
    quiet = _encode(cells.filter(~mask), counts[~busy], counts[~busy], layout)
    merged, merged_counts = _by_key(_merge(cells.filter(mask), layout, plan), layout)
    at_once = reads.from_us == reads.until_us  # a batch view's windows end at the watermark; others move on with the read
    answers = answers_of(merged, merged_counts, layout, reads.watermark_us) if at_once else None
    encoded = _encode(merged, merged_counts, counts[busy], layout, answers)
    return pl.concat([quiet, encoded]).sort(KEY_HASH, *layout.key_names)


def _in_reach(tiles: pl.DataFrame, start_us: int, end_us: int) -> pl.DataFrame:
    """The tiles in `[start_us, end_us)`, in one chunk: gathering from those of many files is several times slower."""
    first = tiles[FIRST]
    if not tiles.height or (first.min() >= start_us and first.max() < end_us):  # type: ignore[operator] # integers
        return tiles.rechunk()
    return tiles.filter(pl.col(FIRST).is_between(start_us, end_us, closed="left")).rechunk()


def _one_row_per_cell(tiles: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Merge the epochs of a cell, where there are several."""
    if not tiles.height or tiles[EPOCH].min() == tiles[EPOCH].max():
        return tiles
    celled = tiles.lazy().with_columns((pl.col(FIRST) // layout.grain_us).alias(_CELL))
    return merged(celled, [KEY_HASH, *layout.key_names, _CELL], layout.spans, layout.slots).collect()


def _by_key(tiles: pl.DataFrame, layout: Layout) -> tuple[pl.DataFrame, Ints]:
    """Rows sorted by key and time, and how many there are of each key.

    Hashes nearly always tell keys apart; where two keys share one, the keys themselves decide.
    """
    rows = tiles[_order(tiles, layout.grain_us)]
    changes, hash_changes = _changes(rows, layout.key_names), _changes(rows, [KEY_HASH])
    if (changes & ~hash_changes).any():
        rows = tiles.sort(KEY_HASH, *layout.key_names, FIRST)
        changes, hash_changes = _changes(rows, layout.key_names), _changes(rows, [KEY_HASH])
    return rows, np.diff(np.append(np.flatnonzero(changes | hash_changes), rows.height))


def _order(tiles: pl.DataFrame, grain_us: int) -> Ints:
    """The order of rows by hash, then time; where rows come cell by cell already, sorting by hash alone is enough."""
    hashes, cells = tiles[KEY_HASH].to_numpy(), tiles[FIRST].to_numpy() // grain_us
    if (cells[1:] >= cells[:-1]).all():
        return _order_by_hash(hashes)
    return np.lexsort((cells, hashes))


def _order_by_hash(hashes: Ints) -> Ints:
    """A stable order. Plain sorting of the upper hash bits with the row's number below them beats a stable sort twice over."""
    bits = np.uint64(len(hashes).bit_length())
    unsigned = hashes.view(np.uint64) ^ np.uint64(1 << 63)  # in the order of the signed ones
    packed = (unsigned >> bits << bits) | np.arange(len(hashes), dtype=np.uint64)
    packed.sort()
    order = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    found = unsigned[order]
    return np.argsort(hashes, kind="stable") if _interleaved(found, bits) else order


def _interleaved(hashes: npt.NDArray[np.uint64], bits: np.uint64) -> bool:
    """Whether neighbours share their upper bits and are not the same."""
    differs = hashes[1:] ^ hashes[:-1]
    return bool(((differs != 0) & (differs >> bits == 0)).any())


def _changes(rows: pl.DataFrame, names: list[str]) -> npt.NDArray[np.bool_]:
    """Where a row differs from the one before in any of these columns; the first row does."""
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in names)
    changes = rows.select(differs.alias("changes"))["changes"].to_numpy(writable=True)
    changes[:1] = True
    return changes


def _merge(cells: pl.DataFrame, layout: Layout, plan: Plan) -> pl.DataFrame:
    """Merge the cells of busy keys between neighbouring points of the plan."""
    segments = plan.segments(cells[FIRST].to_numpy())
    keys = [KEY_HASH, *layout.key_names, _SEGMENT]
    parted = cells.lazy().with_columns(pl.Series(_SEGMENT, segments))
    return merged(parted, keys, layout.spans, layout.slots).collect()


def _encode(tiles: pl.DataFrame, counts: Ints, cells: Ints, layout: Layout, answers: pl.Series | None = None) -> pl.DataFrame:
    """One row per key of tiles that stand together, ascending in time."""
    if not len(counts):
        return part_schema(layout).to_frame()
    starts = np.cumsum(counts) - counts
    grain = layout.grain_us
    running = layout.running
    columns = [Stored(c.as_in_parts(tiles[name]), c.nullable, running[n]) for n, (name, c) in enumerate(layout.components)]
    first, last = (tiles[name].to_numpy() // grain for name in (FIRST, LAST))
    keys = tiles.select(KEY_HASH, *layout.key_names, FIRST)[starts]
    events = np.add.reduceat(tiles[EVENTS].to_numpy(), starts)
    numbers = {CELLS: cells, TILES: counts, EVENTS: events}
    parts = encode_parts(first, last, columns, counts, answers)
    return keys.with_columns(parts.alias(PART), *(pl.Series(name, values) for name, values in numbers.items())).select(
        pl.col(name).cast(dtype) for name, dtype in part_schema(layout).items()
    )
