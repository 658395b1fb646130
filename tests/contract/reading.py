"""docs/asyncapi.json as a strict reader takes it: whatever it does not describe is wrong.

Consumers ignore what they do not know; tests must not, or the document would not be the truth.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

DOCUMENT = Path(__file__).parents[2] / "docs" / "asyncapi.json"
# or bytes that are for somebody else
_BY_THE_SITE = (
    "command",
    "desired",
    "sync_head",
    "sync_batch",
    "sync_chunk",
    "sync_offer",
    "interlock",
)


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return found


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """What a reference within the document stands for."""
    while "$ref" in node:
        at: Any = document()
        for step in node["$ref"].removeprefix("#/").split("/"):
            at = at[step]
        node = at
    return node


def closed(schema: Any) -> Any:
    """The same without room for what is not described."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        name: {key: closed(inner) for key, inner in value.items()}
        if name == "properties"
        else closed(value)
        for name, value in schema.items()
        if not name.startswith("x-") and name not in ("description", "examples")
    }
    if schema.get("x-known-values"):
        made["enum"] = schema["x-known-values"]
    if made.get("type") == "object" and "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


@cache
def _schemas() -> dict[str, Any]:
    return {name: closed(one) for name, one in document()["components"]["schemas"].items()}


def validator(schema: dict[str, Any]) -> Draft7Validator:
    """Of a schema of the document, read strictly."""
    return Draft7Validator({"allOf": [closed(schema)], "components": {"schemas": _schemas()}})


@cache
def _of(channel: str, name: str) -> Draft7Validator:
    message = resolved(document()["channels"][channel]["messages"][name])
    return validator(message["payload"])


@cache
def _headers(channel: str, name: str) -> Draft7Validator | None:
    message = resolved(document()["channels"][channel]["messages"][name])
    return validator(message["headers"]) if "headers" in message else None


@cache
def _addresses() -> list[tuple[str, re.Pattern[str], list[str]]]:
    found = []
    for channel, about in document()["channels"].items():
        pattern = re.escape(about["address"]).replace(r"\{prefix\}", "[^+#]+?")
        pattern = re.sub(r"\\{(site|terminal)\\}", "[^/]+", pattern)
        pattern = re.sub(r"\\{(type|command)\\}", "([^/]+)", pattern)
        found.append((channel, re.compile(pattern), list(about["messages"])))
    return found


def _place(topic: str) -> tuple[str, str] | None:
    """The channel of a topic, and which of its messages is there; of several the first."""
    for channel, pattern, names in _addresses():
        if found := pattern.fullmatch(topic):
            name = found[1].replace("-", ".") if pattern.groups else names[0]
            return channel, name if name in names else "unknown"
    return None


def problems(topic: str, payload: bytes, properties: Any = None) -> list[str]:
    """What is wrong with a message that a terminal sent, by the document; nothing: [].

    Args:
        properties: of MQTT 5, as paho has them.
    """
    place = _place(topic)
    if place is None:
        return [f"{topic}: no such channel"]
    channel, name = place
    if channel in _BY_THE_SITE or not payload:  # nothing: somebody takes a retained one away
        return []
    if name not in document()["channels"][channel]["messages"]:
        return [f"{topic}: no such message"]
    try:
        content = json.loads(payload)
    except ValueError:
        return [f"{topic}: no JSON"]
    if channel == "status" and "time" not in content:
        name = "will"
    wrong = _errors(_of(channel, name), content)
    if channel in ("event", "backlog") and content.get("historical") is not (channel == "backlog"):
        wrong.append(f"historical is {content.get('historical')}")
    wrong += _beside(channel, name, content, properties)
    return [f"{topic}: {one}" for one in wrong]


def _beside(channel: str, name: str, content: Any, properties: Any) -> list[str]:
    """What is wrong with the properties of MQTT 5, where it is spoken."""
    said, kind = getattr(properties, "UserProperty", []), getattr(properties, "ContentType", None)
    message = resolved(document()["channels"][channel]["messages"][name])
    wrong = [f"content type {kind}"] if kind not in (None, message["contentType"]) else []
    check = _headers(channel, name)
    if check is None or not said:
        return wrong + [f"user properties {said}"] * bool(said)
    wrong += _errors(check, dict(said))
    return wrong + [
        f"user property {key} is {value}, the message says {content.get(key)}"
        for key, value in said
        if str(content.get(key)).lower() != value
    ]


def _errors(check: Draft7Validator, content: Any) -> list[str]:
    found = best_match(check.iter_errors(content))
    if found is None:
        return []
    return [f"{'.'.join(map(str, found.absolute_path))}: {found.message[:500]}"]
