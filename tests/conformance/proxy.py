"""A network between a terminal and its broker that fails on demand."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class Proxy:
    """Passes bytes on, both ways, in a ``with`` block; `.port` is where a terminal connects.

    Attributes:
        deaf: what the broker says is lost; the broker still hears.
        swallow: nothing passes either way, and no connection ends: a partition.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets: list[socket.socket] = []
        self._doomed: set[socket.socket] = set()
        self.deaf = False
        self.swallow = False

    def __enter__(self) -> Self:
        self._start(self._serve)
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._listener)
        self.cut()

    def cut(self) -> None:
        """All connections end; new ones are welcome."""
        sockets, self._sockets = self._sockets, []
        for one in sockets:
            _end(one)

    def heal(self) -> None:
        """From now on all is well for new connections; what was swallowed is lost with the old.

        Not one byte more passes through those: no network loses the middle of a connection.
        """
        self._doomed.update(self._sockets)
        self.deaf = self.swallow = False
        self.cut()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            self._sockets += [near, far]
            self._start(lambda a=near, b=far: self._pass(a, b, outward=True))
            self._start(lambda a=far, b=near: self._pass(a, b, outward=False))

    def _pass(self, source: socket.socket, target: socket.socket, *, outward: bool) -> None:
        try:
            while data := source.recv(65_536):
                lost = self.swallow or (self.deaf and not outward)
                if not lost and source not in self._doomed:
                    target.sendall(data)
        except OSError:
            pass
        finally:
            _end(source)
            _end(target)

    def _start(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, daemon=True).start()


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
