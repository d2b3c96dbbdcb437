"""What the Workspace gives back, as text for people and as JSON for programs.

The rule: tables go to standard output and nothing else does; JSON holds every digit, a table as many as one reads.
"""

import json
import sys
from collections import Counter
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from tilefold.serving.plain_json import plain
from tilefold.serving.read import FeatureVector, Status
from tilefold.serving.reports import MaterializeReport, PruneReport, RemovalReport, SwitchReport, TrainingSetReport
from tilefold.serving.stream_standing import Standing

WIDTH_PIPED = 160
_COLOURS = {Status.STALE: "yellow", Status.NOT_READY: "yellow", Status.OVERFLOW: "red", Status.MISSING_DATA: "dim"}


def console() -> Console:
    """Standard output; wide where it is not a terminal, so that nothing is cut."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_PIPED, highlight=False)


def features(vector: FeatureVector) -> Table:
    """Each value with what it is worth and as of when."""
    table = Table("feature", "value", "status", "effective time")
    statuses, times = vector.statuses, vector.effective_times
    for name, value in vector.values.items():
        status = statuses[name]
        table.add_row(name, text(value), f"[{_COLOURS.get(status, 'green')}]{status}[/]", text(times[name]))
    return table


def features_json(vector: FeatureVector) -> str:
    """Values, statuses and effective times by `view.feature`."""
    times = {name: None if time is None else time.isoformat() for name, time in vector.effective_times.items()}
    return json.dumps({"values": plain(vector.values), "statuses": vector.statuses, "effective_times": times}, indent=2)


def text(value: Any) -> str:
    """A value as a table shows it.

    Examples
    --------
    >>> text(None), text(2.884920634920635), text(["JFK", "LGA"])
    ('-', '2.88492', 'JFK, LGA')
    """
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00") + " UTC"
    if isinstance(value, list):
        return ", ".join(text(each) for each in value) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def size(count: float) -> str:
    """A number of bytes.

    Examples
    --------
    >>> size(512), size(3_500_000)
    ('512 B', '3.5 MB')
    """
    for unit in ("B", "kB", "MB"):
        if count < 1000:  # noqa: PLR2004 - what a kilo is
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def materialized(report: MaterializeReport) -> str:
    """What `materialize` did, in a line; in another one what became of the version."""
    told = _materialized(report)
    return told if report.switch is None else f"{told}\n{switched(report.switch)}"


def switched(report: SwitchReport) -> str:
    """Which version is served, in a line."""
    if report.switched:
        before = "" if report.old is None else f" in place of {report.old}"
        return f"{report.view}: version {report.new} is served from here on{before}."
    return f"{report.view}: version {report.old} is served as before, not {report.new}: {report.reason}."


def removed(report: RemovalReport) -> str:
    """Which versions `prune --old-versions` removed, a line each, and what is left."""
    lines = []
    for each in report.removed:
        users = f"; its tables stay, {', '.join(each.users)} has use of them" if each.users else ""
        lines.append(f"removed: version {each.version}, {each.keys:,} keys, {size(each.size_bytes)} of tables{users}")
    lines += [f"kept: version {version}: {reason}" for version, reason in report.left.items()]
    served = "none" if report.served is None else report.served
    return "\n".join([*lines, f"{report.view}: {len(report.removed):,} versions removed; served is {served}."])


def _materialized(report: MaterializeReport) -> str:
    until = text(report.as_of)
    made, sync = report.compaction, report.sync
    if made is None:
        return f"{report.view}: nothing changed since {until}."
    compacted = (
        f"{report.view}: as of {until}, {len(made.rebuilt_days)} days built, {made.events:,} events in "
        f"{made.tiles_before:,} -> {made.tiles_after:,} tiles of {made.keys:,} keys"
    )
    if sync is None:
        return f"{compacted}; not online by its declaration; {made.duration_s:.1f} s."
    if sync.superseded:
        return f"{report.view}: compacted as of {until}; the online store holds a newer one, and keeps it."
    return (
        f"{compacted}; online {sync.written:,} keys written ({size(sync.bytes)}), {sync.unchanged:,} unchanged, "
        f"{sync.removed:,} removed; {made.duration_s + sync.duration_s:.1f} s."
    )


def writers(standing: Standing) -> str:
    """Who writes a stream.

    Examples
    --------
    >>> writers(Standing("clicks", 0, 4, {0: "a", 1: "a"}, {}, None))
    'a writes 2 of 4 shards'
    """
    shares = Counter(standing.owners.values())
    if not shares:
        return "no writer process"
    return ", ".join(f"{name} writes {count} of {standing.shards} shards" for name, count in sorted(shares.items()))


def training_set(report: TrainingSetReport) -> str:
    """What `training-set` wrote, and what to know of it.

    Examples
    --------
    >>> training_set(TrainingSetReport("spend", "set.parquet", 1000, {"spend__count_1d": 20}, 0, 1.25))
    'spend: 1,000 rows with 1 features in set.parquet, 2.0 % of their values null; 1.2 s.'
    """
    nulls = f"{report.null_share:.1%}".replace("%", " %")
    made = (
        f"{report.name}: {report.rows:,} rows with {len(report.nulls)} features in {report.place}, {nulls} of their values null"
    )
    if not report.rows_after_now:
        return f"{made}; {report.duration_s:.1f} s."
    return f"{made}; {report.rows_after_now:,} rows lie after now, and see what there is so far; {report.duration_s:.1f} s."


def pruned(report: PruneReport) -> str:
    """What `prune` removed, a line each, and what is left."""
    lines = [f"removed: as of {text(as_of)}, epoch {epoch}" for as_of, epoch in report.removed]
    served = "" if report.served is None else f"; served is that as of {text(report.served[0])}, epoch {report.served[1]}"
    return "\n".join([*lines, f"{report.view}: {len(report.removed):,} compactions removed, {report.kept:,} kept{served}."])
