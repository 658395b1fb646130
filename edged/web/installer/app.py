"""The installer's pages, on starlette. Imported late: only a terminal that has them needs it."""

from __future__ import annotations

import re
from contextlib import aclosing
from typing import TYPE_CHECKING

import cv2
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route

from edged.web.installer import page
from edged.web.installer.guard import Guard
from edged.web.installer.login import PATH

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from edged.web.installer.desk import Desk
    from edged.web.installer.feed import Feed
    from edged.web.installer.login import Door

SEATS = 4
_NUMBER = re.compile(r"[0-9]{1,12}")
_HOSTS = ["127.0.0.1", "localhost"]
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 80)


def make_app(desk: Desk, feed: Feed, facts: page.Facts, door: Door | None) -> Starlette:
    """Everything below ``/installer``.

    Args:
        desk: gives the faces of the last presentations.
        feed: gives the events.
        facts: what the page must know from the beginning.
        door: asks for the password; None where the rights of a socket do.
    """
    pages = _Pages(desk, facts, door)
    routes = [
        Route("/", pages.home, methods=["GET"]),
        Route("/stay", pages.stay, methods=["GET"]),
        Route("/face/{number}", pages.face, methods=["GET"]),
        Route("/events", _Events(feed, door), methods=["GET"]),
    ]
    if door is not None:
        routes += [
            Route("/login", pages.back, methods=["GET"]),
            Route("/login", door.enter, methods=["POST"]),
            Route("/logout", door.leave, methods=["POST"]),
        ]
    return Starlette(routes=routes, middleware=_middleware())


def alone(app: Starlette) -> Starlette:
    """The same for a server of its own: at the same path, so that it works as below the screen."""

    async def home(_request: Request) -> Response:
        return RedirectResponse(f"{PATH}/")

    return Starlette(routes=[Route("/", home), Mount(PATH, app)], middleware=_middleware())


def _middleware() -> list[Middleware]:
    return [
        Middleware(Guard, policy=page.policy()),
        # Against DNS rebinding: another site's name may come to point at this terminal.
        Middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS, www_redirect=False),
    ]


class _Pages:
    def __init__(self, desk: Desk, facts: page.Facts, door: Door | None) -> None:
        self._desk = desk
        self._render = page.render(facts)
        self._door = door

    async def home(self, request: Request) -> Response:
        if self._door is None:
            return HTMLResponse(self._render(""))
        session = self._door.session(request)
        return self._door.ask() if session is None else HTMLResponse(self._render(session.form))

    async def back(self, _request: Request) -> Response:
        return RedirectResponse(f"{PATH}/", 303)

    async def stay(self, request: Request) -> Response:
        return _outside(self._door, request) or PlainTextResponse("ok\n")

    async def face(self, request: Request) -> Response:
        if refusal := _outside(self._door, request):
            return refusal
        number = request.path_params["number"]
        image = self._desk.face(int(number)) if _NUMBER.fullmatch(number) else None
        if image is None:
            return PlainTextResponse("no such picture\n", 404)
        return Response(bytes(cv2.imencode(".jpg", image, _JPEG)[1]), media_type="image/jpeg")


class _Events:
    """So many pages may follow at the same time."""

    def __init__(self, feed: Feed, door: Door | None) -> None:
        self._feed = feed
        self._door = door
        self._taken = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        refusal = _outside(self._door, request)
        if refusal is None and self._taken >= SEATS:
            refusal = PlainTextResponse("too many pages are open\n", 503, {"Retry-After": "5"})
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        self._taken += 1
        try:
            async with aclosing(self._feed.messages(_alive(self._door, request))) as pieces:
                answer = StreamingResponse(pieces, media_type="text/event-stream")
                await answer(scope, receive, send)
        finally:
            self._taken -= 1


def _outside(door: Door | None, request: Request) -> Response | None:
    """What whoever is not logged in is told."""
    if door is None or door.session(request) is not None:
        return None
    return PlainTextResponse("please log in\n", 401)


def _alive(door: Door | None, request: Request) -> Callable[[], bool]:
    session = door.session(request) if door is not None else None
    return lambda: door is None or (session is not None and door.alive(session))
