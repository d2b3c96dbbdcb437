"""The switch: another version of a view answers reads from here on.

The rule: it goes forward by itself, to a version that never was served, and only where that one is as far as the served one:
its watermark is no older, and its stream parts hold what the log held when it was asked for. Back to a version that was served
before it goes only where that is asked for: else a process with old definitions, which materializes them again, would undo it.
"""

from tilefold.declaration.views import FeatureView
from tilefold.engine.time import to_datetime
from tilefold.serving.reports import SwitchReport
from tilefold.stores.online_store import OnlineStore


def switch(view: FeatureView, online: OnlineStore, *, back: bool = False) -> SwitchReport:
    """Serve this version of a view, in one step.

    Parameters
    ----------
    back
        Also where it was served before, or is as of an earlier watermark than what is served.

    Raises
    ------
    ConflictError
        If it is not ready in this store, or another one took the place of the served one meanwhile.
    """
    versions = online.versions.of(view.name)
    served, new = versions.served, view.version
    if served == new:
        return SwitchReport(view.name, served, new, switched=False, reason="it is served already")
    reason = "" if back else _against(view, online, served, was_served=new in versions.retired)
    if reason:
        return SwitchReport(view.name, served, new, switched=False, reason=reason)
    online.versions.switch(view.name, served, new)
    return SwitchReport(view.name, served, new, switched=True)


def _against(view: FeatureView, online: OnlineStore, served: str | None, *, was_served: bool) -> str:
    """What speaks against it."""
    if was_served:
        return f"it was switched away from; version {served} took its place"
    old = None if served is None else online.mark(view.name, served)
    mark = online.mark(view.name, view.version)
    if old is None or mark is None or mark.watermark_us >= old.watermark_us:
        return ""
    return f"it is as of {to_datetime(mark.watermark_us)}, and what is served as of {to_datetime(old.watermark_us)}"
