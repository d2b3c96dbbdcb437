"""What people see of the Dagster project, from `tilefold up` to its end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.browser.stack import Stack, import_flights, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1600,1000"
)
VIEW = "aircraft_delays"
ASSETS = ("flights/event_log", f"{VIEW}/tiles", f"{VIEW}/compacted", f"{VIEW}/online")
IMPORTED_DAYS = 10
PAGE_S = 60.0


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A root folder with a few days of flights, and the newest of them."""
    root = tmp_path_factory.mktemp("stack")
    return root, import_flights(root, IMPORTED_DAYS)[-4:]


@pytest.fixture(scope="module")
def stack(days: tuple[Path, list[str]]) -> Iterator[Stack]:
    """The stack over it; when it is told to end, nothing of it may be left."""
    running = Stack.start(days[0])
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A Chromium with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in [*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def backfill(stack: Stack, days: tuple[Path, list[str]]) -> str:
    """A backfill of all assets of a view over the newest days, which has ended."""
    started = stack.backfill(ASSETS, days[1])
    assert stack.backfill_ended(started) == "COMPLETED_SUCCESS"
    return started


def shown(browser: webdriver.Chrome, url: str, words: tuple[str, ...], name: str) -> str:
    """The text of a page once it holds the words; a picture of it is kept."""
    browser.get(url)

    def text() -> str | None:
        body = browser.find_element(By.TAG_NAME, "body").text
        return body if all(word in body for word in words) else None

    try:
        return str(until(text, PAGE_S, f"{words} on {url}"))
    finally:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))


def test_the_backfill_page_shows_a_completed_backfill(stack: Stack, browser: webdriver.Chrome, backfill: str) -> None:
    """A backfill launched over GraphQL is run by the daemon, and its page says that every partition of every asset is done."""
    names = [name.replace("/", " / ") for name in ASSETS]
    text = shown(browser, f"{stack.url}/runs/b/{backfill}", ("Succeeded", "100% completed", *names), "backfill")
    assert text.count("100% completed") == len(ASSETS)


@pytest.mark.usefixtures("backfill")
def test_the_asset_graph_shows_every_step(stack: Stack, browser: webdriver.Chrome) -> None:
    """The graph of a view's group shows its three assets and the event log that they come from."""
    url = f"{stack.url}/locations/__repository__@tilefold/asset-groups/{VIEW}"
    shown(browser, url, ("tiles", "compacted", "online"), "asset-graph")


def test_nothing_is_left_when_up_is_told_to_end(stack: Stack) -> None:
    """After SIGTERM `up` exits with 0, and neither Dagster's processes nor the embedded server live on."""
    before = stack.processes()
    commands = " ".join(before.values())
    assert all(part in commands for part in ("dagster_webserver", "dagster._daemon", "valkey-server"))
    assert stack.stop() == 0
    assert stack.processes() == {}
    assert [pid for pid in before if Path(f"/proc/{pid}").exists()] == []
