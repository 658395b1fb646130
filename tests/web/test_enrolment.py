"""Asking somebody on the page whether they agree to be enrolled, in a real Chromium."""

from __future__ import annotations

import http.server
import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.schema import Web
from edged.web.screen import Screen
from edged.web.texts import load_texts
from edged.web.view import Question, ScreenView
from tests.wait import until
from tests.web.browser import Browser
from tests.web.test_page import BROKEN, CONTRAST, ENGLISH, FONT_PX, HEADLINE, OUTSIDE, PAGE, SETTLED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.chromium import Chromium

SIZES = [(480, 800), (1280, 800), (480, 320), (320, 480), (800, 480)]
TOKEN = "t0ken-of-this-enrolment"
LONG_ID = "bartholomew.featherstonehaugh-cholmondeley@engineering.example"
TURN = ScreenView("gathering", None, True, question=Question("ada.l@example.org", "turn_left"))
PRESS = ScreenView("gathering", None, True, question=Question("Ada Lovelace", "page", TOKEN))


class Desk:
    """Takes answers as the terminal does: one, with the right token."""

    def __init__(self) -> None:
        self.taken: list[bool] = []
        self.token: str | None = TOKEN

    def answer(self, token: str, agreed: bool) -> bool:
        if token != self.token:
            return False
        self.token = None
        self.taken.append(agreed)
        return True


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def asked(port: int, desk: Desk) -> Iterator[Screen]:
    screen = Screen(Web(port=port), dict, answer=desk.answer)
    screen.open()
    yield screen
    screen.close()


@pytest.fixture
def open_page(asked: Screen, port: int, chrome: Chromium) -> Iterator[Callable[..., Screen]]:
    """Open the page in the browser; in the end it has complained of nothing."""

    def opened(path: str = "", size: tuple[int, int] = (480, 800)) -> Screen:
        chrome.page(f"http://127.0.0.1:{port}/{path}", size)
        chrome.until(f"{PAGE}phase !== 'lost'")
        return asked

    yield opened
    complaints = chrome.complaints()
    chrome.blank()
    assert complaints == []


def press(chrome: Chromium, button: str) -> None:
    """A finger on a button, until it is taken."""
    from selenium.common.exceptions import ElementNotInteractableException
    from selenium.webdriver.common.by import By

    def taken() -> bool:
        with suppress(ElementNotInteractableException):  # the page is still moving
            chrome.driver.find_element(By.ID, button).click()
        return bool(chrome.run("return document.getElementById('agree').disabled"))

    until(taken, 10)


@pytest.mark.parametrize(
    ("size", "language", "picture"),
    [
        *((size, "en", True) for size in SIZES),
        ((480, 800), "zh", True),
        ((480, 320), "zh", True),
        ((480, 800), "en", False),
        ((480, 320), "en", False),
    ],
)
def test_a_question_fits_every_screen_with_who_and_why(
    port: int, chrome: Chromium, size: tuple[int, int], language: str, picture: bool
) -> None:
    texts = load_texts().known[language].enrolment
    screen = Screen(Web(port=port, live_picture=picture), dict, answer=lambda *_: True)
    screen.open()
    try:
        chrome.page(f"http://127.0.0.1:{port}/?lang={language}", size)
        for how in ("turn_left", "turn_right", "page"):
            for person in ("1042", LONG_ID):
                token = TOKEN if how == "page" else None
                screen.show(
                    ScreenView("gathering", None, True, question=Question(person, how, token))
                )
                shown = person if len(person) <= 60 else f"{person[:59]}…"
                chrome.until(
                    f"{HEADLINE} === arguments[0] && "
                    "document.getElementById('above').textContent === arguments[1]",
                    texts[how],
                    texts["ask"].format(person=shown),
                )
                why = chrome.run("return document.getElementById('below').textContent")
                assert why == texts["why"]
                assert chrome.run(OUTSIDE) == [], (how, person)
                assert chrome.run(FONT_PX) >= (30 if size in SIZES[:2] else 16), (how, person)
                if person == "1042" and language == "en":
                    assert chrome.run(BROKEN) == []
    finally:
        chrome.blank()
        screen.close()


