from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

from edged.web.app import CLIENTS
from edged.web.server import CONNECTIONS
from edged.web.view import ScreenView
from tests.wait import until

if TYPE_CHECKING:
    import socket

    from edged.web.screen import Screen
    from tests.web.browser import Browser

EVENTS = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = ScreenView("held", None, True, 999_999)


def test_a_browser_sees_the_view_of_now_and_then_each_change(
    screen: Screen, browser: Browser
) -> None:
    screen.show(ScreenView("denied"))
    events = browser.events()
    assert events.until(phase="denied")["instruction"] is None
    screen.show(ScreenView("gathering", "hold_still", True, 2))
    name, view = events.next()
    assert name == "message"
    assert view == {
        "phase": "gathering",
        "instruction": "hold_still",
        "enrolling": True,
        "views": 2,
        "progress": 0.0,
        "name": None,
        "face": None,
        "blind": False,
        "question": None,
        "ended": None,
        "asks": None,
        "why": None,
        "punched": None,
    }


def test_events_are_never_cached_and_named_as_such(browser: Browser) -> None:
    headers = browser.events().response.headers
    assert headers["Content-Type"].startswith("text/event-stream")
    assert headers["Cache-Control"] == "no-store"


def test_an_equal_view_is_not_sent_again(screen: Screen, browser: Browser) -> None:
    events = browser.events()
    events.until(phase="idle")
    for _ in range(100):
        screen.show(ScreenView())
    screen.show(ScreenView("granted"))
    assert events.next()[1]["phase"] == "granted"


def test_a_quiet_stream_gives_signs_of_life(browser: Browser) -> None:
    events = browser.events()
    assert events.next()[0] == "message"
    assert events.next() == ("alive", {})


def test_a_view_says_nothing_but_itself_even_with_line_ends_in_it(
    screen: Screen, browser: Browser
) -> None:
    events = browser.events()
    events.until(phase="idle")
    screen.show(ScreenView("idle\n\ndata: {}", "\r\n"))
    assert events.next()[1]["phase"] == "idle\n\ndata: {}"


def test_every_browser_ends_at_the_newest_view_whatever_threads_show(
    screen: Screen, browser: Browser
) -> None:
    readers = [browser.events() for _ in range(3)]

    def show(thread: int) -> None:
        for views in range(2_000):
            screen.show(ScreenView("gathering", None, True, thread * 10_000 + views))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(show, range(4)))
    screen.show(LAST)
    for reader in readers:
        reader.until(views=LAST.views)


def statuses(opened: list[socket.socket]) -> list[bytes]:
    return [line.recv(4096)[9:12] for line in opened]


def test_so_many_browsers_are_served_and_the_next_is_told_so(browser: Browser) -> None:
    served = statuses([browser.raw(EVENTS) for _ in range(50)])
    assert served.count(b"200") == CLIENTS
    assert served.count(b"503") == 50 - CLIENTS
    assert browser.get("/healthz").status == 200


def test_a_place_is_free_again_when_a_browser_has_left(browser: Browser) -> None:
    opened = [browser.raw(EVENTS) for _ in range(CLIENTS)]
    statuses(opened)
    for line in opened:
        line.close()
    until(lambda: statuses([browser.raw(EVENTS)]) == [b"200"])


def test_connections_beyond_the_bound_are_cut(browser: Browser) -> None:
    opened = [browser.raw() for _ in range(CONNECTIONS + 20)]
    cut = 0
    for line in opened[CONNECTIONS:]:
        with suppress(ConnectionResetError):
            assert line.recv(1) == b""
        cut += 1
    assert cut == 20


def test_who_connects_and_says_nothing_is_dropped(browser: Browser) -> None:
    for line in [browser.raw(said) for said in (b"", b"GET / HT")]:
        with suppress(ConnectionResetError):
            assert line.recv(1) == b""


def test_a_browser_that_never_reads_holds_up_nobody_and_grows_nothing(
    screen: Screen, browser: Browser
) -> None:
    line = browser.raw(EVENTS)
    line.recv(16)
    reader = browser.events()
    stalled = connection_of(screen, line)
    shown = 0
    long = "x" * 4_000  # fills what the kernel keeps, sooner

    def all_full() -> bool:
        nonlocal shown
        for _ in range(50):
            shown += 1
            screen.show(ScreenView("gathering", f"{long}{shown}"))
        reader.until(instruction=f"{long}{shown}")
        return stalled.flow.write_paused

    until(all_full)
    kept = stalled.transport.get_write_buffer_size()
    for _ in range(20):
        all_full()
    assert stalled.transport.get_write_buffer_size() <= kept
    screen.show(LAST)
    reader.until(views=LAST.views)
    screen.close()  # and it does not hold up the end either
    assert "web" not in [thread.name for thread in threading.enumerate()]


def connection_of(screen: Screen, line: socket.socket) -> H11Protocol:
    """The server's end of this line."""
    assert screen._host is not None
    ends = list(screen._host._server.server_state.connections)
    [end] = [end for end in ends if end.client == line.getsockname()]
    assert isinstance(end, H11Protocol)
    return end
