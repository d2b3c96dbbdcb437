"""Which columns a part in the online store has: the one place that `encode` and `codec` both follow.

The rule: every component has one column of numbers, a value per tile: its values, or how long its texts and lists are. What
has no fixed size (texts, bytes, entries of lists) comes after all numbers. Nulls are marked in columns of their own at the end.

    numbers    first | span | one per component | one per nullable component: 1 where null, 0 elsewhere
    variable   for each component of texts or bytes: the bytes; of lists: the entries, as a column of their own
    answers    where the number of tiles says so: what `answers` reads
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl

from tilefold.functions import Component
from tilefold.functions.plain import physical_dtype

TIMES = 2
"""The columns before those of components: first and span."""
ANSWERS_FLAG = 2**31
"""Added to the number of tiles where answers follow."""
TEXTS, LISTS, BYTES = "texts", "lists", "bytes"


@dataclass(frozen=True, slots=True)
class ComponentShape:
    """How one component is stored.

    Attributes
    ----------
    is_float
        Whether its numbers are floats.
    mask
        The number column that marks its nulls; None where it has none.
    variable
        What follows the numbers: texts, lists, bytes or nothing.
    inner
        The physical type of the entries of lists, or else of the values.
    running
        The operation of its running totals from the newest tile back; None where each tile stands for itself.
    """

    is_float: bool
    mask: int | None
    variable: str | None
    inner: pl.DataType
    running: str | None


class StoredRows(Protocol):
    """What the bytes of rows depend on: a view's layout has it."""

    @property
    def view_name(self) -> str:
        """What errors name."""
        ...

    @property
    def components(self) -> Sequence[tuple[str, Component]]:
        """Every stored component with its column's name, in stored order."""
        ...

    @property
    def running(self) -> Sequence[str | None]:
        """For every component the operation of its running totals; None where it has none."""
        ...


def shapes(layout: StoredRows) -> list[ComponentShape]:
    """How each stored component of a layout is stored, in order."""
    components = [component for _, component in layout.components]
    nullable = [number for number, component in enumerate(components) if component.nullable]
    masks = {number: TIMES + len(components) + place for place, number in enumerate(nullable)}
    return [_shape(component, masks.get(n), layout.running[n]) for n, component in enumerate(components)]


def _shape(component: Component, mask: int | None, running: str | None) -> ComponentShape:
    dtype: Any = component.dtype
    if component.pack is not None:
        return ComponentShape(is_float=False, mask=mask, variable=BYTES, inner=pl.Binary(), running=None)
    if isinstance(dtype, pl.List):
        inner: Any = dtype.inner
        return ComponentShape(is_float=False, mask=mask, variable=LISTS, inner=physical_dtype(inner), running=None)
    physical = physical_dtype(dtype)
    is_text = physical == pl.String
    variable = TEXTS if is_text else None
    return ComponentShape(physical.is_float(), mask, variable, physical, running)
