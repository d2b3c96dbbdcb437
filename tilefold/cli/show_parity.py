"""What `parity` found, as tables for people.

The rule: a line for each feature, with how many of its values were found to be what; mismatches are shown one by one.
"""

from rich.console import Console
from rich.table import Table

from tilefold.serving.parity_report import Finding, ParityReport


def parity_found(report: ParityReport, console: Console) -> None:
    """Show one view."""
    lost = f"; {report.dropped:,} did not fit when they were taken" if report.dropped else ""
    console.print(f"{report.view}: {report.samples:,} sampled reads{lost}.")
    if not report.samples:
        return
    table = Table("feature", *(finding.value for finding in Finding))
    for name, counts in report.features.items():
        table.add_row(name, *(_cell(finding, counts[finding]) for finding in Finding))
    console.print(table)
    for example in report.examples:
        console.print(str(example), markup=False)


def _cell(finding: Finding, count: int) -> str:
    return f"[red]{count:,}[/]" if count and finding is Finding.MISMATCH else f"{count:,}"
