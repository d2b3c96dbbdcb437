"""What stands behind a value, as text: the windows of all features, and the tiles of one of them.

The rule: as in `show`: tables go to standard output and nothing else does.
"""

from rich.console import Console
from rich.table import Table

from tilefold.cli.show import size, text
from tilefold.serving.explained import ExplainedFeature, Explanation, Reference

TILES_SHOWN = 20


def explanation(found: Explanation, chosen: str | None, out: Console) -> None:
    """The edges of each window, what lies between them, and the tiles: of a chosen feature those inside, else all."""
    epoch = "" if found.epoch is None else f", epoch {found.epoch}"
    stream = f"; stream part {size(found.stream_bytes)}" if found.kind == "stream" else ""
    out.print(f"{found.view} {found.keys}: batch part as of {text(found.watermark)}{epoch}, {size(found.part_bytes)}{stream}")
    out.print(f"online key {found.online_key!r}", markup=False)
    out.print(_features(found))
    for each in found.features:
        if each.why:
            out.print(f"{each.name}: {each.why}", markup=False)
    feature = None if chosen is None else found.feature(chosen)
    out.print(_all_tiles(found) if feature is None else _inside(found, feature))
    listed = len(found.tiles) if feature is None else len(feature.shares)
    if listed > TILES_SHOWN:
        out.print(f"... and {listed - TILES_SHOWN} older tiles")
    if found.reference is not None:
        out.print(_compared(found.reference))
        out.print(f"{found.reference.events:,} events in the event log, {found.reference.unserved:,} of them came since")


def _features(found: Explanation) -> Table:
    table = Table("feature", "value", "status", "from", "to", "tiles", "events")
    for each in found.features:
        events = sum(tile.events for tile in each.tiles)
        edges = ("the beginning" if each.start is None and each.end else text(each.start), text(each.end))
        table.add_row(each.name, text(each.value), each.status, *edges, str(len(each.tiles)), f"{events:,}")
    return table


def _all_tiles(found: Explanation) -> Table:
    table = Table("first cell", "last cell", "kind", "epoch", "events", title=f"the newest of {len(found.tiles)} tiles")
    for tile in found.tiles[-TILES_SHOWN:]:
        kind = str(tile.kind) if tile.counts else "not counted"
        table.add_row(text(tile.first), text(tile.last), kind, text(tile.epoch), f"{tile.events:,}")
    return table


def _inside(found: Explanation, feature: ExplainedFeature) -> Table:
    """What each tile inside of the window brings."""
    title = f"the newest of {len(feature.shares)} tiles inside the window of {feature.name}"
    table = Table("first cell", "last cell", "kind", "epoch", "events", "share", "alone", title=title)
    for share in feature.shares[-TILES_SHOWN:]:
        tile = found.tiles[share.tile]
        alone = text(share.value) if share.known else "hidden"
        facts = (str(tile.kind), text(tile.epoch), f"{share.events:,}", f"{share.part:.1%}", alone)
        table.add_row(text(tile.first), text(tile.last), *facts)
    return table


def _compared(reference: Reference) -> Table:
    table = Table("feature", "from the event log", "verdict")
    for name, value in reference.values.items():
        table.add_row(name, text(value), str(reference.verdicts[name]))
    return table
