"""What sketches share on their way from lists, as tiles hold them, to bytes, as parts do.

The rule: a row's bytes depend on the row alone, and bytes of one row stand together.
"""

import numpy as np
import numpy.typing as npt
import polars as pl
from pyarrow import LargeBinaryArray, large_binary, py_buffer  # type: ignore[attr-defined] # untyped

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def spread(lengths: Ints) -> Ints:
    """0, 1, 2 ... anew for each row, of as many as it is long."""
    starts = np.cumsum(lengths) - lengths
    within: Ints = np.arange(int(lengths.sum()), dtype=np.int64) - np.repeat(starts, lengths)
    return within


def row_sums(values: Ints, lengths: Ints) -> Ints:
    """The sum of each row's values; 0 of a row that has none."""
    sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])
    ends = np.cumsum(lengths)
    totals: Ints = sums[ends] - sums[ends - lengths]
    return totals


def binary_series(name: str, data: Bytes, sizes: Ints) -> pl.Series:
    """A Binary column of rows of these sizes, whose bytes stand one after the other."""
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    array = LargeBinaryArray.from_buffers(large_binary(), len(sizes), [None, py_buffer(ends), py_buffer(data)])
    return pl.Series(name, array, dtype=pl.Binary)
