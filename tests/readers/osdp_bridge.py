"""A cable of two pseudo-terminals that can be cut, garbled and listened to."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import random
import select
import struct
import termios
import threading
import tty
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self


class Bridge:
    """What goes in at one end comes out at the other.

    The ends are symbolic links, as udev makes them: `pull` removes them with what they point to,
    as when a USB adapter is unplugged, and `plug` puts them back. `cut` leaves the devices and
    loses what is sent.

    Attributes:
        near, far: paths to be opened as serial devices.
        heard: what came from `near` and `far`, in turn, at most the last 1,000 pieces.
        garble: changes what passes; given the bytes, and whether they come from `near`.
    """

    def __init__(self, folder: Path) -> None:
        self.near, self.far = folder / "near", folder / "far"
        self.heard: list[tuple[str, bytes]] = []
        self.garble: Callable[[bytes, bool], bytes] = lambda data, _from_near: data
        self.whole = True
        self._masters: list[int] = []
        self._keep: list[int] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def __enter__(self) -> Self:
        self.plug()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.pull()

    def plug(self) -> None:
        with self._lock:
            for path in (self.near, self.far):
                master, slave = pty.openpty()
                tty.setraw(slave)
                os.set_blocking(master, False)
                self._masters.append(master)
                self._keep.append(slave)  # else the line ends whenever nobody has it open
                path.symlink_to(os.ttyname(slave))

    def pull(self) -> None:
        with self._lock:
            for path in (self.near, self.far):
                path.unlink(missing_ok=True)
            for number in self._masters + self._keep:
                os.close(number)
            self._masters, self._keep = [], []

    def cut(self) -> None:
        self.whole = False

    def mend(self) -> None:
        self.whole = True

    def say(self, data: bytes, *, to_near: bool) -> None:
        """Put bytes on the line that none of the two sent."""
        with self._lock, contextlib.suppress(BlockingIOError):
            os.write(self._masters[0 if to_near else 1], data)

    def read_by_near(self) -> bool:
        """Whether whoever is at `near` has read all that came."""
        return struct.unpack("i", fcntl.ioctl(self._keep[0], termios.FIONREAD, b"\0" * 4)) == (0,)

    def _carry(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                masters = list(self._masters)
            if not masters:
                self._stop.wait(0.005)
                continue
            try:
                ready, _, _ = select.select(masters, [], [], 0.005)
            except (OSError, ValueError):
                continue
            with self._lock:
                for number in ready:
                    if number in self._masters:
                        self._pass(self._masters.index(number))

    def _pass(self, place: int) -> None:
        try:
            data = os.read(self._masters[place], 4096)
        except OSError:
            return
        self.heard.append(("near" if place == 0 else "far", data))
        del self.heard[:-1000]
        if self.whole and (data := self.garble(data, place == 0)):
            with contextlib.suppress(OSError):
                os.write(self._masters[1 - place], data)


def flips(share: float, seed: int = 7) -> Callable[[bytes, bool], bytes]:
    """Bytes are hit by chance, each with this probability, in one of their bits."""
    chance = random.Random(seed)

    def flip(data: bytes, _from_near: bool) -> bytes:
        return bytes(
            byte ^ 1 << chance.randrange(8) if chance.random() < share else byte for byte in data
        )

    return flip
