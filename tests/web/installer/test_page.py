"""The installer's page in a real Chromium, fed as a terminal feeds it."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from edged.config.schema import Installer, Vision, Web
from edged.decision.presentation import Kind, Outcome, Phase, Step
from edged.demo.scenes import NEAR, Lobby
from edged.testing.builders import fused, match, observation
from edged.types import Defect, Frame, Instruction
from edged.web.installer import page as documents
from edged.web.installer.room import InstallerPage
from edged.web.screen import Screen
from tests.web.installer.conftest import MEASURES, PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.chromium import Chromium

PHONE, SMALL, DESK = (360, 740), (390, 844), (1280, 800)
NASTY = "<img src=x onerror=alert(1)>"
INK = """
const canvas = document.getElementById(arguments[0]);
const copy = document.createElement("canvas");
[copy.width, copy.height] = [canvas.width, canvas.height];
const pen = copy.getContext("2d", { willReadFrequently: true });
pen.drawImage(canvas, 0, 0);
const data = pen.getImageData(0, 0, copy.width, copy.height).data;
const seen = new Set();
for (let n = 0; n < data.length; n += 4)
  seen.add((data[n] << 16) | (data[n + 1] << 8) | data[n + 2]);
return seen.size;
"""
OUTSIDE = """
const wide = innerWidth, outside = [];
if (document.documentElement.scrollWidth > wide) outside.push("the page scrolls sideways");
for (const one of document.querySelectorAll("main *, header *")) {
  const box = one.getBoundingClientRect();
  if (!box.width) continue;
  const name = one.id || one.className || one.tagName;
  if (box.left < -0.5 || box.right > wide + 0.5) outside.push(name);
  const text = one.childElementCount === 0 && one.textContent.trim();
  const room = one.clientWidth;
  if (text && room && one.scrollWidth > room + 1) outside.push(`cut: ${text}`);
}
return outside;
"""


def shown(name: str) -> str:
    return f"document.getElementById('{name}').textContent"


LIVE = "document.getElementById('link') && document.getElementById('link').dataset.state === 'live'"


class Life:
    """A person before the camera, who is decided on now and then."""

    def __init__(self, page: InstallerPage) -> None:
        self._page = page
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        lobby = Lobby()
        images = [lobby.draw(NEAR, n / 15) for n in range(4)]
        n = 0
        while not self._ended.wait(1 / 15):
            n += 1
            saw = replace(
                observation(n / 15, quality=0.4 + n % 5 / 10, defects=(Defect.BACKLIT,)),
                seq=n,
                measures=replace(MEASURES, level=60, around=170),
            )
            self._page.look(Frame(images[n % 4], n / 15, n), saw)
            self._page.step(saw, fused(match(0.71, NASTY)), self._step(n))

    def _step(self, n: int) -> Step:
        if n % 20:
            return Step(Phase.GATHERING, Instruction.AVOID_BACKLIGHT, progress=0.5)
        kind = Kind.GRANTED if n % 40 else Kind.DENIED
        reason = "matched" if n % 40 else "not_enrolled"
        told = Outcome(
            kind, reason, NASTY, 0.71, 0.2, 0.45, 0.003, 9, 0.8, 3, 0.7,
            (Instruction.AVOID_BACKLIGHT,), 0.85, 0.03,
        )  # fmt: skip
        return Step(Phase.GRANTED, outcome=told)


class Served:
    """The page below a screen, with somebody before the camera."""

    def __init__(self, port: int, settings: Installer) -> None:
        self._port = port
        self._settings = settings

    def start(self) -> None:
        self._page = InstallerPage(
            self._settings, Vision(), terminal="front-door", floor=0.6, wanted_hz=15.0
        )
        self._page.open()
        self._screen = Screen(Web(port=self._port), dict, installer=self._page.app)
        self._screen.open()
        self._life = Life(self._page)
        self._life.__enter__()

    def stop(self) -> None:
        self._life.__exit__()
        self._screen.close()
        self._page.close()


@pytest.fixture
def open_page(port: int, chrome: Chromium, password_file: Path) -> Iterator[Callable[..., Served]]:
    """Serve the page and log in; in the end it has complained of nothing."""
    every: list[Served] = []

    def opened(size: tuple[int, int] = DESK, **settings: bool) -> Served:
        served = Served(port, Installer(password_file=password_file, **settings))
        served.start()
        every.append(served)
        chrome.page(f"http://127.0.0.1:{port}/installer/", size)
        login(chrome)
        return served

    yield opened
    complaints = chrome.complaints()
    chrome.blank()
    for served in every:
        served.stop()
    assert complaints == []


def login(chrome: Chromium, password: str = PASSWORD) -> None:
    chrome.driver.find_element("id", "password").send_keys(password)
    chrome.driver.find_element("tag name", "button").click()
    chrome.until(LIVE)


@pytest.mark.parametrize("size", [PHONE, SMALL, DESK])
@pytest.mark.parametrize("images", [False, True])
def test_every_panel_draws_what_is_live_and_fits(
    chrome: Chromium, open_page: Callable[..., Served], size: tuple[int, int], images: bool
) -> None:
    open_page(size, images=images)
    chrome.until(f"{shown('quality')} !== '–'")
    chrome.until("document.querySelectorAll('#last li').length >= 2")
    chrome.until("document.querySelector('#hints li').textContent.includes('away from the window')")
    chrome.until(f"{shown('width')} === '150' && {shown('level')} === '60'")
    chrome.until(f"{shown('rate')} !== '–' && {shown('rate-need')} === ' · wanted 15'")
    chrome.until(f"/^\\d+ %$/.test({shown('focus')})")
    chrome.until(f"{shown('shown')} === 'gathering: “avoid backlight”'")
    assert chrome.run("return document.querySelector('#defects li').textContent") == "backlit"
    for canvas in ("chart-quality", "chart-light", "chart-histogram", "aim"):
        assert chrome.run(INK, canvas) > 3, canvas
    if images:
        chrome.until("[...document.querySelectorAll('#last img')].some((one) => one.naturalWidth)")
        chrome.until("picture !== null")
        assert chrome.run(INK, "aim") > 1000
    else:
        assert chrome.run("return document.querySelectorAll('img').length") == 0
        assert chrome.run("return picture") is None
        assert chrome.run(INK, "aim") < 1000
    assert chrome.run(OUTSIDE) == []


def test_nothing_is_asked_of_anybody_else(
    chrome: Chromium, open_page: Callable[..., Served], port: int
) -> None:
    open_page(images=True)
    chrome.until("document.querySelectorAll('#last img').length")
    asked = chrome.run("return performance.getEntriesByType('resource').map((one) => one.name)")
    ours = (f"http://127.0.0.1:{port}/installer/", "data:")
    assert asked
    assert [name for name in asked if not name.startswith(ours)] == []
    assert chrome.run("return document.cookie") == ""


def test_a_name_is_text_and_shown_only_where_allowed(
    chrome: Chromium, open_page: Callable[..., Served]
) -> None:
    open_page(person_ids=True)
    chrome.until(f"{shown('last')}.includes(arguments[0])", NASTY)
    assert chrome.run("return document.querySelectorAll('#last img').length") == 0


def test_when_the_terminal_is_away_the_page_says_so_and_then_asks_for_the_password_again(
    chrome: Chromium, open_page: Callable[..., Served]
) -> None:
    served = open_page()
    served.stop()
    chrome.until(f"{shown('link')} === 'no connection'")
    served.start()
    chrome.until("document.getElementById('password')")  # sessions end with the daemon
    login(chrome)
    chrome.complaints()  # of the connection that was refused


def test_a_wrong_password_is_told_and_the_right_one_lets_in_and_out_again(
    chrome: Chromium, open_page: Callable[..., Served]
) -> None:
    open_page(SMALL)
    chrome.driver.find_element("css selector", "header button").click()
    chrome.until("document.getElementById('password') !== null")
    field = chrome.driver.find_element("id", "password")
    field.send_keys("wrong password")
    chrome.driver.find_element("tag name", "button").click()
    chrome.until(
        "(document.getElementById('said') || {}).textContent === 'That is not the password.'"
    )
    told = chrome.complaints()
    assert all("403" in complaint for complaint in told), told
    login(chrome)


def test_the_focus_meter_starts_anew_when_asked(
    chrome: Chromium, open_page: Callable[..., Served]
) -> None:
    open_page()
    chrome.until(f"{shown('focus')} !== '–'")
    chrome.run("bests[measured] = 1e6")
    chrome.until(f"{shown('focus')} === '0 %'")
    chrome.driver.find_element("id", "again").click()
    chrome.until(f"parseInt({shown('focus')}) > 50")


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_text_can_be_read_by_day_and_by_night() -> None:
    style = (Path(documents.__file__).parent / "page.css").read_text()
    themes = [dict(re.findall(r"--(\w+): (#\w+);", part)) for part in style.split("@media")[:2]]
    for theme in themes:
        pairs = [
            *product(("ink", "quiet", "good", "bad", "warn"), ("card",)),
            *product(("ink", "good", "bad"), ("soft",)),
            *product(("ink", "good", "bad"), ("ground",)),
            ("card", "a"),
        ]
        for ink, ground in pairs:
            assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground, theme)
