"""Taking the answer of whoever is asked on the page. Imported late, with `edged.web.app`.

A page of another site, open in the same browser, can make it send requests here. It is kept out
by the name in ``Host`` (DNS rebinding; see `edged.web.app`), by ``Origin`` and
``Sec-Fetch-Site``, by a content type that no form can send, and by a token that only who may
read the events knows, and that is good for one answer to one question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from edged.web.posted import posted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request


def taking(answer: Callable[[str, bool], bool]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for ``{"token": …, "agreed": true or false}``.

    Args:
        answer: called in a worker thread; False when nobody is asked, or not with this token.
    """

    async def take(request: Request) -> Response:
        given = await posted(request, {"token", "agreed"})
        if isinstance(given, Response):
            return given
        token, agreed = given["token"], given["agreed"]
        if not isinstance(token, str) or not token.isascii() or not isinstance(agreed, bool):
            return PlainTextResponse("not an answer\n", 400)
        if not await run_in_threadpool(answer, token, agreed):
            return PlainTextResponse("nobody is asked this\n", 409)
        return Response(status_code=204)

    return take
