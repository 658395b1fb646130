"""A photo made small enough for a command."""

from __future__ import annotations

import cv2

from edged.camera.images import decode_image
from edged.errors import ImageError

MOST_BYTES = 45_000
_MOST_PX = 4_000_000
_KINDS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_SIDES_PX = (1600, 1280, 1024, 800, 640, 480)
_QUALITIES = (90, 80, 70)


def fit_photo(data: bytes, name: str = "photo") -> bytes:
    """The same photo in at most 45,000 bytes; as it is where it fits already.

    Raises:
        ImageError: it is no image that is read here.
    """
    image = decode_image(data, name)
    height, width = image.shape[:2]
    if len(data) <= MOST_BYTES and data.startswith(_KINDS) and width * height <= _MOST_PX:
        return data
    for side in _SIDES_PX:
        scale = min(1.0, side / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        for quality in _QUALITIES:
            _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
            if len(encoded) <= MOST_BYTES:
                return bytes(encoded)
    raise ImageError(f"{name}: cannot be made smaller than {MOST_BYTES} bytes; crop it to the face")
