"""What people see of a stream in a real browser: its assets, and sensors that drain it while departures go on coming."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from selenium import webdriver

from tests.browser.pages import shown
from tests.browser.stack import Stack, import_flights
from tests.running import until

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

SENSOR, VIEW = "departures_drain", "live_delays"
GROUPS = ("departures", VIEW)
TICKS = """query($name: String!) { sensorOrError(sensorSelector: {sensorName: $name, repositoryName: "__repository__",
  repositoryLocationName: "tilefold"}) {
  __typename ... on Sensor { sensorState { status ticks(limit: 20) { status skipReason } } } } }"""
START_S = 120.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack with a replay, after two ticks that have drained something; nothing of it may be left."""
    root = tmp_path_factory.mktemp("streaming")
    import_flights(root, 1)
    running = Stack(root, "--speed", "600")
    try:
        running.wait_until_it_answers()
        until(lambda: len(drained(running)) > 1, START_S, "two ticks that have drained", 1)
        yield running
        assert running.stop() == (0, {})
    finally:
        running.kill()


def drained(stack: Stack) -> list[str]:
    """What ticks of the drain sensor said that drained something, the newest first."""
    state = stack.ask(TICKS, name=SENSOR)["sensorState"]
    assert state["status"] == "RUNNING"
    return [tick["skipReason"] for tick in state["ticks"] if "drained, 0 refused" in (tick["skipReason"] or "")]


def test_the_graph_shows_the_stream_and_its_view(stack: Stack, browser: webdriver.Chrome) -> None:
    """The pushed source has an event log, and its view the steps of any view behind it."""
    opened = ",".join(f"global@global:{group}" for group in GROUPS)
    text = shown(browser, f"{stack.url}/asset-groups?expanded={opened}", (*GROUPS, "event_log", "online"), "stream-graph")
    assert [text.count(step) for step in ("event_log", "tiles", "compacted", "online")] == [1, 1, 1, 1]


def test_the_event_log_shows_what_was_drained(stack: Stack, browser: webdriver.Chrome) -> None:
    """The event log has a materialization of today, which the sensor reported without a run, with its numbers."""
    words = (f"{datetime.now(UTC):%Y-%m-%d}", "Reported", "events drained", "events_drained", "tick_events_refused")
    text = shown(browser, f"{stack.url}/assets/departures/event_log?view=events", words, "stream-event-log")
    assert "Failed" not in text


def test_the_event_log_shows_its_checks(stack: Stack, browser: webdriver.Chrome) -> None:
    """What was refused and whether a writer keeps up are checks of the event log, reported by the sensor, and both passed."""
    words = ("few_are_refused", "stream_is_written", "Passed", "0 of ")
    assert "Failed" not in shown(browser, f"{stack.url}/assets/departures/event_log?view=checks", words, "stream-checks")


def test_the_sensor_shows_its_ticks(stack: Stack, browser: webdriver.Chrome) -> None:
    """The page of the drain sensor shows how often it runs, and its ticks, which ask for no run."""
    url = f"{stack.url}/locations/__repository__@tilefold/sensors/{SENSOR}"
    text = shown(browser, url, (SENSOR, "~10 sec", "View logs", "0 runs requested"), "drain-sensor")
    assert text.count("View logs") > 1
