"""Checks of a running feature server, and links to its pages, where `TILEFOLD_SERVER_URL` says that there is one.

The rule: without an address there is no check, and the asset says so: a check that asks nobody would pass for nothing. A server
that does not answer fails its check with the reason. They warn and stop nothing: what is synced does not depend on a server.
"""

import dagster as dg

from assets.online import online_key
from assets.verdicts import Verdict, result
from resources.settings import SERVER_P99_MAX_S, server_key, server_url
from tilefold.declaration.views import FeatureView
from tilefold.errors import StoreUnavailableError
from tilefold.server.probe import ServerState, probe
from tilefold.serving.definitions import Definitions

WARN = dg.AssetCheckSeverity.WARN


def server_checks(definitions: Definitions) -> list[dg.AssetChecksDefinition]:
    """A check for what is served of each view; none where no server is named."""
    if not server_url():
        return []
    return [_check(view, services_of(definitions, view)) for view in definitions.views.values() if view.online]


def services_of(definitions: Definitions, view: FeatureView) -> list[str]:
    """The names under which a view is read: its own, and those of the services that it is in."""
    services = [name for name, service in definitions.services.items() if any(each.name == view.name for each in service.views)]
    return [view.name, *services]


def _check(view: FeatureView, services: list[str]) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=online_key(view.name),
        name="server_is_well",
        description="The feature server is ready, and fast enough in 99 of 100 reads of this view and its services.",
    )
    def server_is_well() -> dg.AssetCheckResult:
        return result(look(services), WARN)

    return server_is_well


def look(services: list[str]) -> Verdict:
    """What the server says of some services."""
    url, limit_s = server_url(), SERVER_P99_MAX_S.value()
    try:
        state = probe(url, server_key())
    except StoreUnavailableError as error:
        return Verdict(passed=False, text=f"The server could not be asked. {error}", metadata={"server": url})
    return _verdict(state, services, limit_s, url)


def _verdict(state: ServerState, services: list[str], limit_s: float, url: str) -> Verdict:
    slowest_s = max((state.p99_s[name] for name in services if name in state.p99_s), default=0.0)
    facts = {
        "server": dg.MetadataValue.url(url),
        "ready": state.ready,
        "says": state.why,
        "reads": sum(state.requests.get(name, 0) for name in services),
        "p99_s": min(slowest_s, 1e9),  # JSON has no infinity
        "p99_max_s": limit_s,
        "stale_reads": sum(state.stale.get(name, 0) for name in services),
    }
    if not state.ready:
        return Verdict(passed=False, text=f"The server is not ready: {state.why}", metadata=facts)
    if slowest_s > limit_s:
        return Verdict(
            passed=False, text=f"99 of 100 reads take up to {slowest_s:g} s; the limit is {limit_s:g} s.", metadata=facts
        )
    return Verdict(passed=True, text=f"Ready; 99 of 100 reads take up to {slowest_s:g} s.", metadata=facts)
