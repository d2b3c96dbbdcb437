"""How many different values: close to what there are, and the same number however it is worked out."""

import math
import random
from statistics import mean

import numpy as np
import polars as pl
import pytest

from tests.functions.test_registers import counted, drawn_registers
from tilefold.functions.estimates import estimate, estimate_column
from tilefold.functions.registers import RANKS, entry_of
from tilefold.functions.value_hashes import hash_of

HASH = hash_of(pl.Int64())


def registers_of(first: int, last: int, precision: int) -> np.ndarray:
    """The registers of the whole numbers in a range."""
    entries = np.array([entry_of(HASH(value), precision) for value in range(first, last)])
    registers = np.zeros(2**precision, np.uint8)
    np.maximum.at(registers, entries // RANKS, (entries % RANKS).astype(np.uint8))
    return registers


def test_none_and_one() -> None:
    """Of nothing there is nothing, of one value one, of ten ten."""
    for precision in range(4, 17):
        assert estimate(np.zeros(2**precision, np.uint8)) == 0
        assert estimate(registers_of(0, 1, precision)) == 1
    assert [estimate(registers_of(0, 10, precision)) for precision in (12, 14, 16)] == [10] * 3


@pytest.mark.parametrize("precision", [4, 6, 8, 12, 14])
@pytest.mark.parametrize("count", [20, 300, 5_000, 40_000])
def test_the_error_is_what_the_precision_promises(precision: int, count: int) -> None:
    """Over some dozen sets the root of the mean squared error is at most 1.3 times the standard error, and nowhere a bias."""
    rounds = 24
    standard = 1.04 / math.sqrt(2**precision)
    errors = [estimate(registers_of(n * count, (n + 1) * count, precision)) / count - 1 for n in range(rounds)]
    assert math.sqrt(mean(error**2 for error in errors)) <= 1.3 * standard + 0.5 / count
    assert abs(mean(errors)) <= 3 * standard / math.sqrt(rounds) + 0.5 / count


@pytest.mark.parametrize("precision", [4, 8, 11, 16])
def test_a_column_gives_the_same_number(precision: int, seed: int) -> None:
    """Row by row and in bulk, bit for bit: empty, nearly empty, full and saturated registers."""
    chance = random.Random(seed)
    size = 2**precision
    rows = [drawn_registers(chance, precision, chance.choice([0, 1, 3, size // 2, size - 1, size])) for _ in range(40)]
    rows += [[index * RANKS + 65 - precision for index in range(size)], [index * RANKS + 1 for index in range(size)]]
    column = estimate_column(pl.Series("x", [*rows, None], dtype=pl.List(pl.Int32)), precision)
    assert column.to_list() == [*(estimate(counted(entries, precision)) for entries in rows), 0]
    assert column.dtype == pl.Int64
