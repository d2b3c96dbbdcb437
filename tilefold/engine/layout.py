"""Which columns the tiles of a view have: the one place where they are listed.

The rule: features of the same input share partial states (`mean` and `sum` keep one sum), so each state is stored once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import Any

import polars as pl

from tilefold.declaration.features import Feature
from tilefold.declaration.windows import Window
from tilefold.engine.time import DAY_US
from tilefold.functions import Component, Partial
from tilefold.functions.sums import Events
from tilefold.types import Field

# The table's own names begin with `tf_`, which no column of a source may.
EPOCH = "tf_epoch"
FIRST, LAST = "tf_first_us", "tf_last_us"
EVENTS = "tf_events"


@dataclass(frozen=True, slots=True)
class Slot:
    """One partial state as a view stores it: of which input column, and from which component on.

    `running` says that parts hold running totals of it (see `Partial.running`); all its windows end with the part then.
    """

    partial: Partial
    column: str
    prefix: str
    start: int
    running: bool

    @property
    def stop(self) -> int:
        """The end (exclusive) of its components among those of the layout."""
        return self.start + len(self.partial.components)

    @property
    def join(self) -> Callable[[tuple[Any, ...], tuple[Any, ...]], tuple[Any, ...]]:
        """See `Partial.join`."""
        return self.partial.join

    @property
    def names(self) -> list[str]:
        """The names of its columns."""
        return self.partial.named(self.prefix)


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

    def merge_rows(self) -> list[pl.Expr]:
        """The aggregations that merge several tile rows of one key into one, without the key."""
        states = [expression for slot in self.slots for expression in slot.partial.merge_rows(slot.prefix)]
        return [pl.col(FIRST).min(), pl.col(LAST).max(), *states]


def layout_of(view: Any) -> Layout:
    """The layout of a `FeatureView`."""
    slots: list[Slot] = []
    moved = _moved_back(view.features)
    known: dict[tuple[str, str], int] = {}
    for column, partial in [("", Events()), *_needed(view.features)]:
        key = (column, partial.name)
        if key not in known:
            known[key] = len(slots)
            start = slots[-1].stop if slots else 0
            running = partial.running is not None and key not in moved
            slots.append(Slot(partial, column, f"{column}__" if column else "tf_", start, running))
    outputs = tuple(
        Output(feature, tuple(known[feature.input_column or "", partial.name] for partial in feature.function.partials))
        for feature in view.features
    )
    return Layout(view.name, tuple(view.join_keys), tuple(slots), outputs, gcd(view.cell_us, DAY_US))


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
