"""`edged extract` and `edged compare`: what they tell of good images, and of every bad one."""

from __future__ import annotations

import shutil
import struct
import zlib

import cv2
import numpy as np
import pytest

from edged.demo import scenes
from tests.cli.conftest import PORTRAIT


def png_of(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def test_extract_gives_every_field_of_its_contract(edged):
    told = edged("extract", PORTRAIT, "--json").json
    assert set(told) == {
        "feature", "ood_score", "quality_level", "log_variance", "face", "faces", "defects",
        "model",
    }  # fmt: skip
    assert np.linalg.norm(told["feature"]) == pytest.approx(1, abs=1e-5)
    assert told["ood_score"] > 0.9
    assert told["quality_level"] == "excellent"
    left, top, right, bottom = told["face"]["box"]
    assert left < 224 < right
    assert top < 115 < bottom
    assert len(told["face"]["landmarks"]) == 5
    assert set(told["face"]["pose"]) == {"yaw_deg", "pitch_deg", "roll_deg"}
    assert told["faces"] == 1
    assert told["defects"] == []
    assert told["model"].startswith("mobilefacenet-rts@")


def test_extract_tells_a_person_the_same_without_the_numbers(edged):
    ran = edged("extract", PORTRAIT)
    assert ran.code == 0
    assert "(excellent)" in ran.out
    assert "defects    none" in ran.out
    assert "192 values" in ran.out


def test_the_score_of_a_blurred_view_is_low(edged, photo):
    blurred = photo("blurred.png", scenes.Lobby().draw(scenes.BLURRED, 0.0))
    told = edged("extract", blurred, "--json").json
    assert told["ood_score"] < 0.5
    assert told["quality_level"] in ("poor", "fair")
    assert "blurred" in told["defects"]


def test_compare_gives_every_field_of_its_contract(edged, photo, portrait):
    mirrored = photo("mirrored.jpg", cv2.flip(portrait, 1))
    told = edged("compare", PORTRAIT, mirrored, "--json").json
    assert set(told) == {"similarity", "verdict", "a", "b"}
    assert told["verdict"] == "same"
    assert told["similarity"] > 0.6
    assert told["a"]["ood_score"] > 0.9
    assert "feature" not in told["a"]


@pytest.mark.parametrize("profile", ["attendance", "access", "high_security"])
def test_a_view_that_cannot_be_trusted_is_to_be_retaken_whatever_the_similarity(
    edged, photo, profile
):
    blurred = photo("blurred.png", scenes.Lobby().draw(scenes.BLURRED, 0.0))
    ran = edged("compare", blurred, blurred, "--profile", profile, "--json")
    assert ran.code == 0
    assert ran.json["similarity"] == pytest.approx(1, abs=1e-3)
    assert ran.json["verdict"] == "retake"


@pytest.mark.data
def test_different_people_are_told_apart(edged, data_dir):
    people = sorted((data_dir / "photos-dev").iterdir())
    first, second = (min(people[n].glob("*.jpg")) for n in (0, 1))
    assert edged("compare", first, second, "--json").json["verdict"] in ("different", "retake")


BAD = {
    "empty.jpg": (b"", "is empty"),
    "garbage.jpg": (b"\x00garbage" * 100, "not a JPEG, PNG, WebP or BMP"),
    "text.png": (b"hello", "not a JPEG, PNG, WebP or BMP"),
    "cut.jpg": (PORTRAIT.read_bytes()[:20_000], "truncated"),
    "huge.png": (png_of(12_000, 9_000), "12000×9000 px is too large"),
    "hollow.png": (png_of(64, 64), "truncated or damaged"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("command", ["extract", "compare"])
def test_a_bad_image_is_named_with_what_is_wrong(edged, tmp_path, command, name):
    path = tmp_path / name
    path.write_bytes(BAD[name][0])
    images = (path,) if command == "extract" else (PORTRAIT, path)
    ran = edged(command, *images)
    assert (ran.code, ran.out) == (2, "")
    assert f"edged: {path}: " in ran.err
    assert BAD[name][1] in ran.err
    told = edged(command, *images, "--json")
    assert (told.code, told.json["error"]) == (2, "bad_input")
    assert told.err == ""


def test_what_is_no_image_file_at_all_is_named(edged, tmp_path):
    for path, what in ((tmp_path / "none.jpg", "No such file"), (tmp_path, "not a file")):
        ran = edged("extract", path)
        assert ran.code == 2
        assert what in ran.err


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 3000), (640, 480), (8000, 6000)])
def test_an_image_without_a_face_ends_with_three_and_is_named(edged, photo, width, height):
    wall = photo("wall.png", np.full((height, width, 3), 120, np.uint8))
    ran = edged("extract", wall)
    assert (ran.code, ran.out) == (3, "")
    assert f"{wall}: no face found" in ran.err
    assert edged("compare", PORTRAIT, wall, "--json").json["error"] == "no_usable_face"


def test_a_large_photo_is_understood_in_its_own_pixels(edged, photo, portrait):
    large = photo("large.jpg", cv2.resize(portrait, None, fx=6, fy=6))
    small = edged("extract", PORTRAIT, "--json").json
    told = edged("extract", large, "--json").json
    np.testing.assert_allclose(
        np.array(told["face"]["box"]) / 6, small["face"]["box"], atol=8
    )  # a detector is no ruler
    assert np.dot(told["feature"], small["feature"]) > 0.9


@pytest.mark.parametrize("name", ["фото ünï 顔.jpg", "a b\tc.jpg", "-dash.jpg"])
def test_any_name_of_a_file_will_do(edged, tmp_path, name):
    path = tmp_path / name
    shutil.copy(PORTRAIT, path)
    assert edged("extract", "--json", path).json["ood_score"] > 0.9


def test_images_that_are_missing_on_the_command_line_are_bad_usage(edged):
    for argv in (["extract"], ["compare", PORTRAIT], ["compare", PORTRAIT, PORTRAIT, "x"]):
        ran = edged(*argv)
        assert ran.code == 2
        assert "--help" in ran.err
