"""Taking what is typed or pressed on the page. Imported late, with `edged.web.app`.

Kept from pages of other sites as an answer is, see `edged.web.answer`; a PIN that is guessed here
is guessed at a reader, and counts there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from edged.web.posted import posted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    Read = Callable[[str, str], None]

_KINDS = {"pin": 16, "key": 16}


def reading(read: Read) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for ``{"kind": "pin" or "key", "value": …}``.

    Args:
        read: called in a worker thread with kind and value.
    """

    async def take(request: Request) -> Response:
        given = await posted(request, {"kind", "value"})
        if isinstance(given, Response):
            return given
        kind, value = given["kind"], given["value"]
        if not isinstance(kind, str) or not isinstance(value, str) or not _good(kind, value):
            return PlainTextResponse("not a reading\n", 400)
        await run_in_threadpool(read, kind, value)
        return Response(status_code=204)

    return take


def _good(kind: str, value: str) -> bool:
    if not 1 <= len(value) <= _KINDS.get(kind, 0) or not value.isascii():
        return False
    return value.isdigit() if kind == "pin" else value.isalpha()
