from __future__ import annotations

import socket
import subprocess
import sys
import threading

import pytest

from edged.config.schema import Web
from edged.errors import ScreenError
from edged.web.screen import Screen
from edged.web.view import ScreenView
from tests.web.browser import Browser


def serving() -> bool:
    return any(thread.name == "web" for thread in threading.enumerate())


def test_making_a_screen_does_nothing(port: int) -> None:
    Screen(Web(port=port), dict)
    assert not serving()


def test_it_listens_on_loopback_alone(screen: Screen, port: int) -> None:
    with socket.socket() as other:
        # Another address of loopback: free, though the port is ours on 127.0.0.1.
        other.bind(("127.0.0.2", port))


def test_a_port_that_is_taken_is_named(screen: Screen, port: int) -> None:
    second = Screen(Web(port=port), dict)
    with pytest.raises(ScreenError, match=rf"web\.port: .*127\.0\.0\.1:{port} .*another port"):
        second.open()
    second.close()
    assert Browser(port).get("/healthz").status == 200


def test_what_was_shown_before_open_is_there(port: int) -> None:
    screen = Screen(Web(port=port), dict)
    screen.show(ScreenView("review"))
    screen.open()
    browser = Browser(port)
    assert browser.events().next()[1]["phase"] == "review"
    screen.close()
    browser.close()


def test_close_ends_the_streams_of_open_browsers(screen: Screen, browser: Browser) -> None:
    readers = [browser.events() for _ in range(3)]
    for reader in readers:
        reader.until(phase="idle")
    screen.close()
    assert not serving()
    for reader in readers:
        reader.drain()


def test_close_is_safe_at_any_time_and_show_after_it(screen: Screen, port: int) -> None:
    Screen(Web(port=port), dict).close()
    screen.close()
    screen.close()
    screen.show(ScreenView("granted"))
    assert not serving()


def test_it_opens_again_on_the_same_port(screen: Screen, browser: Browser) -> None:
    browser.events().until(phase="idle")
    screen.close()
    screen.open()
    screen.show(ScreenView("denied"))
    browser.events().until(phase="denied")


def test_views_may_be_shown_while_it_opens_and_closes(port: int) -> None:
    screen = Screen(Web(port=port), dict)
    ended = threading.Event()
    faults: list[BaseException] = []

    def show() -> None:
        views = 0
        try:
            while not ended.is_set():
                views += 1
                screen.show(ScreenView("gathering", None, True, views))
        except BaseException as fault:  # noqa: BLE001 - told to the test
            faults.append(fault)

    shower = threading.Thread(target=show)
    shower.start()
    for _ in range(3):
        screen.open()
        screen.close()
    ended.set()
    shower.join()
    assert faults == []


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_the_error_names_it(missing: str) -> None:
    script = f"""
import sys
sys.modules[{missing!r}] = None
from edged.config.schema import Web
from edged.errors import ScreenError
from edged.web.screen import Screen
try:
    Screen(Web(), dict).open()
except ScreenError as fault:
    print(fault)
"""
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert "pip install 'edged[web]'" in told.stdout


def test_a_state_that_never_answers_does_not_hold_up_close(port: int) -> None:
    asked, release = threading.Event(), threading.Event()

    def state() -> dict[str, object]:
        asked.set()
        release.wait(60)
        return {}

    screen = Screen(Web(port=port), state)
    screen.open()
    browser = Browser(port)
    browser.raw(b"GET /state HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert asked.wait(20)
    closed = threading.Thread(target=screen.close)
    closed.start()
    closed.join(20)
    assert not closed.is_alive()
    release.set()
    browser.close()
