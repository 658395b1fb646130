"""A camera that is there again when it comes back."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import cv2
import numpy as np

from edged.errors import CameraEnded, CameraError
from edged.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Event

    from edged.camera.pace import Pace
    from edged.types import Image

log = logging.getLogger(__name__)

_FAULTS_IN_A_ROW = 10
# A session must have lasted this long before the next loss is retried at once again; a camera
# that comes and goes every second is not hammered.
_STABLE_S = 10.0
_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
Status = Literal["opening", "live", "lost", "ended"]


class Source(Protocol):
    """Where images come from, used from one thread; it knows nothing of trying again.

    The constructor touches nothing; `close` may be called at any time and twice; a source can
    be opened again after it.
    """

    def open(self) -> None:
        """Start delivering; raises CameraError."""

    def read(self) -> Image:
        """The next image, BGR uint8 (h, w, 3); it is the caller's.

        Raises:
            CameraEnded: a recording came to its end.
            CameraError: no image came in time; the source must be opened again.
        """

    def close(self) -> None:
        """Let go of the device."""

    def describe(self) -> str:
        """What it is, in a few words without credentials."""


@dataclass(frozen=True, slots=True)
class CameraState:
    """How the camera is: ``since_s`` is the monotonic time of the change."""

    status: Status
    reason: str
    since_s: float


class Camera:
    """Frames from a source, for as long as somebody wants them.

    Args:
        source: where the images come from.
        pace: when the next frame is due and what its time is.
        rotate_deg: how far each image is turned clockwise: 0, 90, 180 or 270.
        on_change: told each change of state, from the thread that iterates.
        retry_s: the first and the longest wait before the source is opened again.

    Attributes:
        state: how it is now.
        beat: grows with each frame and each attempt to get the camera back, and never
            otherwise: a watchdog that is fed from it notices a driver that hangs.
        faults: images that the driver delivered and that could not be used.
    """

    def __init__(
        self,
        source: Source,
        pace: Pace,
        *,
        rotate_deg: int = 0,
        on_change: Callable[[CameraState], None] | None = None,
        retry_s: tuple[float, float] = (0.25, 5.0),
    ) -> None:
        self._source = source
        self._pace = pace
        self._turn = _TURNS.get(rotate_deg)
        self._on_change = on_change
        self._retry_s = retry_s
        self._seq = 0
        self.state = CameraState("opening", "", time.monotonic())
        self.beat = 0
        self.faults = 0

    @property
    def consumer_is_clock(self) -> bool:
        """Whether every frame must be consumed because frames, not seconds, are the time."""
        return self._pace.consumer_is_clock

    def describe(self) -> str:
        """What the source is, without credentials."""
        return self._source.describe()

    def probe(self) -> str:
        """Open the source, take one image, close it, and say what came.

        Raises:
            CameraError: it cannot be opened or delivers nothing that can be used.
        """
        try:
            self._source.open()
            image = self._image()
        finally:
            self._source.close()
        return f"{self.describe()}, {image.shape[1]}×{image.shape[0]} px"

    def frames(self, stop: Event) -> Iterator[Frame]:
        """Every frame until `stop` is set or a recording ends.

        A lost camera is no error here: `on_change` is told once when it is lost and once when
        it is back, and in between the source is opened again and again, ever more slowly.
        Iterate in one thread; the source is closed when the iteration ends, however it ends.
        """
        delay = first = self._retry_s[0]
        while not stop.is_set():
            began = time.monotonic()
            try:
                self._source.open()
                began = time.monotonic()
                yield from self._session(stop)
            except CameraEnded as end:
                self._change("ended", str(end))
                return
            except CameraError as fault:
                self._change("lost", str(fault))
            finally:
                self._source.close()
            self.beat += 1
            if time.monotonic() - began > _STABLE_S:
                delay = first
            # Jitter: terminals that lost the same network do not come back in step.
            stop.wait(delay * random.uniform(0.5, 1.0))  # noqa: S311
            delay = min(delay * 2, self._retry_s[1])

    def _session(self, stop: Event) -> Iterator[Frame]:
        while not stop.is_set():
            image = self._image()
            t_s = self._pace.wait(stop)
            self._change("live", "")
            self.beat += 1
            self._seq += 1
            yield Frame(image, t_s, self._seq)

    def _image(self) -> Image:
        """The next image that can be used, turned upright."""
        for _ in range(_FAULTS_IN_A_ROW):
            image = usable(self._source.read())
            if image is not None:
                return image if self._turn is None else cv2.rotate(image, self._turn)
            self.faults += 1
        raise CameraError(
            f"{self.describe()}: delivers images that cannot be used; "
            "check its format (camera.fourcc) and its driver"
        )

    def _change(self, status: Status, reason: str) -> None:
        before = self.state
        if before.status == status:
            return
        self.state = CameraState(status, reason, time.monotonic())
        if status == "lost":
            log.warning("camera lost: %s; trying until it is back", reason)
        elif before.status == "lost":
            log.info("camera back after %.1f s", self.state.since_s - before.since_s)
        else:
            log.info("camera %s: %s", status, reason or self.describe())
        if self._on_change:
            self._on_change(self.state)


def usable(image: Any) -> Image | None:
    """An image as BGR uint8 (h, w, 3), from that, grey or BGRA; None for anything else."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.size == 0:
        return None
    channels = 1 if image.ndim == 2 else image.shape[2] if image.ndim == 3 else 0
    if channels == 3:
        return np.ascontiguousarray(image)
    if channels == 1:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    if channels == 4:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2BGR))
    return None
