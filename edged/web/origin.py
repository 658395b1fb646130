"""Where a request comes from, by the word of the browser that sent it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.datastructures import Headers


def from_here(headers: Headers) -> bool:
    """Whether a POST was sent by a page of this host; every browser names the origin of one."""
    site = headers.get("sec-fetch-site")
    return headers.get("origin") == f"http://{headers.get('host')}" and site in (
        "same-origin",
        None,
    )
