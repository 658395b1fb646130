"""The page for the terminal's own screen: served on loopback, from a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from edged.errors import ScreenError
from edged.web.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.config.schema import Web
    from edged.web.server import Server
    from edged.web.view import ScreenView

log = logging.getLogger(__name__)
_HOST = "127.0.0.1"
_OPEN_S = 20.0
_CLOSE_S = 5.0
_UNREAD_MS = 30_000
_SEND_BUFFER = 65_536


class Screen:
    """Serves the page, the current view as events, the state and the metrics.

    Args:
        settings: ``web``.
        state: gives what ``/state`` shows; must hold no names. Called from other threads.
        metrics: gives Prometheus text for ``/metrics``, or None. Called from other threads.
    """

    def __init__(
        self,
        settings: Web,
        state: Callable[[], dict[str, Any]],
        metrics: Callable[[], str] | None = None,
    ) -> None:
        self._settings = settings
        self._state = state
        self._metrics = metrics
        self._stream = Stream()
        self._server: Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def show(self, display: ScreenView) -> None:
        """Show this from now on. From any thread, before `open` and after `close` too."""
        self._stream.show(display)

    def open(self) -> None:
        """Serve; returns when the page can be asked for.

        Raises:
            ScreenError: the extra is not installed, the port is taken, or a text is missing.
        """
        self.close()
        try:
            from edged.web.app import make_app
            from edged.web.server import Server
        except ImportError as fault:
            raise ScreenError(
                f"web: the page needs starlette and uvicorn ({fault}); pip install 'edged[web]'"
            ) from fault
        app = make_app(self._stream, self._state, self._metrics)
        listening = self._listen()
        server = self._server = Server(app)
        thread = self._thread = threading.Thread(
            target=self._run, args=(server, listening), name="web", daemon=True
        )
        thread.start()
        if not server.ready.wait(_OPEN_S) or not server.started:
            self.close()
            raise ScreenError(f"web: the page on port {self._settings.port} did not start")
        log.info("the page is at http://%s:%d/", _HOST, self._settings.port)

    def close(self) -> None:
        """Stop within seconds, whoever is connected; safe after a failed `open` and twice."""
        thread, server, loop = self._thread, self._server, self._loop
        if thread is None or server is None:
            return
        server.should_exit = True
        if loop is not None:
            self._stream.detach(loop)
            with suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(server.hang_up)
        thread.join(_CLOSE_S)
        if thread.is_alive():
            log.warning("the page's thread still waits for an answer of the daemon; left behind")
        self._thread = self._server = self._loop = None

    def _listen(self) -> socket.socket:
        port = self._settings.port
        listening = socket.socket()
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Every connection inherits these: little is kept for a browser that does not read,
            # and after a while the kernel cuts it off.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MS)
            listening.bind((_HOST, port))
            listening.listen(128)
        except OSError as fault:
            listening.close()
            raise ScreenError(
                f"web.port: cannot listen on {_HOST}:{port} ({fault.strerror}); is another "
                "daemon running? choose another port"
            ) from fault
        return listening

    def _run(self, server: Server, listening: socket.socket) -> None:
        """The edge of the thread: without the page the door works on."""
        try:
            asyncio.run(self._serve(server, listening))
        except Exception:
            log.exception("the page's thread failed; the screen stays dark")
        finally:
            listening.close()
            server.ready.set()

    async def _serve(self, server: Server, listening: socket.socket) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._stream.attach(loop)
        try:
            await server.serve(sockets=[listening])
        finally:
            self._stream.detach(loop)
