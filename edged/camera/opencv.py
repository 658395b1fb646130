"""V4L2 devices, RTSP and HTTP streams, and video files, by OpenCV."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import cv2

from edged.camera.quiet import quiet
from edged.errors import CameraEnded, CameraError

if TYPE_CHECKING:
    from edged.config.schema import OpenCVCamera
    from edged.types import Image


def is_file(source: int | str) -> bool:
    """Whether a source names a video file, not a device (0, "0", "/dev/…") and not a URL."""
    return (
        isinstance(source, str)
        and not source.isdecimal()
        and "://" not in source
        and not source.startswith("/dev/")
    )


def shown(source: int | str) -> str:
    """A source fit for a log: of a URL the scheme and the host, for name, password and often
    the path and the query too are credentials."""
    if isinstance(source, int) or source.isdecimal():
        return f"/dev/video{int(source)}"
    if "://" not in source:
        return source
    scheme = source.partition("://")[0]
    try:
        parts = urlsplit(source)
        port = f":{parts.port}" if parts.port else ""
        return f"{scheme}://{parts.hostname or '?'}{port}/…"
    except ValueError:
        return f"{scheme}://…"


class _Capture:
    """An open `cv2.VideoCapture`, or none; what the sources below share."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._capture: Any = None

    def describe(self) -> str:
        return self._name

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _start(self, source: int | str, backend: int, settings: list[int]) -> Any:
        quiet()
        self.close()
        try:
            capture = cv2.VideoCapture(source, backend, settings)
        except cv2.error:
            capture = None
        if capture is None or not capture.isOpened():
            raise CameraError(f"{self._name}: {self._why(source)}")
        self._capture = capture
        return capture

    def _why(self, source: int | str) -> str:
        if "://" in str(source):
            return "cannot be opened; check address, name and password, and the network"
        path = Path(self._name)
        if not path.exists():
            return "does not exist; check camera.source and the cable"
        if not os.access(path, os.R_OK):
            return "may not be read by this user; add it to the group video"
        return "cannot be opened; it is in use by another program, or not a camera or video"

    def _grab(self) -> Image | None:
        if self._capture is None:
            raise CameraError(f"{self._name}: is not open")
        try:
            there, image = self._capture.read()
        except cv2.error:
            return None
        return image if there else None


class VideoFile(_Capture):
    """A video file, once or for ever."""

    def __init__(self, path: Path, *, loop: bool = False) -> None:
        super().__init__(str(path))
        self._loop = loop
        self._frames = 0

    def open(self) -> None:
        if not Path(self._name).is_file():
            raise CameraError(f"{self._name}: no such video file")
        self._frames = 0
        self._start(self._name, cv2.CAP_FFMPEG, [])

    def read(self) -> Image:
        image = self._grab()
        if image is None and self._frames and self._loop:
            self.open()
            image = self._grab()
        if image is not None:
            self._frames += 1
            return image
        if not self._frames:
            raise CameraError(f"{self._name}: holds no image that can be read")
        raise CameraEnded(f"{self._name}: came to its end after {self._frames} frames")


class OpenCVSource(_Capture):
    """A V4L2 device by number or path, or a stream by URL."""

    def __init__(self, settings: OpenCVCamera) -> None:
        super().__init__(shown(settings.source))
        self._settings = settings

    def open(self) -> None:
        settings = self._settings
        if "://" in str(settings.source):
            self._open_stream()
            return
        # OpenCV has no property for how long V4L2 waits for a frame; it reads this once.
        wait_s = str(math.ceil(settings.timeout_s))
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", wait_s)
        source = settings.source
        number = int(source) if str(source).isdecimal() else source
        capture = self._start(number, cv2.CAP_V4L2, [])
        # The format comes first: drivers offer sizes and rates per format.
        if settings.fourcc:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*settings.fourcc))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width_px)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height_px)
        capture.set(cv2.CAP_PROP_FPS, settings.rate_hz)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def _open_stream(self) -> None:
        wait_ms = int(self._settings.timeout_s * 1000)
        timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, wait_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC]
        self._start(str(self._settings.source), cv2.CAP_FFMPEG, [*timeouts, wait_ms])

    def read(self) -> Image:
        image = self._grab()
        if image is None:
            raise CameraError(f"{self._name}: stopped delivering images")
        return image
