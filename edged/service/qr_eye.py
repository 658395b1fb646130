"""Codes before the camera, read in a thread of their own that nobody waits for."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from edged.access.request import Reading
from edged.access.token import LARGEST, PREFIX
from edged.errors import ReaderError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from edged.access.request import Direction
    from edged.mqtt.catalogue import Handler
    from edged.types import Frame, Image

    Decode = Callable[[NDArray[np.uint8]], list[str]]

log = logging.getLogger(__name__)

CAMERA = "camera"
"""The reader's name in a `Reading`."""

_LOOK_EVERY_S = 0.2
_AGAIN_AFTER_S = 3.0  # out of sight for so long, a code is a new one
_LARGEST_SIDE_PX = 1280
_MOST_AT_ONCE = 8


class QrEye:
    """Hands on every visitor's code that comes into view, once; codes of others are no business
    of a door and are passed over.

    Args:
        on_reading: called on this part's thread.
        direction: where people go who show a code here.
        every_s: between two looks.
    """

    def __init__(
        self,
        on_reading: Callable[[Reading], None],
        direction: Direction = "in",
        *,
        every_s: float = _LOOK_EVERY_S,
    ) -> None:
        self._on_reading = on_reading
        self._direction = direction
        self._every_s = every_s
        self._newest: Frame | None = None
        self._seen: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._troubled = False
        self._looks = 0

    def open(self) -> None:
        """Begin to look.

        Raises:
            ReaderError: the library that reads codes is missing.
        """
        decode = decoder()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, args=(decode,), name="codes", daemon=True)
        self._thread.start()

    def look(self, frame: Frame) -> None:
        """From the camera's thread: the newest frame is what the next look is at."""
        self._newest = frame

    def tick(self) -> None:
        """Nothing changes by itself."""

    def handlers(self) -> dict[str, Handler]:
        """No commands."""
        return {}

    def document(self) -> dict[str, Any]:
        """How often it looked."""
        return {"looks": self._looks}

    def close(self) -> None:
        """Stop looking; safe twice and after a failed `open`."""
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._newest = None

    def _run(self, decode: Decode) -> None:
        while not self._stop.wait(self._every_s):
            frame, self._newest = self._newest, None
            if frame is None:
                continue
            try:
                self._look_at(frame, decode)
                self._troubled = False
            except Exception as fault:  # noqa: BLE001  # the edge of the thread: look again
                if not self._troubled:  # by its kind alone: its text may repeat a code
                    log.error("a code could not be looked for: %s", type(fault).__name__)
                self._troubled = True

    def _look_at(self, frame: Frame, decode: Decode) -> None:
        self._looks += 1
        # a text beyond all bounds is no code of ours, and need not be remembered whole
        found = [text[: LARGEST + 1] for text in decode(grey(frame.image))]
        ours = dict.fromkeys(code for code in found if code.startswith(PREFIX))
        self._seen = {
            text: t_s for text, t_s in self._seen.items() if frame.t_s - t_s < _AGAIN_AFTER_S
        }
        new = [code for code in ours if code not in self._seen][:_MOST_AT_ONCE]  # others: next
        self._seen.update((code, frame.t_s) for code in ours if code in self._seen or code in new)
        for code in new:
            self._on_reading(Reading(CAMERA, "qr", code, self._direction, frame.t_s))


def grey(image: Image) -> NDArray[np.uint8]:
    """What codes are looked for in: uint8 (h, w), at most 1280 px a side; of BGR the green."""
    import numpy as np

    step = -(-max(image.shape[:2]) // _LARGEST_SIDE_PX)
    plane = image if image.ndim == 2 else image[:, :, min(1, image.shape[2] - 1)]
    return np.ascontiguousarray(plane[:: max(1, step), :: max(1, step)])


def decoder() -> Decode:
    """What reads the codes in an image.

    Raises:
        ReaderError: the library that does is missing.
    """
    try:
        import zxingcpp
    except ImportError as fault:
        raise ReaderError(
            f"access.qr: codes before the camera need zxing-cpp ({fault}); "
            "install it by: pip install 'edged[qr]'"
        ) from fault
    kind = zxingcpp.BarcodeFormat.QRCode

    def decode(plane: NDArray[np.uint8]) -> list[str]:
        if plane.size == 0:
            return []
        return [code.text for code in zxingcpp.read_barcodes(plane, formats=kind)]

    return decode
