"""The routes, on starlette. Imported late: only a terminal with a screen needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from edged.web.page import policy, render
from edged.web.texts import choose, load_texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from edged.web.stream import Stream

CLIENTS = 16
_METRICS = "text/plain; version=0.0.4; charset=utf-8"


class Guard:
    """Lets GET through, and tells the browser to trust nothing but this answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = {
            "Content-Security-Policy": policy(),
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "Connection": "close",  # one request each: nothing idles on a spare connection
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        app: ASGIApp = self._app
        if scope["type"] == "http" and scope["method"] != "GET":
            app = PlainTextResponse("only GET\n", 405, {"Allow": "GET"})
        await app(scope, receive, guarded)


class Seats:
    """So many browsers may follow the events at the same time."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._taken = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._taken >= CLIENTS:
            full = PlainTextResponse("too many pages are open\n", 503, {"Retry-After": "5"})
            await full(scope, receive, send)
            return
        self._taken += 1
        try:
            events = StreamingResponse(self._stream.messages(), media_type="text/event-stream")
            await events(scope, receive, send)
        finally:
            self._taken -= 1


def make_app(
    stream: Stream, state: Callable[[], dict[str, Any]], metrics: Callable[[], str] | None
) -> Starlette:
    """Everything that is served. `state` and `metrics` are called in worker threads.

    Raises:
        ScreenError: a text is missing.
    """
    pages = {name: render(texts) for name, texts in load_texts().items()}
    seats = Seats(stream)

    async def page(request: Request) -> Response:
        accepted = request.headers.get("accept-language", "")
        name = choose(set(pages), request.query_params.get("lang"), accepted)
        return HTMLResponse(pages[name], headers={"Vary": "Accept-Language"})

    async def events(_request: Request) -> Any:
        return seats

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    def told_state(_request: Request) -> Response:
        return JSONResponse(state())

    def told_metrics(_request: Request) -> Response:
        if metrics is None:
            return PlainTextResponse("no metrics are kept\n", 404)
        return PlainTextResponse(metrics(), media_type=_METRICS)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/events", events),
            Route("/healthz", healthz),
            Route("/state", told_state),
            Route("/metrics", told_metrics),
        ],
        middleware=[
            Middleware(Guard),
            # Against DNS rebinding: another site's name may come to point at this terminal.
            Middleware(
                TrustedHostMiddleware,
                allowed_hosts=["127.0.0.1", "localhost"],
                www_redirect=False,
            ),
        ],
    )
