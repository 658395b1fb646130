"""How a terminal announces itself to Home Assistant; pure.

One retained message describes the device and all of its entities, as Home Assistant reads it
since 2024.12 ("device discovery", https://www.home-assistant.io/integrations/mqtt/). What the
entities show comes from ``status``, ``state`` and ``event/…``, which are sent in any case.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from edged import __version__

if TYPE_CHECKING:
    from edged.config.schema import HomeAssistant, Mqtt
    from edged.mqtt.topics import Topics

EVENTS = (
    "access.granted",
    "access.denied",
    "access.review",
    "access.second_factor",
    "capture.retake",
    "door.unlocked",
    "door.fault",
    "door.forced",
    "door.held_open",
    "door.fire",
    "door.tamper",
    "command.refused",
)
"""What the entity "Events" tells; everything else is for programs."""

_DIAGNOSTIC = {"entity_category": "diagnostic"}


def announcements(topics: Topics, settings: Mqtt) -> dict[str, dict[str, Any]]:
    """What is to be published retained, by its topic: nothing, unless the installer wants it."""
    wanted = settings.homeassistant
    return {} if wanted is None else dict([announcement(topics, wanted)])


def announcement(topics: Topics, settings: HomeAssistant) -> tuple[str, dict[str, Any]]:
    """The topic and the content of the announcement; publish it retained.

    A lock is announced only with ``settings.lock``: its button is a plain message, which the
    terminal does not obey; `edged ctl bridge` turns it into a signed command.
    """
    device = re.sub(r"[^A-Za-z0-9_-]", "_", f"edged_{topics.site}_{topics.terminal}")
    components = _components(topics)
    if settings.lock:
        components["lock"] = _lock(topics)
    for name, component in components.items():
        component["unique_id"] = f"{device}_{name}"
    document = {
        "device": {
            "identifiers": [device],
            "name": topics.terminal,
            "manufacturer": "edged",
            "model": "face-recognition terminal",
            "sw_version": __version__,
        },
        "origin": {"name": "edged", "sw_version": __version__},
        "availability": [
            {
                "topic": topics.status,
                "value_template": "{{ value_json.status }}",
                "payload_available": "online",
                "payload_not_available": "offline",
            }
        ],
        "qos": 1,
        "components": components,
    }
    return f"{settings.prefix}/device/{device}/config", document


def _components(topics: Topics) -> dict[str, dict[str, Any]]:
    state, root = topics.state, topics.root
    return {
        "events": {
            "platform": "event",
            "name": "Events",
            "icon": "mdi:face-recognition",
            "state_topic": f"{root}/event/+",
            "event_types": list(EVENTS),
            # an empty object is passed over
            "value_template": (
                "{% set t = " + repr(list(EVENTS)) + " %}"
                "{{ dict(value_json.data, event_type=value_json.type, id=value_json.id,"
                " time=value_json.time) | to_json if value_json.type in t else '{}' }}"
            ),
        },
        "relay": {
            "platform": "binary_sensor",
            "name": "Relay",
            "device_class": "lock",  # on: open
            "state_topic": state,
            "value_template": "{{ 'ON' if value_json.door.relay == 'on' else 'OFF' }}",
        },
        "contact": {
            "platform": "binary_sensor",
            "name": "Contact",
            "device_class": "door",  # on: open
            "state_topic": state,
            # None: unknown
            "value_template": (
                "{{ {'open': 'ON', 'closed': 'OFF'}.get(value_json.door.contact, 'None') }}"
            ),
        },
        "alarm": {
            "platform": "binary_sensor",
            "name": "Door alarm",
            "device_class": "tamper",  # on: forced, held open, tampered with, a fire
            "state_topic": state,
            "value_template": "{{ 'ON' if value_json.door.alarms else 'OFF' }}",
            "json_attributes_topic": state,
            "json_attributes_template": "{{ {'alarms': value_json.door.alarms} | to_json }}",
        },
        "problem": {
            "platform": "binary_sensor",
            "name": "Problem",
            "device_class": "problem",
            "state_topic": state,
            "value_template": "{{ 'ON' if value_json.degraded else 'OFF' }}",
            "json_attributes_topic": state,
            "json_attributes_template": "{{ value_json.degraded | to_json }}",
            **_DIAGNOSTIC,
        },
        "mode": _sensor("Mode", state, "door.mode", icon="mdi:door"),
        "people": _sensor(
            "People enrolled", state, "gallery.people", state_class="measurement", **_DIAGNOSTIC
        ),
        "waiting_events": _sensor(
            "Waiting events", state, "waiting_events", state_class="measurement", **_DIAGNOSTIC
        ),
        "software": _sensor("Software", state, "software", **_DIAGNOSTIC),
        "model": _sensor("Model", state, "model", **_DIAGNOSTIC),
        "clock": _sensor("Clock", state, "timekeeping.source", **_DIAGNOSTIC),
    }


def _sensor(name: str, topic: str, fact: str, **more: str) -> dict[str, Any]:
    return {
        "platform": "sensor",
        "name": name,
        "state_topic": topic,
        "value_template": f"{{{{ value_json.{fact} }}}}",
        **more,
    }


def _lock(topics: Topics) -> dict[str, Any]:
    return {
        "platform": "lock",
        "name": "Door",
        "state_topic": topics.state,
        "value_template": ("{{ 'UNLOCKED' if value_json.door.relay == 'on' else 'LOCKED' }}"),
        "command_topic": f"{topics.root}/bridge/lock",
        "payload_unlock": "UNLOCK",
        "payload_lock": "LOCK",
        "state_locked": "LOCKED",
        "state_unlocked": "UNLOCKED",
        "optimistic": False,
    }
