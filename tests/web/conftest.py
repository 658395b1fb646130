"""A real page on a free port."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from edged.config.schema import Web
from edged.web.screen import Screen
from tests.web.browser import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def screen(port: int) -> Iterator[Screen]:
    screen = Screen(Web(port=port), lambda: {"door": "rest"}, lambda: "edged_frames_total 7\n")
    screen.open()
    yield screen
    screen.close()


@pytest.fixture
def browser(screen: Screen, port: int) -> Iterator[Browser]:
    browser = Browser(port)
    yield browser
    browser.close()
