"""``snapshot``: one sealed picture, and nobody takes one unnoticed."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edged.errors import ImageError, KeyUnavailable
from edged.mqtt.catalogue import Context, NoArgs
from edged.service.snapshot import Snapshot, encoded, shrunk
from edged.site.snapshot import open_snapshot
from edged.types import Frame
from edged.vault.identity import pem, seal
from tests.service.manager import allowed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from edged.mqtt.catalogue import Reply
    from tests.service.kit import Door


def private(key: X25519PrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


KEY = X25519PrivateKey.generate()
PUBLIC, PRIVATE = pem(KEY.public_key()), private(KEY)


def test_the_site_sees_what_the_camera_sees_and_it_is_on_the_record(
    open_door: Callable[..., Door],
) -> None:
    door = open_door(mqtt=allowed(snapshot_key=PUBLIC))
    door.stage.show("near")
    reply = door.site.command("snapshot")
    assert reply["result"] == "ok", reply
    event = door.site.event("camera.snapshot")
    assert event["data"] == {
        "command": reply["id"],
        "key": "site",
        "sealed_to": reply["data"]["sealed_to"],
    }
    picture = open_snapshot(reply["data"], PRIVATE)
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[:2] == (reply["data"]["height_px"], reply["data"]["width_px"])
    assert max(image.shape) <= 640
    # nothing unsealed anywhere: a JPEG of it would begin like this
    sealed = base64.b64decode(reply["data"]["sealed"])
    assert picture[:20] not in sealed
    for path in door.terminal.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert picture[:64] not in path.read_bytes()


class Journal:
    """Records, or cannot."""

    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.recorded: list[str] = []

    def record(self, type: str, **data: Any) -> object | None:  # noqa: A002
        self.recorded.append(type)
        return None if self.full else data


def taken(snapshot: Snapshot) -> Reply:
    return snapshot.handlers()["snapshot"](NoArgs(), Context("snapshot", "12345678", "site"))


def frame(height: int = 480, width: int = 640) -> Frame:
    noise = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    return Frame(noise, 0.0, 1)


def test_without_a_key_to_seal_to_no_picture_leaves() -> None:
    journal = Journal()
    snapshot = Snapshot(None, journal)  # type: ignore[arg-type]
    snapshot.look(frame())
    reply = taken(snapshot)
    assert (reply.result, reply.reason, reply.data) == ("refused", "not_allowed", {})
    assert journal.recorded == []


def test_what_cannot_be_recorded_is_not_taken() -> None:
    snapshot = Snapshot(PUBLIC, Journal(full=True))  # type: ignore[arg-type]
    snapshot.look(frame())
    reply = taken(snapshot)
    assert (reply.result, reply.reason, reply.data) == ("failed", "not_recorded", {})


def test_a_picture_of_yesterday_is_none() -> None:
    now = [0.0]
    journal = Journal()
    snapshot = Snapshot(PUBLIC, journal, lambda: now[0])  # type: ignore[arg-type]
    assert taken(snapshot).reason == "no_picture"
    snapshot.look(frame())
    now[0] = 5.1
    assert taken(snapshot).reason == "no_picture"
    assert journal.recorded == []


@pytest.mark.parametrize("size", [(2160, 3840), (3840, 2160), (480, 640), (1, 4000), (8, 8)])
def test_even_noise_is_small_enough(size: tuple[int, int]) -> None:
    image = shrunk(frame(*size).image)
    assert max(image.shape[:2]) <= 640
    picture = encoded(image)
    assert picture is not None
    assert len(picture) <= 60_000


def test_a_key_that_is_none_is_said_at_the_start() -> None:
    with pytest.raises(KeyUnavailable, match="X25519"):
        Snapshot(pem(Ed25519PrivateKey.generate().public_key()), Journal())  # type: ignore[arg-type]


def sealed(data: bytes, info: bytes = b"edged/snapshot") -> dict[str, Any]:
    text = base64.b64encode(seal(data, KEY.public_key(), info)).decode()
    return {"sealed": text}


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({}, ImageError),
        ({"sealed": 7}, ImageError),
        ({"sealed": "&&&"}, ImageError),
        ({"sealed": "AAAA"}, ImageError),
        ({"sealed": "A" * 200_000}, ImageError),
        (sealed(b"\xff\xd8\xff picture", b"something else"), ImageError),
        (sealed(b"text"), ImageError),
        ({"sealed": "AAAA", "sealed_to": "somebody-else"}, KeyUnavailable),
    ],
)
def test_what_is_no_sealed_picture_is_not_opened(data: dict[str, Any], fault: type) -> None:
    with pytest.raises(fault):
        open_snapshot(data, PRIVATE)


@pytest.mark.parametrize("key", [b"", b"garbage", private(Ed25519PrivateKey.generate())])
def test_what_is_no_key_opens_nothing(key: bytes) -> None:
    with pytest.raises(KeyUnavailable):
        open_snapshot(sealed(b"\xff\xd8\xff"), key)


def test_the_right_key_opens_and_another_does_not() -> None:
    assert open_snapshot(sealed(b"\xff\xd8\xff picture"), PRIVATE) == b"\xff\xd8\xff picture"
    with pytest.raises(ImageError):
        open_snapshot(sealed(b"\xff\xd8\xff"), private(X25519PrivateKey.generate()))
