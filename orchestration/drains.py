"""The sensor that drains a stream, one per source that takes pushed events.

The rule: it drains inside its tick, since a run costs seconds of a processor, and reports each day that it touched as a
materialization of the event log. Nothing is lost by a tick that fails, comes twice or is cut short: what is in Delta is known
there alone. The cursor is for people, and for telling nothing twice: which late days were marked and want healing, and what the
checks said last.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import dagster as dg

from assets.event_log import day_drained, event_log_key, run_drained
from assets.streams import LOOKS, WARN
from assets.verdicts import SHOWN, evaluation
from resources import WorkspaceResource
from resources.settings import DRAIN_INTERVAL_S
from tilefold.declaration.sources import StreamSource
from tilefold.serving.healing import days_to_heal
from tilefold.serving.reports import DrainReport
from tilefold.workspace import Workspace

WITHIN_S = 15.0
"""When a tick makes no further commit: one of them takes a second or so, and a tick may take twenty."""
TOLD_EVERY_S = 600.0
"""How often a check is reported that says what it said before."""


@dataclass(frozen=True, slots=True)
class DrainCursor:
    """What a drain sensor remembers.

    Attributes
    ----------
    late
        Days that got events after a compaction had covered them, and are not healed yet.
    told
        What each check said last, and when (seconds since 1970).
    """

    late: Sequence[str] = ()
    told: Mapping[str, tuple[bool, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str | None) -> "DrainCursor":
        """The cursor of a tick before."""
        return cls(**json.loads(text)) if text else cls()

    def to_text(self) -> str:
        """As Dagster keeps it."""
        return json.dumps(asdict(self))


def drain_sensor(source: StreamSource, first: date) -> dg.SensorDefinition:
    """The sensor of a source, whose partitions begin with a day; it is on from the start."""

    @dg.sensor(
        name=f"{source.name}_drain",
        minimum_interval_seconds=int(DRAIN_INTERVAL_S.value()),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Brings what was pushed to '{source.name}' into its event log, every {DRAIN_INTERVAL_S.value():g} s.",
    )
    def drain(context: dg.SensorEvaluationContext, workspace: WorkspaceResource) -> dg.SensorResult:
        ws = workspace.workspace
        report = ws.drain(source.name, within_s=WITHIN_S)
        if report.missed:
            context.log.error("lost: positions of the stream were trimmed before they were drained: %s", dict(report.missed))
        before = DrainCursor.of(context.cursor)
        late = _still_late(ws, source.name, {*before.late, *(day.isoformat() for day in report.late_days)})
        told, evaluations = _checked(ws, source.name, before, ws.now().timestamp())
        return dg.SensorResult(
            skip_reason=said(report, late),
            asset_events=[*_materializations(ws, source.name, report, first), *evaluations],
            cursor=DrainCursor(late, told).to_text(),
        )

    return drain


def said(report: DrainReport, late: Sequence[str]) -> str:
    """What a tick did, in a line: Dagster shows it as the reason why it asks for no run."""
    marked = f" Late days that want healing: {', '.join(late[:SHOWN])}." if late else ""
    if not report.accepted and not report.refused:
        return f"Nothing was pushed since the last tick.{marked}"
    rest = "" if report.caught_up else " More waits for the next tick."
    counts = f"{report.accepted:,} events of {len(report.days)} days drained, {report.refused:,} refused"
    return f"{counts}, in {report.duration_s:.2f} s.{rest}{marked}"


def _still_late(ws: Workspace, source: str, marked: Iterable[str]) -> list[str]:
    """Those of some days that a view of the source wants healed."""
    marked = set(marked)
    if not marked:
        return []
    wounds = {day.isoformat() for view in ws.definitions.views_of(source) for day in days_to_heal(ws.context(view.name))}
    return sorted(marked & wounds)


def _materializations(ws: Workspace, source: str, report: DrainReport, first: date) -> list[dg.AssetMaterialization]:
    """One for each day that was touched, from the first partition on."""
    held = ws.event_log(source).snapshot().days() if report.days else {}
    run = run_drained(report)
    return [
        dg.AssetMaterialization(
            asset_key=event_log_key(source),
            partition=day.isoformat(),
            description=f"{count:,} events drained",
            metadata={"events": held[day].rows, "size_bytes": held[day].size_bytes, **day_drained(report, day), **run},
        )
        for day, count in report.days.items()
        if day >= first
    ]


def _checked(
    ws: Workspace, source: str, before: DrainCursor, now_s: float
) -> tuple[dict[str, tuple[bool, float]], list[dg.AssetCheckEvaluation]]:
    """What the source's checks say; those alone that say something else than before, or said it long ago."""
    told: dict[str, tuple[bool, float]] = {}
    news: list[Any] = []
    for name, (_, look) in LOOKS.items():
        verdict = look(ws, source)
        known = before.told.get(name)
        told[name] = (verdict.passed, now_s)
        if known is not None and known[0] == verdict.passed and now_s - known[1] < TOLD_EVERY_S:
            told[name] = (known[0], known[1])
        else:
            news.append(evaluation(event_log_key(source), name, verdict, WARN))
    return told, news
