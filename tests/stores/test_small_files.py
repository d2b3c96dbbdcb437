"""Many small files become few, and no row is written again more than a few times."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tilefold.stores.small_files import FILES_MAX, ROWS_MAX, files_to_merge


def listed(*rows: int) -> pl.DataFrame:
    """Files of so many rows."""
    return pl.DataFrame(
        {"path": [f"{number:05}" for number in range(len(rows))], "rows": rows}, schema_overrides={"rows": pl.Int64}
    )


def test_few_files_stay() -> None:
    """Below the limit nothing is merged."""
    assert files_to_merge(listed(*[1] * (FILES_MAX - 1)), 5).is_empty()


def test_equal_files_are_all_merged() -> None:
    """Files of one size become one."""
    assert files_to_merge(listed(*[10] * FILES_MAX), 10).height == FILES_MAX


def test_large_files_are_left_alone() -> None:
    """A file larger than all the smaller ones together is not written again for them."""
    merged = files_to_merge(listed(900_000, *[10] * FILES_MAX), 10)
    assert (merged.height, merged["rows"].max()) == (FILES_MAX, 10)


def test_no_merged_file_is_huge() -> None:
    """What is merged stays within the bound of memory, however many files there are."""
    merged = files_to_merge(listed(*[ROWS_MAX // 3] * 100), 10)
    assert merged.height == 2
    assert files_to_merge(listed(*[ROWS_MAX] * 100), 10).is_empty()


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.integers(1, 300), min_size=200, max_size=400))
def test_a_day_of_commits(commits: list[int]) -> None:
    """Over a long day the number of files stays near the limit, and a row is written a few times in all."""
    files: list[int] = []
    written = 0
    for rows in commits:
        table = listed(*files)
        merged = files_to_merge(table, rows)
        made = rows + int(merged["rows"].sum())
        written += made
        files = [*table.join(merged, on="path", how="anti")["rows"], made]
        assert len(files) <= FILES_MAX
    assert sum(files) == sum(commits)
    assert written <= 8 * sum(commits)
