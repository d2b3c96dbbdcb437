"""`tilefold views`: what is declared, and how far it is served.

The rule: it opens no stream log that nobody used yet.
"""

from rich.table import Table

from tilefold.cli import show
from tilefold.declaration.views import FeatureView
from tilefold.engine.time import to_datetime
from tilefold.serving.given import key_types
from tilefold.workspace import Workspace


def listing(workspace: Workspace) -> Table:
    """A row for each view and service."""
    table = Table("view or service", "keys", "features", "source", "version", "served as of")
    for view in workspace.definitions.views.values():
        keys = ", ".join(field.name for field in view.join_keys)
        served = _served(workspace, view)
        table.add_row(view.name, keys, str(len(view.features)), view.source.name, view.version, served)
    for service in workspace.definitions.services.values():
        keys = ", ".join(key_types(workspace.definitions, service.name))
        count = sum(len(each.names) for each in service.selections)
        table.add_row(service.name, keys, str(count), "a service", "", "")
    return table


def _served(workspace: Workspace, view: FeatureView) -> str:
    if not view.online:
        return "not online"
    mark = workspace.online_store.served_mark(view.name, view.version)
    compacted = show.text(None if mark is None else to_datetime(mark.watermark_us))
    served = workspace.versions(view.name).served
    if served not in (None, view.version):
        compacted = f"{compacted}, by version {served}: see `tilefold plan`"
    if view.kind != "stream":
        return compacted
    if not workspace.streams_used():
        return f"{compacted}, then the stream"
    lag = workspace.stream_standing(view.source.name).lag
    waiting = "not taken yet" if lag is None else f"{lag:,} events waiting"
    return f"{compacted}, then the stream ({waiting})"
