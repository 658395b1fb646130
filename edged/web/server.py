"""The HTTP server, on uvicorn. Imported late, with `edged.web.app`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio
    import socket

    from starlette.types import ASGIApp

CONNECTIONS = 64
SILENT_S = 5.0
UNREAD_S = 30.0
_GRACE_S = 2


class Connection(H11Protocol):
    """So many at once; whoever connects says what it wants, and takes what it is given."""

    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
        else:
            self.loop.call_later(SILENT_S, self._drop_if_silent)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def _drop_if_silent(self) -> None:
        if self.cycle is None:
            self.transport.abort()  # type: ignore[unreachable]  # None until the first request


class Server(uvicorn.Server):
    """Serves in its own thread's loop; `ready` is set when it takes requests."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="error",  # not each garbled request
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    def hang_up(self) -> None:
        """Stop, and cut every connection: who does not read would hold us up. In the loop."""
        self.should_exit = True
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
