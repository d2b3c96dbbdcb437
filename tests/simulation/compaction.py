"""Compaction in plain values: what `engine.compact` does in frames, from the same plan, for the few keys of a simulation."""

import numpy as np

from tests.simulation.memory_tables import Compacted, LogVersion
from tests.simulation.views import Kit
from tilefold.engine.mark import Mark
from tilefold.engine.plan import Plan, plan_of, read_span, reads_newest
from tilefold.engine.stream_part import Row


def compacted(kit: Kit, log: LogVersion, mark: Mark) -> Compacted:
    """The batch parts at a watermark, of the rows whose epoch is not above the compaction's number."""
    context = kit.context
    newest_us = max((row.event.time_us for row in log.rows), default=None) if reads_newest(kit.view) else None
    plan = plan_of(context.windows, read_span(kit.view, mark.watermark_us, newest_us))
    grain_us = context.layout.grain_us
    cells: dict[str, dict[int, Row]] = {}
    for epoch, _, event in log.unique().values():
        made = kit.row_of(event)
        if made is None or epoch > mark.epoch or event.time_us >= mark.watermark_us:
            continue
        own, cell = cells.setdefault(event.user, {}), event.time_us // grain_us
        own[cell] = made if cell not in own else _joined(kit, own[cell], made)
    parts = {user: _part(kit, plan, [own[cell] for cell in sorted(own)]) for user, own in cells.items()}
    return Compacted({user: part for user, part in parts.items() if part}, plan.start_us // grain_us)


def _part(kit: Kit, plan: Plan, cells: list[Row]) -> bytes:
    """The part of one key, empty where no window reaches it: its cells, or what the plan leaves of many."""
    held = [cell for cell in cells if cell.first_us >= plan.start_us]
    if len(held) > kit.view.few_cells:
        segments = plan.segments(np.array([cell.first_us for cell in held], np.int64))
        tiles: list[Row] = []
        for number, cell in enumerate(held):
            if number and segments[number] == segments[number - 1]:
                tiles[-1] = _joined(kit, tiles[-1], cell)
            else:
                tiles.append(cell)
        held = tiles
    return kit.encoder.part(held) if held else b""


def _joined(kit: Kit, one: Row, other: Row) -> Row:
    first_us, last_us = min(one.first_us, other.first_us), max(one.last_us, other.last_us)
    return Row(first_us, last_us, kit.context.stream_folder.join(one.components, other.components))
