"""The password: who may in, who is in, who leaves. Imported late, with the application."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from edged.errors import InstallerError
from edged.web.installer import page
from edged.web.installer.password import LONGEST
from edged.web.installer.sessions import LONGEST_S, Backoff, Forms, Sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from edged.web.installer.password import Password
    from edged.web.installer.sessions import Session

log = logging.getLogger(__name__)

COOKIE = "edged_installer"
PATH = "/installer"
_LARGEST_FORM = 4096
_FORM_S = 5.0
_FORM = "application/x-www-form-urlencoded"


class Door:
    """Lets in whoever knows the password, one attempt at a time.

    Args:
        password: reads the stored one, at each attempt: a new one counts at once.
        now: monotonic seconds.
    """

    def __init__(
        self,
        password: Callable[[], Password],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._password = password
        self._sessions = Sessions(now)
        self._forms = Forms(now)
        self._backoff = Backoff(now)
        self._busy = False

    def session(self, request: Request) -> Session | None:
        """The session of whoever asks; asking is a use of it."""
        return self._sessions.find(request.cookies.get(COOKIE))

    def alive(self, session: Session) -> bool:
        """Whether it is still open."""
        return self._sessions.alive(session)

    def ask(
        self, text: str = "", status: int = 200, headers: dict[str, str] | None = None
    ) -> Response:
        """The login form."""
        return HTMLResponse(page.login(self._forms.issue(), text), status, headers)

    async def enter(self, request: Request) -> Response:
        """The answer to a login form."""
        form = await _form(request)
        if form is None:
            return PlainTextResponse("no form\n", 400)
        if not self._forms.accepts(form.get("token", "")):
            return self.ask("The form was too old. Please try again.", 403)
        wait_s = self._backoff.wait_s()
        if self._busy or wait_s > 0:
            again_s = max(1, round(wait_s + 0.5))
            text = f"Too many attempts. Please wait {again_s} s."
            return self.ask(text, 429, {"Retry-After": str(again_s)})
        return await self._judge(form.get("password", ""))

    async def leave(self, request: Request) -> Response:
        """The answer to the page's button."""
        session = self.session(request)
        if session is None:
            return PlainTextResponse("please log in\n", 401)
        form = await _form(request)
        if form is None or not _same(form.get("token", ""), session.form):
            return PlainTextResponse("not from this page\n", 403)
        self._sessions.close(request.cookies.get(COOKIE))
        answer = RedirectResponse(f"{PATH}/", 303)
        answer.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")
        return answer

    async def _judge(self, attempt: str) -> Response:
        # The hash takes its time on purpose: not in the loop, and never two at once.
        self._busy = True
        try:
            fits = await asyncio.to_thread(self._fits, attempt)
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
            self._sessions.open(),
            max_age=int(LONGEST_S),
            path=PATH,
            httponly=True,
            samesite="strict",
        )
        return answer

    def _fits(self, attempt: str) -> bool:
        return len(attempt) <= LONGEST and self._password().matches(attempt)


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


def _same(one: str, other: str) -> bool:
    """Whether two tokens are the same; takes as long when they are not."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
