"""The page: one HTML document a language, with everything in it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.web.texts import Texts

_HERE = Path(__file__).parent


def _read(name: str) -> str:
    return (_HERE / name).read_text("utf-8")


def _source(text: str) -> str:
    """What a policy calls this inline text: only it may be applied or run."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def policy() -> str:
    """The Content-Security-Policy of the page."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {_source(_read('page.css'))}",
            f"script-src {_source(_read('page.js'))}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def render(
    texts: Texts, *, picture: bool, sound: bool, pad: bool = False, keys: Sequence[str] = ()
) -> str:
    """The page in one language: with the camera's picture, sounds, a pad for PINs, or without,
    and with keys that say what a punch is."""
    data = json.dumps(texts.model_dump()).replace("<", "\\u003c")
    parts = {
        "style": _read("page.css"),
        "script": _read("page.js"),
        "texts": data,
        "picture": "on" if picture else "off",
        "sound": "on" if sound else "off",
        "pad": "on" if pad else "off",
        "keys": " ".join(keys),
    } | {key: html.escape(getattr(texts, key)) for key in ("tag", "title", "lost", "lost_detail")}
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _read("page.html"))
