from tilefold.aggregation_functions import (
    approx_count_distinct,
    approx_percentile,
    first,
    first_distinct,
    last,
    last_distinct,
)
from tilefold.functions import FunctionRequest


def test_limits() -> None:
    """The list functions record their number."""
    assert [request(3) for request in (last, first, last_distinct, first_distinct)] == [
        FunctionRequest(name, (("n", 3),)) for name in ("last", "first", "last_distinct", "first_distinct")
    ]


def test_sketches() -> None:
    """The sketches record their precision, with its default."""
    assert approx_count_distinct() == FunctionRequest("approx_count_distinct", (("precision", 8),))
    assert approx_percentile(0.9) == FunctionRequest("approx_percentile", (("percentile", 0.9), ("precision", 100)))
