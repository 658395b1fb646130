"""Whether a captured log of events is whole: by the rules that docs/asyncapi.json states."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import jwt
import rfc8785
from cryptography.hazmat.primitives.serialization import load_pem_public_key

Json = dict[str, Any]


class Proof:
    """Judges a capture with the terminal's public key.

    Args:
        schemas: of the document; those of events and checkpoints hold the rules.
        events: as they came, duplicates and both streams together.
        checkpoints: as they came.
    """

    def __init__(
        self, schemas: Json, terminal_pem: str, events: list[Json], checkpoints: list[Json]
    ) -> None:
        self._schemas = schemas
        self._event, self._checkpoint = schemas["Event"], schemas["Checkpoint"]
        self._terminal_pem = terminal_pem
        self._key: Any = load_pem_public_key(terminal_pem.encode())
        self.events = events
        self.checkpoints = checkpoints

    def of(self, events: list[Json]) -> Proof:
        """The same judge of another capture."""
        return Proof(self._schemas, self._terminal_pem, events, self.checkpoints)

    def problems(self) -> list[str]:
        """What is wrong, a line each."""
        wrong = [f"checkpoint {c['seq']}: not signed" for c in self.checkpoints if self._forged(c)]
        known: dict[tuple[str, int], Json] = {}
        for event in self.events:
            place = event["log"], event["seq"]
            if self._forged(event):
                wrong.append(f"{event['seq']}: not signed by the terminal")
            if place in known and self._hash(known[place]) != self._hash(event):
                wrong.append(f"{event['seq']}: two events in one place")
            known[place] = event
        for log in {log for log, _ in known}:
            wrong += self._broken(
                {seq: event for (name, seq), event in known.items() if name == log}
            )
        return wrong + self._cut_off(known)

    def _broken(self, log: dict[int, Json]) -> list[str]:
        """Holes in a log, and events that do not follow each other."""
        rule = self._event["x-chain"]
        declared = {
            event["data"]["to_seq"]: event["data"]
            for event in log.values()
            if event["type"] == "events.gap"
        }
        wrong = []
        for seq, event in sorted(log.items()):
            prev = event[rule["previous"]]
            if seq - 1 in log:
                if prev != self._hash(log[seq - 1]):
                    wrong.append(f"{seq}: does not follow the one before")
            elif seq - 1 in declared:
                if prev != declared[seq - 1]["last_hash"]:
                    wrong.append(f"{seq}: does not follow the declared gap")
            elif seq != 1 or prev:
                wrong.append(f"{seq}: the one before is missing")
        return wrong

    def _cut_off(self, known: dict[tuple[str, int], Json]) -> list[str]:
        wrong = []
        for said in self.checkpoints:
            if not said["seq"]:
                continue
            event = known.get((said["log"], said["seq"]))
            if event is None:
                wrong.append(f"{said['seq']}: promised, and missing")
            elif self._hash(event) != said["hash"]:
                wrong.append(f"{said['seq']}: another one was promised")
        return wrong

    def _hash(self, event: Json) -> str:
        members = self._event["x-chain"]["members"]
        content = rfc8785.dumps({name: event[name] for name in members})
        return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()

    def _forged(self, message: Json) -> bool:
        """Whether the signature is not the terminal's, for this purpose."""
        rule = (self._event if "prev" in message else self._checkpoint)["x-signature"]
        content = rfc8785.dumps({name: message[name] for name in rule["members"]})
        header, nothing, signature = message[rule["member"]].split(".")
        payload = base64.urlsafe_b64encode(content).rstrip(b"=").decode()
        try:
            found = jwt.PyJWS().decode_complete(
                f"{header}.{payload}.{signature}", self._key, algorithms=[rule["header"]["alg"]]
            )
        except jwt.PyJWTError:
            return True
        return bool(nothing) or found["header"]["typ"] != rule["header"]["typ"]
