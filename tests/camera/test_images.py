"""Every way in which an image file can be wrong."""

from __future__ import annotations

import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.camera.images import decode_image, read_image
from edged.errors import ImageError

KINDS = ["jpg", "png", "webp", "bmp"]


def detailed(width: int = 160, height: int = 120) -> np.ndarray:
    noise = np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(noise, (7, 7), 2)


def encoded(kind: str, image: np.ndarray | None = None) -> bytes:
    done, data = cv2.imencode(f".{kind}", detailed() if image is None else image)
    assert done
    return data.tobytes()


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header promises a size, and which holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    tiff = (
        b"II*\0"
        + struct.pack("<IH", 8, 1)
        + struct.pack("<HHIHHI", 0x0112, 3, 1, orientation, 0, 0)
    )
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_is_read_as_bgr(tmp_path, kind):
    image = np.zeros((48, 64, 3), np.uint8)
    image[..., 2] = 200  # red
    path = tmp_path / f"red.{kind}"
    path.write_bytes(encoded(kind, image))
    read = read_image(path)
    assert read.shape == (48, 64, 3)
    assert read.dtype == np.uint8
    np.testing.assert_allclose(read[10, 10], (0, 0, 200), atol=6)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_grey_images_become_bgr(kind):
    assert decode_image(encoded(kind, detailed()[..., 0])).shape == (120, 160, 3)


def test_transparent_and_deep_images_become_bgr_bytes():
    bgra = np.dstack([detailed(), np.full((120, 160), 128, np.uint8)])
    deep = detailed().astype(np.uint16) * 257
    for image in (bgra, deep):
        read = decode_image(encoded("png", image))
        assert read.shape == (120, 160, 3)
        assert read.dtype == np.uint8


def test_webp_without_loss_is_read():
    data = cv2.imencode(".webp", detailed(), [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    assert data[12:16] == b"VP8L"
    np.testing.assert_array_equal(decode_image(data), detailed())


def test_the_exif_orientation_is_honoured():
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, :40] = 255  # bright on the left
    turned = decode_image(with_orientation(encoded("jpg", image), 6))  # a quarter clockwise
    assert turned.shape == (80, 40, 3)
    assert turned[:30].mean() > 200 > 50 > turned[50:].mean()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.99])
def test_a_truncated_image_is_refused_rather_than_half_grey(tmp_path, kind, share):
    data = encoded(kind)
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageError, match=rf"cut\.{kind}: .*(truncated|not a JPEG)"):
        read_image(path)


def test_a_truncated_jpeg_with_a_whole_thumbnail_is_refused():
    thumbnail = encoded("jpg", detailed(16, 12))
    whole = encoded("jpg")
    block = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    assert decode_image(whole[:2] + block + whole[2:]).shape == (120, 160, 3)
    with pytest.raises(ImageError, match="truncated"):
        decode_image((whole[:2] + block + whole[2:])[:-400])


def test_what_follows_a_jpeg_is_no_matter():
    assert decode_image(encoded("jpg") + b"\0" * 100).shape == (120, 160, 3)


def test_an_absurdly_large_image_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "huge.png"
    path.write_bytes(png_of(12_000, 9_000))
    with pytest.raises(ImageError, match=r"huge\.png: 12000×9000 px is too large \(at most 64"):
        read_image(path)


def test_a_really_encoded_image_of_108_megapixels_is_refused():
    jpeg = bytearray(encoded("jpg"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 9_000, 12_000)
    with pytest.raises(ImageError, match="12000×9000 px is too large"):
        decode_image(bytes(jpeg))
    bmp = bytearray(encoded("bmp"))
    bmp[18:26] = struct.pack("<ii", 12_000, -9_000)
    with pytest.raises(ImageError, match="12000×9000 px is too large"):
        decode_image(bytes(bmp))


@pytest.mark.parametrize("size", [(40_000, 1), (2**31 - 1, 2**31 - 1)])
def test_an_image_that_is_all_width_is_refused(size):
    with pytest.raises(ImageError, match="too large"):
        decode_image(png_of(*size))


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_an_image_without_extent_is_refused(size):
    with pytest.raises(ImageError, match="damaged"):
        decode_image(png_of(*size))


def test_one_pixel_is_an_image():
    for kind in KINDS:
        assert decode_image(encoded(kind, np.full((1, 1, 3), 9, np.uint8))).shape == (1, 1, 3)


def test_what_is_no_plain_file_is_refused(tmp_path):
    with pytest.raises(ImageError, match=r"absent\.jpg: cannot be read: No such file"):
        read_image(tmp_path / "absent.jpg")
    with pytest.raises(ImageError, match="not a file"):
        read_image(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="not a file"):  # and does not wait for a writer
        read_image(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="not a file"):
        read_image(tmp_path / "a\0b.jpg")
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path / ("x" * 300))


def test_an_empty_and_a_huge_file_are_refused(tmp_path):
    path = tmp_path / "a.jpg"
    path.touch()
    with pytest.raises(ImageError, match=r"a\.jpg: is empty"):
        read_image(path)
    os.truncate(path, 60_000_000)
    with pytest.raises(ImageError, match=r"a\.jpg: 60000000 bytes"):
        read_image(path)
    with pytest.raises(ImageError, match="photo: 60000000 bytes"):
        decode_image(bytes(60_000_000), "photo")


@pytest.mark.parametrize(
    "data",
    [b"hello", b"GIF89a" + bytes(100), b"II*\0" + bytes(100), b"%PDF-1.7", bytes(100), b"RIFF",
     b"RIFF\x10\0\0\0WAVEfmt " + bytes(100), b"<svg/>"],
)  # fmt: skip
def test_other_formats_are_refused(data):
    with pytest.raises(ImageError, match=r"not a JPEG, PNG, WebP or BMP|truncated"):
        decode_image(data)


STARTS = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBPVP8 ", b"BM"]


@given(st.sampled_from(STARTS), st.binary(max_size=300))
def test_garbage_is_an_image_error_and_nothing_else(start, rest):
    try:
        image = decode_image(start + rest)
    except ImageError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3


@given(st.sampled_from(KINDS), st.data())
def test_a_damaged_image_is_decoded_or_refused_but_never_raises_anything_else(kind, data):
    damaged = bytearray(encoded(kind, detailed(32, 24)))
    for at in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=5)):
        damaged[at] ^= data.draw(st.integers(1, 255))
    try:
        image = decode_image(bytes(damaged))
    except ImageError:
        return
    assert image.size <= 3 * 64_000_000
