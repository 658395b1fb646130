"""The page for the terminal's own screen, served by the real daemon."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from edged.web.texts import load_texts
from tests.service.kit import wait
from tests.web.browser import Browser

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.chromium import Chromium
    from tests.service.kit import Stage, Terminal, Views

PAGE = "document.body.dataset."
HEADLINE = "document.getElementById('headline').textContent"
ENGLISH = load_texts().known["en"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read()
    finally:
        connection.close()


def test_the_screen_shows_how_the_terminal_is_doing(
    make_terminal: Callable[..., Any], tmp_path: Path, stage: Stage
) -> None:
    port = free_port()
    terminal: Terminal = make_terminal(tmp_path, web={"port": port}).start().ready()
    assert json.loads(get(port, "/state"))["door"]["relay"] == "rest"
    wait(lambda: b'edged_count{what="frames"}' in get(port, "/metrics"))
    assert terminal.stop() == 0


def test_a_door_without_its_screen_is_still_a_door(
    make_terminal: Callable[..., Any], tmp_path: Path, stage: Stage
) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        terminal: Terminal = make_terminal(tmp_path, web={"port": port}).start().ready()
        assert "no screen" in terminal.log
        assert terminal.stop() == 0


@pytest.mark.parametrize("names", [True, False])
def test_who_is_let_in_is_greeted_by_name_where_that_is_allowed(
    make_terminal: Callable[..., Any], tmp_path: Path, stage: Stage, views: Views, names: bool
) -> None:
    port = free_port()
    terminal: Terminal = make_terminal(tmp_path, web={"port": port, "names": names})
    terminal.enrol(views, name="Ada Lovelace")
    terminal.start().ready()
    browser = Browser(port)
    events, pictures = browser.events(), browser.pictures()
    events.until(phase="idle")
    stage.show("near")
    view = events.until(phase="granted")
    assert view["name"] == ("Ada Lovelace" if names else None)
    assert view["face"] is not None
    assert pictures.next().shape == (480, 640, 3)
    assert b"Ada" not in get(port, "/state") + get(port, "/metrics") + get(port, "/")
    browser.close()
    assert terminal.stop() == 0


def test_a_dead_camera_leaves_no_old_answer_on_the_screen(
    make_terminal: Callable[..., Any], tmp_path: Path, stage: Stage
) -> None:
    port = free_port()
    terminal: Terminal = make_terminal(tmp_path, web={"port": port}).start().ready()
    browser = Browser(port)
    events = browser.events()
    stage.show("near")
    events.until(phase="denied")
    stage.unplug()
    assert events.until(blind=True)["phase"] == "idle"
    stage.show("empty")
    events.until(blind=False)
    browser.close()
    assert terminal.stop() == 0


def test_the_page_outlives_the_daemon_and_comes_back_with_it(
    make_terminal: Callable[..., Any], tmp_path: Path, stage: Stage, chrome: Chromium
) -> None:
    port = free_port()
    terminal: Terminal = make_terminal(tmp_path, web={"port": port}).start().ready()
    chrome.page(f"http://127.0.0.1:{port}/", (480, 800))
    try:
        chrome.until(f"{PAGE}live === 'on' && {PAGE}phase === 'idle'")
        stage.show("near")
        chrome.until(f"{PAGE}ring === 'face' && {PAGE}phase === 'denied'")
        terminal.kill()
        chrome.until(f"{HEADLINE} === arguments[0]", ENGLISH.lost)
        chrome.until(f"{PAGE}live === 'off'")
        stage.show("empty")
        terminal.start().ready()
        chrome.until(f"{HEADLINE} === arguments[0]", ENGLISH.phases["idle"])
        chrome.until(f"{PAGE}live === 'on'")
        told = [one for one in chrome.complaints() if "ERR_" not in one]
        assert told == []
    finally:
        chrome.blank()
    assert terminal.stop() == 0


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("de:\n  lost: Getrennt\n", "de.instructions.hold_still: missing"),
        ("a: &a [x]\nb: *a\n", "aliases"),
        (None, "unreadable"),
    ],
)
def test_texts_that_are_wrong_are_told_and_never_stop_the_door(
    make_terminal: Callable[..., Any], tmp_path: Path, stage: Stage, content: str | None, named: str
) -> None:
    port = free_port()
    if content is not None:
        (tmp_path / "texts.yaml").write_text(content)
    terminal: Terminal = make_terminal(tmp_path, web={"port": port, "texts": "texts.yaml"})
    checked = subprocess.run(
        [sys.executable, "-m", "edged", "check", "-c", str(terminal.config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 2
    assert str(tmp_path / "texts.yaml") in checked.stderr
    assert named in checked.stderr
    terminal.start().ready()
    assert named in json.loads(get(port, "/state"))["degraded"]["screen"]
    assert named in terminal.log
    assert ENGLISH.lost.encode() in get(port, "/?lang=de") or b"Getrennt" in get(port, "/?lang=de")
    assert terminal.stop() == 0
