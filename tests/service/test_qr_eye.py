"""Codes before the camera: read beside everything else, each once."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.access.token import LARGEST, PREFIX
from edged.errors import ReaderError
from edged.service.qr_eye import QrEye, grey
from edged.types import Frame
from tests.service.codes import drawn, held_into
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.access.request import Reading
    from edged.types import Image

TEXT = PREFIX + "BB8" * 90
OTHER = PREFIX + "QED8WEX0" * 30
WALL = np.full((480, 640, 3), 110, np.uint8)


class Eye:
    """A `QrEye` that is given one frame after the other, each surely looked at."""

    def __init__(self) -> None:
        self.heard: queue.SimpleQueue[Reading] = queue.SimpleQueue()
        self.part = QrEye(self.heard.put, "out", every_s=0.001)
        self.seq = 0

    def see(self, image: Image, t_s: float = 0.0) -> list[str]:
        """What was read newly in this picture."""
        looks = self.part.document()["looks"]
        self.seq += 1
        self.part.look(Frame(image, t_s, self.seq))
        until(lambda: self.part.document()["looks"] > looks, 10)
        # the look is over when the next one, at nothing, has begun
        self.part.look(Frame(WALL, t_s, self.seq))
        until(lambda: self.part.document()["looks"] > looks + 1, 10)
        return [self.heard.get().value for _ in range(self.heard.qsize())]


@pytest.fixture
def eye() -> Iterator[Eye]:
    made = Eye()
    made.part.open()
    yield made
    made.part.close()


def test_a_code_on_a_phone_is_read_with_its_way_and_time(eye: Eye) -> None:
    eye.part.look(Frame(held_into(WALL, TEXT), 5.5, 1))
    reading = eye.heard.get(timeout=10)
    assert (reading.reader, reading.kind, reading.value) == ("camera", "qr", TEXT)
    assert (reading.direction, reading.t_s) == ("out", 5.5)
    assert TEXT not in repr(reading)


def test_a_code_that_stays_in_view_is_told_once(eye: Eye) -> None:
    picture = held_into(WALL, TEXT)
    assert eye.see(picture, 0.0) == [TEXT]
    for t_s in (0.2, 2.9, 5.8, 8.7):
        assert eye.see(picture, t_s) == []
    assert eye.see(WALL, 11.6) == []
    assert eye.see(picture, 11.8) == [TEXT]  # away for three seconds: shown anew


def test_another_code_is_told_at_once(eye: Eye) -> None:
    assert eye.see(drawn(TEXT), 0.0) == [TEXT]
    assert eye.see(drawn(OTHER), 0.1) == [OTHER]
    assert (
        eye.see(
            np.hstack([drawn(TEXT), np.full((drawn(TEXT).shape[0], 40, 3), 255, np.uint8)]), 0.2
        )
        == []
    )


@pytest.mark.parametrize(
    "text", ["https://example.org", "' OR 1=1 --", "WIFI:T:WPA;S:x;;", "edged1:BB8", "1234567"]
)
def test_codes_that_are_not_of_this_system_are_passed_over(eye: Eye, text: str) -> None:
    assert eye.see(drawn(text)) == []


def wall_of(texts: list[str], width: int = 8) -> Image:
    """All of them side by side, as on a notice board."""
    codes = [drawn(text, 2) for text in texts]
    size = max(len(code) for code in codes)
    board = np.full((size * -(-len(codes) // width), size * width, 3), 255, np.uint8)
    for number, code in enumerate(codes):
        top, left = (size * place for place in divmod(number, width))
        board[top : top + len(code), left : left + len(code)] = code
    return board


def test_a_visitors_code_is_found_among_fifty_others(eye: Eye) -> None:
    others = [f"HTTPS://X.ORG/{number:04d}" for number in range(49)]
    assert eye.see(wall_of([*others, TEXT])) == [TEXT]


def test_forged_codes_that_hang_there_keep_nobody_out(eye: Eye) -> None:
    forged = [PREFIX + f"{number:04d}" for number in range(30)]
    board = wall_of([*forged, PREFIX + "BB8"], 6)
    found = [eye.see(board, t_s) for t_s in (0.0, 0.2, 0.4, 0.6)]
    assert [len(one) for one in found] == [8, 8, 8, 7]  # a few at a time, each once
    assert {code for one in found for code in one} == {*forged, PREFIX + "BB8"}
    assert eye.see(board, 0.8) == []


def test_a_code_of_three_kilobytes_is_handed_on_cut_short(eye: Eye) -> None:
    found = eye.see(drawn(PREFIX + "7" * 2900, 3))
    assert [len(text) for text in found] == [LARGEST + 1]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((1, 5000, 3), np.uint8),
        np.zeros((480, 640), np.uint8),
        np.zeros((480, 640, 1), np.uint8),
        np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8),
        drawn(TEXT)[:150],
        drawn(TEXT)[::-1, ::-1] // 8,
        np.zeros((480, 640, 3), np.float64),
        np.zeros((2, 2, 2, 2), np.uint8),
    ],
    ids=range(10),
)
def test_no_picture_ends_it(eye: Eye, image: Image) -> None:
    eye.see(image)
    assert eye.see(drawn(OTHER), 100.0) == [OTHER]


def test_half_a_code_is_no_code(eye: Eye) -> None:
    picture = drawn(TEXT)
    picture[60:, 60:] = 127
    assert eye.see(picture) == []


def test_trouble_is_told_once_and_never_by_its_text(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(reading: Reading) -> None:
        raise RuntimeError(reading.value)

    eye = QrEye(fail, every_s=0.001)
    eye.open()
    with caplog.at_level(logging.DEBUG):
        for number in range(3):
            looks = eye.document()["looks"]
            eye.look(Frame(drawn(TEXT + str(number)), number, number))
            until(lambda looks=looks: eye.document()["looks"] > looks, 10)
        eye.close()
    assert [record.message for record in caplog.records] == [
        "a code could not be looked for: RuntimeError"
    ]
    assert TEXT not in caplog.text


def test_looking_takes_a_reference_and_nothing_else() -> None:
    eye = QrEye(lambda _: None)  # not even open
    frame = Frame(WALL, 0.0, 1)
    eye.look(frame)
    assert eye._newest is frame
    eye.close()
    assert eye._newest is None
    eye.close()


def test_it_is_closed_from_its_own_thread_and_opened_again() -> None:
    done = threading.Event()

    def close(_: Reading) -> None:
        eye.close()
        done.set()

    eye = QrEye(close, every_s=0.001)
    eye.open()
    eye.look(Frame(drawn(TEXT), 0.0, 1))
    assert done.wait(10)
    eye.close()
    heard: queue.SimpleQueue[Reading] = queue.SimpleQueue()
    again = QrEye(heard.put, every_s=0.001)
    again.open()
    again.look(Frame(drawn(TEXT), 0.0, 1))
    assert heard.get(timeout=10).value == TEXT
    again.close()


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zxingcpp", None)
    eye = QrEye(lambda _: None)
    with pytest.raises(ReaderError, match=r"edged\[qr\]"):
        eye.open()
    eye.close()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 4000), st.integers(1, 4000))
def test_what_is_looked_at_is_bounded(height: int, width: int) -> None:
    plane = grey(np.broadcast_to(np.uint8(0), (height, width, 3)))
    assert plane.ndim == 2
    assert 1 <= max(plane.shape) <= 1280
    assert plane.flags["C_CONTIGUOUS"]


def test_a_large_picture_keeps_its_code_readable() -> None:
    scene = np.full((1080, 1920, 3), 110, np.uint8)
    plane = grey(held_into(scene, TEXT))
    assert plane.shape == (540, 960)
    found = zxingcpp.read_barcodes(plane, formats=zxingcpp.BarcodeFormat.QRCode)
    assert [code.text for code in found] == [TEXT]
