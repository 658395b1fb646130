"""An application on a socket, in a thread of its own. Imported late, with `edged.web.app`."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from edged.errors import ScreenError
from edged.web.server import Server

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp

log = logging.getLogger(__name__)
_OPEN_S = 20.0
_CLOSE_S = 5.0


class Host:
    """Serves an application on a listening socket, which it closes in the end.

    Args:
        name: of the thread.
    """

    def __init__(self, app: ASGIApp, listening: socket.socket, name: str) -> None:
        self._listening = listening
        self._server = Server(app)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def open(self) -> None:
        """Returns when requests are answered.

        Raises:
            ScreenError: the server did not start.
        """
        self._thread.start()
        if not self._server.ready.wait(_OPEN_S) or not self._server.started:
            self.close()
            raise ScreenError("the page's server did not start")

    def close(self) -> None:
        """Stop within seconds, whoever is connected; safe twice."""
        if not self._thread.is_alive():
            return
        self._server.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._server.hang_up)
        self._thread.join(_CLOSE_S)
        if self._thread.is_alive():
            log.warning("the page's thread still waits for an answer of the daemon; left behind")

    def _run(self) -> None:
        """The edge of the thread: without the page the door works on."""
        try:
            asyncio.run(self._serve())
        except Exception:
            log.exception("the page's thread failed; the %s stays dark", self._thread.name)
        finally:
            self._listening.close()
            self._server.ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve(sockets=[self._listening])
