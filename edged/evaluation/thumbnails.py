"""Small pictures of aligned faces, for whoever asked to see the worst cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2

from edged.errors import ImageError, NoUsableFace

if TYPE_CHECKING:
    from pathlib import Path

    from edged.evaluation.instrument import Instrument

_SIDE_PX = 96
_JPEG_QUALITY = 80


def thumbnail(instrument: Instrument, path: Path) -> bytes:
    """A JPEG of the face that was measured; empty when the file was altered since."""
    try:
        chip = instrument.chip(path)
    except (ImageError, NoUsableFace):
        return b""
    small = cv2.resize(chip, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data.tobytes() if done else b""