BUTTONS = """
return [...document.querySelectorAll("#answers button")].map((one) => {
  const { width, height, left, right, bottom } = one.getBoundingClientRect();
  return [width, height, left >= 0 && right <= innerWidth && bottom <= innerHeight];
});
"""


@pytest.mark.parametrize("size", SIZES)
def test_the_buttons_are_large_enough_for_a_finger(
    open_page: Callable[..., Screen], chrome: Chromium, size: tuple[int, int]
) -> None:
    open_page("", size).show(PRESS)
    chrome.until(f"{PAGE}question === 'page'")
    for width, height, inside in chrome.run(BUTTONS):
        assert inside
        assert width >= 100
        assert height >= 44


def test_there_are_no_buttons_where_none_are_asked_for(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    screen = open_page()
    screen.show(TURN)
    chrome.until(f"{PAGE}question === 'turn_left'")
    assert {width for width, *_ in chrome.run(BUTTONS)} == {0}
    screen.show(ScreenView("idle"))
    chrome.until(f"!{PAGE}question")


@pytest.mark.parametrize(("button", "agreed"), [("agree", True), ("decline", False)])
def test_a_finger_on_a_button_answers_once(
    open_page: Callable[..., Screen], chrome: Chromium, desk: Desk, button: str, agreed: bool
) -> None:
    open_page().show(PRESS)
    chrome.until(f"{PAGE}question === 'page'")
    press(chrome, button)
    until(lambda: desk.taken, 10)
    chrome.run(
        "document.getElementById('agree').click(); document.getElementById('decline').click()"
    )
    assert desk.taken == [agreed]


def test_a_finger_that_was_on_its_way_before_the_buttons_came_answers_nothing(
    open_page: Callable[..., Screen], chrome: Chromium, desk: Desk
) -> None:
    screen = open_page()
    chrome.run(
        "new MutationObserver(() => {"
        "  if (document.body.dataset.question) document.getElementById('agree').click();"
        "}).observe(document.body, { attributes: true });"
    )
    screen.show(PRESS)
    chrome.until(f"{PAGE}question === 'page'")
    assert chrome.run("return document.getElementById('agree').disabled") is False
    assert desk.taken == []


def test_an_instruction_takes_the_place_of_the_question_for_a_while(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    screen = open_page()
    question = Question("1042", "turn_left")
    screen.show(ScreenView("gathering", "face_camera", True, question=question))
    chrome.until(f"{HEADLINE} === arguments[0]", ENGLISH.instructions["face_camera"])
    assert chrome.run("return document.getElementById('above').textContent") == "Enrolment of 1042"


@pytest.mark.parametrize("ended", ["enrolled", "not_enrolled"])
def test_who_still_stands_there_is_told_how_it_ended(
    open_page: Callable[..., Screen], chrome: Chromium, ended: str
) -> None:
    open_page().show(ScreenView("held", ended=ended))
    chrome.until(f"{HEADLINE} === arguments[0]", ENGLISH.enrolment[ended])
    assert chrome.run(OUTSIDE) == []
    below = chrome.run("return document.getElementById('below').textContent")
    assert below == ENGLISH.phases["held"]


def test_a_name_with_markup_is_a_name(open_page: Callable[..., Screen], chrome: Chromium) -> None:
    question = Question("<img src=x onerror=alert(1)>$&", "turn_right")
    open_page().show(ScreenView("gathering", None, True, question=question))
    chrome.until(
        "document.getElementById('above').textContent.includes(arguments[0])", "<img src=x"
    )
    assert chrome.run("return document.images.length") == 0


def test_the_question_stands_out(open_page: Callable[..., Screen], chrome: Chromium) -> None:
    open_page().show(PRESS)
    chrome.until(f"{PAGE}question === 'page'")
    chrome.until(SETTLED)
    assert min(c for c in chrome.run(CONTRAST) if c == c) >= 7


def test_a_connection_that_is_lost_takes_the_buttons_away(
    open_page: Callable[..., Screen], chrome: Chromium, asked: Screen
) -> None:
    open_page().show(PRESS)
    chrome.until(f"{PAGE}question === 'page'")
    asked.close()
    chrome.until(f"!{PAGE}question && {PAGE}phase === 'lost'")
    chrome.complaints()  # of the connection


# Whoever else might press.

GOOD = json.dumps({"token": TOKEN, "agreed": True}).encode()


def post(port: int, body: bytes = GOOD, **changes: str | None) -> int:
    """An answer as the page sends it, but for what is changed."""
    ours = {"Origin": f"http://127.0.0.1:{port}", "Content_Type": "application/json"}
    headers = {name: value for name, value in (ours | changes).items() if value is not None}
    return Browser(port).post("/enrolment", body, **headers).status


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Origin": "https://127.0.0.1"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "none"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 400),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Type": None}, 415),
    ],
)
def test_only_this_page_can_answer(
    asked: Screen, port: int, desk: Desk, changes: dict[str, Any], status: int
) -> None:
    assert post(port, **changes) == status
    assert desk.taken == []
    assert post(port, Sec_Fetch_Site="same-origin") == 204
    assert desk.taken == [True]
    assert post(port) == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\xff", 400),
        (b"[" * 400, 400),
        (b"{}", 400),
        (b'"agreed"', 400),
        (json.dumps({"token": TOKEN}).encode(), 400),
        (json.dumps({"token": TOKEN, "agreed": 1}).encode(), 400),
        (json.dumps({"token": TOKEN, "agreed": "true"}).encode(), 400),
        (json.dumps({"token": 7, "agreed": True}).encode(), 400),
        (json.dumps({"token": "tökén", "agreed": True}).encode(), 400),
        (json.dumps({"token": TOKEN, "agreed": True, "more": 1}).encode(), 400),
        (json.dumps({"token": "guessed", "agreed": True}).encode(), 409),
        (b" " * 100_000 + GOOD, 413),
    ],
)
def test_what_is_no_answer_is_refused(
    asked: Screen, port: int, desk: Desk, body: bytes, status: int
) -> None:
    assert post(port, body) == status
    assert desk.taken == []


