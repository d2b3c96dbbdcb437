"""The check that what was served was right: sampled reads of the last two days, recomputed from the event log.

The rule: it fails where a value is a mismatch and stops nothing: what it found has been served. Values that late events explain
are told apart. Where nothing is sampled it says so, and passes.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg

from assets.metadata import bar_chart
from assets.online import online_key
from assets.verdicts import SHOWN, Verdict, result
from resources import WorkspaceResource
from tilefold.declaration.views import FeatureView
from tilefold.serving.parity_report import Finding, ParityReport, mismatch_share
from tilefold.workspace import Workspace

NAME = "served_values_were_right"
LOOKS_BACK = timedelta(days=2)
SAMPLES_MAX = 100_000


def parity_check(view: FeatureView) -> dg.AssetChecksDefinition:
    """The check of what is served of a view."""

    @dg.asset_check(
        asset=online_key(view.name),
        name=NAME,
        description="Sampled reads of the last two days are what the event log says; late events explain some, told apart.",
    )
    def served_values_were_right(workspace: WorkspaceResource) -> dg.AssetCheckResult:
        return result(look(workspace.workspace, view.name))

    return served_values_were_right


def is_sampled(ws: Workspace, view: str) -> bool:
    """Whether there are samples to look at."""
    days = ws.context(view).samples.days()
    return bool(days) and max(days) >= (ws.now() - LOOKS_BACK).date()


def look(ws: Workspace, view: str) -> Verdict:
    """What the samples of a view are found to be."""
    report = ws.parity(view, ws.now() - LOOKS_BACK, SAMPLES_MAX)
    if not report.samples:
        return Verdict(passed=True, text="Nothing was sampled: serve with --sample-rate above 0.", metadata={"samples": 0})
    total = report.total
    text = f"{total[Finding.MISMATCH]:,} of {sum(total.values()):,} values of {report.samples:,} sampled reads are wrong."
    return Verdict(report.passed, text, _facts(report))


def _facts(report: ParityReport) -> Mapping[str, Any]:
    shares = {f"mismatch_share {name}": mismatch_share(counts) for name, counts in report.features.items()}
    return {
        "samples": report.samples,
        "samples_dropped": report.dropped,
        "mismatch_share": mismatch_share(report.total),
        "features": _table(report),
        "mismatches_by_hour": _by_hour(report, Finding.MISMATCH),
        "late_by_hour": _by_hour(report, Finding.LATE),
        "examples": [str(example) for example in report.examples[:SHOWN]],
        **shares,
    }


def _table(report: ParityReport) -> dg.MarkdownMetadataValue:
    """Which values were found to be what, a row for each feature."""
    names = [finding.value for finding in Finding]
    rows = [[name, *(f"{counts[finding]:,}" for finding in Finding)] for name, counts in report.features.items()]
    lines = [["feature", *names], ["---", *("---:" for _ in names)], *rows]
    return dg.MetadataValue.md("\n".join("| " + " | ".join(cells) + " |" for cells in lines))


def _by_hour(report: ParityReport, finding: Finding) -> dg.MarkdownMetadataValue:
    """A bar for each hour of reads."""
    bars = [(f"{hour:%m-%d %H:00}", float(counts[finding])) for hour, counts in sorted(report.hours.items())]
    return bar_chart(f"{finding.value} values by hour of the read (UTC)", bars)
