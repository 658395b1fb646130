from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edged.config.schema import Web
from edged.types import Box
from edged.web import picture as module
from edged.web.app import CLIENTS
from edged.web.picture import Picture, encode
from edged.web.screen import Screen
from tests.wait import until
from tests.web.browser import Browser
from tests.web.show import Camera, frame, seen
from tests.web.test_events import connection_of, statuses

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURE = b"GET /picture HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each picture that was encoded."""
    calls: list[int] = []

    def counted(image: Any) -> bytes:
        calls.append(int(image[0, 0, 0]))
        return encode(image)

    monkeypatch.setattr(module, "encode", counted)
    return calls


def test_a_browser_sees_the_frame_of_now_and_then_the_next(
    screen: Screen, browser: Browser
) -> None:
    screen.look(frame(10), seen(None))
    pictures = browser.pictures()
    assert abs(int(pictures.next().mean()) - 10) <= 2
    screen.look(frame(200), seen(None))
    assert abs(int(pictures.next().mean()) - 200) <= 2


def test_a_picture_is_never_cached(screen: Screen, browser: Browser) -> None:
    headers = browser.pictures().response.headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_without_a_reader_nothing_is_encoded(screen: Screen, encoded: list[int]) -> None:
    for level in range(100):
        screen.look(frame(level), seen(None))
    assert encoded == []


def test_all_readers_share_one_encoding(
    screen: Screen, browser: Browser, encoded: list[int]
) -> None:
    screen.look(frame(10), seen(None))
    readers = [browser.pictures() for _ in range(8)]
    for reader in readers:
        reader.next()
    assert encoded == [10]


def test_so_many_pictures_a_second_and_no_more(encoded: list[int]) -> None:
    picture = Picture(rate_hz=20)

    async def read() -> int:
        read = 0
        async with aclosing(picture.frames()) as frames:
            async for _ in frames:
                read += 1
                if read == 11:
                    return read
        return read

    async def show() -> None:
        level = 0
        while True:
            level = (level + 1) % 256
            picture.look(frame(level, (64, 48)), seen(None))
            await asyncio.sleep(0.001)

    async def both() -> float:
        showing = asyncio.create_task(show())
        start_s = time.monotonic()
        await asyncio.gather(read(), read(), read())
        took_s = time.monotonic() - start_s
        showing.cancel()
        return took_s

    took_s = asyncio.run(both())
    assert len(encoded) <= took_s * 20 + 2


def test_the_picture_is_small_however_large_the_cameras_is() -> None:
    for width, height in ((1920, 1080), (1080, 1920), (4096, 3072), (640, 480), (1, 5000), (3, 2)):
        small = cv2.imdecode(
            np.frombuffer(encode(frame(99, (width, height)).image), np.uint8), cv2.IMREAD_COLOR
        )
        assert small.shape[0] * small.shape[1] <= 640 * 480 * 1.01
        if width > 600:
            assert abs(small.shape[1] / small.shape[0] - width / height) < 0.02


def test_an_old_frame_is_no_picture_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = module.Picture()
    picture.look(frame(10), seen(None))
    with monkeypatch.context() as later:
        later.setattr(module, "_OLD_S", -1.0)
        assert picture._jpeg() == (None, 0.0)
    picture.look(frame(200), seen(None))
    jpeg, _ = picture._jpeg()
    assert jpeg is not None
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert abs(int(pixels.mean()) - 200) <= 2


def test_so_many_browsers_see_the_picture_and_the_next_is_told_so(
    screen: Screen, browser: Browser
) -> None:
    first = browser.pictures()
    served = statuses([browser.raw(PICTURE) for _ in range(50)])
    assert served.count(b"200") == CLIENTS - 1
    assert served.count(b"503") == 50 - CLIENTS + 1
    screen.look(frame(50), seen(None))
    assert first.next() is not None


def noise() -> Iterator[np.ndarray]:
    random = np.random.default_rng(1)
    while True:
        yield random.integers(0, 256, (480, 640, 3), np.uint8)


def test_a_browser_that_never_reads_pictures_holds_up_nobody_and_grows_nothing(
    screen: Screen, browser: Browser
) -> None:
    line = browser.raw(PICTURE)
    reader = browser.pictures()
    drawn = noise()
    with Camera(screen, lambda: next(drawn)):
        line.recv(16)
        stalled = connection_of(screen, line)
        until(lambda: reader.next() is not None and stalled.flow.write_paused, 60)
        kept = stalled.transport.get_write_buffer_size()
        for _ in range(10):
            assert reader.next() is not None
        assert stalled.transport.get_write_buffer_size() <= kept
        screen.close()


def test_a_terminal_without_the_picture_has_none(port: int) -> None:
    screen = Screen(Web(port=port, live_picture=False), dict)
    screen.open()
    try:
        screen.look(frame(), seen(None))
        assert screen.picture is None
        assert Browser(port).get("/picture").status == 404
        assert 'data-picture="off"' in Browser(port).get("/").text
    finally:
        screen.close()


def test_events_say_where_the_face_is_as_shares_of_the_frame(
    screen: Screen, browser: Browser
) -> None:
    events = browser.events()
    screen.look(frame(), seen(Box(160, 120, 320, 360)))
    assert events.until(face=[0.25, 0.25, 0.25, 0.5])["phase"] == "idle"
    screen.look(frame(), seen(None))
    events.until(face=None)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_a_face_at_no_place_is_no_face(screen: Screen, browser: Browser, wrong: float) -> None:
    events = browser.events()
    screen.look(frame(), seen(Box(0, 0, 64, 48)))
    events.until(face=[0, 0, 0.1, 0.1])
    screen.look(frame(), seen(Box(wrong, 0, 64, 48)))
    events.until(face=None)


def test_frames_may_come_from_any_thread_at_any_rate(screen: Screen, browser: Browser) -> None:
    pictures, events = browser.pictures(), browser.events()

    def look(thread: int) -> None:
        for step in range(500):
            screen.look(frame(thread * 20, (64, 48)), seen(Box(step, 0, step + 10, 10)))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(look, range(4)))
    screen.look(frame(250), seen(Box(0, 0, 640, 480)))
    events.until(face=[0, 0, 1, 1])
    until(lambda: pictures.next().mean() > 240)


def test_readers_in_several_loops_are_served(encoded: list[int]) -> None:
    picture = Picture()

    async def first() -> int:
        async with aclosing(picture.frames()) as frames:
            return len(await anext(frames))

    picture.look(frame(7), seen(None))
    with ThreadPoolExecutor(4) as threads:
        sizes = list(threads.map(lambda _: asyncio.run(first()), range(8)))
    assert len(set(sizes)) == 1
    assert encoded == [7]
