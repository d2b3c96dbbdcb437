"""An explanation as JSON.

The rule: names are those of `tilefold.serving.explained`; times are ISO 8601 in UTC, numbers have every digit.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tilefold.serving.explained import ExplainedFeature, ExplainedTile, Explanation, Reference, Share, Span
from tilefold.serving.plain_json import plain


def as_json(told: Explanation, chosen: str = "") -> dict[str, Any]:
    """What `json.dumps` takes; of all features, or of a chosen one."""
    feature = told.feature(chosen) if chosen else None
    features: Sequence[ExplainedFeature] = told.features if feature is None else [feature]
    return {
        "view": told.view,
        "kind": told.kind,
        "keys": {name: plain(value) for name, value in told.keys.items()},
        "read_at": _time(told.read_at),
        "leading_edge": _time(told.leading_edge),
        "watermark": _time(told.watermark),
        "epoch": told.epoch,
        "stamp_epoch": told.stamp_epoch,
        "valid_until": _time(told.valid_until),
        "online_key": told.online_key.decode("utf-8", "backslashreplace"),
        "part_bytes": told.part_bytes,
        "stream_bytes": told.stream_bytes,
        "tiles": [_tile(tile) for tile in told.tiles],
        "features": [_feature(each) for each in features],
        "reference": None if told.reference is None else _reference(told.reference),
    }


def _time(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _tile(tile: ExplainedTile) -> dict[str, Any]:
    return {
        "kind": tile.kind,
        "first": _time(tile.first),
        "last": _time(tile.last),
        "end": _time(tile.end),
        "events": tile.events,
        "epoch": tile.epoch,
        "counts": tile.counts,
    }


def _feature(feature: ExplainedFeature) -> dict[str, Any]:
    return {
        "name": feature.name,
        "function": feature.function,
        "column": feature.column,
        "dtype": feature.dtype,
        "value": plain(feature.value),
        "status": feature.status,
        "why": feature.why,
        "start": _time(feature.start),
        "end": _time(feature.end),
        "windows": [_span(each) for each in feature.windows],
        "shares": [_share(each) for each in feature.shares],
        "cut": list(feature.cut),
    }


def _span(span: Span) -> dict[str, Any]:
    return {"start": _time(span[0]), "end": _time(span[1])}


def _share(share: Share) -> dict[str, Any]:
    known = {"value": plain(share.value)} if share.known else {}
    return {"tile": share.tile, "events": share.events, "part": share.part, "known": share.known, **known}


def _reference(reference: Reference) -> dict[str, Any]:
    return {
        "at": _time(reference.at),
        "events": reference.events,
        "unserved": reference.unserved,
        "values": {name: plain(value) for name, value in reference.values.items()},
        "verdicts": dict(reference.verdicts),
    }
