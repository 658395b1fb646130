"""The installer's pages, on starlette. Imported late: only a terminal that has them needs it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import cv2
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from edged.errors import InstallerError
from edged.web.installer import page
from edged.web.installer.guard import Guard
from edged.web.installer.password import LONGEST
from edged.web.installer.sessions import LONGEST_S, Backoff, Forms, Sessions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from edged.web.installer.desk import Desk
    from edged.web.installer.feed import Feed
    from edged.web.installer.password import Password
    from edged.web.installer.sessions import Session

log = logging.getLogger(__name__)

SEATS = 4
COOKIE = "edged_installer"
PATH = "/installer"
_LARGEST_FORM = 4096
_FORM_S = 5.0
_FORM = "application/x-www-form-urlencoded"
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 80)


class Door:
    """Lets in whoever knows the password, one attempt at a time.

    Args:
        password: reads the stored one, at each attempt: a new one counts at once.
    """

    def __init__(
        self,
        password: Callable[[], Password],
        sessions: Sessions | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._password = password
        self._backoff = backoff or Backoff()
        self._busy = False
        self.forms = Forms()
        self.sessions = sessions or Sessions()

    async def enter(self, form: dict[str, str]) -> Response:
        """The answer to a login form."""
        if not self.forms.accepts(form.get("token", "")):
            return self.ask("The form was too old. Please try again.", 403)
        wait_s = self._backoff.wait_s()
        if self._busy or wait_s > 0:
            again_s = max(1, round(wait_s + 0.5))
            text = f"Too many attempts. Please wait {again_s} s."
            return self.ask(text, 429, {"Retry-After": str(again_s)})
        self._busy = True
        try:
            fits = await asyncio.to_thread(self._fits, form.get("password", ""))
        except InstallerError as fault:
            log.error("nobody can log in on the installer's page: %s", fault)
            return self.ask("The terminal cannot read its password file; see its log.", 503)
        finally:
            self._busy = False
        if not fits:
            self._backoff.failed()
            log.warning("a wrong password on the installer's page")
            return self.ask("That is not the password.", 403)
        self._backoff.succeeded()
        log.info("somebody logged in on the installer's page")
        answer = RedirectResponse(f"{PATH}/", 303)
        answer.set_cookie(
            COOKIE,
            self.sessions.open(),
            max_age=int(LONGEST_S),
            path=PATH,
            httponly=True,
            samesite="strict",
        )
        return answer

    def ask(
        self, text: str = "", status: int = 200, headers: dict[str, str] | None = None
    ) -> Response:
        """The login form."""
        return HTMLResponse(page.login(self.forms.issue(), text), status, headers)

    def _fits(self, attempt: str) -> bool:
        return len(attempt) <= LONGEST and self._password().matches(attempt)


class Events:
    """So many pages may follow at the same time."""

    def __init__(self, feed: Feed, session: Callable[[Scope], Callable[[], bool] | None]) -> None:
        self._feed = feed
        self._session = session
        self._taken = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        alive = self._session(scope)
        if alive is None:
            await PlainTextResponse("please log in\n", 401)(scope, receive, send)
            return
        if self._taken >= SEATS:
            full = PlainTextResponse("too many pages are open\n", 503, {"Retry-After": "5"})
            await full(scope, receive, send)
            return
        self._taken += 1
        try:
            async with aclosing(self._feed.messages(alive)) as pieces:
                answer = StreamingResponse(pieces, media_type="text/event-stream")
                await answer(scope, receive, send)
        finally:
            self._taken -= 1


def make_app(desk: Desk, feed: Feed, facts: page.Facts, door: Door | None) -> Starlette:
    """Everything below ``/installer``.

    Args:
        desk: gives the faces of the last presentations.
        feed: gives the events.
        facts: what the page must know from the beginning.
        door: asks for the password; None where the rights of a socket do.
    """
    whole = page.render(facts)

    def session(request: Request, *, use: bool = True) -> Session | None:
        return door.sessions.find(request.cookies.get(COOKIE), use=use) if door else None

    def inside(
        answer: Callable[[Request], Awaitable[Response]],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def asked(request: Request) -> Response:
            if door is not None and session(request) is None:
                return PlainTextResponse("please log in\n", 401)
            return await answer(request)

        return asked

    def watching(scope: Scope) -> Callable[[], bool] | None:
        if door is None:
            return lambda: True
        found = session(Request(scope))
        return None if found is None else lambda: door.sessions.alive(found)

    async def home(request: Request) -> Response:
        if door is None:
            return HTMLResponse(whole(""))
        found = session(request)
        return door.ask() if found is None else HTMLResponse(whole(found.form))

    async def login(request: Request) -> Response:
        form = await _form(request)
        if door is None:
            return PlainTextResponse("there is no password\n", 404)
        return PlainTextResponse("no form\n", 400) if form is None else await door.enter(form)

    async def logout(request: Request) -> Response:
        form = await _form(request)
        found = session(request)
        if door is None or found is None:
            return PlainTextResponse("please log in\n", 401)
        if form is None or not page.same(form.get("token", ""), found.form):
            return PlainTextResponse("not from this page\n", 403)
        door.sessions.close(request.cookies.get(COOKIE))
        answer = RedirectResponse(f"{PATH}/", 303)
        answer.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")
        return answer

    async def stay(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def face(request: Request) -> Response:
        image = desk.face(request.path_params["number"])
        if image is None:
            return PlainTextResponse("no such picture\n", 404)
        return Response(bytes(cv2.imencode(".jpg", image, _JPEG)[1]), media_type="image/jpeg")

    return Starlette(
        routes=[
            Route("/", home, methods=["GET"]),
            Route("/login", lambda _: RedirectResponse(f"{PATH}/", 303), methods=["GET"]),
            Route("/login", login, methods=["POST"]),
            Route("/logout", logout, methods=["POST"]),
            Route("/stay", inside(stay), methods=["GET"]),
            Route("/face/{number:int}", inside(face), methods=["GET"]),
            Route("/events", Events(feed, watching), methods=["GET"]),
        ],
        middleware=[
            Middleware(Guard, policy=page.policy()),
            Middleware(
                TrustedHostMiddleware,
                allowed_hosts=["127.0.0.1", "localhost"],
                www_redirect=False,
            ),
        ],
    )


async def _form(request: Request) -> dict[str, str] | None:
    """A small form, sent without dawdling; None for anything else."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return None
    body = b""
    try:
        async with asyncio.timeout(_FORM_S):
            async for piece in request.stream():
                body += piece
                if len(body) > _LARGEST_FORM:
                    return None
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=8)
    except (TimeoutError, ClientDisconnect, ValueError):
        return None
    return {name: values[0] for name, values in fields.items()}
