"""Visitors' codes through the real daemon: on its camera's frames, to its door."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import paho.mqtt.publish as publish
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edged.access.token import Visit, write_token
from edged.camera.images import read_image
from edged.events.types import EVENT_TYP, Event
from edged.gallery.profile import Profile
from edged.vault.identity import Identity
from edged.vault.secret import Secret
from tests.service.codes import held_into
from tests.service.kit import PERSON, PRIVATE_PEM, wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.kit import Door, Views

RULES = [
    {"name": "visitors", "groups": ["visitor"], "factors": [["qr"]]},
    {"name": "everybody", "factors": [["face"]]},
]
ESCORTED = [{**RULES[0], "escort": ["staff"]}, RULES[1]]


def token(visitor: str = "guest-17", **changes: Any) -> str:
    now = int(time.time())
    key: Any = load_pem_private_key(PRIVATE_PEM, None)
    visit = Visit(visitor, "hq", now - 60, now + 600, groups=("visitor",))
    return write_token(replace(visit, **changes), key)


class Lobby:
    """A door before which codes are held."""

    def __init__(self, door: Door, views: Views, folder: Path) -> None:
        self.door = door
        self._views = views
        self._folder = folder
        self._shown = 0

    def hold(self, text: str) -> None:
        self._shown += 1
        scene = read_image(self._views.scenes["empty"][0])
        drawn = []
        for number in range(3):
            drawn.append(self._folder / f"code-{self._shown}-{number}.png")
            assert cv2.imwrite(str(drawn[-1]), held_into(scene, text, blur=0.6 + 0.1 * number))
        self.door.stage._views = replace(self._views, scenes={**self._views.scenes, "code": drawn})
        self.door.stage.show("code")

    def denied(self, reason: str, after: int = 0) -> None:
        self.door.site.event("access.denied", after, reason=reason)

    def granted(self, person_id: str) -> dict[str, Any]:
        data: dict[str, Any] = self.door.site.event("access.granted", person_id=person_id)["data"]
        return data


@pytest.fixture
def open_lobby(
    open_door: Callable[..., Door], views: Views, tmp_path: Path
) -> Callable[..., Lobby]:
    def make(rules: list[dict[str, Any]] = RULES, **more: Any) -> Lobby:
        def planted(terminal: Any) -> None:
            terminal.enrol(views, PERSON)
            with terminal.gallery() as gallery:
                gallery.set_profile(PERSON, Profile(groups=("staff",)))

        access = {"rules": rules, "qr": {}, "pins": {"tries": 50}}
        door = open_door(planted, access=access, **more)
        return Lobby(door, views, tmp_path)

    return make


def test_a_code_opens_once_and_only_in_its_time_and_place(open_lobby: Callable[..., Lobby]) -> None:
    lobby = open_lobby()
    good = token()
    lobby.hold(good)
    data = lobby.granted("guest-17")
    assert data["factors"] == ["qr"]
    assert data["by"]["rule"] == "visitors"
    wait(lambda: lobby.door.terminal.relay.count("on") == 1)
    now = int(time.time())
    codes = {
        "code_expired": token(begins=now - 600, ends=now - 60),
        "code_not_yet": token(begins=now + 3600, ends=now + 4000),
        "code_wrong_site": token(site="lab"),
        "code_wrong_terminal": token(terminals=("door-2",)),
        "code_wrong_group": token(groups=("director",)),
        "code_bad_signature": good[:-6] + ("000000" if good[-6:] != "000000" else "111111"),
    }
    for reason, text in codes.items():
        lobby.hold(text)
        lobby.denied(reason)
    lobby.door.leave()
    lobby.hold(good)
    lobby.denied("code_used")
    assert lobby.door.terminal.relay.count("on") == 1
    log = lobby.door.terminal.log
    for text in (good, *codes.values()):
        assert text not in log
        assert text[7:40] not in log
    terminal, before = lobby.door.terminal, lobby.door.site.seq
    terminal.kill()
    for path in terminal.folder.glob("*.db*"):
        assert good[7:40].encode() not in path.read_bytes()
    terminal.start().ready()  # the code is still before the camera
    lobby.denied("code_used", after=before)
    assert terminal.relay.count("on") == 1


def test_a_visitor_is_let_in_with_their_escort_and_their_code_is_used(
    open_lobby: Callable[..., Lobby],
) -> None:
    lobby = open_lobby(ESCORTED)
    lobby.hold(token())
    wait(lambda: lobby.door.terminal.phase == "second_factor")
    assert "on" not in lobby.door.terminal.relay
    lobby.door.stage.show("near")
    lobby.granted(PERSON)
    lobby.granted("guest-17")
    wait(lambda: lobby.door.terminal.relay.count("on") == 1)
    used = lobby.door.site.event("access.code_used")["data"]
    assert used["person_id"] == "guest-17"
    with lobby.door.terminal.outbox() as outbox:
        assert outbox.nonce_used(f"qr/{used['digest']}")


OTHER_DOOR, STRANGER = Identity(Secret(b"\x07" * 32)), Identity(Secret(b"\x08" * 32))


def test_a_code_that_was_used_at_another_door_of_the_site_is_used_here(
    open_lobby: Callable[..., Lobby],
) -> None:
    peer = {"terminal": "door-2", "public_key": OTHER_DOOR.signing_public}
    lobby = open_lobby(peers=[peer])

    def said(key: Identity, digest: str, seq: int) -> None:
        data = {"person_id": "guest-17", "digest": digest}
        event = Event(
            f"{seq:032x}", seq, "access.code_used", "2026-03-01T08:00:00.000Z", "synced", data,
            "5ca1ab1e0ddba11f",
        )  # fmt: skip
        signature = key.sign_detached(event.canonical(), EVENT_TYP)
        publish.single(
            "edged/hq/door-2/event/access.code_used",
            json.dumps(event.to_message(False, signature)),
            1,
            port=lobby.door.site.port,
        )

    forged, used = (Visit("guest-17", "hq", 1, 2) for _ in range(2))

    def heard() -> bool:  # again and again, until it listens
        said(STRANGER, forged.digest, 1)
        said(OTHER_DOOR, used.digest, 2)
        with lobby.door.terminal.outbox() as outbox:
            return outbox.nonce_used(f"qr/{used.digest}")

    wait(heard)
    lobby.hold(token(jti=used.jti))
    lobby.denied("code_used")
    lobby.hold(token(jti=forged.jti))
    lobby.granted("guest-17")
