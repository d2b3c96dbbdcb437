"""From declarations to assets and their checks.

The rule: a source gives an event log; a view gives tiles and compactions, and where it is online its keys in the store and the
version that is served.
"""

from collections.abc import Iterator

import dagster as dg

from assets.checks import view_checks
from assets.compacted import compacted_asset
from assets.event_log import event_log_asset
from assets.online import online_asset
from assets.served import served_asset
from assets.server import server_checks
from assets.spans import Partitioning
from assets.streams import source_checks
from assets.tiles import tiles_asset
from tilefold.declaration.views import FeatureView
from tilefold.serving.definitions import Definitions


def build_assets(definitions: Definitions, partitioning: Partitioning, policy: dg.BackfillPolicy) -> list[dg.AssetsDefinition]:
    """The assets of all sources and views, in the order of their declarations."""
    logs = [event_log_asset(source, partitioning, policy) for source in definitions.sources.values()]
    return logs + [asset for view in definitions.views.values() for asset in _of_view(view, partitioning, policy)]


def build_checks(definitions: Definitions, partitioning: Partitioning) -> list[dg.AssetChecksDefinition]:
    """The checks of all sources and views."""
    of_sources = [check for source in definitions.sources.values() for check in source_checks(source)]
    of_views = [check for view in definitions.views.values() for check in view_checks(view, partitioning)]
    return of_sources + of_views + server_checks(definitions)


def _of_view(view: FeatureView, partitioning: Partitioning, policy: dg.BackfillPolicy) -> Iterator[dg.AssetsDefinition]:
    yield tiles_asset(view, partitioning, policy)
    yield compacted_asset(view, partitioning, policy)
    if view.online:
        yield online_asset(view, partitioning, policy)
        yield served_asset(view, partitioning, policy)
