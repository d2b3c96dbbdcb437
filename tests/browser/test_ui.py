"""What people see of the Dagster project in a real browser, from `tilefold up` to its end.

The rule: everything is this module's own (root, Dagster home, ports, profile), every wait is for a condition, and nothing is
left running, whatever fails. A picture of each page is kept in `build/screenshots`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.browser.pages import shown
from tests.browser.stack import Stack, import_flights

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

VIEW = "aircraft_delays"
ASSETS = ("flights/event_log", f"{VIEW}/tiles", f"{VIEW}/compacted", f"{VIEW}/online")
GROUPS = ("flights", VIEW, "carrier_delays", "origin_delays")
IMPORTED_DAYS = 4


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root folder of its own."""
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="module")
def days(root: Path) -> list[str]:
    """The days from the first of a few days of flights to yesterday."""
    return import_flights(root, IMPORTED_DAYS)


@pytest.fixture(scope="module")
def stack(root: Path, days: list[str]) -> Iterator[Stack]:
    """The stack over them; told to end it exits with 0, and nothing of it may be left."""
    assert days
    running = Stack(root)
    try:
        running.wait_until_it_answers()
        yield running
        assert running.stop() == (0, {})
    finally:
        running.kill()


@pytest.fixture(scope="module")
def backfill(stack: Stack, days: list[str]) -> str:
    """A backfill of all assets of a view over these days, which has ended."""
    started = stack.backfill(ASSETS, days)
    ended = stack.backfill_ended(started)
    assert ended["status"] == "COMPLETED_SUCCESS", ended
    return started


def test_the_backfill_page_shows_a_completed_backfill(stack: Stack, browser: webdriver.Chrome, backfill: str) -> None:
    """A backfill launched over GraphQL is run by the daemon, and its page says that every partition of every asset is done."""
    names = [name.replace("/", " / ") for name in ASSETS]
    text = shown(browser, f"{stack.url}/runs/b/{backfill}", ("Succeeded", "100% completed", *names), "backfill")
    assert text.count("100% completed") == len(ASSETS)


@pytest.mark.usefixtures("backfill")
def test_the_asset_graph_shows_every_step(stack: Stack, browser: webdriver.Chrome) -> None:
    """The graph of all assets shows the event log and, of each view, the three steps behind it, with arrows between them."""
    opened = ",".join(f"global@global:{group}" for group in GROUPS)
    url, arrows = f"{stack.url}/asset-groups?expanded={opened}", 9  # from the log to three views, two within each
    text = shown(browser, url, (*GROUPS, "event_log", "online"), "asset-graph", arrows)
    assert [text.count(step) for step in ("event_log", "tiles", "compacted", "online")] == [1, 3, 3, 3]


@pytest.mark.usefixtures("backfill")
def test_the_graph_of_a_view_shows_that_its_checks_passed(stack: Stack, browser: webdriver.Chrome) -> None:
    """Each step of the view that was backfilled shows its share of filled partitions, and that all of its checks passed."""
    url = f"{stack.url}/locations/__repository__@tilefold/asset-groups/{VIEW}"
    text = shown(browser, url, ("tiles", "compacted", "online", "1 / 1 Passed", "4 / 4 Passed"), "asset-group")
    assert (text.count("1 / 1 Passed"), text.count("% filled")) == (2, 4)


@pytest.mark.usefixtures("backfill")
def test_a_partition_shows_its_own_numbers(stack: Stack, browser: webdriver.Chrome, days: list[str]) -> None:
    """The page of one day's compaction says as of when it is, on what it builds, and how many tiles became how many."""
    url = f"{stack.url}/assets/{VIEW}/compacted?view=partitions&partition={days[1]}"
    facts = (f"{days[2]}T00:00:00", f"as of {days[1]}", "tiles_before", "tiles_after", "duration_s", "Keys by number of tiles")
    assert "Materialized" in shown(browser, url, facts, "partition")
