"""What is typed and pressed on the terminal's own page, at a real daemon."""

from __future__ import annotations

import json
import socket
import urllib.request
from typing import TYPE_CHECKING

import pytest

from edged.gallery.pins import kept_pin
from tests.service.kit import PERSON, wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.kit import Door, Terminal, Views

PIN = "284617"


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def post(port: int, kind: str, value: str) -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/reading",
        json.dumps({"kind": kind, "value": value}).encode(),
        {"Origin": f"http://127.0.0.1:{port}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return int(answer.status)


def test_a_pin_and_a_key_of_the_page_count_as_those_of_a_reader(
    open_door: Callable[..., Door], views: Views, port: int
) -> None:
    def before(terminal: Terminal) -> None:
        terminal.enrol(views)
        with terminal.gallery() as gallery:
            profile = gallery.profile(PERSON)
            assert profile is not None
            gallery.set_profile(PERSON, profile.model_copy(update={"pin": kept_pin(PIN)}))

    door = open_door(
        before,
        web={"port": port, "pin_pad": True, "live_picture": False},
        access={"factors": [["face", "pin"]]},
        attendance={"keys": ["in", "out", "break"]},
    )
    door.stage.show("near")
    wait(lambda: door.terminal.phase == "second_factor")
    assert post(port, "key", "break") == 204
    assert post(port, "pin", "7777") == 204
    denied = door.site.event("access.denied", reason="wrong_pin", reader="page")
    assert denied["data"]["person_id"] == PERSON
    assert post(port, "pin", PIN) == 204
    granted = door.site.event("access.granted", reader="page", person_id=PERSON)
    assert granted["data"]["factors"] == ["face", "pin"]
    assert door.site.event("attendance.punched")["data"]["state"] == "break"
    assert PIN not in door.terminal.log
