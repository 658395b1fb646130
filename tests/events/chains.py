"""Logs to be judged: events of a real outbox, signed as the terminal signs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edged.events.types import CHECKPOINT_TYP, EVENT_TYP, utc_now
from edged.vault.identity import Identity
from edged.vault.secret import Secret

if TYPE_CHECKING:
    from edged.events.outbox import Outbox
    from edged.events.types import Event, Head

KEY = Secret(bytes(range(32)))
IDENTITY = Identity(KEY)
PUBLIC = IDENTITY.signing_public
OTHER = Identity(Secret(bytes(range(1, 33))))

Message = dict[str, Any]


def signed(event: Event, by: Identity = IDENTITY) -> Message:
    """A line of an export."""
    return {**event.document(), "sig": by.sign_detached(event.canonical(), EVENT_TYP)}


def sent(event: Event, *, historical: bool = False, by: Identity = IDENTITY) -> Message:
    """As the link sends it."""
    return event.to_message(historical, by.sign_detached(event.canonical(), EVENT_TYP))


def checkpoint(head: Head, by: Identity = IDENTITY) -> Message:
    now = utc_now()
    sig = by.sign_detached(head.canonical(now), CHECKPOINT_TYP)
    said = {"v": 1, "time": now, "clock": "synced", "log": head.log, "seq": head.seq}
    return {**said, "hash": head.hash, "sig": sig}


def visit(number: int, person: str = "E1042") -> Message:
    """What an access event says, more or less."""
    return {
        "reason": "matched",
        "similarity": 0.9 + number % 97 / 1000,
        "runner_up": 0.3,
        "person_id": person,
        "instructions": [],
        "name": None,
        "zoë": "ü\u2028",
        "large": 1e21,
        "small": 1e-7,
    }


def export(outbox: Outbox) -> list[Message]:
    return [signed(event) for event in outbox.events()]
