"""Checks of what is pushed to a source: how much was refused, and whether what was accepted is written.

The rule: they warn and stop nothing: an event that was refused is told to its sender and kept as a dead letter, one that waits
is durable. They are about now, so they have no partitions; the drain sensor reports them between runs, too.
"""

from collections.abc import Callable
from datetime import timedelta

import dagster as dg

from assets.event_log import event_log_key
from assets.verdicts import Verdict, result
from resources import WorkspaceResource
from resources.settings import REFUSED_SHARE_MAX
from tilefold.declaration.sources import Source, StreamSource
from tilefold.engine.time import to_datetime, to_us
from tilefold.serving.stream_standing import Standing
from tilefold.workspace import Workspace

BEHIND_MAX_S = 10.0
WARN = dg.AssetCheckSeverity.WARN
_DAY = timedelta(days=1)


def source_checks(source: Source) -> list[dg.AssetChecksDefinition]:
    """The checks of a source's event log: none where nothing is pushed to it."""
    if not isinstance(source, StreamSource):
        return []
    return [_check(source, name, about, look) for name, (about, look) in LOOKS.items()]


def _check(source: Source, name: str, about: str, look: Callable[[Workspace, str], Verdict]) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=event_log_key(source.name), name=name, description=about)
    def check(workspace: WorkspaceResource) -> dg.AssetCheckResult:
        return result(look(workspace.workspace, source.name), WARN)

    return check


def few_are_refused(ws: Workspace, source: str) -> Verdict:
    """Whether the share of refused events among those of yesterday and today (UTC) is small."""
    limit, days = REFUSED_SHARE_MAX.value(), {ws.now().date(), ws.now().date() - _DAY}
    letters = ws.dead_letters(source).counts()
    refused = sum(count for day, count in letters.items() if day in days)
    held = ws.event_log(source).snapshot().days()
    accepted = sum(files.rows for day, files in held.items() if day in days)
    share = refused / (refused + accepted) if refused else 0.0
    facts = {
        "refused_events": refused,
        "accepted_events": accepted,
        "refused_share": round(share, 6),
        "refused_share_max": limit,
        "dead_letters_in_all": sum(letters.values()),
    }
    text = f"{refused} of {refused + accepted} events of yesterday and today were refused; the dead letters say why."
    return Verdict(share <= limit, text, facts)


def stream_is_written(ws: Workspace, source: str) -> Verdict:
    """Whether what was accepted is in what is read, or a living writer is at it and not far behind."""
    standing = ws.stream_standing(source)
    newest = standing.latest_us
    facts = {
        "lag_events": standing.lag or 0,
        "behind_s": standing.behind_s,
        "writers": ", ".join(sorted(standing.writers)) or "none",
        "shards_owned": len(standing.owners),
        "newest_event": to_datetime(newest).isoformat() if newest is not None else "none",
        "newest_event_age_s": round((to_us(ws.now()) - newest) / 1e6, 1) if newest is not None else -1.0,
    }
    passed, text = _written(standing)
    return Verdict(passed, text, facts)


def _written(standing: Standing) -> tuple[bool, str]:
    if standing.waiting:
        return False, f"A writer waits: {standing.waiting}"
    if standing.behind_s > BEHIND_MAX_S:
        return False, f"The writer has been behind for {standing.behind_s:.0f} s; start another `tilefold write-stream`."
    if standing.lag and not standing.owners:
        return False, f"{standing.lag} events wait and no writer lives; start `tilefold write-stream`."
    if standing.lag is None:
        return True, "No view takes the stream yet."
    return True, f"{standing.lag} events wait; {len(standing.writers)} writers own {len(standing.owners)} shards."


LOOKS: dict[str, tuple[str, Callable[[Workspace, str], Verdict]]] = {
    "few_are_refused": ("Few pushed events of yesterday and today were refused.", few_are_refused),
    "stream_is_written": ("Accepted events are visible in reads, or a living writer is at them.", stream_is_written),
}
