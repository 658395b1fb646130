"""PINs on their way to a terminal: sealed, since a command is read by whoever reads the broker.

A hash would not do: whoever sees one of four digits tries them all within minutes. Sealed is a
JSON object, ``{"pin": "2468"}``, with ``"weak": true`` where an easily guessed one is meant, and
spaces after it, so that its length tells nothing: HPKE (RFC 9180), mode base, DHKEM(X25519,
HKDF-SHA256), HKDF-SHA256, AES-256-GCM, the encapsulated key first, in base64; its ``info`` is
``edged/v1/pin/<site>/<terminal>/<person_id>/<field>``.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Literal

from edged.gallery.pins import WeakPin, is_pin
from edged.mqtt.catalogue import EnrolPhoto, Reply, SetPerson, StartEnrolment
from edged.vault.identity import seal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    from edged.mqtt.catalogue import Context, Handler
    from edged.vault.identity import Identity

Field = Literal["pin", "duress_pin"]
FIELDS: tuple[Field, ...] = ("pin", "duress_pin")
_LENGTH = 48
_REFUSED = "{}: not sealed to this terminal for this person; see docs/credentials.md"


def seal_pin(pin: str, to: X25519PublicKey, audience: str, person_id: str, field: Field) -> str:
    """A PIN as ``gallery.set`` and ``enrol.*`` take it.

    Args:
        pin: digits; a `WeakPin` is taken although it is easily guessed.
        to: the terminal's sealing key.
        audience: ``<site>/<terminal>``.
    """
    weak = {"weak": True} if isinstance(pin, WeakPin) else {}
    content = json.dumps({"pin": str(pin), **weak}).ljust(_LENGTH).encode()
    return base64.b64encode(seal(content, to, _info(audience, person_id, field))).decode("ascii")


def with_pins_opened(
    handlers: Mapping[str, Handler], identity: Identity, audience: str
) -> dict[str, Handler]:
    """These handlers, the PINs of their arguments as digits; one that was not sealed to this
    terminal, for this person, as this field, is answered by ``bad_pin``.

    Args:
        audience: ``<site>/<terminal>``.
    """

    def opening(handler: Handler) -> Handler:
        def handle(args: Any, context: Context) -> Reply:
            if not isinstance(args, StartEnrolment | EnrolPhoto | SetPerson):
                return handler(args, context)
            opened: dict[str, str] = {}
            for field in FIELDS:
                text = getattr(args, field)
                if text is None:
                    continue
                pin = _opened(text, identity, _info(audience, args.person_id, field))
                if pin is None:
                    return Reply("refused", "bad_pin", _REFUSED.format(field))
                opened[field] = pin
            return handler(args.model_copy(update=opened) if opened else args, context)

        return handle

    return {name: opening(handler) for name, handler in handlers.items()}


def _opened(text: str, identity: Identity, info: bytes) -> str | None:
    try:
        sealed = base64.b64decode(text, validate=True)
        document = json.loads(identity.open_sealed(sealed, info) or b"")
    except (ValueError, RecursionError):
        return None
    pin = document.get("pin") if isinstance(document, dict) else None
    if not isinstance(pin, str) or not is_pin(pin):
        return None
    return WeakPin(pin) if document.get("weak") is True else pin


def _info(audience: str, person_id: str, field: Field) -> bytes:
    return f"edged/v1/pin/{audience}/{person_id}/{field}".encode()
