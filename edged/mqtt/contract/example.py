"""Examples that are true: valid, signed, and one chain."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

from edged.events.types import CHECKPOINT_TYP, EVENT_TYP, Event, checkpoint, utc_text
from edged.mqtt.contract.known_key import detached, public_key
from edged.mqtt.contract.table import COMMAND as JTI
from edged.mqtt.contract.table import EVENTS, LAST_LOST, LOST, MODEL

__all__ = ["JTI", "MODEL", "chain", "claims", "desired", "end_of_log", "messages", "state"]
LOG = "5ca1ab1e0ddba11f"
_BEGAN_MS = 1_772_352_000_000  # 2026-03-01T08:00:00Z


@cache
def chain() -> tuple[Event, ...]:
    """An event of each type, in the order of the table: together they are one log, whose first
    hundred are lost."""
    made: list[Event] = []
    for number, (kind, about) in enumerate(EVENTS.items()):
        made.append(
            Event(
                id=hashlib.sha256(kind.encode()).hexdigest()[:32],
                seq=LOST + number + 1,
                type=kind,
                time=utc_text(_BEGAN_MS + 1310 * number),
                clock="synced",
                data=about.example,
                log=LOG,
                prev=made[-1].hash if made else LAST_LOST,
            )
        )
    return tuple(made)


def messages() -> dict[str, dict[str, Any]]:
    """The same as they are sent, by type."""
    return {
        event.type: event.to_message(False, detached(event.canonical(), EVENT_TYP))
        for event in chain()
    }


def end_of_log() -> dict[str, Any]:
    """A checkpoint of that log."""
    last, time = chain()[-1], utc_text(_BEGAN_MS + 3_600_000)
    signed = detached(checkpoint(LOG, last.seq, last.hash, time), CHECKPOINT_TYP)
    head = {"log": LOG, "seq": last.seq, "hash": last.hash}
    return {"v": 1, "time": time, "clock": "synced", **head, "sig": signed}


def claims(name: str, args: dict[str, Any]) -> dict[str, Any]:
    """What a command says."""
    times = {"iat": _BEGAN_MS // 1000, "exp": _BEGAN_MS // 1000 + 30}
    return {"aud": "hq/door-1", **times, "jti": JTI, "cmd": name, "args": args}


def desired() -> dict[str, Any]:
    """What desired settings say."""
    settings = {"decision": {"profile": "high_security"}, "door": {"pulse_s": 5}}
    return {"aud": "hq/door-1", "iat": _BEGAN_MS // 1000, "revision": 7, "settings": settings}


def state() -> dict[str, Any]:
    """Of a terminal that is well."""
    return {
        "v": 1,
        "time": "2026-03-01T08:00:00.000Z",
        "clock": "synced",
        "software": "0.1.0",
        "model": MODEL,
        "identity": {"sealing": _SEALING, "signing": public_key()},
        "door": {
            "mode": "normal",
            "by": None,
            "until": None,
            "relay": "rest",
            "causes": [],
            "contact": "closed",
            "fire": False,
            "tamper": None,
            "alarms": [],
        },
        "gallery": {"revision": 2431, "people": 812},
        "decision": {
            "profile": "access",
            "people": 812,
            "threshold": 0.6503,
            "review": 0.5525,
            "margin": 0.03,
            "doubtful": "review",
            "fpir": 0.003,
            "implied_fpir": 0.003,
            "strangers_per_day": 14.0,
            "traffic": "measured",
            "false_accepts_per_year": 15.0,
        },
        "timekeeping": {
            "source": "ntp",
            "synced": True,
            "since": "2026-03-01T07:58:02Z",
            "high_water": "2026-03-01T08:00:00Z",
            "error_s": 1.0,
        },
        "keys": [
            {
                "id": "controller",
                "roles": ["enroller", "operator"],
                "until": None,
                "replaced_by": None,
            }
        ],
        "applied": {
            "revision": 7,
            "result": "applied",
            "reason": "done",
            "text": "",
            "in_force": 7,
        },
        "waiting_events": 0,
        "degraded": {},
    }


_SEALING = {
    "id": "brCdyBL8n_0ZXzyv",
    "public_key": (
        "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VuAyEAhSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n"
        "-----END PUBLIC KEY-----\n"
    ),
}
