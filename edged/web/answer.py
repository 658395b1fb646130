"""Taking the answer of whoever is asked on the page. Imported late, with `edged.web.app`.

A page of another site, open in the same browser, can make it send requests here. It is kept out
by the name in ``Host`` (DNS rebinding; see `edged.web.app`), by ``Origin`` and
``Sec-Fetch-Site``, by a content type that no form can send, and by a token that only who may
read the events knows, and that is good for one answer to one question.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from edged.web.origin import from_here

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

_LARGEST = 512


def taking(answer: Callable[[str, bool], bool]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for ``{"token": …, "agreed": true or false}``.

    Args:
        answer: called in a worker thread; False when nobody is asked, or not with this token.
    """

    async def take(request: Request) -> Response:
        if not from_here(request.headers):
            return PlainTextResponse("not from another site\n", 403)
        if request.headers.get("content-type") != "application/json":
            return PlainTextResponse("only JSON\n", 415)
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _LARGEST:
                return PlainTextResponse("too much\n", 413)
        given = _read(body)
        if given is None:
            return PlainTextResponse("not an answer\n", 400)
        if not await run_in_threadpool(answer, *given):
            return PlainTextResponse("nobody is asked this\n", 409)
        return Response(status_code=204)

    return take


def _read(body: bytes) -> tuple[str, bool] | None:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict) or given.keys() != {"token", "agreed"}:
        return None
    token, agreed = given["token"], given["agreed"]
    if not isinstance(token, str) or not token.isascii() or not isinstance(agreed, bool):
        return None
    return token, agreed
