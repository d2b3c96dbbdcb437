"""The sensor that heals: what late or corrected events touched is built again, and the newest compaction is served.

The rule: once an hour it asks which days' tiles are not those of the log. All of them are built again in one run over their
range; when that run has ended well, the newest partition of what is compacted and served follows. A run key says what is
healed, so that the same wounds are never run twice; where a run failed they are tried again, three times in all. A view that
a person launches heals when it is launched.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from hashlib import sha256

import dagster as dg

from assets import Partitioning
from assets.tiles import tiles_key
from orchestration.cursors import cursor_of, to_text
from orchestration.jobs import watermarked
from orchestration.partitions import RANGE_END, RANGE_START, newest_key
from resources import WorkspaceResource
from resources.settings import HEAL_INTERVAL_S
from tilefold.declaration.views import FeatureView
from tilefold.engine.time import SECOND_US, to_datetime, to_us
from tilefold.serving.definitions import Definitions
from tilefold.serving.healing import days_to_heal
from tilefold.workspace import Workspace

HEAL_TAG = "tilefold/heal"
TICK_S = 30
"""How often it looks after a run that it asked for; wounds are looked for every `TILEFOLD_HEAL_INTERVAL_S`."""
ATTEMPTS = 3
SHOWN = 10
Wounds = Mapping[str, Sequence[date]]


@dataclass(frozen=True, slots=True)
class HealCursor:
    """What the sensor remembers.

    Attributes
    ----------
    looked_s
        When it looked for wounds last, in seconds since 1970.
    asked
        The key of the run that it waits for; empty where it waits for none.
    views
        Whose newest partitions follow that run.
    content, attempts
        Of the last wounds: what they were, and how many runs were asked for.
    """

    looked_s: float = 0.0
    asked: str = ""
    views: tuple[str, ...] = ()
    content: str = ""
    attempts: int = 0


def heal_sensor(declared: Definitions, partitioning: Partitioning) -> dg.SensorDefinition:
    """The sensor of all views; it is on from the start."""
    interval_s = HEAL_INTERVAL_S.value()
    views = [view for view in declared.views.values() if view.scheduled]
    keys = [key for view in views for key in (tiles_key(view.name), *watermarked(view))]

    @dg.sensor(
        name="heal",
        asset_selection=dg.AssetSelection.assets(*keys),
        minimum_interval_seconds=int(min(TICK_S, interval_s)),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Every {interval_s:g} s: builds again what late or corrected events touched, and serves it.",
    )
    def heal(context: dg.SensorEvaluationContext, workspace: WorkspaceResource) -> dg.SensorResult:
        cursor, now = cursor_of(HealCursor, context.cursor), datetime.now(UTC)  # a workspace is opened where it is needed alone
        if cursor.asked:
            return _after_run(context.instance, cursor, lambda: _serving(cursor, declared, partitioning, now))
        next_s = cursor.looked_s + interval_s
        if now.timestamp() < next_s:
            return _skipped(cursor, f"Looks for days to heal at {to_datetime(int(next_s) * SECOND_US):%Y-%m-%d %H:%M:%S} UTC.")
        return _look(workspace.workspace, views, replace(cursor, looked_s=now.timestamp()))

    return heal


def _look(ws: Workspace, views: Sequence[FeatureView], cursor: HealCursor) -> dg.SensorResult:
    """Ask for the run that builds all wounds again."""
    wounds = {view.name: days for view in views if (days := days_to_heal(ws.context(view.name)))}
    if not wounds:
        return _skipped(replace(cursor, content="", attempts=0), "No day wants healing.")
    content = _content(ws, wounds)
    attempts = cursor.attempts + 1 if content == cursor.content else 1
    days = sorted({day for some in wounds.values() for day in some})
    shown = ", ".join(str(day) for day in days[:SHOWN])
    if attempts > ATTEMPTS:
        reason = (
            f"{shown} of {', '.join(wounds)} could not be healed in {ATTEMPTS} runs: look at them, then materialize the tiles."
        )
        return _skipped(cursor, reason)
    asked = f"heal-{content}-{attempts}"
    request = dg.RunRequest(
        run_key=asked,
        asset_selection=[tiles_key(view) for view in wounds],
        tags={RANGE_START: str(days[0]), RANGE_END: str(days[-1]), HEAL_TAG: asked},
    )
    waiting = replace(cursor, asked=asked, views=tuple(wounds), content=content, attempts=attempts)
    return dg.SensorResult(run_requests=[request], cursor=to_text(waiting))


def _content(ws: Workspace, wounds: Wounds) -> str:
    """What is to be healed, in a word: of each view which days, and what the log holds of them."""
    texts = []
    for name, days in sorted(wounds.items()):
        view = ws.definitions.view(name)
        held = ws.event_log(view.source.name).snapshot().days()
        texts += [f"{name} {view.version} {day} {held[day].fingerprint if day in held else 0}" for day in days]
    return sha256("\n".join(texts).encode()).hexdigest()[:16]


def _after_run(
    instance: dg.DagsterInstance, cursor: HealCursor, serving: Callable[[], Sequence[dg.RunRequest]]
) -> dg.SensorResult:
    """Once the run over the wounds has ended, ask for what follows it."""
    found = instance.get_run_records(filters=dg.RunsFilter(tags={HEAL_TAG: cursor.asked}), limit=1)
    done = replace(cursor, asked="", views=())
    if not found:
        return _skipped(done, f"The run {cursor.asked} is gone: looks for days to heal again.")
    run = found[0].dagster_run
    if not run.is_finished:
        return _skipped(cursor, f"Waits for the run {run.run_id}, which builds {', '.join(cursor.views)} again.")
    if not run.is_success:
        return _skipped(replace(done, looked_s=0.0), f"The run {run.run_id} has failed; it is tried again.")
    return dg.SensorResult(run_requests=serving(), cursor=to_text(done))


def _serving(cursor: HealCursor, declared: Definitions, partitioning: Partitioning, now: datetime) -> list[dg.RunRequest]:
    """The runs of the newest partitions of some views, those together that have the same one."""
    together: dict[tuple[str, str], list[dg.AssetKey]] = defaultdict(list)
    for view in (declared.views[name] for name in cursor.views if name in declared.views):
        partitions = partitioning.of_watermarks(view.name)
        key = newest_key(partitions, to_datetime(to_us(now) - view.data_delay_us))
        if key is not None:
            together[partitions.cron_schedule, key] += watermarked(view)
    return [
        dg.RunRequest(
            run_key=f"{cursor.asked}-{number}-{key}",
            partition_key=key,
            asset_selection=assets,
            tags={HEAL_TAG: f"{cursor.asked}-serve"},
        )
        for number, ((_, key), assets) in enumerate(sorted(together.items()))
    ]


def _skipped(cursor: HealCursor, reason: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=to_text(cursor))
