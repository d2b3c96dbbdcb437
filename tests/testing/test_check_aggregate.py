"""The kit finds events by which an aggregate breaks a law, and finds none where it keeps them."""

import random
from collections.abc import Iterator
from itertools import count

import pytest

from tests.functions.own import OWN
from tests.testing.broken import BROKEN, MeanOfMeans, Sum
from tilefold.aggregation_functions import register_aggregate
from tilefold.errors import AggregateLawError, UnknownNameError
from tilefold.functions import user
from tilefold.testing import check_aggregate, laws
from tilefold.testing.drawn import Drawn, drawing, drawn_parts, fewer
from tilefold.types import Float64


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    before = dict(user._registered)
    yield
    user._registered.clear()
    user._registered.update(before)


@pytest.mark.parametrize("name", OWN)
def test_what_keeps_the_laws(name: str, seed: int) -> None:
    """Nothing is found."""
    check_aggregate(name, rounds=15, seed=seed)


@pytest.mark.parametrize(("made", "rule"), BROKEN.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_what_breaks_a_law(made: type[Sum], rule: str) -> None:
    """The law is named, with events that break it and what to do."""
    register_aggregate("broken")(made)
    with pytest.raises(AggregateLawError) as found:
        check_aggregate("broken")
    assert str(found.value).startswith(f"aggregate 'broken' of Float64: {rule}; got ")
    assert "where a = [" in str(found.value)


def test_a_counterexample_is_small() -> None:
    """A mean of means is told by three values, not by all that were drawn."""
    register_aggregate("broken")(MeanOfMeans)
    draws = {Float64: lambda chance: float(chance.randint(1, 9))}
    with pytest.raises(AggregateLawError) as found:
        check_aggregate("broken", values=draws, seed=3)
    message = str(found.value)
    a, b, c = (message.split(f"{letter} = [")[1].split("]", maxsplit=1)[0] for letter in "abc")
    assert [len(each.split(", ")) for each in (a, b, c)] == [1, 1, 1]
    assert "((a, b), c) is " in message
    assert "(seed 3). Keep what can be merged" in message


def test_bytes_that_lose_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that does not come out of a part's bytes as it went in is told."""
    register_aggregate("sum_of_mine")(Sum)
    counted = count()
    monkeypatch.setattr(laws, "_number", lambda _: next(counted))
    with pytest.raises(AggregateLawError, match="states must come out of bytes as they went in"):
        check_aggregate("sum_of_mine")


def test_an_unknown_name() -> None:
    """What is not registered cannot be checked."""
    with pytest.raises(UnknownNameError, match=r"it must be a registered aggregate; got 'nothing'\. Registered are: "):
        check_aggregate("nothing")


def test_events_are_those_of_the_seed() -> None:
    """The same seed draws the same events; what is not needed is left out of them."""
    draws = [drawn_parts(random.Random(5), drawing(Float64()), 9) for _ in range(2)]
    assert repr(draws[0]) == repr(draws[1])
    parts = [[Drawn(0, "a", 1)], [Drawn(0, "b", 2), Drawn(0, "c", 3)], []]
    assert fewer(parts, lambda less: any(one.value == 3 for part in less for one in part)) == [[], [Drawn(0, "c", 3)], []]
