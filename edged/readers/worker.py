"""A reader at a descriptor: a thread that reads, and comes back by itself when the device does."""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from edged.access.request import Reading
from edged.errors import ReaderError
from edged.readers.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edged.access.request import Direction
    from edged.readers.parsing import Parser, Read
    from edged.readers.reader import Cue
    from edged.readers.source import Source

log = logging.getLogger(__name__)

_CHUNK = 4096
_LOOK_S = 0.1
_GATHER_S = 0.005  # after each look, so that what comes byte by byte costs little
_BREATHE_S = 0.05  # after a whole chunk: whoever babbles waits, not we
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.2, 10.0
_STEADY_S = 5.0  # a device that was there for so long is tried again at once


class ByteReader:
    """A `Reader` whose bytes come from a `Source` and are understood by a `Parser`.

    Args:
        driver: as the configuration names it.
    """

    def __init__(
        self, name: str, driver: str, source: Source, parser: Parser, direction: Direction
    ) -> None:
        self._name = name
        self._driver = driver
        self._source = source
        self._parser = parser
        self._direction = direction
        self._throttle = Throttle()
        self._fault: str | None = "not read yet"
        self._stop = threading.Event()
        self._ear = self._mouth = -1
        self._thread: threading.Thread | None = None

    def open(
        self, on_reading: Callable[[Reading], None], on_fault: Callable[[str | None], None]
    ) -> None:
        if self._thread is not None:
            return
        self._source.check()
        self._on_reading, self._on_fault = on_reading, on_fault
        self._stop.clear()
        self._ear, self._mouth = os.pipe()
        self._thread = threading.Thread(target=self._work, name=f"reader-{self._name}", daemon=True)
        self._thread.start()

    def cue(self, cue: Cue) -> None:
        del cue  # it only types

    def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stop.set()
        os.write(self._mouth, b".")
        thread.join()
        os.close(self._ear)
        os.close(self._mouth)

    def describe(self) -> dict[str, Any]:
        return {
            "driver": self._driver,
            "device": str(self._source.path),
            "fault": self._fault,
            "read": self._throttle.passed,
            "too_many": self._throttle.dropped,
            "unreadable": self._parser.unreadable,
        }

    def _work(self) -> None:
        delay_s = _FIRST_DELAY_S
        while not self._stop.is_set():
            began_s = time.monotonic()
            try:
                self._serve()
            except ReaderError as fault:
                self._say(str(fault))
            except OSError as fault:
                self._say(f"{self._source.path} is gone: {fault.strerror or fault}")
            except Exception:  # the edge of the thread
                log.exception("reader %s failed in a way that nobody foresaw", self._name)
                self._say("what reads it failed; see the log")
            finally:
                with suppress(OSError):
                    self._source.close()
            if time.monotonic() - began_s > _STEADY_S:
                delay_s = _FIRST_DELAY_S
            self._stop.wait(delay_s)
            delay_s = min(delay_s * 2, _LONGEST_DELAY_S)

    def _serve(self) -> None:
        fd = self._source.open()
        self._parser.reset()
        there = os.fstat(fd)
        waiting = select.poll()
        waiting.register(fd, select.POLLIN)
        waiting.register(self._ear, select.POLLIN)
        while not self._stop.is_set():
            ready = [number for number, _ in waiting.poll(_LOOK_S * 1000)]
            now_s = time.monotonic()
            pause_s = 0.0
            if fd in ready:
                data = self._bytes(fd)
                self._pass(self._parser.feed(data, now_s), now_s)
                pause_s = _BREATHE_S if len(data) == _CHUNK else _GATHER_S
            elif not ready:
                self._pass(self._parser.idle(now_s), now_s)
                self._same(there)
            self._say(self._throttle.problem(now_s))
            self._stop.wait(pause_s)

    def _bytes(self, fd: int) -> bytes:
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return b""
        if not data:
            raise ReaderError(f"{self._source.path} is gone: it says that it ended")
        return data

    def _same(self, there: os.stat_result) -> None:
        """Somebody may have put another device in its place."""
        try:
            now = self._source.path.stat()
        except OSError as fault:
            raise ReaderError(f"{self._source.path} is gone: {fault.strerror or fault}") from fault
        if (now.st_dev, now.st_ino) != (there.st_dev, there.st_ino):
            raise ReaderError(f"{self._source.path} is another device now")

    def _pass(self, reads: Iterator[Read], now_s: float) -> None:
        bad = self._parser.unreadable
        for kind, value in reads:
            if not self._throttle.take(now_s):
                continue
            reading = Reading(self._name, kind, value, self._direction, now_s)
            try:
                self._on_reading(reading)
            except Exception:  # whoever takes it must not end the reader
                log.exception("a reading of %s was not taken", self._name)
        self._throttle.garbage(self._parser.unreadable - bad, now_s)

    def _say(self, fault: str | None) -> None:
        if fault != self._fault:
            self._fault = fault
            self._on_fault(fault)
