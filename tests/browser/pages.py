"""A browser, and pages in it: what they show once they are loaded, with a picture of each."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1600,1000"
)
PAGE_S = 90.0


@contextmanager
def opened_browser(profile: Path) -> Iterator[webdriver.Chrome]:
    """A Chromium with a profile of its own."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium, "install chromium (.ci/run does)"
    assert driver, "install chromium-driver (.ci/run does)"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in [*FLAGS.split(), f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        yield opened
    finally:
        opened.quit()


def shown(browser: webdriver.Chrome, url: str, words: tuple[str, ...], name: str, arrows: int = 0) -> str:
    """The text of a page once it holds the words and so many arrows and loads no more; a picture of it is kept."""
    browser.get(url)

    def text(page: webdriver.Chrome) -> str | None:
        body = str(page.execute_script("return document.body ? document.body.innerText : ''"))
        busy = any(word in body for word in ("Loading", "fetching"))
        drawn = int(page.execute_script("return document.querySelectorAll('path[marker-end]').length"))
        return body if all(word in body for word in words) and not busy and drawn >= arrows else None

    try:
        return str(WebDriverWait(browser, PAGE_S).until(text, f"{words} on {url}"))
    finally:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))
