"""Raspberry Pi cameras, by picamera2."""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from edged.errors import CameraError

if TYPE_CHECKING:
    from edged.config.schema import PiCamera
    from edged.types import Image

_ERRORS = (RuntimeError, IndexError, ValueError, OSError, TimeoutError)


def _picamera2() -> Any:
    try:
        return importlib.import_module("picamera2")
    except ImportError as fault:
        raise CameraError(
            "picamera2 is not installed or cannot be loaded; apt install python3-picamera2 and "
            "let edged's environment see it (venv --system-site-packages), or pip install "
            "'edged[picamera]'"
        ) from fault


class PiSource:
    """A camera on the Pi's ribbon cable."""

    def __init__(self, settings: PiCamera) -> None:
        self._settings = settings
        self._camera: Any = None

    def describe(self) -> str:
        return f"Raspberry Pi camera {self._settings.number}"

    def open(self) -> None:
        self.close()
        settings = self._settings
        vendor = _picamera2()
        try:
            camera = self._camera = vendor.Picamera2(settings.number)
            # What libcamera calls RGB888 lies in memory as blue, green, red. Without a queue
            # a frame is the next one, not one that waited.
            wanted = camera.create_video_configuration(
                main={"format": "RGB888", "size": (settings.width_px, settings.height_px)},
                controls={"FrameRate": settings.rate_hz},
                queue=False,
            )
            camera.configure(wanted)
            camera.start()
        except _ERRORS as fault:
            self.close()
            raise CameraError(
                f"{self.describe()}: cannot be opened ({fault}); check the cable and "
                "rpicam-hello --list-cameras"
            ) from fault

    def read(self) -> Image:
        if self._camera is None:
            raise CameraError(f"{self.describe()}: is not open")
        try:
            image: Image = self._camera.capture_array("main", wait=self._settings.timeout_s)
        except _ERRORS as fault:
            raise CameraError(f"{self.describe()}: stopped delivering images") from fault
        return image

    def close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is None:
            return
        with suppress(*_ERRORS):  # a camera that is gone cannot be closed, and need not be
            camera.close()
