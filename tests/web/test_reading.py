"""What is asked for beside the face, typed and pressed on the page, in a real Chromium."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.schema import Web
from edged.web.screen import Screen
from edged.web.texts import load_texts
from edged.web.view import ASKS, PUNCHES, WHYS, ScreenView
from tests.wait import until
from tests.web.browser import Browser
from tests.web.test_page import FONT_PX, HEADLINE, OUTSIDE, PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chromium import Chromium

SIZES = [(480, 800), (1280, 800), (480, 320), (320, 480), (800, 480)]
PIN = ScreenView("second_factor", asks="pin")
BUTTONS = """
return [...document.querySelectorAll("#" + arguments[0] + " button")].map((one) => {
  const { width, height, left, right, top, bottom } = one.getBoundingClientRect();
  return [width, height, left >= 0 && right <= innerWidth && top >= 0 && bottom <= innerHeight];
});
"""
DIGITS = "return document.getElementById('digits').textContent.length"


@pytest.fixture
def read() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def screen(port: int, read: list[tuple[str, str]]) -> Iterator[Screen]:
    settings = Web(port=port, pin_pad=True)
    screen = Screen(settings, dict, read=lambda *one: read.append(one), keys=PUNCHES)
    screen.open()
    yield screen
    screen.close()


@pytest.fixture
def page(screen: Screen, port: int, chrome: Chromium) -> Iterator[Chromium]:
    chrome.page(f"http://127.0.0.1:{port}/?lang=en")
    chrome.until(f"{PAGE}phase !== 'lost'")
    yield chrome
    complaints = chrome.complaints()
    chrome.blank()
    assert complaints == []


def press(page: Chromium, name: str) -> None:
    page.run("document.querySelector(`[data-name='${arguments[0]}']`).click()", name)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", SIZES)
def test_whatever_is_asked_for_fits_every_screen(
    screen: Screen, port: int, chrome: Chromium, size: tuple[int, int], language: str
) -> None:
    texts = load_texts().known[language]
    chrome.page(f"http://127.0.0.1:{port}/?lang={language}", size)
    for asks in ASKS:
        screen.show(ScreenView("second_factor", asks=asks))
        chrome.until(f"{HEADLINE} === arguments[0]", texts.asks[asks])
        assert chrome.run(OUTSIDE) == [], asks
        assert chrome.run(FONT_PX) >= (26 if size in SIZES[:2] else 13), asks
        buttons = chrome.run(BUTTONS, "pad")
        if asks in ("pin", "factor"):
            assert len(buttons) == 12
            assert all(wide >= 60 and high >= 36 and inside for wide, high, inside in buttons), (
                asks,
                buttons,
            )
        else:
            assert {wide for wide, *_ in buttons} == {0}
    for view in (ScreenView("idle"), ScreenView("gathering", "come_closer")):
        screen.show(view)
        chrome.until(f"{PAGE}phase === '{view.phase}'")
        keys = chrome.run(BUTTONS, "keys")
        assert all(wide >= 60 and high >= 36 and inside for wide, high, inside in keys), keys
        assert chrome.run(OUTSIDE) == [], view
    chrome.blank()


@pytest.mark.parametrize("why", WHYS)
def test_who_is_not_let_in_reads_why(screen: Screen, page: Chromium, why: str) -> None:
    screen.show(ScreenView("denied", why=why))
    told = load_texts().known["en"].whys[why]
    page.until("document.getElementById('below').textContent === arguments[0]", told)
    assert page.run(OUTSIDE) == []


def test_a_code_that_the_page_does_not_know_shows_nothing(screen: Screen, page: Chromium) -> None:
    screen.show(ScreenView("denied", why="<b>toString</b>", asks="constructor"))
    page.until(f"{PAGE}phase === 'denied'")
    assert page.run("return document.getElementById('below').textContent") == ""


def test_who_punches_reads_which_punch_it_was(screen: Screen, page: Chromium) -> None:
    screen.show(ScreenView("granted", punched="out"))
    page.until(f"{HEADLINE} === 'Leaving'")
    screen.show(ScreenView("granted", name="Ada", punched="in"))
    page.until(f"{HEADLINE} === 'Welcome, Ada'")
    assert page.run("return document.getElementById('below').textContent") == "Coming"


def test_a_pin_is_typed_unseen_and_sent_once(
    screen: Screen, page: Chromium, read: list[tuple[str, str]]
) -> None:
    screen.show(PIN)
    page.until(f"{PAGE}typing === 'on'")
    for digit in "2468":
        press(page, digit)
    assert page.run("return document.getElementById('digits').textContent") == "●●●●"
    assert "2468" not in page.run("return document.body.innerText")
    press(page, "enter")
    until(lambda: read == [("pin", "2468")])
    assert page.run(DIGITS) == 0
    press(page, "enter")
    press(page, "7")
    press(page, "clear")
    press(page, "enter")
    press(page, "9")
    press(page, "enter")
    until(lambda: len(read) == 2)
    assert read[1] == ("pin", "9")


def test_what_one_began_to_type_is_not_there_for_the_next(screen: Screen, page: Chromium) -> None:
    screen.show(PIN)
    page.until(f"{PAGE}typing === 'on'")
    press(page, "1")
    screen.show(ScreenView("idle"))
    page.until(f"{PAGE}typing === 'off'")
    screen.show(PIN)
    page.until(f"{PAGE}typing === 'on'")
    assert page.run(DIGITS) == 0


def test_no_pin_is_longer_than_a_pin(screen: Screen, page: Chromium) -> None:
    screen.show(PIN)
    page.until(f"{PAGE}typing === 'on'")
    for _ in range(40):
        press(page, "1")
    assert page.run(DIGITS) == 16


def test_the_pad_works_where_the_camera_does_not(
    port: int, page: Chromium, screen: Screen, read: list[tuple[str, str]]
) -> None:
    screen.show(ScreenView("second_factor", asks="pin", blind=True))
    page.until(f"{PAGE}typing === 'on'")
    press(page, "5")
    press(page, "enter")
    until(lambda: read == [("pin", "5")])


def test_a_key_says_what_the_next_punch_is(
    screen: Screen, page: Chromium, read: list[tuple[str, str]]
) -> None:
    screen.show(ScreenView("idle"))
    page.until(f"{PAGE}choosing === 'on'")
    press(page, "break")
    until(lambda: read == [("key", "break")])
    pressed = "[...document.querySelectorAll('[aria-pressed=true]')].map((one) => one.dataset.name)"
    assert page.run(f"return {pressed}") == ["break"]
    screen.show(ScreenView("granted", punched="break"))
    page.until(f"{pressed}.length === 0")


def test_there_is_neither_pad_nor_key_where_nobody_reads_them(port: int, chrome: Chromium) -> None:
    screen = Screen(Web(port=port, pin_pad=True), dict, keys=PUNCHES)
    screen.open()
    try:
        chrome.page(f"http://127.0.0.1:{port}/")
        screen.show(PIN)
        chrome.until(f"{PAGE}phase === 'second_factor'")
        assert chrome.run(BUTTONS, "pad") == []
        assert chrome.run(BUTTONS, "keys") == []
        assert Browser(port).post("/reading", GOOD, **headers(port)).status == 404
    finally:
        chrome.blank()
        screen.close()


GOOD = json.dumps({"kind": "pin", "value": "2468"}).encode()


def headers(port: int, **changes: str | None) -> dict[str, str]:
    ours = {"Origin": f"http://127.0.0.1:{port}", "Content_Type": "application/json"}
    return {name: value for name, value in (ours | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": None}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 400),
        ({"Content_Type": "text/plain"}, 415),
    ],
)
def test_only_this_page_can_type(
    screen: Screen, port: int, read: list[Any], changes: dict[str, Any], status: int
) -> None:
    assert Browser(port).post("/reading", GOOD, **headers(port, **changes)).status == status
    assert read == []
    assert Browser(port).post("/reading", GOOD, **headers(port)).status == 204
    assert read == [("pin", "2468")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\xff", 400),
        (b"{}", 400),
        (json.dumps({"kind": "pin", "value": ""}).encode(), 400),
        (json.dumps({"kind": "pin", "value": "12a4"}).encode(), 400),
        (json.dumps({"kind": "pin", "value": "٣٤٥٦"}).encode(), 400),
        (json.dumps({"kind": "pin", "value": "1" * 17}).encode(), 400),
        (json.dumps({"kind": "pin", "value": 2468}).encode(), 400),
        (json.dumps({"kind": "card", "value": "12345678"}).encode(), 400),
        (json.dumps({"kind": ["pin"], "value": "2468"}).encode(), 400),
        (json.dumps({"kind": "key", "value": "../in"}).encode(), 400),
        (json.dumps({"kind": "pin", "value": "1" * 10_000}).encode(), 413),
    ],
)
def test_what_is_no_reading_is_refused(
    screen: Screen, port: int, read: list[Any], body: bytes, status: int
) -> None:
    assert Browser(port).post("/reading", body, **headers(port)).status == status
    assert read == []


def test_a_reading_is_taken_by_post_alone(screen: Screen, port: int) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert Browser(port).get("/reading", method=method).status == 405
