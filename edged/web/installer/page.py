"""The documents: login and page, each with everything in it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page must know from the beginning.

    Attributes:
        terminal: its name.
        floor: the quality that a view must have to count, 0-1.
        near_px, dark, bright: limits of a face's width and level.
        images: whether pictures are shown.
        password: whether there is a session that can be ended.
    """

    terminal: str
    floor: float
    near_px: float
    dark: float
    bright: float
    images: bool
    password: bool


@cache
def _read(name: str) -> str:
    return (_HERE / name).read_text("utf-8")


def policy() -> str:
    """The Content-Security-Policy of both."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {_source(_read('page.css'))}",
            f"script-src {_source(_read('page.js'))}",
            "connect-src 'self'",
            "img-src 'self' data:",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )


def render(facts: Facts) -> Callable[[str], str]:
    """The page, once it is given the token of its session's forms."""
    data = json.dumps(asdict(facts)).replace("<", "\\u003c")
    parts = {
        "style": _read("page.css"),
        "script": _read("page.js"),
        "facts": data,
        "terminal": html.escape(facts.terminal),
        "logout": "" if facts.password else " hidden",
    }
    return lambda token: _fill("page.html", parts | {"token": html.escape(token)})


def login(token: str, said: str) -> str:
    """The login form."""
    parts = {"style": _read("page.css"), "token": html.escape(token), "said": html.escape(said)}
    return _fill("login.html", parts)


def _fill(name: str, parts: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _read(name))


def _source(text: str) -> str:
    """What a policy calls this inline text: only it may be applied or run."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
