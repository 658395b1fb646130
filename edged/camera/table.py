"""From the settings to a camera: which driver makes which source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from edged.camera.base import Camera
from edged.camera.opencv import OpenCVSource, VideoFile, is_file
from edged.camera.pace import Fast, Live, Real
from edged.camera.picamera import PiSource
from edged.camera.replay import FolderSource
from edged.config.schema import OpenCVCamera, PiCamera, ReplayCamera

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.camera.base import CameraState, Source
    from edged.camera.pace import Pace

Settings = OpenCVCamera | PiCamera | ReplayCamera


def open_camera(
    settings: Settings, on_change: Callable[[CameraState], None] | None = None
) -> Camera:
    """The camera that the settings mean. It opens its device when its frames are asked for."""
    source, pace = _parts(settings)
    return Camera(source, pace, rotate_deg=settings.rotate_deg, on_change=on_change)


def _parts(settings: Settings) -> tuple[Source, Pace]:
    match settings:
        case OpenCVCamera():
            if is_file(settings.source):
                return VideoFile(Path(str(settings.source))), Real(settings.rate_hz)
            return OpenCVSource(settings), Live()
        case PiCamera():
            return PiSource(settings), Live()
        case ReplayCamera():
            pace = Real if settings.pace == "real" else Fast
            return _recording(settings.source, settings.loop), pace(settings.rate_hz)
    assert_never(settings)


def _recording(path: Path, loop: bool) -> Source:
    if path.is_dir() or not path.suffix:  # a folder may come later
        return FolderSource(path, loop=loop)
    return VideoFile(path, loop=loop)
