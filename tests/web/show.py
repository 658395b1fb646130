"""What a terminal shows to its screen."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

import numpy as np

from edged.types import Box, Face, Frame, Observation, Pose

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.types import Image
    from edged.web.screen import Screen

WIDTH, HEIGHT = 640, 480


def frame(level: int = 127, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Frame:
    """A plain grey frame."""
    return Frame(np.full((size[1], size[0], 3), level, np.uint8), 0.0, 0)


def seen(box: Box | None) -> Observation:
    """An observation of a face at this place."""
    if box is None:
        return Observation(0.0, 0, 0, None, None, ())
    eyes = ((0.0, 0.0),) * 5
    return Observation(0.0, 0, 1, 1, Face(box, eyes, 0.9, Pose(0, 0, 0)), ())


class Camera:
    """Frames, again and again, until the end of the block."""

    def __init__(self, screen: Screen, draw: Callable[[], Image] | None = None) -> None:
        self._screen = screen
        self._draw = draw or (lambda: frame().image)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.box: Box | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(1 / 15):
            self._screen.look(Frame(self._draw(), 0.0, 0), seen(self.box))
