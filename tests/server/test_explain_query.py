"""What a request for an explanation may say, and what it is told where it says it wrongly."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pipelines import declare
from tilefold.errors import InputError, UnknownNameError
from tilefold.server.explain_query import FIELDS_MAX, Asked
from tilefold.serving.definitions import load_definitions

NOBODY: Any = SimpleNamespace(definitions=load_definitions([declare()]))


def test_a_request_is_read() -> None:
    """View, keys, feature, time and whether to compare; what a form left empty is not given."""
    asked = Asked.of("view=spend&keys%5Buser%5D=a+b&keys[n]=&feature=&at=%202026-01-01&reference=1")
    assert asked == Asked("spend", (("user", "a b"), ("n", "")), "", "2026-01-01", reference=True)
    assert (asked.is_complete, Asked.of("").is_complete, Asked.of(b"view=spend").is_complete) == (True, False, False)


@given(
    st.builds(
        Asked,
        st.text(max_size=20),
        st.lists(st.tuples(st.text(max_size=5), st.text(max_size=20)), max_size=4).map(tuple),
        st.text(max_size=20),
        st.text(max_size=20).map(str.strip),
        st.booleans(),
        st.sampled_from(["", "even", "recent"]),
    )
)
def test_its_query_asks_the_same(asked: Asked) -> None:
    """A link made of a request means that request, whatever its texts hold."""
    assert Asked.of(asked.query()) == asked


def test_what_is_readable_of_a_refused_request_stays() -> None:
    """Its texts stay for the form; of what cannot be taken apart nothing does."""
    asked = Asked.readable("view=spend&keys[user]=a&at=now&reference=perhaps&axis=odd&more=1")
    assert asked == Asked("spend", (("user", "a"),), "", "now")
    assert Asked.readable("view=%ff") == Asked()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("view=spend&user=a", "got 'user'. Write"),
        ("view=a&view=b", "once, and keys"),
        ("view=%ff", "must be UTF-8"),
        ("&".join(f"keys[{number}]=1" for number in range(FIELDS_MAX + 1)), f"at most {FIELDS_MAX} fields"),
        ("reference=perhaps", "must be 1 or 0; got 'perhaps'"),
        ("axis=odd", "must be one of even, recent; got 'odd'"),
    ],
)
def test_what_is_not_known_is_refused(query: str, message: str) -> None:
    """An unknown name, one twice, wrong UTF-8, too much: each is said."""
    with pytest.raises(InputError, match=message):
        Asked.of(query)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("view=spend&keys[usr]=a", "Did you mean user"),
        ("view=spend&keys[user]=a&keys[user]=b", "given once"),
        ("view=spend&keys[user]=a&feature=nothing", "must be one of its own; got 'nothing'"),
        ("view=spend&keys[user]=a&at=yesterday", "parameter 'at': it must be a time"),
    ],
)
def test_what_is_not_declared_is_refused(query: str, message: str) -> None:
    """Keys, feature and time are checked by the declarations."""
    with pytest.raises(InputError, match=message):
        Asked.of(query).answer(NOBODY)


def test_an_unknown_view_is_an_unknown_name() -> None:
    """The message names those that there are."""
    with pytest.raises(UnknownNameError, match="Declared are: spend"):
        Asked.of("view=spent&keys[user]=a").answer(NOBODY)
