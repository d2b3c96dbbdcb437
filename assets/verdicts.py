"""What checks find, in the form that Dagster takes.

The rule: in a range every partition gets a result of its own, and the run one that sums them up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

SHOWN = 10  # of a list, in metadata


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found of one partition, or of all of a run."""

    passed: bool
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def conclude(context: dg.AssetCheckExecutionContext, verdicts: Mapping[str, Verdict]) -> dg.AssetCheckResult:
    """Report each partition of a range by itself, and hand out what they come to."""
    if len(verdicts) == 1:
        return result(next(iter(verdicts.values())))
    for key, verdict in verdicts.items():
        _report(context, key, verdict)
    failed = [key for key, verdict in verdicts.items() if not verdict.passed]
    text = f"{len(failed)} of {len(verdicts)} partitions fail{': ' + ', '.join(failed[:SHOWN]) if failed else ''}."
    return result(Verdict(not failed, text, {"partitions": len(verdicts), "failed": len(failed)}))


def _report(context: dg.AssetCheckExecutionContext, key: str, verdict: Verdict) -> None:
    (check_key,) = context.selected_asset_check_keys
    evaluation = dg.AssetCheckEvaluation(
        asset_key=check_key.asset_key,
        check_name=check_key.name,
        passed=verdict.passed,
        metadata=verdict.metadata,
        description=verdict.text,
        blocking=True,
        partition=key,
    )
    context.op_execution_context.log_event(evaluation)  # type: ignore[arg-type] # it takes them; its annotation lags


def result(verdict: Verdict, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR) -> dg.AssetCheckResult:
    """A verdict as Dagster takes it."""
    return dg.AssetCheckResult(passed=verdict.passed, severity=severity, description=verdict.text, metadata=verdict.metadata)


def evaluation(asset: dg.AssetKey, name: str, verdict: Verdict, severity: dg.AssetCheckSeverity) -> dg.AssetCheckEvaluation:
    """A verdict as a sensor reports it, without a run."""
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=name,
        passed=verdict.passed,
        metadata=verdict.metadata,
        description=verdict.text,
        severity=severity,
    )
