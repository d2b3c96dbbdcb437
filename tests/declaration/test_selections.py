"""Which of a source's events a view asks for."""

from datetime import timedelta
from typing import Any

import pytest

from tests.declaration.samples import CLICKS, TRANSACTIONS, declare, declare_stream, refusal, spend
from tilefold import FilteredSource, TectonTimeConstant, materialization_context


@pytest.mark.parametrize(
    "given",
    [
        {"source": TRANSACTIONS.unfiltered()},
        {"source": ..., "sources": [TRANSACTIONS.unfiltered()]},
        {"source": FilteredSource(TRANSACTIONS)},
    ],
)
def test_unfiltered(given: dict[str, Any]) -> None:
    """A view that works row by row is the same view, whether its source is filtered by the step or not."""
    assert declare(**given).version == declare().version
    assert declare(**given).source is TRANSACTIONS


def test_unfiltered_stream() -> None:
    """On a stream view it changes nothing."""
    assert declare_stream(source=CLICKS.unfiltered()).version == declare_stream().version


@pytest.mark.parametrize(
    ("given", "whose"),
    [
        ({"source": TRANSACTIONS.unfiltered()}, "of a view of an unfiltered source"),
        ({"incremental_backfills": True}, "of a view with incremental_backfills=True"),
    ],
)
def test_steps_that_matter(given: dict[str, Any], whose: str) -> None:
    """Where a function would be given other rows together than elsewhere, it must work row by row, or it is refused."""
    assert declare(**given).version == declare().version
    message = refusal(lambda frame: frame.group_by("user_id").max(), name="v", **given)
    assert f"view 'v': the function {whose} must work row by row; got" in message
    assert "aggregates are features" in message


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            TRANSACTIONS.select_range(
                TectonTimeConstant.MATERIALIZATION_START_TIME - timedelta(days=29), TectonTimeConstant.MATERIALIZATION_END_TIME
            ),
            "select_range(MATERIALIZATION_START_TIME - 29 days, 0:00:00, MATERIALIZATION_END_TIME)",
        ),
        (
            TRANSACTIONS.select_range(TectonTimeConstant.UNBOUNDED_PAST, TectonTimeConstant.UNBOUNDED_FUTURE + timedelta(1)),
            "select_range(UNBOUNDED_PAST, UNBOUNDED_FUTURE + 1 day, 0:00:00)",
        ),
        (FilteredSource(TRANSACTIONS, timedelta(days=-29)), "select_range(datetime.timedelta(days=-29), None)"),
    ],
)
def test_ranges_are_refused(source: Any, text: str) -> None:
    """More than the step's events is an error that names the view, the range and what to write instead."""
    message = refusal(source=source)
    rule = "view 'spend': a view's function is given the events of each day, not of a longer range"
    assert f"{rule}; got {text!r}. List the source itself" in message


def test_context() -> None:
    """A function whose default is the materialization context is refused."""

    def spend_until(transactions: Any, until: Any = materialization_context()) -> Any:  # noqa: ARG001, B008 - as it is written
        return transactions

    assert "its function may not take the materialization context; got 'until'" in refusal(spend_until)


def test_two_sources() -> None:
    """Two sources are refused, unfiltered or not."""
    message = refusal(spend, source=..., sources=[TRANSACTIONS, TRANSACTIONS.unfiltered()])
    assert "view 'spend': a view has exactly one source; got" in message
    assert "join other tables where events enter the source" in message
