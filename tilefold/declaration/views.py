"""`FeatureView`: a checked declaration, and what the engine knows of a view.

The rule: it is made by a decorator alone, so that whoever holds one need not check anything again. Times and durations are
integer microseconds. Two views are equal if they are the same object.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from tilefold.declaration.entity import Entity
from tilefold.declaration.features import Feature
from tilefold.declaration.names import first_duplicate
from tilefold.declaration.sources import Source
from tilefold.declaration.transformation import Transformation
from tilefold.errors import DeclarationError, complaint
from tilefold.types import Field

FEW_CELLS = 64


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class FeatureView:
    """A transformation of one source plus the features computed on it.

    Attributes
    ----------
    kind
        `"batch"` or `"stream"`.
    join_keys
        Those of all entities, in their order.
    columns
        What `transform` returns: join keys, timestamp, input columns; each once.
    feature_start_us, lifetime_start_us
        Events before the first are in no window; lifetime windows begin at the second.
    schedule_us, data_delay_us
        At a time `t`, the newest watermark is `floor(t - data_delay_us, schedule_us)`: the leading edge of a batch view.
    leading_edge
        What a stream view's windows end at: `"wall_clock"` (the read time) or `"latest_event"`. Of a batch view the former.
    valid_for_us
        How long past its watermark a batch part answers exactly.
    cell_us
        The finest grid: every edge of every window lies on it, but for the read time, where stream windows may end.
    few_cells
        A key of at most so many cells is left as it is by compaction.
    secondary_key
        The column by whose values every window is parted; None where it is not.
    scheduled
        Whether Dagster runs it by its schedule; else a person does.
    version
        12 hex digits that change with everything that changes stored values.
    """

    name: str
    kind: str
    source: Source
    entities: tuple[Entity, ...]
    join_keys: tuple[Field, ...]
    features: tuple[Feature, ...]
    columns: tuple[Field, ...]
    transformation: Transformation
    mode: str
    timestamp_field: str
    feature_start_us: int
    lifetime_start_us: int
    schedule_us: int
    data_delay_us: int
    valid_for_us: int
    cell_us: int
    leading_edge: str
    online: bool
    offline: bool
    compaction_enabled: bool
    version: str
    description: str
    owner: str | None
    tags: Mapping[str, str]
    few_cells: int = FEW_CELLS
    secondary_key: Field | None = None
    scheduled: bool = True

    def __repr__(self) -> str:
        return f"<{self.kind} view {self.name!r}, version {self.version}: {[one.name for one in self.features]}>"

    def transform(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Run the view's function.

        Parameters
        ----------
        frame
            The source's events: the columns of its schema, and `event_id`.

        Returns
        -------
        Exactly `columns`, each of its declared type, and `event_id` (String) where the function returns it:
        it then orders events of one time.

        Raises
        ------
        InputError
            If the function fails, or a column is missing or of another type.
        """
        return self.transformation.run(frame, self.columns)

    def __getitem__(self, names: Sequence[str]) -> "FeatureSelection":
        """Choose features for a service: `view[["amount_sum_30d"]]`."""
        if isinstance(names, str) or not isinstance(names, Sequence):
            mend = f"Write {self.name}[[{names!r}]]."
            raise DeclarationError(complaint(f"view {self.name!r}", "features are chosen by a list of names", names, mend))
        return FeatureSelection(self, tuple(names))


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSelection:
    """Chosen features of a view, in the order asked for."""

    view: FeatureView
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        thing = f"view {self.view.name!r}"
        known = [feature.name for feature in self.view.features]
        if not self.names:
            raise DeclarationError(complaint(thing, "at least one feature must be chosen", self.names, f"It has {known}."))
        for name in self.names:
            if name not in known:
                raise DeclarationError(complaint(thing, "a chosen feature must be one of it", name, f"It has {known}."))
        twice = first_duplicate(self.names)
        if twice:
            raise DeclarationError(complaint(thing, "a chosen feature may stand once", twice, "Remove one of them."))
