"""The whole contract as an AsyncAPI 3.0 document."""

from __future__ import annotations

import json
from typing import Any

from edged.events.types import CHECKPOINT_TYP, EVENT_TYP
from edged.mqtt.contract import prose, replies, signed
from edged.mqtt.contract.channels import ROOT, channels, messages, operations
from edged.mqtt.contract.known_key import public_key
from edged.mqtt.contract.schemas import components

CONTRACT = 1
"""``v`` of every message. A field, a type, a code or a command that is added leaves it as it is."""


def document() -> dict[str, Any]:
    """The document; the same for every terminal."""
    schemas = components()
    schemas["Event"] |= {
        "x-chain": signed.CHAIN,
        "x-signature": signed.signature(EVENT_TYP, signed.EVENT_MEMBERS),
    }
    schemas["Checkpoint"] |= {
        "x-signature": signed.signature(CHECKPOINT_TYP, signed.CHECKPOINT_MEMBERS)
    }
    schemas["Refusal"] = {
        "type": "string",
        "description": "Why a command was not obeyed, or failed, whichever it is.",
        "x-known-values": list(replies.EVERY),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "edged",
            "version": str(CONTRACT),
            "description": prose.INFO,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _broker()},
        "channels": channels(),
        "operations": operations(),
        "components": {
            "schemas": schemas,
            "messages": messages(),
            "parameters": prose.PARAMETERS,
            "securitySchemes": {
                "certificate": {
                    "type": "X509",
                    "description": "A client certificate, `mqtt.tls` of the terminal.",
                },
                "password": {
                    "type": "userPassword",
                    "description": "`mqtt.username` and `mqtt.password_file` of the terminal.",
                },
            },
        },
        "x-example-key": public_key(),
    }


def text() -> str:
    """The document as it is published."""
    return json.dumps(document(), indent=1) + "\n"


def _broker() -> dict[str, Any]:
    return {
        "host": "{host}:{port}",
        "protocol": "secure-mqtt",
        "protocolVersion": "5.0",
        "description": "The site's broker; MQTT 3.1.1 and plain TCP (`mqtt`) are possible, too.",
        "variables": {
            "host": {"description": "`mqtt.host` of the terminal.", "examples": ["mqtt.example"]},
            "port": {"default": "8883", "description": "1883 without TLS."},
        },
        "security": [
            {"$ref": "#/components/securitySchemes/certificate"},
            {"$ref": "#/components/securitySchemes/password"},
        ],
        "bindings": {
            "mqtt": {
                "cleanSession": True,
                "keepAlive": 20,
                "lastWill": {
                    "topic": f"{ROOT}/status",
                    "qos": 1,
                    "retain": True,
                    "message": '{"v":1,"status":"offline","reason":"connection lost"}',
                },
                "bindingVersion": "0.2.0",
            }
        },
    }
