"""Image files and messages, read with a limit on everything.

Only JPEG, PNG, WebP and BMP are accepted: each format more is a decoder more that a stranger's
bytes reach. Width and height are read from the header before anything is decoded.
"""

from __future__ import annotations

import stat
import struct
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edged.camera.quiet import quiet
from edged.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.types import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
_MOST_BYTES = 50_000_000
_MOST_PX = 64_000_000
_LONGEST_PX = 30_000
Size = tuple[int, int]


class _Truncated(Exception):
    """The bytes end before the image does."""


def read_image(path: Path) -> Image:
    """Read an image file.

    Returns:
        BGR uint8 (h, w, 3), turned as its EXIF orientation says.

    Raises:
        ImageError: missing, no plain file, empty, over 50 MB, not a JPEG, PNG, WebP or BMP,
            truncated, or over 64 megapixels.
    """
    return decode_image(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """What an image file holds, up to the limit.

    Raises:
        ImageError: missing, no plain file, or over 50 MB.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise ImageError(f"{path}: not a file")
        if about.st_size > _MOST_BYTES:
            raise ImageError(f"{path}: {about.st_size} bytes; at most {_MOST_BYTES} are read")
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)
    except OSError as fault:
        raise ImageError(f"{path}: cannot be read: {fault.strerror}") from fault
    except ValueError as fault:  # a NUL in the name
        raise ImageError(f"{str(path)!r}: not a file name") from fault


def decode_image(data: bytes, name: str = "image", *, most_px: int = _MOST_PX) -> Image:
    """Decode an image that lies in memory; `name` is how errors call it. See `read_image`."""
    if not data:
        raise ImageError(f"{name}: is empty")
    if len(data) > _MOST_BYTES:
        raise ImageError(f"{name}: {len(data)} bytes; at most {_MOST_BYTES} are read")
    try:
        size = _size(data)
    except (_Truncated, struct.error, IndexError) as fault:
        raise ImageError(f"{name}: the image is truncated; copy it again") from fault
    if size is None:
        raise ImageError(f"{name}: not a JPEG, PNG, WebP or BMP image")
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"{name}: the image is damaged: {width}×{height} px")
    if width * height > most_px or max(size) > _LONGEST_PX:
        raise ImageError(
            f"{name}: {width}×{height} px is too large (at most {most_px // 1_000_000} "
            f"megapixels, {_LONGEST_PX} px a side); scale it down"
        )
    quiet()
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as fault:
        raise ImageError(f"{name}: the image cannot be decoded") from fault
    if image is None or image.size == 0:
        raise ImageError(f"{name}: the image is truncated or damaged; copy it again")
    return image  # type: ignore[no-any-return]


def _size(data: bytes) -> Size | None:
    """Width and height from the header; None for a format that is not known."""
    for start, reader in _READERS:
        if data.startswith(start):
            return reader(data)
    return None


def _jpeg(data: bytes) -> Size:
    # Decoders fill what is missing with grey. A whole file has an end marker after the last
    # scan began; the one of an embedded thumbnail comes before.
    if data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda"):
        raise _Truncated
    at = 2
    while True:
        while data[at] != 0xFF:
            at += 1
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker == 0x01 or 0xD0 <= marker <= 0xD9:  # stands alone
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 3)
            return width, height
        at += max(2, struct.unpack_from(">H", data, at)[0])


def _png(data: bytes) -> Size:
    width, height = struct.unpack_from(">II", data, 16)
    if b"IEND" not in data[-4096:] and b"IEND" not in data:
        raise _Truncated
    return width, height


def _webp(data: bytes) -> Size | None:
    if data[8:12] != b"WEBP":
        return None
    if len(data) < struct.unpack_from("<I", data, 4)[0] + 8:
        raise _Truncated
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        size = data[24:30]
        return int.from_bytes(size[:3], "little") + 1, int.from_bytes(size[3:], "little") + 1
    return None


def _bmp(data: bytes) -> Size:
    width, height = struct.unpack_from("<ii", data, 18)
    return abs(width), abs(height)  # a negative height: rows from the top


_READERS: tuple[tuple[bytes, Callable[[bytes], Size | None]], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"RIFF", _webp),
    (b"BM", _bmp),
)
