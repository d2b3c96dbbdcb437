"""Registers: which value goes where, and bytes that are the same however they came about."""

import random

import numpy as np
import polars as pl
import pytest

from tilefold.functions.registers import RANKS, entry_expr, entry_of, entry_width, pack, pack_column, unpack

PRECISIONS = [4, 8, 10, 11, 14, 16]


def drawn_registers(chance: random.Random, precision: int, seen: int) -> list[int]:
    """The entries of so many registers that saw a value."""
    indexes = sorted(chance.sample(range(2**precision), min(seen, 2**precision)))
    return [index * RANKS + chance.randint(1, 65 - precision) for index in indexes]


def counted(entries: list[int], precision: int) -> np.ndarray:
    """The registers of entries."""
    registers = np.zeros(2**precision, np.uint8)
    for entry in entries:
        registers[entry // RANKS] = entry % RANKS
    return registers


@pytest.mark.parametrize("precision", PRECISIONS)
def test_entries_of_hashes(precision: int, seed: int) -> None:
    """Upper bits are the register, trailing zeros of the others the rank; a column and a single hash say the same."""
    chance = random.Random(seed)
    bits = 64 - precision
    edges = [0, 1, 2**bits, 2**64 - 1, 2**63, 2 ** (bits - 1), 2**bits - 1, (2**precision - 1) << bits]
    hashes = edges + [chance.getrandbits(64) & -(1 << chance.randint(0, 63)) & (2**64 - 1) for _ in range(500)]
    expected = []
    for hashed in hashes:
        digits = f"{hashed:064b}"
        rest = digits[precision:]
        expected.append(int(digits[:precision], 2) * RANKS + len(rest) - len(rest.rstrip("0")) + 1)
    assert [entry_of(hashed, precision) for hashed in hashes] == expected
    column = pl.DataFrame({"h": pl.Series([*hashes, None], dtype=pl.UInt64)}).select(entry_expr(pl.col("h"), precision))["h"]
    assert column.to_list() == [*expected, None]
    assert column.dtype == pl.Int32


@pytest.mark.parametrize("precision", PRECISIONS)
def test_bytes_come_back_and_are_never_more_than_a_byte_per_register(precision: int, seed: int) -> None:
    """Few registers take an entry each, many a byte each, in a column as alone."""
    chance = random.Random(seed)
    size = 2**precision
    rows = [drawn_registers(chance, precision, seen) for seen in (0, 1, 2, size // 4, size // 3, size // 2, size - 1, size)]
    packed = [pack(counted(entries, precision)) for entries in rows]
    for entries, data in zip(rows, packed, strict=True):
        assert (unpack([data], precision) == counted(entries, precision)).all()
        assert len(data) == min(size, entry_width(precision) * len(entries))
    column = pl.Series("x", [*rows, []], dtype=pl.List(pl.Int32))
    assert pack_column(column, precision).to_list() == [*packed, b""]
    assert pack_column(column.clear(), precision).to_list() == []


@pytest.mark.parametrize("precision", PRECISIONS)
def test_merging_keeps_the_larger_rank(precision: int, seed: int) -> None:
    """However registers are parted, and in whatever form their parts are, together they are the largest of each."""
    chance = random.Random(seed)
    size = 2**precision
    parts = [drawn_registers(chance, precision, chance.choice([0, 1, size // 5, size])) for _ in range(6)]
    expected = np.max([counted(entries, precision) for entries in parts], axis=0)
    packed = [pack(counted(entries, precision)) for entries in parts]
    assert (unpack(packed, precision) == expected).all()
    halves = [pack(unpack(some, precision)) for some in (packed[:3], packed[3:])]
    assert pack(unpack(halves, precision)) == pack(expected)


def test_nothing_is_no_bytes() -> None:
    """No value, no bytes."""
    assert pack(unpack([], 8)) == b""
    assert unpack([b"", b""], 8).tolist() == [0] * 256
