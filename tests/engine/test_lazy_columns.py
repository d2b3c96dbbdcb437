"""Columns that make their values when they are asked for, against lists of the same values."""

from hypothesis import given
from hypothesis import strategies as st

from tilefold.engine.lazy_columns import LazyColumn, LazyLists

WORDS = st.lists(st.none() | st.text("abc", max_size=4), max_size=9)


@given(WORDS, st.integers(-12, 12), st.integers(-12, 12), st.integers(1, 3))
def test_texts_are_what_a_list_of_them_is(words: list[str | None], low: int, high: int, step: int) -> None:
    """At every place, from both ends, in every slice, and one after the other; null where a mask says so."""
    lengths = [len(word or "") for word in words]
    nulls = [int(word is None) for word in words] if None in words else None
    column = LazyColumn("".join(word or "" for word in words), lengths, nulls)
    assert len(column) == len(words)
    assert list(column) == column[:] == words
    assert column[low:high:step] == words[low:high:step]
    assert [column[place] for place in range(-len(words), len(words))] == words + words
    for place in (len(words), -len(words) - 1):
        try:
            found = column[place]
        except IndexError:
            found = "nothing"
        assert found == "nothing"


@given(st.lists(st.lists(st.integers(0, 255), max_size=4), max_size=9))
def test_lists_are_given_as_lists(rows: list[list[int]]) -> None:
    """Whatever the entries are kept in."""
    entries, lengths = [each for row in rows for each in row], list(map(len, rows))
    for whole in (bytes(entries), tuple(entries), memoryview(bytes(entries))):
        column = LazyLists(whole, lengths)
        assert list(column) == rows
        assert [column[place] for place in range(len(rows))] == rows
