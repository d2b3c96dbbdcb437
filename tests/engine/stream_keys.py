"""One key of a stream view as its writer, its compactions and its readers see it, beside what the reference says.

All is on the scale of `stream_drawing`: a schedule of 48 us, windows up to some hundred, so that every read time can be asked.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl
import pytest
from hypothesis import strategies as st

from tests.engine.drawing import ALL_PAIRS, INPUTS, DrawnView, attribute, dense_values, feature
from tests.engine.stream_drawing import BEGIN_US, KEYS, SCHEDULE_US, SPAN_US, cell_us, window_groups
from tests.functions.paths import physical
from tilefold.declaration import FeatureView
from tilefold.declaration.features import Feature
from tilefold.declaration.windows import Window
from tilefold.engine import stream_fold
from tilefold.engine.codec import Codec, Part, seal
from tilefold.engine.compact import PART, compact
from tilefold.engine.layout import layout_of
from tilefold.engine.mark import Mark
from tilefold.engine.merge import Folder, in_force
from tilefold.engine.merge_stream import StreamMerger
from tilefold.engine.plan import ReadSpan
from tilefold.engine.reference import Event, agree, reference_values
from tilefold.engine.secondary import BySecondary
from tilefold.engine.stream_codec import StreamCodec
from tilefold.engine.stream_fold import StreamFolder
from tilefold.engine.stream_part import Row, StreamPart
from tilefold.engine.tiles import build_tiles, prepare_events
from tilefold.functions import OVERFLOW

LOG = 7
VALID_FOR_US = 2 * SCHEDULE_US
NOTHING = Mark(BEGIN_US, 0)


@dataclass(frozen=True)
class Arrived:
    """An event and the epoch that it arrived in."""

    time_us: int
    tie: str
    values: dict[str, Any]
    epoch: int = 1

    @property
    def event(self) -> Event:
        """As the reference takes it."""
        return Event(self.time_us, self.tie, self.values)


@contextmanager
def few_loose(rows: int, newest: int, behind_us: int = 0) -> Iterator[None]:
    """Let a key be busy with more than so many events, of which so many stay single, and clocks be so far apart."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stream_fold, "LOOSE_ROWS", rows)
        patched.setattr(stream_fold, "NEWEST_ROWS", newest)
        patched.setattr(stream_fold, "BEHIND_US", behind_us)
        yield


@st.composite
def stream_views(draw: st.DrawFn, max_features: int = 4, *, reaching: bool = False) -> DrawnView:
    """A stream view: functions of any type over windows of any kind, and how many events there are in one of them.

    With `reaching` one window is a lifetime, so that nothing is pruned.
    """
    shapes = window_groups()
    pairs = draw(st.lists(st.sampled_from(ALL_PAIRS), min_size=1, max_size=max_features))
    features = [feature(column, function, draw(shapes), number) for number, (column, function) in enumerate(pairs)]
    features.append(feature(None, "count", (Window(None, hop_us=0),) if reaching else draw(shapes), 99))
    expiring = st.tuples(st.sampled_from(sorted(INPUTS)), st.none() | st.integers(1, 6 * SCHEDULE_US))
    drawn = draw(st.lists(expiring, max_size=2))
    return view_of(features + [attribute(column, ttl_us, 0, number) for number, (column, ttl_us) in enumerate(drawn)])


def view_of(features: Sequence[Feature]) -> DrawnView:
    """A view of these features, on the finest grid that they need."""
    secondary = next((one.secondary for one in features if one.secondary is not None), None)
    return DrawnView("drawn", KEYS, tuple(features), cell_us([w for one in features for w in one.windows]), secondary)


def columns_of(view: DrawnView | FeatureView) -> list[str]:
    """What events of a view hold."""
    secondary = {view.secondary_key.name} if view.secondary_key else set()
    return sorted(({one.input_column for one in view.features} | secondary) - {None})  # type: ignore[type-var] # no None left


@st.composite
def arrivals(draw: st.DrawFn, view: DrawnView, max_size: int = 40, first_us: int = BEGIN_US) -> list[Arrived]:
    """Events of one key in the order in which they arrive, those of one time among them."""
    columns = columns_of(view)
    values = st.fixed_dictionaries({name: st.none() | INPUTS[name][1] for name in columns})
    times = st.integers(first_us, BEGIN_US + SPAN_US - 1)
    drawn = draw(st.lists(st.tuples(times, values), max_size=max_size))
    return [Arrived(time_us, f"{number:04}", each) for number, (time_us, each) in enumerate(drawn)]


def many_arrivals(
    view: DrawnView | FeatureView, chance: random.Random, size: int, *, until_us: int, epochs: int = 1
) -> list[Arrived]:
    """Many events of one key, drawn from a seed: every type, nulls, ties and times on edges among them."""
    values = dense_values(chance)
    columns = columns_of(view)
    made = []
    for _ in range(size):
        time_us = chance.randrange(BEGIN_US, max(until_us, BEGIN_US) + 1)
        given = {name: None if chance.random() < 0.1 else values[name]() for name in columns}
        made.append(Arrived(time_us, f"{chance.random()}", given, chance.randint(1, epochs)))
    return made


