"""The models as JSON Schemas, as they stand in the document's components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from edged.mqtt.catalogue import CATALOGUE
from edged.mqtt.contract import condition, orders, replies, signed
from edged.mqtt.contract.interlock import InterlockWord
from edged.mqtt.contract.table import EVENTS
from edged.sync import wire

if TYPE_CHECKING:
    from pydantic import BaseModel

CLAIMS = {name: orders.claims_of(name) for name in CATALOGUE}
"""The claims of each command."""


def ref(model: type[BaseModel]) -> dict[str, str]:
    """Where a model stands in the document."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def components() -> dict[str, Any]:
    """All of them, by name."""
    _, made = models_json_schema(
        [(model, "validation") for model in _models()],
        ref_template="#/components/schemas/{model}",
    )
    found: dict[str, Any] = made["$defs"]
    return {name: _tidy(found[name]) for name in sorted(found)}


def _models() -> list[type[BaseModel]]:
    roots: list[type[BaseModel]] = [
        condition.Status,
        condition.Will,
        condition.State,
        signed.Event,
        signed.Checkpoint,
        orders.Header,
        orders.DesiredHeader,
        orders.DesiredClaims,
        replies.Reply,
        replies.NeedsSecond,
        wire.Pull,
        wire.Head,
        wire.Batch,
        wire.Chunk,
        wire.Offer,
        InterlockWord,
        *CLAIMS.values(),
    ]
    roots += [kind.data for kind in EVENTS.values()]
    for answer in replies.ANSWERS.values():
        roots += [answer.ok[0], answer.refused]
    return list(dict.fromkeys(roots))


def _tidy(schema: Any) -> Any:
    """Without what says nothing: titles, and defaults that only stand for "left out"."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {}
    for name, value in schema.items():
        if name == "title" and isinstance(value, str):
            continue
        if name == "default" and value is None:
            continue
        if name == "description":
            made[name] = " ".join(value.split()) if "\n\n" not in value else value
        elif name == "properties":
            made[name] = {field: _tidy(inner) for field, inner in value.items()}
        else:
            made[name] = _tidy(value)
    return made
