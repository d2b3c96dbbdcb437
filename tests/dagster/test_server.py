"""The feature server as Dagster sees it: asked where one is named, said where none is, and never taken for well unasked."""

from collections.abc import Iterator

import dagster as dg
import pytest
from httpx import Client

from assets.server import services_of
from tests.dagster.shopping import DAYS, DEFINITIONS, SPEND, Shop
from tests.running import free_port, until
from tests.server.servers import GET, params, served
from tilefold.server.key_file import KeyFile
from tilefold.serving.definitions import load_definitions

LOG = "purchases/event_log"
ONLINE = dg.AssetKey(["user_spend", "online"])
CHECK = "server_is_well"
URL, KEY, LIMIT = "TILEFOLD_SERVER_URL", "TILEFOLD_SERVER_KEY", "TILEFOLD_SERVER_P99_MAX_S"


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server is named, and no key given."""
    for name in (URL, KEY, LIMIT, "TILEFOLD_API_KEYS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(shop: Shop) -> Iterator[Client]:
    """A server of the shop, which has no events yet: its views are ready, and empty."""
    with shop.open() as ws, served(ws) as client:
        yield client


def named(shop: Shop, monkeypatch: pytest.MonkeyPatch, url: object, **more: str) -> Shop:
    """The shop's project, loaded where a server is named."""
    for name, value in {URL: str(url).rstrip("/"), **more}.items():
        monkeypatch.setenv(name, value)
    return Shop(shop.root, shop.instance)


def check(shop: Shop) -> dg.AssetCheckEvaluation:
    """What the check of the server says now."""
    result = shop.select(dg.AssetSelection.checks(dg.AssetCheckKey(ONLINE, CHECK)))
    (found,) = result.get_asset_check_evaluations()
    assert found.severity is dg.AssetCheckSeverity.WARN
    return found


def link(shop: Shop, asset: dg.AssetKey = ONLINE) -> dg.MetadataValue:
    """What an asset says of its page."""
    found = shop.definitions.resolve_asset_graph().get(asset).metadata["explain"]
    assert isinstance(found, dg.MetadataValue)
    return found


def test_without_a_server_nothing_is_asked_and_that_is_said(shop: Shop) -> None:
    """No check that would pass for nothing; the asset says which variable to set."""
    graph = shop.definitions.resolve_asset_graph()
    assert not [key for key in graph.asset_check_keys if key.name == CHECK]
    assert "set TILEFOLD_SERVER_URL" in str(link(shop).value)


def test_assets_link_to_the_page_of_their_view(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every asset of a view that is online has a link; one of a view that is not says so."""
    loaded = named(shop, monkeypatch, "http://127.0.0.1:1/")
    for step in ("tiles", "compacted", "online"):
        found = link(loaded, dg.AssetKey(["user_spend", step]))
        assert isinstance(found, dg.UrlMetadataValue)
        assert found.value == "http://127.0.0.1:1/explain?view=user_spend"
    assert link(loaded, dg.AssetKey(["user_visits", "tiles"])).value == "not online by its declaration"


def test_a_server_that_is_not_ready_fails(shop: Shop, server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are there and nothing was materialized: the check says what the server says."""
    assert shop.run((LOG,), DAYS[3]).success
    until(lambda: server.get("/readyz").status_code == 503, 10.0, "the server to notice", 0.2)
    found = check(named(shop, monkeypatch, server.base_url))
    assert (found.passed, found.metadata["ready"].value) == (False, False)
    assert "not ready" in str(found.description)


def test_a_server_that_is_well_passes(shop: Shop, server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ready, and fast enough in 99 of 100 reads of the view and of the services that it is in; their number is told."""
    for service in ("user_spend", "user_spend", "merchant_sales"):
        server.post(GET, json=params(service, {"user_id": "u1"} if service == "user_spend" else {"merchant": "a"}))
    loaded = named(shop, monkeypatch, server.base_url, **{LIMIT: "30"})
    found = check(loaded)
    facts = {name: value.value for name, value in found.metadata.items()}
    assert (found.passed, facts["ready"], facts["reads"], facts["p99_max_s"]) == (True, True, 2, 30.0), found
    assert 0 < facts["p99_s"] <= 5
    slow = check(named(shop, monkeypatch, server.base_url, **{LIMIT: "0"}))
    assert (slow.passed, "the limit is 0 s" in str(slow.description)) == (False, True)


def test_stale_reads_are_told(shop: Shop, server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were served STALE are counted in the check's facts: what is of 2024 is."""
    assert shop.run((LOG, *SPEND), DAYS[3]).success
    until(lambda: server.get("/readyz").status_code == 503, 10.0, "the server to notice", 0.2)
    server.post(GET, json=params("user_spend", {"user_id": "u1"}))
    assert check(named(shop, monkeypatch, server.base_url)).metadata["stale_reads"].value == 1


def test_a_server_that_is_away_fails(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """That it could not be asked is a failure, with the reason."""
    found = check(named(shop, monkeypatch, f"http://127.0.0.1:{free_port()}"))
    assert (found.passed, "could not be asked" in str(found.description)) == (False, True)


def test_a_key_is_sent_where_one_is_required(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """With keys in force the check needs one of its own, and says so."""
    key = KeyFile(str(shop.root)).create("dagster", "read")
    with shop.open() as ws, served(ws) as client:
        without = check(named(shop, monkeypatch, client.base_url))
        with_key = check(named(shop, monkeypatch, client.base_url, **{KEY: key}))
    assert "Give a key that may read, as TILEFOLD_SERVER_KEY" in str(without.description)
    assert (without.passed, with_key.passed) == (False, True)


def test_a_view_is_read_by_its_services_too() -> None:
    """The names that its reads are counted under."""
    declared = load_definitions(str(DEFINITIONS))
    assert services_of(declared, declared.view("user_spend")) == ["user_spend", "shop"]
    assert services_of(declared, declared.view("user_clicks")) == ["user_clicks"]
