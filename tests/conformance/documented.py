"""The settings of docs/brokers.md, as the brokers of these tests get them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_PAGE = Path(__file__).parents[2] / "docs" / "brokers.md"


def block(name: str) -> str:
    """The fenced block that begins with a comment ``# <name>``."""
    text = _PAGE.read_text(encoding="utf-8")
    for fenced in text.split("```")[1::2]:
        body = fenced.partition("\n")[2]
        if body.startswith(f"# {name}"):
            return body
    raise LookupError(f"docs/brokers.md has no block {name}")


def mosquitto_settings() -> str:
    """What the page adds to mosquitto.conf, without paths, listeners and certificates."""
    own = ("persistence_location", "persistence ", "listener", "cafile", "certfile", "keyfile")
    own += ("acl_file", "password_file", "require_certificate", "use_identity", "allow_anonymous")
    lines = block("mosquitto.conf").splitlines()
    return "\n".join(line for line in lines if not line.startswith(own))


def rabbitmq_users() -> dict[str, dict[str, str]]:
    """Users with the topic permissions of the page: a terminal (by name), and the controller."""
    rules: dict[str, Any] = json.loads(block("topic permissions").partition("\n")[2])
    return {
        "door-1": rules["terminal"],
        "door-2": rules["terminal"],
        "controller": rules["controller"],
    }
