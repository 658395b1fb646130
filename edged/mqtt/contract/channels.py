"""Where what is said: channels, their messages, and who sends or receives on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edged.mqtt.auth import LARGEST_COMMAND
from edged.mqtt.catalogue import CATALOGUE
from edged.mqtt.contract import condition, example, orders, prose, replies, signed
from edged.mqtt.contract.interlock import InterlockWord
from edged.mqtt.contract.known_key import jws
from edged.mqtt.contract.schemas import CLAIMS, ref
from edged.mqtt.contract.table import EVENTS
from edged.sync import wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

JSON, JOSE, BYTES = "application/json", "application/jose", "application/octet-stream"
ROOT = "{prefix}/{site}/{terminal}"
Node = dict[str, Any]


def messages() -> Node:
    """All of them, by the kind of their channel and their name."""
    kinds = {
        "status": _statuses(),
        "state": _states(),
        "event": _events(),
        "audit": _checkpoints(),
        "command": _commands(),
        "result": _replies(),
        "desired": _desired(),
        "sync": _sync(),
        "interlock": _interlock(),
    }
    return {f"{kind}.{name}": one for kind, many in kinds.items() for name, one in many.items()}


def channels() -> Node:
    """All of them, by name."""
    kind = {"type": {"enum": list(EVENTS), "description": prose.TYPE}}
    command = {"command": {"enum": list(CATALOGUE), "description": prose.COMMAND_NAME}}
    any_command = {"command": {"description": prose.COMMAND_NAME, "examples": ["door.unlock"]}}
    made = {
        "status": _channel("status", prose.STATUS, "status", ["status", "will"]),
        "state": _channel("state", prose.STATE, "state", ["state"]),
        "event": _channel("event/{type}", prose.EVENT, "event", EVENTS, kind),
        "backlog": _channel("backlog/{type}", prose.BACKLOG, "event", EVENTS, kind),
        "audit": _channel("audit", prose.AUDIT, "audit", ["checkpoint"]),
        "command": _channel("cmd/{command}", prose.COMMAND, "command", CATALOGUE, command),
        "result": _channel(
            "cmd/{command}/result", prose.RESULT, "result", [*CATALOGUE, "unknown"], any_command
        ),
        "desired": _channel("desired", prose.DESIRED, "desired", ["desired"]),
    }
    made["interlock"] = _channel("interlock", prose.INTERLOCK, "interlock", ["word"])
    for name, text in prose.SYNC.items():
        made[f"sync_{name}"] = _channel(f"sync/{name}", text, "sync", [name])
    return made


def operations() -> Node:
    """What the terminal does on them."""
    made = {
        "tellStatus": _operation("send", "status", retain=True),
        "tellState": _operation("send", "state", retain=True),
        "tellEvent": _operation("send", "event"),
        "tellBacklog": _operation("send", "backlog"),
        "tellCheckpoint": _operation("send", "audit", retain=True),
        "answer": _operation("send", "result", expiry_s=60),
        "obeyDesired": _operation("receive", "desired", retain=True),
        "hearHead": _operation("receive", "sync_head", retain=True),
        "hearBatch": _operation("receive", "sync_batch"),
        "hearChunk": _operation("receive", "sync_chunk"),
        "askSite": _operation("send", "sync_pull"),
        "offerToSite": _operation("send", "sync_offer"),
        "tellOtherDoor": _operation("send", "interlock"),
        "hearOtherDoor": _operation("receive", "interlock"),
    }
    for name, command in CATALOGUE.items():
        made[name] = _operation("receive", "command", name) | {
            "summary": " ".join((command.args.__doc__ or "").split()),
            "x-role": command.role,
            "reply": {
                "channel": {"$ref": "#/channels/result"},
                "messages": [{"$ref": f"#/channels/result/messages/{name}"}],
            },
        }
    return made


def _channel(
    address: str, text: str, kind: str, names: Iterable[str], parameters: Node | None = None
) -> Node:
    return {
        "address": f"{ROOT}/{address}",
        "description": text,
        "parameters": {
            **{name: {"$ref": f"#/components/parameters/{name}"} for name in prose.PARAMETERS},
            **(parameters or {}),
        },
        "messages": {name: {"$ref": f"#/components/messages/{kind}.{name}"} for name in names},
    }


def _operation(
    action: str,
    channel: str,
    message: str | None = None,
    *,
    retain: bool = False,
    expiry_s: int | None = None,
) -> Node:
    mqtt: Node = {"qos": 1, "retain": retain, "bindingVersion": "0.2.0"}
    if expiry_s is not None:
        mqtt["messageExpiryInterval"] = expiry_s
    made: Node = {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "bindings": {"mqtt": mqtt},
    }
    if message is not None:
        made["messages"] = [{"$ref": f"#/channels/{channel}/messages/{message}"}]
    return made


def _message(name: str, payload: Node, text: str, *examples: Any, kind: str = JSON) -> Node:
    made = {
        "name": name,
        "contentType": kind,
        "description": text,
        "payload": payload,
        "examples": [{"payload": one} for one in examples],
    }
    if kind == JSON:
        made["bindings"] = {"mqtt": {"payloadFormatIndicator": 1, "bindingVersion": "0.2.0"}}
    return made if examples else {key: made[key] for key in made if key != "examples"}


def _statuses() -> Node:
    online = {
        "v": 1,
        "time": "2026-03-01T07:59:58.120Z",
        "clock": "synced",
        "status": "online",
        "software": "0.1.0",
        "model": example.MODEL,
        "gallery": 2431,
    }
    will = {"v": 1, "status": "offline", "reason": "connection lost"}
    return {
        "status": _message("status", ref(condition.Status), "What the terminal says.", online),
        "will": _message("will", ref(condition.Will), "What the broker says for it.", will),
    }


def _states() -> Node:
    return {
        "state": _message("state", ref(condition.State), "The terminal as it is.", example.state())
    }


def _events() -> Node:
    sent = example.messages()
    return {
        name: _message(
            name,
            {
                "allOf": [
                    ref(signed.Event),
                    {"properties": {"type": {"const": name}, "data": ref(kind.data)}},
                ]
            },
            kind.when,
            sent[name],
        )
        | {"headers": prose.HEADERS}
        for name, kind in EVENTS.items()
    }


def _checkpoints() -> Node:
    text = "How far the log is."
    return {
        "checkpoint": _message("checkpoint", ref(signed.Checkpoint), text, example.end_of_log())
    }


def _commands() -> Node:
    made = {}
    for name, answer in replies.ANSWERS.items():
        claims = example.claims(name, answer.example)
        role = CATALOGUE[name].role
        made[name] = _signed(
            name, orders.Header, CLAIMS[name], claims, f"Signed by a key with the role `{role}`."
        )
        made[name]["bindings"] = {"mqtt": prose.COMMAND_BINDING}
    return made


def _desired() -> Node:
    text = "Signed by a key with the role `maintainer`."
    claims = example.desired()
    return {"desired": _signed("desired", orders.DesiredHeader, orders.DesiredClaims, claims, text)}


def _signed(
    name: str, header: type[BaseModel], claims: type[BaseModel], said: Node, text: str
) -> Node:
    payload = {
        "type": "string",
        "pattern": r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}$",
        "maxLength": LARGEST_COMMAND,
        "description": prose.JWS,
        "x-jws-header": ref(header),
        "x-jws-claims": ref(claims),
        "x-jws-example": said,
    }
    token = jws(said, "controller", "edged-desired" if name == "desired" else None)
    return _message(name, payload, text, token, kind=JOSE)


def _replies() -> Node:
    made = {name: _reply(name, answer) for name, answer in replies.ANSWERS.items()}
    text = "this terminal has no such command"
    said = {"v": 1, "command": "door.explode", "id": example.JTI, "result": "refused"}
    said |= {"reason": "unknown_command", "text": text, "data": {}}
    made["unknown"] = _message("unknown", ref(replies.Reply), prose.UNKNOWN, said)
    return made


def _reply(name: str, answer: replies.Answer) -> Node:
    data, said = answer.ok
    done = {"reason": _codes(answer.done), "data": ref(data)}
    waits = {"reason": _codes(["awaiting_second"]), "data": ref(replies.NeedsSecond)}
    either = {"anyOf": [{"properties": done}, {"properties": waits}]}
    reasons = [{"$ref": "#/components/schemas/Refusal"}, _codes(answer.reasons)]
    payload = {
        "allOf": [
            ref(replies.Reply),
            {
                "properties": {"command": {"const": name}},
                "if": {"properties": {"result": {"const": "ok"}}},
                "then": either if answer.two else {"properties": done},
                "else": {
                    "properties": {
                        "reason": {"anyOf": reasons},
                        "data": {"anyOf": [ref(answer.refused), {"maxProperties": 0}]},
                    }
                },
            },
        ]
    }
    reply = {"v": 1, "command": name, "id": example.JTI, "result": "ok"}
    good = reply | {"reason": answer.done[0], "text": "", "data": said}
    text = "the command is expired; compare the clocks or send it sooner"
    late = reply | {"result": "refused", "reason": "expired", "text": text, "data": {}}
    return _message(name, payload, "The one answer.", good, late)


def _codes(values: Iterable[str]) -> Node:
    return {"type": "string", "x-known-values": list(values)}


def _sync() -> Node:
    head = {
        "type": "string",
        "description": "A compact JWS by a key with the role `enroller`.",
        "x-jws-claims": ref(wire.Head),
    }
    pull = {
        "v": 1,
        "log": "Vb3x",
        "epoch": 1767312000,
        "held": 9118,
        "want": "log",
        "snapshot": None,
        "chunk": None,
        "sealing": "brCdyBL8n_0ZXzyv",
        "refused": None,
    }
    return {
        "head": _message("head", head, "Signed.", kind=JOSE),
        "batch": _line(wire.Batch, "batch", "The line is a compact JWS by the site."),
        "chunk": _line(wire.Chunk, "chunk", "The line is plain JSON."),
        "pull": _message("pull", ref(wire.Pull), "What is held and asked for.", pull),
        "offer": _line(wire.Offer, "offer", "The line is a compact JWS by the terminal."),
    }


def _interlock() -> dict[str, Node]:
    payload = {
        "type": "string",
        "description": "A compact JWS by the sending terminal, header `typ` `edged-interlock`.",
        "x-jws-claims": ref(InterlockWord),
    }
    return {"word": _message("word", payload, "Signed.", kind=JOSE)}


def _line(claims: type[BaseModel], name: str, text: str) -> Node:
    payload = {
        "type": "string",
        "format": "binary",
        "description": prose.LINE,
        "x-line-claims": ref(claims),
    }
    return _message(name, payload, text, kind=BYTES)
