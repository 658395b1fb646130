"""The camera's picture for browsers: the newest as JPEG, encoded once for all of them."""

from __future__ import annotations

import asyncio
import threading
import time
from math import sqrt
from typing import TYPE_CHECKING

import cv2

from edged.web.bell import Bell

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from edged.types import Frame, Image, Observation

_MOST_PX = 640 * 480
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 72)
_OLD_S = 2.0


class Picture:
    """Shows what the camera sees, to whoever reads `frames`; costs nothing without a reader.

    Args:
        rate_hz: so many pictures are encoded a second at most.
    """

    def __init__(self, rate_hz: float = 15.0) -> None:
        self._period_s = 1 / rate_hz
        self._bell = Bell()
        self._newest: tuple[Image, float] | None = None
        self._lock = threading.Lock()
        self._encoded: tuple[Image, bytes] | None = None
        self._due_s = 0.0

    def look(self, frame: Frame, observation: Observation) -> None:
        """Take note of a frame, which nobody may change any more. On the vision thread."""
        del observation
        self._newest = (frame.image, time.monotonic())
        self._bell.ring()

    async def frames(self) -> AsyncGenerator[bytes]:
        """JPEGs of at most 640 x 480 px, each the newest there is. In any loop, without end.

        Nothing queues: who takes long misses pictures. A picture that is seconds old is not
        given, so a camera that is gone leaves readers waiting.
        """
        with self._bell.listening() as ear:
            sent: bytes | None = None
            while True:
                changed = ear.changed
                jpeg, wait_s = self._jpeg()
                if jpeg is not None and jpeg is not sent:
                    sent = jpeg
                    yield jpeg
                elif wait_s > 0:
                    await asyncio.sleep(wait_s)
                else:
                    await changed.wait()

    def _jpeg(self) -> tuple[bytes | None, float]:
        """The newest picture; or None, and how long until another may be encoded."""
        with self._lock:
            newest, now_s = self._newest, time.monotonic()
            if newest is None or now_s - newest[1] > _OLD_S:
                return None, 0.0
            if self._encoded is not None and self._encoded[0] is newest[0]:
                return self._encoded[1], 0.0
            if now_s < self._due_s:
                return None, self._due_s - now_s
            # A camera of the very same rate jitters: one picture may be a period early.
            self._due_s = max(self._due_s, now_s - self._period_s) + self._period_s
            self._encoded = (newest[0], encode(newest[0]))
            return self._encoded[1], 0.0


def encode(image: Image) -> bytes:
    """A JPEG of an image (BGR uint8), scaled down to the area of 640 x 480 px."""
    height, width = image.shape[:2]
    scale = sqrt(_MOST_PX / (height * width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return bytes(cv2.imencode(".jpg", image, _JPEG)[1])
