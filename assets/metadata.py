"""Metadata of one partition, and charts in it.

The rule: numbers carry their unit in the name, and every partition of a range gets its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

CHART_WIDTH = 40


def record(context: dg.AssetExecutionContext, key: str, facts: Mapping[str, Any]) -> None:
    """Hand out the metadata of one partition."""
    context.add_asset_metadata(facts, partition_key=key)


def bar_chart(title: str, bars: Sequence[tuple[str, float]]) -> dg.MarkdownMetadataValue:
    """A chart of horizontal bars in Markdown, one line each: label, bar, value."""
    longest = max((value for _, value in bars), default=0) or 1
    width = max((len(label) for label, _ in bars), default=0)
    lines = [f"{label:>{width}} {_bar(value / longest):<{CHART_WIDTH}} {value:,.0f}" for label, value in bars]
    return dg.MetadataValue.md("\n".join([f"**{title}**", "", "```text", *lines, "```"]))


def _bar(share: float) -> str:
    """A bar of eighths of a letter's width."""
    eighths = round(share * CHART_WIDTH * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
