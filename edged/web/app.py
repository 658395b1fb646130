"""The routes, on starlette. Imported late: only a terminal with a screen needs it."""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

from edged.web.answer import taking
from edged.web.page import policy, render
from edged.web.reading import reading
from edged.web.texts import choose

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from edged.web.picture import Picture
    from edged.web.stream import Stream
    from edged.web.texts import Texts

CLIENTS = 16
INSTALLER = "/installer"
ANSWER = "/enrolment"
READING = "/reading"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"


class Guard:
    """Lets GET through, and POST where it is of use; tells the browser to trust nothing but this
    answer. The installer's page may bring a Content-Security-Policy of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._policy = policy()
        self._headers = {
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "Connection": "close",  # one request each: nothing idles on a spare connection
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers.setdefault("Content-Security-Policy", self._policy)
            await send(message)

        app: ASGIApp = self._app
        if scope["type"] == "http" and scope["method"] not in (allowed := _allowed(scope["path"])):
            said = f"only {' and '.join(allowed)}\n"
            app = PlainTextResponse(said, 405, {"Allow": ", ".join(allowed)})
        await app(scope, receive, guarded)


def _allowed(path: str) -> tuple[str, ...]:
    if path in (ANSWER, READING):
        return ("POST",)
    return ("GET", "POST") if path.startswith(f"{INSTALLER}/") else ("GET",)


class Seats:
    """So many browsers may follow a stream at the same time.

    Args:
        stream: gives the stream to one more of them.
    """

    def __init__(self, stream: Callable[[], AsyncGenerator[bytes]], media_type: str) -> None:
        self._stream = stream
        self._media_type = media_type
        self._taken = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._taken >= CLIENTS:
            full = PlainTextResponse("too many pages are open\n", 503, {"Retry-After": "5"})
            await full(scope, receive, send)
            return
        self._taken += 1
        try:
            async with aclosing(self._stream()) as pieces:
                answer = StreamingResponse(pieces, media_type=self._media_type)
                await answer(scope, receive, send)
        finally:
            self._taken -= 1


async def framed(picture: Picture) -> AsyncGenerator[bytes]:
    """The pictures as one stream: before each its length, four bytes, the highest first."""
    async with aclosing(picture.frames()) as frames:
        async for jpeg in frames:
            yield len(jpeg).to_bytes(4, "big") + jpeg


def make_app(
    stream: Stream,
    state: Callable[[], dict[str, Any]],
    metrics: Callable[[], str] | None,
    *,
    languages: dict[str, Texts],
    picture: Picture | None = None,
    sound: bool = False,
    installer: ASGIApp | None = None,
    answer: Callable[[str, bool], bool] | None = None,
    read: Callable[[str, str], None] | None = None,
    pad: bool = False,
    keys: Sequence[str] = (),
) -> Starlette:
    """Everything that is served. `state`, `metrics`, `answer` and `read` are called in worker
    threads."""
    pages = {
        name: render(texts, picture=picture is not None, sound=sound, pad=pad, keys=keys)
        for name, texts in languages.items()
    }
    version = hashlib.sha256("".join(map(str, sorted(pages.items()))).encode()).hexdigest()

    async def told() -> AsyncGenerator[bytes]:
        # A page that stayed open while edged was updated loads itself anew.
        yield f"event: page\ndata: {version}\n\n".encode()
        async with aclosing(stream.messages()) as messages:
            async for message in messages:
                yield message

    events = Seats(told, "text/event-stream")

    async def page(request: Request) -> Response:
        accepted = request.headers.get("accept-language", "")
        name = choose(set(pages), request.query_params.get("lang"), accepted)
        return HTMLResponse(pages[name], headers={"Vary": "Accept-Language"})

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    def told_state(_request: Request) -> Response:
        return JSONResponse(state())

    def told_metrics(_request: Request) -> Response:
        if metrics is None:
            return PlainTextResponse("no metrics are kept\n", 404)
        return PlainTextResponse(metrics(), media_type=_METRICS)

    routes: list[Route | Mount] = [
        Route("/", page),
        Route("/events", events),
        Route("/healthz", healthz),
        Route("/state", told_state),
        Route("/metrics", told_metrics),
    ]
    if picture is not None:
        seen = picture
        routes.append(Route("/picture", Seats(lambda: framed(seen), "application/octet-stream")))
    if answer is not None:
        routes.append(Route(ANSWER, taking(answer), methods=["POST"]))
    if read is not None:
        routes.append(Route(READING, reading(read), methods=["POST"]))
    if installer is not None:
        routes.append(Mount(INSTALLER, installer))
    return Starlette(
        routes=routes,
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
