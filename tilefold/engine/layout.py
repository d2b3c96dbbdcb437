"""Which columns the tiles of a view have: the one place where they are listed.

The rule: features of the same input share partial states (`mean` and `sum` keep one sum), so each state is stored once.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd
from typing import Any

import polars as pl

from tilefold.declaration.features import Feature
from tilefold.declaration.windows import Window
from tilefold.engine.secondary import INPUT, BySecondary
from tilefold.engine.slots import Slot
from tilefold.engine.time import DAY_US
from tilefold.functions import Component, Partial
from tilefold.functions.sums import Events
from tilefold.types import Field

# The table's own names begin with `tf_`, which no column of a source may.
EPOCH = "tf_epoch"
FIRST, LAST = "tf_first_us", "tf_last_us"
EVENTS = "tf_events"


@dataclass(frozen=True, slots=True)
class Output:
    """A feature, and which slots its function takes its states from."""

    feature: Feature
    slots: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """The columns of a view's tiles, and how features read them.

    Attributes
    ----------
    join_keys
        Names and types of the key columns.
    slots
        The partial states, `events` first.
    outputs
        The features in declared order.
    grain_us
        The cell of tile rows: the view's cell, at most a day, since days are the partitions.
    """

    view_name: str
    join_keys: tuple[Field, ...]
    slots: tuple[Slot, ...]
    outputs: tuple[Output, ...]
    grain_us: int

    @cached_property
    def key_names(self) -> list[str]:
        """The join keys' names."""
        return [field.name for field in self.join_keys]

    @cached_property
    def components(self) -> list[tuple[str, Component]]:
        """Every stored component with its column's name, in stored order."""
        return [
            (name, component)
            for slot in self.slots
            for name, component in zip(slot.names, slot.partial.components, strict=True)
        ]

    @cached_property
    def running(self) -> list[str | None]:
        """For every stored component the operation of its running totals; None where parts hold it tile by tile."""
        return [slot.partial.running if slot.running else None for slot in self.slots for _ in slot.partial.components]

    @cached_property
    def ordered(self) -> bool:
        """Whether tiles are built from events in order of time."""
        return any(slot.partial.ordered for slot in self.slots)

    @cached_property
    def tile_schema(self) -> pl.Schema:
        """The columns of a tile row, without the partition columns of its table."""
        keys = {field.name: field.dtype for field in self.join_keys}
        times = {EPOCH: pl.Int64(), FIRST: pl.Int64(), LAST: pl.Int64()}
        return pl.Schema({**keys, **times, **{name: component.dtype for name, component in self.components}})

    @property
    def by_secondary(self) -> list[BySecondary]:
        """What keeps the states of a secondary key, where there is one."""
        return [slot.partial for slot in self.slots if isinstance(slot.partial, BySecondary)]

    @property
    def spans(self) -> list[pl.Expr]:
        """The aggregations that give the first and last event of several tile rows."""
        return [pl.col(FIRST).min(), pl.col(LAST).max()]


def layout_of(view: Any) -> Layout:
    """The layout of a `FeatureView`."""
    secondary: Field | None = getattr(view, "secondary_key", None)
    grain_us = gcd(view.cell_us, DAY_US)
    if secondary is not None:
        return _by_secondary(view, secondary, grain_us)
    moved = _moved_back(view.features)
    slots, known = _slots([("", Events()), *_needed(view.features)], moved)
    outputs = tuple(
        Output(feature, tuple(known[feature.input_column or "", partial.name] for partial in feature.function.partials))
        for feature in view.features
    )
    return Layout(view.name, tuple(view.join_keys), slots, outputs, grain_us)


def narrowed(layout: Layout, numbers: Sequence[int]) -> Layout:
    """The layout of some of its features alone, in the order asked, with no slot but theirs."""
    outputs = [layout.outputs[number] for number in numbers]
    used = sorted({slot for output in outputs for slot in output.slots})
    places = {slot: place for place, slot in enumerate(used)}
    moved = tuple(Output(output.feature, tuple(places[slot] for slot in output.slots)) for output in outputs)
    return replace(layout, slots=tuple(layout.slots[slot] for slot in used), outputs=moved)


def _slots(
    needed: Iterable[tuple[str, Partial]], moved: Container[tuple[str, str]] | None
) -> tuple[tuple[Slot, ...], dict[tuple[str, str], int]]:
    """The slots of (column, partial) pairs, each once, and their numbers; without `moved` none holds running totals."""
    slots: list[Slot] = []
    known: dict[tuple[str, str], int] = {}
    for column, partial in needed:
        key = (column, partial.name)
        if key not in known:
            known[key] = len(slots)
            start = slots[-1].stop if slots else 0
            running = moved is not None and partial.running is not None and key not in moved
            slots.append(Slot(partial, column, f"{column}__" if column else "tf_", start, running))
    return tuple(slots), known


def _by_secondary(view: Any, key: Field, grain_us: int) -> Layout:
    """Of a view with a secondary key: how many events, and one slot that keeps the states of all features for each key."""
    inner, known = _slots(_needed(view.features), None)
    by = BySecondary(view.name, key, inner)
    is_moved_back = any(is_moved(window) for feature in view.features for window in feature.windows)
    events = Slot(Events(), "", "tf_", 0, not is_moved_back)
    outputs = []
    for feature in view.features:
        numbers = [known[feature.input_column or "", partial.name] for partial in feature.function.partials]
        function = by.each(feature.function, numbers) if numbers else by.keys(feature.function)
        outputs.append(Output(replace(feature, function=function), (1,)))
    return Layout(view.name, tuple(view.join_keys), (events, Slot(by, INPUT, "tf_", 1, False)), tuple(outputs), grain_us)


def is_moved(window: Window) -> bool:
    """Whether a window may end before the part that it is read from does."""
    return window.offset_us > 0 or window.ends_on_grid


def _moved_back(features: Sequence[Feature]) -> set[tuple[str, str]]:
    """The (column, partial) pairs of which some window ends before the part does: moved back, or on a grid of its own."""
    return {
        (feature.input_column or "", partial.name)
        for feature in features
        if any(is_moved(window) for window in feature.windows)
        for partial in feature.function.partials
    }


def _needed(features: Sequence[Feature]) -> Iterator[tuple[str, Partial]]:
    for feature in features:
        for partial in feature.function.partials:
            yield feature.input_column or "", partial
