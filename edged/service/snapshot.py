"""``snapshot``: what the camera sees now, for one pair of eyes."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import cv2

from edged.events.types import utc_now
from edged.mqtt.catalogue import Reply
from edged.vault.identity import SNAPSHOT, key_id, seal, sealing_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.mqtt.catalogue import Context, Handler, NoArgs
    from edged.service.journal import Journal
    from edged.types import Frame, Image

_OLDEST_S = 5.0
_LONGEST_SIDE_PX = 640
_MOST_BYTES = 60_000
_QUALITIES = (85, 70, 55, 40, 25, 10)


class Snapshot:
    """Called by `edged.mqtt.commands`, in its thread; `look` by the camera's.

    Args:
        public_key: whom the picture is sealed to, X25519 in PEM form; None: none is ever made.

    Raises:
        KeyUnavailable: `public_key` is none.
    """

    def __init__(
        self,
        public_key: str | None,
        journal: Journal,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._to = None if public_key is None else sealing_key(public_key)
        self._journal = journal
        self._monotonic = monotonic
        self._newest: tuple[Frame, float] | None = None

    def look(self, frame: Frame) -> None:
        """Take a reference to the newest frame; returns at once."""
        if self._to is not None:
            self._newest = frame, self._monotonic()

    def handlers(self) -> dict[str, Handler]:
        """By the command's name."""
        return {"snapshot": self._take}

    def _take(self, _args: NoArgs, context: Context) -> Reply:
        if self._to is None:
            text = "no picture leaves this terminal: mqtt.snapshot_key is not set"
            return Reply("refused", "not_allowed", text)
        newest = self._newest
        if newest is None or self._monotonic() - newest[1] > _OLDEST_S:
            return Reply("failed", "no_picture", "the camera delivers nothing; see state")
        image = shrunk(newest[0].image)
        picture = encoded(image)
        if picture is None:
            return Reply("failed", "no_picture", "the picture cannot be made small enough")
        sealed = seal(picture, self._to, SNAPSHOT)
        to = key_id(self._to)
        # first of all on the record: nobody looks through the camera unnoticed
        event = self._journal.record(
            "camera.snapshot", command=context.id, key=context.key_id, sealed_to=to
        )
        if event is None:
            return Reply("failed", "not_recorded", "the event cannot be recorded; see state")
        data: dict[str, Any] = {
            "sealed": base64.b64encode(sealed).decode("ascii"),
            "sealed_to": to,
            "time": utc_now(),
            "width_px": int(image.shape[1]),
            "height_px": int(image.shape[0]),
        }
        return Reply(data=data)


def shrunk(image: Image) -> Image:
    """No side longer than 640 px; never enlarged."""
    height, width = image.shape[:2]
    factor = _LONGEST_SIDE_PX / max(height, width)
    if factor >= 1:
        return image
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small


def encoded(image: Image) -> bytes | None:
    """A JPEG of at most 60 kB, as good as that allows; None where nothing does."""
    for quality in _QUALITIES:
        done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if done and data.size <= _MOST_BYTES:
            return data.tobytes()
    return None
