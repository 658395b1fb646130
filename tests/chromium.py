"""A real Chromium without a window, driven by chromedriver."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Chromium:
    """One browser; `page` opens a page in it, of a certain size, with an empty log.

    Attributes:
        driver: Selenium's.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def page(self, url: str, size: tuple[int, int] = (1280, 800)) -> None:
        self.resize(size)
        self.blank()
        self.driver.get(url)

    def resize(self, size: tuple[int, int]) -> None:
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def blank(self) -> None:
        """Leave the page, and forget what it complained of."""
        self.driver.get("about:blank")
        self.complaints()

    def run(self, script: str, *args: object) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *args)

    def until(self, condition: str, *args: object, within_s: float = 30) -> Any:
        """Wait until an expression is true in the page; gives its value."""
        from selenium.webdriver.support.wait import WebDriverWait

        wait = WebDriverWait(self.driver, within_s, 0.02)
        told = f"{condition} {args} is not so"
        return wait.until(lambda _: self.run(f"return {condition}", *args), told)

    def complaints(self) -> list[str]:
        """What the browser logged since last asked: faults of scripts, refusals by policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A browser; skips where there is none, but not in CI."""
    driver = shutil.which("chromedriver")
    if driver is None:
        why = "no Chromium: apt install chromium chromium-driver"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    for flag in (
        "--headless=new",
        "--no-sandbox",  # root has none
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--mute-audio",
        "--autoplay-policy=no-user-gesture-required",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options, Service(driver))
    try:
        yield Chromium(browser)
    finally:
        browser.quit()