@dataclass
class StreamKey:
    """What the store holds of a key, and all that happened to it.

    Attributes
    ----------
    stream, batch
        Its two parts, as bytes and decoded.
    mark
        The view's committed mark.
    events
        All that a read should see.
    """

    view: DrawnView | FeatureView
    valid_for_us: int = VALID_FOR_US
    schedule_us: int = SCHEDULE_US
    stream: bytes | None = None
    batch: Part | None = None
    mark: Mark | None = None
    events: list[Arrived] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layout = layout_of(self.view)
        self.folder = Folder(self.layout)
        self.stream_folder = StreamFolder(self.layout, self.folder.windows, self.schedule_us, self.valid_for_us)
        self.codec = StreamCodec(self.layout)
        self.merger = StreamMerger(self.layout, self.folder)

    # --- what happens to it

    def write(self, events: Iterable[Arrived], now_us: int, *, whole: bool = False) -> None:
        """Fold events into the stream part, through its bytes; with `whole` all at once, else epoch by epoch as they come."""
        part = StreamPart(LOG) if self.stream is None else self.codec.decode(self.stream)
        given = list(events)
        groups = [[one for one in given if one.epoch == epoch] for epoch in sorted({one.epoch for one in given})]
        for some in groups if whole else [[one] for one in given]:
            self.stream_folder.add(part, some[0].epoch, [self.row(one) for one in some])
        self.stream_folder.tidy(part, self.mark, now_us)
        self.events += given
        self.stream = self.codec.encode(part)

    def row(self, one: Arrived) -> Row:
        """An event as a row of the stream part."""
        components: list[Any] = []
        for slot in self.layout.slots:
            value: Any = physical(one.values.get(slot.column)) if slot.column else None
            if isinstance(slot.partial, BySecondary):
                value = {name: physical(one.values[name]) for name in slot.partial.inputs}
            components += slot.partial.lift(value, one.time_us, one.tie)
        return Row(one.time_us, one.time_us, tuple(components))

    def compact(self, mark: Mark, few: int | None) -> Part | None:
        """The batch part of a compaction of all that arrived until now with its epoch or an earlier one."""
        inside = [one for one in self.events if one.time_us < mark.watermark_us and one.epoch <= mark.epoch]
        tiles = [self.layout.tile_schema.to_frame()]
        for epoch in sorted({one.epoch for one in inside}):
            frame = frame_of([one for one in inside if one.epoch == epoch], self.layout.key_names[0])
            tiles.append(build_tiles(prepare_events(frame.lazy(), self.layout, "timestamp", 0), self.layout, epoch).collect())
        reads = ReadSpan(mark.watermark_us, mark.watermark_us, mark.watermark_us + self.valid_for_us)
        parts = compact(pl.concat(tiles), self.layout, self.folder.windows, reads, few)
        return Codec(self.layout).decode(seal(parts[PART][0], mark)) if parts.height else None

    def sync(self, mark: Mark, part: Part | None, *, stamped: bool = True) -> None:
        """Take over a compaction; without `stamped` the key has not changed and only the view's mark moves."""
        self.mark = mark
        if part is None:
            self.batch = Codec(self.layout).decode(seal(b"", mark)) if stamped else None
        else:
            self.batch = part

    # --- how it is read

    @property
    def held(self) -> Mark:
        """The watermark and epoch that hold for it."""
        return in_force(self.batch, self.mark or NOTHING)

    def read(self, at_us: int) -> tuple[list[Any], set[Window]]:
        """The value of every feature, and the windows that are inexact."""
        view = None if self.stream is None else self.codec.view(self.stream)
        values, inexact = self.merger.fold(self.batch, view, self.held, at_us)
        return list(values), {self.folder.windows[number] for number in inexact}

    def wrong(self, at_us: int) -> list[str]:
        """What a read at this time says that the reference does not, of what it calls exact."""
        values, inexact = self.read(at_us)
        expected = reference_values(self.view.features, [one.event for one in self.events], at_us)
        return [
            f"{one.name} over {one.windows} at {at_us - BEGIN_US}: {value}, not {expected[one.name]}"
            for one, value in zip(self.view.features, values, strict=True)
            if inexact.isdisjoint(one.windows) and not same(value, expected[one.name], self.scale(one))
        ]

    def inexact(self, at_us: int) -> set[Window]:
        """The windows that a read at this time calls inexact."""
        return self.read(at_us)[1]

    def scale(self, one: Feature) -> float:
        """What 1e-9 is relative to: the sum of absolute inputs; its square for variances."""
        if one.input_column not in {"whole", "narrow", "real", "single", "flag"}:
            return 0.0
        numbers = [abs(float(value)) for each in self.events if (value := each.values[one.input_column]) is not None]
        total = sum(number for number in numbers if number == number)  # noqa: PLR0124 - NaN differs from itself
        if "var" in one.function.label:
            return total**2
        return total * (1e3 if one.dtype == pl.Float32 or "stddev" in one.function.label else 1)

    def twin(self) -> "StreamKey":
        """The same key before anything happened to it."""
        return replace(self, stream=None, batch=None, mark=None, events=[])


def same(value: Any, expected: Any, scale: float) -> bool:
    """Whether two values are the same, OVERFLOW too; floats within 1e-9 of `scale`."""
    if isinstance(value, list) and isinstance(expected, list):
        return len(value) == len(expected) and all(same(*pair, scale) for pair in zip(value, expected, strict=True))
    if value is OVERFLOW or expected is OVERFLOW:
        return value is expected
    return agree(value, expected, scale)


def frame_of(events: Sequence[Arrived], key: str) -> pl.DataFrame:
    """Events as the output of a view's transformation."""
    columns = sorted(events[0].values)
    schema = {key: pl.String(), "timestamp": pl.Int64(), "event_id": pl.String()} | {name: INPUTS[name][0] for name in columns}
    rows = [("a", one.time_us, one.tie, *(one.values[name] for name in columns)) for one in events]
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC")))
