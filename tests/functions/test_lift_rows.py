"""Single events in bulk are the tiles that `from_events` makes of each event alone."""

import polars as pl
import pytest

from tests.engine.drawing import INPUTS, dense_frame
from tilefold.functions import Partial
from tilefold.functions.extremes import Extreme
from tilefold.functions.sums import Count, Events, sum_partial

DTYPES = {name: dtype for name, (dtype, _) in INPUTS.items()}
NUMBERS = {name: dtype for name, dtype in DTYPES.items() if dtype.is_numeric() or dtype == pl.Boolean}
CASES: list[tuple[str, Partial]] = [
    *((name, Count()) for name in INPUTS),
    ("", Events()),
    *((name, sum_partial(dtype)) for name, dtype in NUMBERS.items()),
    *((name, Extreme(end, dtype)) for name, dtype in DTYPES.items() for end in ("min", "max")),
]


@pytest.mark.parametrize(("column", "partial"), CASES, ids=[f"{partial.name} {column}" for column, partial in CASES])
def test_an_event_alone(column: str, partial: Partial) -> None:
    """Of every type, nulls and NaN among them."""
    frame = dense_frame(4, 60).with_row_index("row")
    lifted = partial.lift_rows(column, "s_")
    assert lifted is not None
    grouped = frame.group_by("row").agg(partial.from_events(column, "s_")).sort("row").drop("row")
    dtypes = dict(grouped.schema)
    assert frame.select(lifted).cast(dtypes).equals(grouped)  # type: ignore[arg-type] # names to types
