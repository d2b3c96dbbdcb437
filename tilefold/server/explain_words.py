"""What the page says of a value, in words.

The rule: a sentence states what is stored or was computed, with its numbers and times in UTC, and nothing else.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from tilefold.server.explain_picture import is_moment, size_of
from tilefold.server.time_axis import duration
from tilefold.serving.explained import ExplainedFeature, Explanation, Share, TileKind, Verdict
from tilefold.serving.plain_json import plain

_VERDICTS: Final = {
    Verdict.AGREES: ("It agrees.", "agrees"),
    Verdict.NOT_SERVED_YET: ("Without the events that came since, it agrees.", "agrees but for newer events"),
    Verdict.LOG_CHANGED: (
        "It differs, and the log has changed since this was built: the next compaction takes that in.",
        "log changed",
    ),
    Verdict.STALE: ("It differs, as a value that says STALE may.", "differs, and says STALE"),
    Verdict.DIFFERS: ("It differs from what was served.", "differs"),
}
_KINDS: Final = {TileKind.BATCH: "batch", TileKind.STREAM: "stream", TileKind.LATE: "late"}


def shown(value: Any) -> str:
    """A value in a page.

    Examples
    --------
    >>> shown(None), shown(1234567), shown(0.1 + 0.2), shown(["JFK", None])
    ('none', '1,234,567', '0.3', 'JFK, none')
    """
    if isinstance(value, list):
        return ", ".join(shown(each) for each in value) or "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.10g}"
    return time(value) if isinstance(value, datetime) else "none" if value is None else str(plain(value))


def time(when: datetime) -> str:
    """A time, as precise as it is.

    Examples
    --------
    >>> time(datetime(2026, 11, 24, 0, 0)), time(datetime(2026, 11, 24, 0, 0, 1, 500_000))
    ('2026-11-24 00:00', '2026-11-24 00:00:01.500000')
    """
    text = f"{when:%Y-%m-%d %H:%M:%S}"
    return f"{text}.{when.microsecond:06}" if when.microsecond else text.removesuffix(":00")


def until(told: Explanation, end: datetime) -> str:
    """An end that is not counted itself; of a stream view's window that ends with the read its last moment, which is."""
    if told.kind == "stream" and end == told.leading_edge:
        return f"through {time(end - timedelta(microseconds=1))}"
    return f"up to {time(end)}"


def summary(told: Explanation, feature: ExplainedFeature) -> str:
    """What the value is made of."""
    if told.watermark is None:
        return f"Asked at {_second(told.read_at)}."
    counts = {kind: sum(tile.kind is kind for tile in feature.tiles) for kind in TileKind}
    parts = [f"{count:,} {_KINDS[kind]} {'tile' if count == 1 else 'tiles'}" for kind, count in counts.items() if count]
    events = sum(tile.events for tile in feature.tiles)
    made = f"Made of {events:,} {'event' if events == 1 else 'events'}: {', '.join(parts)}" if parts else "Made of no events"
    return f"{made}. Read at {_second(told.read_at)}."


def caption(told: Explanation, feature: ExplainedFeature) -> str:
    """What the picture shows."""
    if feature.end is None:
        return ""
    if len(feature.windows) > 1:
        return f"{len(feature.windows)} windows of a series, from {_start(feature)} to {time(feature.end)} (shaded)."
    length = f", {duration(feature.end - feature.start)} long" if feature.start else ""
    return f"The window goes from {_start(feature)} {until(told, feature.end)}{length} (shaded)."


def compared(told: Explanation, feature: ExplainedFeature) -> dict[str, Any] | None:
    """What the comparison with the event log says of a feature; None where it was not asked for."""
    found = told.reference
    if found is None:
        return None
    verdict_ = found.verdicts[feature.name]
    came = f" {found.unserved:,} of them came since and are not in what was read." if found.unserved else ""
    return {
        "alarm": verdict_ in (Verdict.DIFFERS, Verdict.LOG_CHANGED),
        "title": f"From the event log: {shown(found.values[feature.name])}.",
        "text": f"Plain Python went over {found.events:,} events.{came} {_VERDICTS[verdict_][0]}",
    }


def verdict(told: Explanation, feature: ExplainedFeature) -> str:
    """The comparison in two words, with the value."""
    if told.reference is None:
        return ""
    return f"{shown(told.reference.values[feature.name])}, {_VERDICTS[told.reference.verdicts[feature.name]][1]}"


def row(told: Explanation, number: int, share: Share) -> dict[str, Any]:
    """A tile in the table."""
    tile = told.tiles[share.tile]
    return {
        "number": number,
        "kind": _KINDS[tile.kind],
        "first": time(tile.first),
        "end": "the same moment" if is_moment(tile) else time(tile.end or tile.last),
        "size": size_of(tile),
        "epoch": f"\N{LESS-THAN OR EQUAL TO} {told.stamp_epoch}" if tile.epoch is None else str(tile.epoch),
        "events": f"{share.events:,}",
        "part": round(share.part, 4),
        "percent": f"{share.part:.1%}",
        "alone": _short(share.value) if share.known else "hidden",
    }


def facts(told: Explanation, feature: ExplainedFeature) -> list[tuple[str, str]]:
    """What is stored of the entity, name by name."""
    return [(name, value) for name, value in _facts(told, feature) if value]


def _facts(told: Explanation, feature: ExplainedFeature) -> Iterator[tuple[str, str]]:
    yield "Function", f"{feature.function} of {feature.column or 'events'}: {feature.dtype}"
    yield "Watermark E", "nothing is compacted yet" if not told.epoch or told.watermark is None else time(told.watermark)
    yield "Epoch in force", str(told.epoch or "")
    yield "Epoch on the key", "no batch part" if told.stamp_epoch is None else str(told.stamp_epoch)
    yield "Exact until", time(told.valid_until) if told.valid_until else ""
    yield "Windows go", until(told, told.leading_edge) if told.leading_edge else ""
    yield "Batch part", f"{told.part_bytes:,} bytes, {_tiles(told, batch=True):,} tiles"
    if told.kind == "stream":
        yield "Stream part", f"{told.stream_bytes:,} bytes, {_tiles(told, batch=False):,} rows and cells"
        yield "Of these not counted", f"{sum(not tile.counts for tile in told.tiles):,}: the batch part has them"
    yield "Online key", told.online_key.decode("utf-8", "backslashreplace")


def _tiles(told: Explanation, *, batch: bool) -> int:
    return sum((tile.kind is TileKind.BATCH) == batch for tile in told.tiles)


def _second(when: datetime) -> str:
    return time(when.replace(microsecond=0))


def _short(value: Any) -> str:
    """A value in a column of many: floats with the digits that one reads."""
    return f"{value:.6g}" if isinstance(value, float) else shown(value)


def _start(feature: ExplainedFeature) -> str:
    return time(feature.start) if feature.start else "the beginning"
