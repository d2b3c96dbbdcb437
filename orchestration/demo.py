"""The runs of `tilefold demo`: of each source a backfill of event log and tiles, then one of what is served of the newest days.

The rule: each is one run over a range of partitions, kept by the instance that DAGSTER_HOME names, so that the UI shows it.

Started as `python -m orchestration.demo SOURCE FIRST LAST SERVED_FROM ...`, days inclusive, four words for each source.
"""

import sys

import dagster as dg

from assets.compacted import compacted_key
from assets.event_log import event_log_key
from assets.online import online_key
from assets.served import served_key
from assets.tiles import tiles_key
from orchestration.definitions import defs
from orchestration.partitions import RANGE_END, RANGE_START
from resources.workspace import environment
from tilefold.serving.definitions import load_definitions


def main(*words: str) -> bool:
    """Do the runs of all sources; whether all succeeded."""
    starts = range(0, len(words), 4)
    with dg.DagsterInstance.get() as instance:
        return all(_runs_of(instance, *words[start : start + 4]) for start in starts)


def _runs_of(instance: dg.DagsterInstance, source: str, first: str, last: str, served_from: str) -> bool:
    views = load_definitions(*environment()).views_of(source)
    built = [event_log_key(source), *(tiles_key(view.name) for view in views)]
    served = [key(view.name) for view in views for key in (compacted_key, online_key, served_key)]
    return _run(instance, built, first, last) and _run(instance, served, served_from, last)


def _run(instance: dg.DagsterInstance, assets: list[dg.AssetKey], first: str, last: str) -> bool:
    job = defs.resolve_implicit_global_asset_job_def()
    tags = {RANGE_START: first, RANGE_END: last}
    return job.execute_in_process(instance=instance, asset_selection=assets, tags=tags, raise_on_error=False).success


if __name__ == "__main__":
    sys.exit(0 if main(*sys.argv[1:]) else 1)
