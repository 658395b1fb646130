"""A folder of images, played as if it were a camera."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from edged.camera.images import SUFFIXES, read_image
from edged.errors import CameraEnded, CameraError, ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from edged.types import Image

log = logging.getLogger(__name__)


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key by which frame 2 comes before frame 10."""
    parts = re.findall(r"(\d+)|(\D+)", name.casefold())
    return [(0, int(digits), "") if digits else (1, 0, text) for digits, text in parts]


class FolderSource:
    """The images of a folder in natural order of their names, once or for ever.

    An image that cannot be read is reported once and passed over; a folder without a single
    one that can is an error.
    """

    def __init__(self, folder: Path, *, loop: bool = False) -> None:
        self._folder = folder
        self._loop = loop
        self._left: list[Path] = []
        self._delivered = 0
        self._reported: set[str] = set()

    def describe(self) -> str:
        return str(self._folder)

    def open(self) -> None:
        self._delivered = 0
        self._left = self._listed()

    def _listed(self) -> list[Path]:
        """The folder's images, last first."""
        try:
            paths = [path for path in self._folder.iterdir() if path.suffix.lower() in SUFFIXES]
        except OSError as fault:
            raise CameraError(f"{self._folder}: cannot be listed: {fault.strerror}") from fault
        if not paths:
            raise CameraError(f"{self._folder}: holds no image ({', '.join(sorted(SUFFIXES))})")
        return sorted(paths, key=lambda path: (natural(path.name), path.name), reverse=True)

    def read(self) -> Image:
        while True:
            if not self._left:
                self._rewind()
            path = self._left.pop()
            try:
                image = read_image(path)
            except ImageError as fault:
                if not self._folder.is_dir():
                    raise CameraError(f"{self._folder}: is gone") from fault
                self._report(path.name, fault)
            else:
                self._delivered += 1
                return image

    def _rewind(self) -> None:
        if not self._delivered:
            raise CameraError(f"{self._folder}: holds no image that can be read")
        if not self._loop:
            raise CameraEnded(f"{self._folder}: came to its end after {self._delivered} images")
        self.open()

    def _report(self, name: str, fault: ImageError) -> None:
        if name not in self._reported:
            self._reported.add(name)
            log.warning("passed over: %s", fault)

    def close(self) -> None:
        self._left = []
        self._delivered = 0