def test_an_answer_is_taken_by_post_alone_and_only_where_there_are_buttons(
    asked: Screen, port: int, screen_without: Browser
) -> None:
    for method in ("GET", "PUT", "OPTIONS", "HEAD"):
        assert Browser(port).get("/enrolment", method=method).status == 405
    assert screen_without.post("/enrolment", GOOD).status == 404


@pytest.fixture
def screen_without() -> Iterator[Browser]:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    screen = Screen(Web(port=port), dict)
    screen.open()
    yield Browser(port)
    screen.close()


FOREIGN = """<!doctype html><title>waiting</title><body><script>
const target = "http://127.0.0.1:%d/enrolment", body = JSON.stringify({token: "%s", agreed: true});
const send = (headers, mode) =>
  fetch(target, {method: "POST", headers, mode, body}).catch(() => {});
(async () => {
  await send({"Content-Type": "application/json"}, "cors");
  await send({"Content-Type": "application/json"}, "no-cors");
  await send({"Content-Type": "text/plain"}, "no-cors");
  navigator.sendBeacon(target, new Blob([body], {type: "text/plain"}));
  const seen = await fetch("http://127.0.0.1:%d/events").then(() => "read", () => "kept");
  const form = document.createElement("form");
  [form.method, form.action, form.enctype] = ["POST", target, "text/plain"];
  const field = document.createElement("input");
  [field.name, field.value] = ['{"token": "%s", "agreed": true, "x": "', '"}'];
  form.append(field);
  document.body.append(form);
  sessionStorage.seen = seen;
  form.submit();
})();
</script>"""


def test_a_page_of_another_site_in_the_same_browser_cannot_answer(
    asked: Screen, port: int, desk: Desk, chrome: Chromium
) -> None:
    asked.show(PRESS)
    page = (FOREIGN % (port, TOKEN, port, TOKEN)).encode()

    class Evil(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        home = f"http://127.0.0.1:{server.server_address[1]}/"
        try:
            chrome.page(home)
            chrome.until(
                "location.pathname === '/enrolment' && "
                "document.body?.textContent.includes('not from another site')"
            )
            chrome.driver.get(home + "again")
            chrome.until("sessionStorage.seen === 'kept'")
        finally:
            chrome.blank()
            server.shutdown()
    assert desk.taken == []
