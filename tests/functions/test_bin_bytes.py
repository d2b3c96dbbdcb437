"""The bytes of bins: small, the same however they came about, and added by putting them one after the other."""

import random

import numpy as np
import polars as pl
import pytest

from tilefold.functions.bin_bytes import pack, pack_column, pack_one, unpack, unpack_few
from tilefold.functions.bins import COUNTS, bins_per_octave, code_of, merged

PRECISIONS = [2, 100, 1000]
Drawn = tuple[np.ndarray, np.ndarray]


def drawn_bins(chance: random.Random, bins: int, size: int) -> Drawn:
    """So many bins of numbers of all magnitudes, some with huge counts."""
    values = [chance.choice([0.0, chance.uniform(-9, 9), 10 ** chance.uniform(-300, 300)]) for _ in range(size)]
    codes = np.unique([code_of(value, bins) for value in values]).astype(np.int64)
    return codes, np.array([chance.choice([1, 2, 127, 128, 10**6, COUNTS - 1]) for _ in codes], np.int64)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_bytes_come_back(precision: int, seed: int) -> None:
    """In a column as alone, one bin as many."""
    chance, bins = random.Random(seed), bins_per_octave(precision)
    rows = [drawn_bins(chance, bins, size) for size in (1, 2, 50, 3)]
    packed = [pack(*row, bins) for row in rows]
    for (codes, counts), data in zip(rows, packed, strict=True):
        found = unpack(data, bins)
        assert found[0].tolist() == codes.tolist()
        assert found[1].tolist() == counts.tolist()
        assert unpack_few(data, bins) == dict(zip(codes.tolist(), counts.tolist(), strict=True))
        assert pack_one(int(codes[0]), bins) == pack(codes[:1], np.ones(1, np.int64), bins)
    entries = [(codes * COUNTS + counts).tolist() for codes, counts in rows]
    column = pl.Series("x", [[], *entries, []], dtype=pl.List(pl.Int64))
    assert pack_column(column, bins).to_list() == [b"", *packed, b""]
    assert pack_column(column.clear(), bins).to_list() == []


def test_bytes_of_several_are_their_sum(seed: int) -> None:
    """Put one after the other and merged, the counts of a bin are added."""
    chance, bins = random.Random(seed), bins_per_octave(100)
    parts = [(codes, np.minimum(counts, 1000)) for codes, counts in (drawn_bins(chance, bins, 20) for _ in range(5))]
    expected: dict[int, int] = {}
    for codes, counts in parts:
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            expected[code] = expected.get(code, 0) + count
    data = b"".join(pack(*part, bins) for part in parts)
    assert unpack_few(data, bins) == expected
    codes, counts = merged(*unpack(data, bins))
    assert dict(zip(codes.tolist(), counts.tolist(), strict=True)) == expected
    assert codes.tolist() == sorted(expected)


@pytest.mark.parametrize(("value", "size"), [(0.0, 2), (1.0, 2), (2.5, 3), (1e6, 3), (-0.01, 3), (1e30, 3), (1e200, 4)])
def test_a_value_takes_few_bytes(value: float, size: int) -> None:
    """Two or three for numbers as people have them, at 1 %."""
    assert len(pack_one(code_of(value, 38), 38)) == size
