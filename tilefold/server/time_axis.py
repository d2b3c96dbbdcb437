"""A time axis for a picture: where a time stands, and which times are written at it.

The rule: the newest time is on the right. The axis is even where that shows the tiles; where they would be too narrow, it is
logarithmic in the age: recent times get more room. It says which one it is.

    even          |----|----|----|----|----|            -5 d  -4 d  -3 d  -2 d  -1 d
    logarithmic   |--|---|------|------------|          -90 d  -7 d   -1 d         -1 h
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS = [
    *(timedelta(seconds=seconds) for seconds in (1, 5, 15, 30)),
    *(minutes * _MINUTE for minutes in (1, 5, 15, 30)),
    *(hours * _HOUR for hours in (1, 3, 6, 12)),
    *(days * _DAY for days in (1, 2, 3, 7, 14, 28, 91, 182, 364, 1820, 3640)),
]
_AGES = [_MINUTE, 10 * _MINUTE, _HOUR, 6 * _HOUR, _DAY, 3 * _DAY, 7 * _DAY, 30 * _DAY, 90 * _DAY, 365 * _DAY, 3650 * _DAY]
_HALF_LABEL_PX = 36.0  # a label is in the middle of its tick, and must not be cut
_SEEN_PX = 6.0  # wider than that a tile is easy to see
_AIR = 40
_BETTER = 1.2  # an axis that is not even must show that much more
_LOG_UNITS = 500.0  # of a logarithmic axis: the span is that many of its smallest unit

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark at the axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """An axis from `start` to `end`, drawn between `left` and `right`.

    Attributes
    ----------
    newest
        What ages are counted from; the end, where it is not given.
    """

    start: datetime
    end: datetime
    left: float
    right: float
    logarithmic: bool = False
    newest: datetime | None = None

    def x(self, time: datetime) -> float:
        """Where a time stands; what lies outside stands at the end that it lies behind."""
        span_s, age_s = self._span_s, (self.end - time).total_seconds()
        share = min(max(age_s / span_s, 0.0), 1.0)
        if self.logarithmic:
            share = math.log1p(share * _LOG_UNITS) / math.log1p(_LOG_UNITS)
        return round(self.right - share * (self.right - self.left), 1)

    def ticks(self, apart: float) -> list[Tick]:
        """Marks at least so far from one another."""
        written = self._ages() if self.logarithmic else self._steps(apart)
        found = [tick for tick in written if self.left + _HALF_LABEL_PX <= tick.x <= self.right - _HALF_LABEL_PX]
        kept: list[Tick] = []
        for tick in sorted(found, key=lambda each: -each.x):
            if not kept or kept[-1].x - tick.x >= apart:
                kept.append(tick)
        return kept[::-1]

    @property
    def _span_s(self) -> float:
        return max((self.end - self.start).total_seconds(), 1e-6)

    def _ages(self) -> Iterator[Tick]:
        newest = self.newest or self.end
        for age in _AGES:
            if newest - age > self.start:
                yield Tick(self.x(newest - age), f"\N{MINUS SIGN}{duration(age)}")

    def _steps(self, apart: float) -> Iterator[Tick]:
        wanted = max((self.right - self.left) / apart, 1)
        fitting = [step for step in _STEPS if self._span_s / step.total_seconds() <= wanted]
        step = fitting[0] if fitting else _STEPS[-1]
        time = _EPOCH + -(-(self.start - _EPOCH) // step) * step
        while time <= self.end:
            yield Tick(
                self.x(time), f"{time:%Y-%m-%d}" if step >= _DAY else f"{time:%H:%M:%S}" if step < _MINUTE else _hour(time)
            )
            time += step


def _hour(time: datetime) -> str:
    return f"{time:%m-%d}" if (time.hour, time.minute) == (0, 0) else f"{time:%H:%M}"


def fitting_axis(start: datetime, end: datetime, left: float, right: float, tiles: Sequence[Span], scale: str = "") -> TimeAxis:
    """An axis for these times and a little air at both ends.

    Parameters
    ----------
    scale
        `even`, `recent` for the logarithmic one, or empty for the one on which more of the tiles can be seen.
    """
    span = end - start
    even = TimeAxis(start - span / _AIR, end + span / _AIR, left, right)
    recent = TimeAxis(start - span / _AIR, end + span / (2 * _LOG_UNITS), left, right, logarithmic=True, newest=end)
    if scale:
        return recent if scale == "recent" else even
    return recent if _seen(recent, tiles) > _BETTER * _seen(even, tiles) else even


def _seen(axis: TimeAxis, tiles: Sequence[Span]) -> float:
    """How much of the tiles can be told apart: of each its width, and how far it is from the next one."""
    places = sorted((axis.x(start), axis.x(end)) for start, end in tiles)
    widths = sum(min(right - left, _SEEN_PX) for left, right in places)
    return widths + sum(min(after - left, _SEEN_PX) for (left, _), (after, _) in pairwise(places))


def duration(span: timedelta) -> str:
    """A span in its largest whole units.

    Examples
    --------
    >>> duration(timedelta(days=1)), duration(timedelta(hours=36)), duration(timedelta(microseconds=1))
    ('1 d', '1 d 12 h', '0 s')
    """
    left, parts = int(span.total_seconds()), []
    for name, unit in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, unit)
        if count:
            parts.append(f"{count:,} {name}")
    return " ".join(parts[:2]) or "0 s"
