"""The browser that all tests of the UI look with."""

from collections.abc import Iterator

import pytest
from selenium import webdriver

from tests.browser.pages import opened_browser


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A Chromium with a profile of its own."""
    with opened_browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened
