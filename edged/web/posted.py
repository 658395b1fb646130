"""What this terminal's own page posts, and nobody else's. Imported late, with `edged.web.app`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import PlainTextResponse, Response

from edged.web.origin import from_here

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from starlette.requests import Request

_LARGEST = 512


async def posted(request: Request, fields: AbstractSet[str]) -> dict[str, Any] | Response:
    """A JSON object with exactly these fields, or the refusal to be answered."""
    if not from_here(request.headers):
        return PlainTextResponse("not from another site\n", 403)
    if request.headers.get("content-type") != "application/json":
        return PlainTextResponse("only JSON\n", 415)
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST:
            return PlainTextResponse("too much\n", 413)
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or given.keys() != fields:
        return PlainTextResponse("not what is asked\n", 400)
    return given
