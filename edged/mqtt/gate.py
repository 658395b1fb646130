"""Whether a command is obeyed: every check, in order, the cheap ones first.

Nothing that arrives is trusted. A command passes once, or is refused with a reason.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError

from edged.errors import StorageError
from edged.mqtt.auth import Refusal, check_times, describe
from edged.mqtt.bucket import Bucket
from edged.mqtt.catalogue import CATALOGUE, Context, Reply
from edged.mqtt.rotation import rfc3339
from edged.mqtt.two_person import Approved, Request, TwoPerson

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from edged.config.schema import Commands as Settings
    from edged.mqtt.auth import Envelope, Keyring, Time
    from edged.mqtt.catalogue import Args
    from edged.mqtt.topics import Topics

_BURST = 10
_UNTRUSTED_CLOCK_NONCE_S = 30 * 86_400
_REMEMBERED = 1024


class Records(Protocol):
    """What commands need of the outbox."""

    def append(self, type: str, data: dict[str, Any]) -> Any: ...  # noqa: A002

    def use_nonce(self, nonce: str, expires: float, now: float | None = None) -> bool: ...


@dataclass(slots=True)
class Case:
    """What is known of a command so far; grows while it is judged."""

    name: str | None
    id: str | None = None
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """A command that is to be obeyed, now and once."""

    envelope: Envelope
    args: Args
    context: Context


class Gate:
    """Judges one command after the other; for one thread.

    Args:
        settings: ``mqtt.commands``.
        topics: this terminal's.
        outbox: remembers nonces and takes events.
        commands: those that this terminal can obey.
        keyring: whose commands.
        time: by which their age is judged.
        room: whether a command could be worked on now.
    """

    def __init__(
        self,
        settings: Settings,
        topics: Topics,
        outbox: Records,
        commands: Collection[str],
        keyring: Keyring,
        time: Time,
        room: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._outbox = outbox
        self._commands = commands
        self._keyring = keyring
        self._time = time
        self._room = room
        self._rates: dict[str | None, Bucket] = {}
        self._two = TwoPerson(
            settings.two_person,
            settings.two_person_within_s,
            lambda kid: not isinstance(keyring.find(kid), Refusal),
        )
        # of payloads that were used: a replay costs no signature, no disk, and nobody's rate
        self._used: OrderedDict[bytes, tuple[str, str | None]] = OrderedDict()

    def judge(self, payload: bytes, case: Case) -> Refusal | Reply | Passed:
        """Whether to obey; a `Reply` if another person has to send the same.

        Raises:
            StorageError: single use cannot be recorded; the command was not used.
        """
        digest = hashlib.sha256(payload).digest()
        if digest in self._used:
            case.id, case.key_id = self._used[digest]
            return _REPLAYED
        envelope = self._keyring.open(payload)
        if isinstance(envelope, Refusal):
            return envelope
        claims, case.id, case.key_id = envelope.claims, envelope.claims.jti, envelope.sender.key_id
        refusal = self._misdirected(envelope, case) or self._untimely(envelope)
        if refusal:
            return refusal
        try:
            args = CATALOGUE[claims.cmd].args.model_validate(claims.args)
        except ValidationError as fault:
            return Refusal("bad_args", describe(fault))
        refusal = self._unable(claims.cmd) or self._too_often(envelope)
        refusal = refusal or self._spend(envelope, digest, cautious=args.cautious)
        if refusal:
            return refusal
        passed = Passed(envelope, args, Context(claims.cmd, claims.jti, case.key_id))
        return self._second(passed) if self._two.needed(claims.cmd) else passed

    def late(self, passed: Passed) -> Refusal | None:
        """Whether it waited for too long to be worked on."""
        return self._untimely(passed.envelope)

    def _misdirected(self, envelope: Envelope, case: Case) -> Refusal | None:
        claims = envelope.claims
        if claims.aud != self._topics.audience:
            return Refusal("wrong_audience", "the command is meant for another terminal")
        if case.name is None or claims.cmd != case.name:
            return Refusal("wrong_command", "cmd is not the command that the topic names")
        command = CATALOGUE.get(claims.cmd)
        if command is None or claims.cmd not in self._commands:
            return Refusal("unknown_command", "this terminal has no such command")
        if command.role not in envelope.sender.roles:
            return Refusal("wrong_role", f"the key lacks the role {command.role}")
        return None

    def _untimely(self, envelope: Envelope) -> Refusal | None:
        settings = self._settings
        longest_s, unsynced = settings.longest_validity_s, settings.unsynced_clock
        return check_times(envelope.claims, self._time, longest_s, unsynced=unsynced)

    def _unable(self, command: str) -> Refusal | None:
        if self._room(command):
            return None
        return Refusal("busy", "others of its kind are still being worked on; send it again")

    def _too_often(self, envelope: Envelope) -> Refusal | None:
        key_id = envelope.sender.key_id
        rate = self._rates.setdefault(key_id, Bucket(self._settings.rate_hz, _BURST))
        if rate.take():
            return None
        return Refusal("too_often", f"at most {self._settings.rate_hz:g} commands a second a key")

    def _spend(self, envelope: Envelope, digest: bytes, *, cautious: bool) -> Refusal | None:
        """Last of all: a command that was refused for another reason may be sent again.

        What is forgotten is what nobody can use any more, by the time that it is at least. On a
        disk that is full, what keeps the door shut is remembered in memory.
        """
        claims, expires = envelope.claims, envelope.claims.exp
        earliest = self._time.earliest()
        if not self._time.trusted:
            expires = max(expires, self._time.now() + _UNTRUSTED_CLOCK_NONCE_S)
        key_id = envelope.sender.key_id
        try:
            fresh = self._outbox.use_nonce(f"{key_id or ''}:{claims.jti}", expires, earliest)
        except StorageError:
            if not cautious:
                raise
            fresh = True
        self._used[digest] = claims.jti, key_id
        if len(self._used) > _REMEMBERED:
            self._used.popitem(last=False)
        return None if fresh else _REPLAYED

    def _second(self, passed: Passed) -> Refusal | Reply | Passed:
        name, sender, nonce = passed.context.command, passed.envelope.sender, passed.context.id
        found = self._two.ask(Request(name, passed.args.model_dump_json(), nonce, sender))
        if isinstance(found, Refusal):
            return found
        if isinstance(found, Approved):
            first = found.first
            self._outbox.append(
                "command.approved",
                {"command": name, "ids": [first.id, nonce],
                 "keys": [first.sender.key_id, sender.key_id]},
            )  # fmt: skip
            return passed
        expires = rfc3339(self._time.now() + self._settings.two_person_within_s)
        told = {"command": name, "id": nonce, "key": sender.key_id, "expires": expires}
        self._outbox.append("command.awaiting_second", told)
        text = "another person has to send the same"
        return Reply("ok", "awaiting_second", text, {"expires": expires})


_REPLAYED = Refusal("replayed", "this command was used before; every command needs a new jti")
