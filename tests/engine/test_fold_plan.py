"""What a fold does, worked out once: as little as there is to do, and each value in its place."""

import polars as pl

from tests.engine.drawing import DrawnView, feature
from tilefold.aggregation_functions import approx_count_distinct
from tilefold.declaration.windows import Window
from tilefold.engine.fold_plan import FoldPlan
from tilefold.engine.layout import layout_of
from tilefold.engine.time import DAY_US
from tilefold.types import Field

DAY, WEEK, MOVED, LIFE = Window(DAY_US), Window(7 * DAY_US), Window(DAY_US, 2 * DAY_US), Window(None)


NAMES = {DAY: "day", WEEK: "week", MOVED: "moved", LIFE: "life"}


def plan_of(*wanted: tuple[str, object, Window]) -> FoldPlan:
    """The plan of features of these columns, functions and windows."""
    features = tuple(feature(column, function, (window,), number) for number, (column, function, window) in enumerate(wanted))  # type: ignore[arg-type] # requests
    return FoldPlan(layout_of(DrawnView("drawn", (Field("key", pl.String),), features, DAY_US)))


def test_windows_that_slide_together_are_a_nest() -> None:
    """Those of one end are one nest, shortest first; one that is moved back, and a lifetime beside it, another."""
    plan = plan_of(("real", "max", LIFE), ("real", "max", WEEK), ("real", "max", DAY), ("real", "max", MOVED))
    assert [nest.windows for nest in plan.nests] == [(DAY, WEEK, LIFE), (MOVED,)]
    assert [call.nests for call in plan.calls] == [(0, 1)]


def test_functions_that_share_a_state_take_their_own_windows_of_it() -> None:
    """A slot is folded once over the windows of all its functions; each takes its own, and values stand as features do."""
    plan = plan_of(("real", "mean", MOVED), ("real", "sum", DAY), ("real", "sum", MOVED), ("real", "mean", WEEK))
    assert len(plan.calls) == 2  # count and sum
    states = [
        [f"{call.slot} of {NAMES[window]}" for nest in call.nests for window in plan.nests[nest].windows] for call in plan.calls
    ]
    values: list[str] = []
    for finish in plan.finishes:
        taken = [states[call] if some is None else some(states[call]) for call, some in finish.takes]
        values += [", ".join(each) for each in zip(*taken, strict=True)]
    assert list(plan.arrange(values)) == [
        "1 of moved, 2 of moved",
        "1 of day, 2 of day",
        "1 of moved, 2 of moved",
        "1 of week, 2 of week",
    ]


def test_what_answers_stand_in_for_is_not_folded() -> None:
    """Where a part keeps answers, states that only sketches need are left out, and no others."""
    plan = plan_of(("real", "sum", DAY), ("text", approx_count_distinct(), DAY), ("text", "count", DAY))
    kept = [finish.kept for finish in plan.finishes]
    assert sorted(kept, key=str) == [0, None, None]
    (sketch,) = plan.finishes[kept.index(0)].takes
    assert [number for number, call in enumerate(plan.unanswered) if call is None] == [sketch.call]
    assert plan.letters == b"q"
