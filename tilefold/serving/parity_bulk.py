"""Samples compared in bulk: first with all events of their time, then with those that each read could see.

The rule: values come from the engine of training sets, straight from events. What is not settled here goes to the naive
reference, one sample at a time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from tilefold.declaration.features import Feature
from tilefold.engine.reference import agree
from tilefold.engine.training import READ, REQUEST, training_values
from tilefold.serving.context import ViewContext, transforming
from tilefold.serving.parity_events import EDGE, ENTITY, seen_expr
from tilefold.serving.parity_report import Finding
from tilefold.serving.read import Status
from tilefold.stores import sample_table as table
from tilefold.types import Field

SAMPLE = "__sample"
ROWS_AT_ONCE = 3_000_000
"""Of a join of samples and the events that they saw."""
_RELATIVE = 1e-9
_RELATIVE_32 = 2e-7  # what rounding to Float32 leaves
_OPEN = 255
_NUMBERS = {finding: number for number, finding in enumerate(Finding)}


@dataclass(frozen=True)
class Findings:
    """What some samples are found to be: by feature a number for each sample, `_OPEN` where it is not settled."""

    by_feature: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, context: ViewContext, samples: pl.DataFrame) -> "Findings":
        """Nothing is settled but what said itself that it is not exact."""
        found = {}
        for number, feature in enumerate(context.view.features):
            status = samples[table.STATUSES].list.get(number)
            stale = status.is_in([Status.STALE.value, Status.NOT_READY.value]).to_numpy()
            found[feature.name] = np.where(stale, _NUMBERS[Finding.STALE], _OPEN).astype(np.uint8)
        return cls(found)

    def open_samples(self, samples: pl.DataFrame) -> pl.DataFrame:
        """Those of which some value is not settled."""
        return samples.filter(np.any([each == _OPEN for each in self.by_feature.values()], axis=0))

    def open_of(self, sample: int) -> list[str]:
        """The features of a sample that are not settled."""
        return [name for name, each in self.by_feature.items() if each[sample] == _OPEN]

    def settle(self, feature: str, samples: np.ndarray, finding: Finding) -> None:
        """Say what the open ones of some samples are."""
        found = self.by_feature[feature]
        chosen = samples[found[samples] == _OPEN]
        found[chosen] = _NUMBERS[finding]

    def counts(self, feature: str, chosen: np.ndarray) -> dict[Finding, int]:
        """How many of some samples were found to be what."""
        numbers = np.bincount(self.by_feature[feature][chosen], minlength=len(_NUMBERS))
        return {finding: int(numbers[number]) for finding, number in _NUMBERS.items() if numbers[number]}


def compare_all(context: ViewContext, samples: pl.DataFrame, events: pl.DataFrame, found: Findings) -> None:
    """Settle the values that are what all events of their time say."""
    keyed = samples.with_columns(pl.col(table.ENTITY).alias(ENTITY))
    _settle(context, keyed, events.lazy(), Field(ENTITY, pl.String()), found, Finding.RIGHT)


def compare_seen(context: ViewContext, samples: pl.DataFrame, events: pl.DataFrame, found: Findings) -> None:
    """Settle the open values that are what the events say which the read could see."""
    own = [name for name in events.columns if name != ENTITY]
    for some in _slices(found.open_samples(samples), events):
        seen = (
            events.lazy()
            .join(some.lazy(), left_on=ENTITY, right_on=table.ENTITY)
            .filter(seen_expr(is_stream=context.is_stream))
        )
        _settle(context, some, seen.select(*own, SAMPLE), Field(SAMPLE, some.schema[SAMPLE]), found, Finding.LATE)


def _slices(samples: pl.DataFrame, events: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Samples, so many at a time that joining them with their events stays within memory."""
    counts = events.group_by(pl.col(ENTITY).alias(table.ENTITY)).len("__rows")
    counted = samples.join(counts, on=table.ENTITY, how="left", maintain_order="left")
    number = (pl.col("__rows").fill_null(0).cast(pl.Int64).cum_sum() // ROWS_AT_ONCE).alias("__slice")
    yield from counted.with_columns(number).drop("__rows").partition_by("__slice", include_key=False)


def _settle(
    context: ViewContext, samples: pl.DataFrame, events: pl.LazyFrame, key: Field, found: Findings, finding: Finding
) -> None:
    view = context.view
    read = table.READ if view.kind == "batch" else EDGE
    requests = samples.select(key.name, EDGE, pl.col(read).alias(READ)).with_row_index(REQUEST)
    layout = replace(context.layout, join_keys=(key,))
    with transforming(view):
        expected = training_values(events, requests, layout, view.timestamp_field, view.feature_start_us)
    places = samples[SAMPLE].to_numpy()
    for feature, column in zip(view.features, context.sampled_columns, strict=True):
        found.settle(feature.name, places[equal(feature, samples[column], expected[feature.name])], finding)


def equal(feature: Feature, served: pl.Series, expected: pl.Series) -> np.ndarray:
    """Where served values are the expected ones; floats to the last digits."""
    pair = pl.DataFrame([served.alias("a"), expected.cast(served.dtype).alias("b")])
    same = pl.col("a").eq_missing(pl.col("b"))
    if served.dtype.is_float():
        larger = pl.max_horizontal(pl.col("a").abs(), pl.col("b").abs())
        relative = _RELATIVE_32 if served.dtype == pl.Float32 else _RELATIVE
        same |= ((pl.col("a") - pl.col("b")).abs() <= relative * larger).fill_null(value=False)
    result = pair.select(same).to_series().to_numpy(writable=True)
    if isinstance(feature.dtype, pl.List):  # floats may stand in it
        for place in np.flatnonzero(~result):
            result[place] = agree(*pair.row(int(place)))
    return result
