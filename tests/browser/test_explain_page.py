"""The page that explains a value, in a real browser: on a desk and on a phone, in light and dark, by keyboard alone.

The rule: a picture of the whole page is kept in `build/screenshots`, of each size and colour scheme.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser.looks import CONTRAST, CUT, FOCUSED, OVERLAPS, SMALLEST
from tests.browser.pages import PAGE_S, SCREENSHOTS
from tests.server.explaining import explainable, moved
from tests.server.servers import served

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

DESK, PHONE = (1280, 900, 1), (390, 844, 2)
SIZES = {"desktop": DESK, "phone": PHONE}
QUERY = "view=spend&keys[user]=a&feature=units_sum_30d&reference=1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, online_url: str, stream_url: str) -> Iterator[str]:
    """The address of a server of a stream view with tiles of every kind."""
    with explainable(tmp_path_factory.mktemp("explained"), online_url, stream_url) as ws, served(ws) as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture
def page(browser: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """The browser, which is as it was afterwards."""
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.get("about:blank")


def opened(browser: webdriver.Chrome, url: str, size: tuple[int, int, int], scheme: str = "light") -> None:
    """Open an address on a screen of this size (width, height, pixels per pixel) and with this colour scheme."""
    width, height, scale = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    browser.get(url)


def keep_picture(browser: webdriver.Chrome, name: str) -> None:
    """Keep a picture of the whole page."""
    found = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    (SCREENSHOTS / f"{name}.png").write_bytes(base64.b64decode(found["data"]))


def there(browser: webdriver.Chrome, by: str, what: str) -> WebElement:
    """An element, once the page that holds it is there."""
    return WebDriverWait(browser, PAGE_S).until(lambda page: page.find_element(by, what), f"{what} on {browser.current_url}")


def focused(browser: webdriver.Chrome) -> dict[str, Any]:
    """What has the focus."""
    return dict(browser.execute_script(FOCUSED))


def complaints(browser: webdriver.Chrome) -> list[Any]:
    """What the browser had to say: refused by the policy, not found, and so on."""
    return [each for each in browser.get_log("browser") if each["level"] in ("SEVERE", "WARNING")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_page_can_be_read(page: webdriver.Chrome, server: str, size: str, scheme: str) -> None:
    """On both screens and in both schemes: nothing to scroll sideways, no text over another, none small or pale."""
    opened(page, f"{server}/explain?{QUERY}", SIZES[size], scheme)
    keep_picture(page, f"explain-{size}-{scheme}")
    assert "332" in page.find_element("css selector", ".value").text
    assert page.execute_script("return document.documentElement.scrollWidth") <= SIZES[size][0]
    assert page.execute_script(OVERLAPS) == []
    assert page.execute_script(SMALLEST) >= 12
    contrast = page.execute_script(CONTRAST)
    assert contrast[0] >= 4.5, contrast
    assert page.execute_script("return getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)" if scheme == "light" else "rgb(13, 17, 23)"
    )
    assert complaints(page) == []


@pytest.mark.parametrize("axis", ["even", "recent"])
@pytest.mark.parametrize("size", SIZES)
def test_no_text_of_a_picture_is_cut(page: webdriver.Chrome, server: str, size: str, axis: str) -> None:
    """Of every feature, on both screens and both axes, all texts lie inside the picture and not over one another."""
    for window in ("1h", "1d", "30d", "lifetime"):
        opened(page, f"{server}/explain?view=spend&keys[user]=a&feature=units_sum_{window}&axis={axis}", SIZES[size])
        assert (page.execute_script(CUT), page.execute_script(OVERLAPS)) == ([], [])


@pytest.mark.parametrize("size", SIZES)
def test_a_stale_value_can_be_read(page: webdriver.Chrome, tmp_path: Path, online_url: str, stream_url: str, size: str) -> None:
    """The tile that an edge cuts has a mark of its own, beside all other texts; the reason can be read."""
    with explainable(tmp_path, online_url, stream_url, merged=True) as ws:
        moved(ws, 36.0)
        with served(ws) as client:
            opened(page, f"{client.base_url}/explain?{QUERY}", SIZES[size])
            keep_picture(page, f"explain-stale-{size}")
            assert (page.execute_script(CUT), page.execute_script(OVERLAPS)) == ([], [])
            assert page.execute_script(CONTRAST)[0] >= 4.5
            assert "cuts a tile" in page.find_element("css selector", ".note").text


@pytest.mark.parametrize("size", SIZES)
def test_the_keyboard_reaches_everything(page: webdriver.Chrome, server: str, size: str) -> None:
    """Tab goes through the form, then every tile of the picture that is shown, each with a name; Enter goes to its row."""
    opened(page, f"{server}/explain?{QUERY}", SIZES[size])
    body = page.find_element("tag name", "body")
    stops = []
    for _ in range(200):
        body.send_keys(Keys.TAB) if not stops else page.switch_to.active_element.send_keys(Keys.TAB)
        stop = focused(page)
        if stop["tag"] == "body":
            break
        stops.append(stop)
    tiles = [stop for stop in stops if (stop["href"] or "").startswith("#tile-")]
    rows = page.find_elements("css selector", "tr[id^=tile-]")
    assert {stop["href"] for stop in tiles} == {f"#{row.get_attribute('id')}" for row in rows}
    assert len(tiles) == len(rows) == 28
    assert all(stop["seen"] for stop in tiles)
    assert all(stop["label"].startswith("Tile ") for stop in tiles)
    assert [stop["name"] for stop in stops if stop["tag"] in ("input", "select")] == [
        "keys[user]",
        "feature",
        "at",
        "reference",
    ]
    page.find_element("css selector", f"svg.{'wide' if size == 'desktop' else 'narrow'} a[href='#tile-3']").send_keys(
        Keys.ENTER
    )
    assert page.execute_script("return document.querySelector('tr:target').id") == "tile-3"


def test_a_value_is_explained_from_the_first_page(page: webdriver.Chrome, server: str) -> None:
    """Choose a view, write the entity, and the value is there with its picture; another feature is one click away."""
    opened(page, f"{server}/explain", DESK)
    page.find_element("tag name", "button").click()
    there(page, "name", "keys[user]").send_keys("a", Keys.ENTER)
    assert there(page, "css selector", ".value").text == "5"
    page.find_element("link text", "spend.units_max_lifetime").click()
    assert there(page, "xpath", "//h2[contains(., 'units_max_lifetime')]/following::p[@class='value']").text == "40"
    assert page.find_elements("css selector", "svg.wide .lane")[0].text.startswith("batch part, ")
    assert complaints(page) == []


def test_the_api_page_can_be_read(page: webdriver.Chrome, server: str) -> None:
    """The page of the API loads nothing and fits on a phone."""
    for name, size in SIZES.items():
        opened(page, f"{server}/docs", size)
        keep_picture(page, f"docs-{name}")
        assert page.execute_script("return document.documentElement.scrollWidth") <= size[0]
        assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert complaints(page) == []
