"""The made-up events that a stream view's function is tried on."""

import polars as pl

from tilefold.declaration.fingerprint import constants
from tilefold.declaration.sample_events import DRAWN, REPEATED, literals_of, sample_events
from tilefold.types import Timestamp

SCHEMA = {"user": pl.String(), "at": Timestamp, "amount": pl.Float64(), "small": pl.Int8()}


def test_same_everywhere() -> None:
    """The same schema and literals give the same events."""
    one, other = (sample_events(SCHEMA, "at", ["shop", 7], 10**15) for _ in range(2))
    assert one.equals(other)
    assert dict(one.schema) == {**SCHEMA, "event_id": pl.String()}


def test_what_is_among_them() -> None:
    """Times are there and lie on both sides of the start, other columns hold nulls, and some events differ by id alone."""
    events = sample_events(SCHEMA, "at", [], 10**15)
    times = events["at"].dt.timestamp("us")
    assert times.null_count() == 0
    assert times.min() < 10**15 <= times.max()  # type: ignore[operator] # integers
    assert all(events[name].null_count() for name in ("user", "amount", "small"))
    assert events["event_id"].n_unique() == DRAWN + REPEATED
    assert events.drop("event_id").is_duplicated().sum() >= 2 * REPEATED


def test_literals() -> None:
    """Texts and numbers that the function names are among the values, column names are not."""
    events = sample_events(SCHEMA, "at", ["user", "rare shop", 70_000, None, True], 10**15)
    assert "rare shop" in events["user"]
    assert "user" not in events["user"]
    assert {69_999.0, 70_000.0, 70_001.0} & set(events["amount"])


def test_literals_of_a_query() -> None:
    """The literals of a query are its quoted texts and its numbers."""
    query = "SELECT a1, 'x' FROM t WHERE b > 12.5 AND c IN ('y z', 'w') AND d = 7"
    assert list(literals_of(query)) == ["x", "y z", "w", 12.5, 7.0]


AROUND = ("outside", 5)


def test_constants_of_a_function() -> None:
    """The constants of a function are those in its code, in functions within it and around it."""
    inner = 2.5

    def function() -> object:
        return [lambda: {"within", inner}, "here", 9, AROUND]

    found = list(constants(function))  # type: ignore[arg-type] # a function
    assert {"within", "here", 9, "outside", 5, inner} <= set(found)
