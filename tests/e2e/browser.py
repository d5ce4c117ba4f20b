"""A real browser without a window, where the machine has one."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import until

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    # None of what a browser asks its maker on its own: these tests run without a network.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)
WATCH_SOUND = """
    window.starts = [];
    const start = AudioBufferSourceNode.prototype.start;
    AudioBufferSourceNode.prototype.start = function (...when) {
        starts.push(performance.now());
        return start.apply(this, when);
    };
"""
"""Notes when the page schedules a piece of sound, whatever the page says about it."""


class Page:
    """The page of a server in a browser."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def js(self, code: str, *arguments: object) -> Any:
        """Return the value of an expression."""
        return self.driver.execute_script(f"return ({code})", *arguments)

    def until(self, code: str, what: str, deadline_s: float = 10.0) -> Any:
        """Return the first true value of an expression."""
        try:
            return until(lambda: self.js(code), what, deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()}\n{self.driver.get_log('browser')}") from error

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def find_all(self, selector: str) -> Sequence[Any]:
        return self.driver.find_elements("css selector", selector)

    def fill(self, selector: str, text: str) -> None:
        """Replace what stands in a field."""
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def text(self) -> str:
        """Return what a person can read."""
        return str(self.find("body").text)

    def complaints(self) -> list[str]:
        """Return what stands in red, and what the browser's console has."""
        red = [element.text for element in self.find_all(".bad") if element.is_displayed()]
        return [*red, *(entry["message"] for entry in self.driver.get_log("browser"))]


@contextmanager
def browsing(profile: Path, *more: str) -> Iterator[Page]:
    """Open a browser with an empty profile, and *more* switches; skip the test where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install selenium")
    service = pytest.importorskip("selenium.webdriver.chrome.service")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    chromedriver = shutil.which("chromedriver")
    if not (browser and chromedriver):
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for switch in (*SWITCHES, *more, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium's sandbox refuses root
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=service.Service(chromedriver))
    try:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH_SOUND})
        yield Page(driver)
    finally:
        driver.quit()
