"""The page for the terminal's own screen, served by the real daemon."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING, Any

from tests.service.kit import wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.kit import Stage, Terminal


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
