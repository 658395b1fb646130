"""What the document says in words."""

from __future__ import annotations

from typing import Any

INFO = """\
What a face-recognition door terminal says and obeys over MQTT. This document is enough to write a
controller: topics, messages, signatures, and what may be relied on. `docs/mqtt.md` says the same
to read through.

## Rules

- Everything is QoS 1. Text is JSON in UTF-8 with `"v": 1`. Ignore members, event types, codes and
  values that you do not know: they are added without another `v` (`x-known-values` lists the ones
  that there are today).
- Times are RFC 3339 in UTC. `clock` says whether the terminal trusted its clock then.
- Subscribe with a session that outlives your connection (MQTT 5: Session Expiry Interval), or
  events that come meanwhile are lost to you; what you missed comes again by `events.replay`.
- An event comes at least once: drop those whose `id` you have. `event/...` and `backlog/...` are
  each in the order of `seq`; between them they are not. A hole in `seq` that stays is a loss,
  unless an `events.gap` declares it.
- Never act on `backlog/...` as if it were now.
- A command that reaches nobody is never delivered later: it expires, is refused when it is
  retained, and counts once.

## Dots

A broker that turns dots in topics into slashes (RabbitMQ) is served with `mqtt.topic_dots: dash`:
then each dot of an event's type and of a command's name is a dash *in the topic*, for instance
`event/access-granted` and `cmd/door-unlock/result`. Inside messages the dots stay. Names have no
dash of their own.

## Commands

Make the claims (see each command), sign them as a compact JWS (RFC 7515) with Ed25519: header
`{"alg":"EdDSA","kid":"<your key's id>"}`, payload the claims as JSON. Publish to `cmd/<command>`,
not retained. The reply goes to the Response Topic of the request, if it lies below
`<prefix>/<site>/`, has at least two more levels, no wildcard, at most 256 characters and its
second level below the site is none of `status`, `state`, `event`, `backlog`, `cmd`, `desired`,
`audit`, `sync`, `interlock`; else to `cmd/<command>/result`. Correlation Data is returned. Match
replies by `id`, which is the command's `jti`. There is one reply at most; in a flood, or when the
link breaks, none: then look at `state` before you send a new command with a new `jti`.

## Proof

Each event is signed by its terminal and names the hash of the one before it (`x-chain`,
`x-signature` of the schemas `Event` and `Checkpoint`). Take the terminal's public key from the
terminal itself, not from `state`: whoever owns the broker could publish another. What says
something of a person who was erased meanwhile is not sent again: keep what you need for the proof
when it comes. The examples of all events here are one log, from `seq` 101 on, signed by
`x-example-key`; what is before them is declared lost by the `events.gap` among them.

## The broker

Require TLS, and let a terminal write only below its own `<prefix>/<site>/<terminal>/` (`status`,
`state`, `event/#`, `backlog/#`, `audit`, `cmd/+/result`, `sync/pull`, `sync/offer`, `interlock`,
and the response topics in use) and read only `cmd/+`, `desired`, `sync/head`, `sync/batch`,
`sync/chunk` there, and of its `peers` what docs/areas.md and docs/interlock.md say; let nobody but
controllers write `cmd/+` and `desired`. The signatures do not rely on it.
"""

STATUS = "Whether the terminal is there. Retained."
STATE = "The terminal as it is. Retained."

EVENT = """\
What happened just now. Subscribe to `event/+`, alone or shared (`$share/<group>/...`): the user
properties `id`, `seq`, `log` and `historical` (MQTT 5) let workers drop duplicates and partition
without parsing."""

BACKLOG = """\
What happened earlier and could not be sent then, or is sent again by `events.replay`;
`historical` is true. The same messages as on `event/<type>`."""

AUDIT = """\
How far the terminal's log of events is, signed. Retained: on connect, then when there are new
events and a minute has passed or a thousand have come, and before a clean end. Keep the last one
of each `log`: a chain that ends before it was cut off."""

COMMAND = """\
Commands, each a compact JWS, good once. A retained one is refused. Set a Message Expiry Interval
(MQTT 5), so that the broker drops what is late."""

RESULT = """\
Replies, unless the command named a response topic. With MQTT 5 they expire after 60 s at the
broker."""

DESIRED = """\
Durable settings by revision, a compact JWS, retained. What became of them stands in
`state.applied`."""

UNKNOWN = "To a command that there is not, or whose topic is no name of one."
TYPE = "What happened. With `mqtt.topic_dots: dash` each dot is a dash."
COMMAND_NAME = "The command. With `mqtt.topic_dots: dash` each dot is a dash."

JWS = """\
A compact JWS (RFC 7515): base64url(header) `.` base64url(claims) `.` base64url(Ed25519 signature
over the text before it), without padding. `x-jws-header` and `x-jws-claims` are the schemas of
the two JSON objects, `x-jws-example` are the claims of the example, whose kid is `controller` and
whose key is `x-example-key`. At most 98,304 bytes, nested at most 16 deep, every member once."""

LINE = """\
One line of text, a line feed, and sealed bytes; at most 1 MiB. The line holds `x-line-claims`;
docs/sync.md says how the bytes are sealed."""

INTERLOCK = """\
How this door is, for the terminal of the other door of an interlock, which listens here; twice a
round trip when somebody passes, else once a second. For nobody else. See docs/interlock.md."""

SYNC = {
    "head": "How far the site's gallery is. Retained. See docs/sync.md.",
    "batch": "Entries of the site's gallery, on demand. See docs/sync.md.",
    "chunk": "A part of a snapshot of the site's gallery, on demand. See docs/sync.md.",
    "pull": "What the terminal holds of the site's gallery, and asks for. See docs/sync.md.",
    "offer": "Who was enrolled at the terminal, for the site's gallery. See docs/sync.md.",
}

HEADERS: dict[str, Any] = {
    "type": "object",
    "description": "User properties (MQTT 5 only): the same as in the message, as text.",
    "properties": {
        "id": {"type": "string"},
        "log": {"type": "string"},
        "seq": {"type": "string", "pattern": "^[0-9]+$"},
        "historical": {"enum": ["true", "false"]},
    },
}

COMMAND_BINDING: dict[str, Any] = {
    "responseTopic": {
        "type": "string",
        "maxLength": 256,
        "description": "Where the reply shall go; left out: `cmd/<command>/result`.",
    },
    "correlationData": {
        "type": "string",
        "format": "binary",
        "description": "Comes back with the reply.",
    },
    "bindingVersion": "0.2.0",
}

PARAMETERS: dict[str, Any] = {
    "prefix": {
        "default": "edged",
        "description": "`mqtt.prefix` of the terminal: one level or several.",
    },
    "site": {"description": "`site` of the terminal.", "examples": ["hq"]},
    "terminal": {"description": "`terminal` of the terminal.", "examples": ["door-1"]},
}
