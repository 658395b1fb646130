"""Who may ask what of the installer's page: this terminal's name, this page's forms, no others.

A page of another site, open in the installer's browser, can make it send requests here. It is
kept out four times over: the name in ``Host`` (DNS rebinding), ``Sec-Fetch-Site`` and ``Origin``
(the browser's word on where a request comes from), the cookie's ``SameSite=Strict``, and a token
in each form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

from edged.web.origin import from_here

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = ("GET", "POST")
_OURS = ("same-origin", "none")


class Guard:
    """Refuses what comes from elsewhere, and tells the browser to trust nothing but this answer.

    Args:
        policy: the Content-Security-Policy.
    """

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._headers = {
            "Content-Security-Policy": policy,
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            # With none at all, browsers keep the origin of a form to themselves.
            "Referrer-Policy": "same-origin",
            "Cache-Control": "no-store",
            "Connection": "close",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await (_refusal(scope) or self._app)(scope, receive, guarded)


def _refusal(scope: Scope) -> ASGIApp | None:
    if scope["type"] != "http":
        return None
    method = scope["method"]
    if method not in _METHODS:
        return PlainTextResponse("only GET and POST\n", 405, {"Allow": ", ".join(_METHODS)})
    headers = Headers(scope=scope)
    if not (from_here(headers) if method == "POST" else _harmless(headers)):
        return PlainTextResponse("not from another site\n", 403)
    return None


def _harmless(headers: Headers) -> bool:
    """A link from elsewhere may lead here; nothing else from elsewhere may read."""
    site = headers.get("sec-fetch-site", "none")
    link = headers.get("sec-fetch-mode") == "navigate"
    return site in _OURS or (link and headers.get("sec-fetch-dest") == "document")
