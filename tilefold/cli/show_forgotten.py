"""What `forget` did, in words."""

from tilefold.serving.reports import ForgetReport

_SERVER = "not rewritten by this server: its own files may hold it until it writes them anew"


def forgotten(report: ForgetReport) -> str:
    """A line for each kind of place, then what is left to do."""
    span = f" of {len(report.days):,} days" if report.days else ""
    lines = [
        f"event log of {report.source}: {report.events:,} events{span} removed, {report.dead_letters:,} refused ones",
        *(f"{v.view}: {v.tiles:,} tiles, {v.parts:,} compacted parts, {v.online:,} online keys removed" for v in report.views),
        f"files of earlier versions deleted: {report.files_removed:,}",
        f"online store: {'files rewritten' if report.online_files_rewritten else _SERVER}",
        f"stream log: {'entries up to now dropped' if report.stream_files_rewritten else _SERVER}",
        *(f"NOT forgotten, run it again: {each}" for each in report.left),
    ]
    if report.source_files:
        lines.append(f"Take it out of {report.source_files} too, before the next import brings it back.")
    if report.days:
        lines.append(f"Other views of {report.source} are built anew for these days at their next compaction.")
    return "\n".join(lines)
