"""Commands: taken from the network at once, judged and obeyed one by one on a thread of their own.

Nothing that arrives is trusted: see `_judge` for the order of the checks. Whatever happens, the
sender gets at most one reply, and a refusal is on the record unless there is a flood of them.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError

from edged.errors import EdgedError, StorageError
from edged.events.clock import clock_state
from edged.mqtt.auth import LARGEST_COMMAND, Keyring, Refusal, check_times, describe
from edged.mqtt.bucket import Bucket
from edged.mqtt.catalogue import CATALOGUE, Context, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edged.config.schema import Commands as Settings
    from edged.events.types import Clock
    from edged.mqtt.auth import Envelope
    from edged.mqtt.catalogue import Args, Handler
    from edged.mqtt.topics import Topics

_log = logging.getLogger(__name__)
_WAITING = 64
_BURST = 10
_REFUSALS_HZ, _REFUSALS_BURST = 0.2, 20
_UNTRUSTED_CLOCK_NONCE_S = 30 * 86_400


class Records(Protocol):
    """What commands need of the outbox."""

    def append(self, type: str, data: dict[str, Any]) -> Any: ...  # noqa: A002

    def use_nonce(self, nonce: str, expires: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message on ``cmd/<name>``, and a way to answer that never blocks and never raises.

    `answer` takes the reply, the response topic or None, and the correlation data or None;
    `refusal` is what the network thread already found.
    """

    topic: str
    payload: bytes
    retained: bool
    answer: Callable[[str, Mapping[str, Any], bytes | None], None]
    response_topic: str | None = None
    correlation: bytes | None = None
    refusal: Refusal | None = None


@dataclass(slots=True)
class _Case:
    """What is known of a command so far; grows while it is judged."""

    name: str | None
    id: str | None = None
    key_id: str | None = None


class Commands:
    """Judges commands and hands the good ones to their handlers.

    Args:
        settings: ``mqtt.commands``.
        topics: this terminal's.
        outbox: remembers nonces and takes ``command.refused`` events.
        handlers: by command; each is called on the commands' thread, must return soon, and may
            raise an `EdgedError`, which is answered as ``failed``.
        clock: whether the wall clock is to be trusted.
    """

    def __init__(
        self,
        settings: Settings,
        topics: Topics,
        outbox: Records,
        handlers: Mapping[str, Handler],
        clock: Callable[[], Clock] = clock_state,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._outbox = outbox
        self._handlers = dict(handlers)
        self._clock = clock
        self._keyring: Keyring | None = None
        self._waiting: queue.Queue[Incoming | None] = queue.Queue(_WAITING)
        self._worker: threading.Thread | None = None
        self._rates: dict[str | None, Bucket] = {}
        self._notes = Bucket(_REFUSALS_HZ, _REFUSALS_BURST)
        self._unnoted = 0
        self._counts = {"accepted": 0, "refused": 0, "busy": 0}

    def open(self) -> None:
        """Read the keys and start to work.

        Raises:
            BrokerError: a key of the configuration is unusable.
        """
        self._keyring = Keyring(self._settings)
        if self._settings.allow_unsigned:
            _log.warning(
                "mqtt.commands.allow_unsigned is on: whoever reaches the broker opens this door"
            )
        self._worker = threading.Thread(target=self._work, name="mqtt-commands", daemon=True)
        self._worker.start()

    def close(self) -> None:
        """Finish the command at hand, drop those that wait; safe twice and without `open`."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        while True:
            try:
                self._waiting.put_nowait(None)
                break
            except queue.Full:
                self._drop_one()
        worker.join()

    @property
    def counts(self) -> dict[str, int]:
        """How many commands were accepted, refused, and refused unread as the queue was full."""
        return dict(self._counts)

    def submit(self, incoming: Incoming) -> None:
        """Take a command from the network thread; never blocks."""
        if incoming.retained:
            refusal = Refusal("retained", "a retained command is stale by nature; do not retain it")
            incoming = replace(incoming, payload=b"", refusal=refusal)
        elif len(incoming.payload) > LARGEST_COMMAND:
            refusal = Refusal("oversized", f"a command has at most {LARGEST_COMMAND} bytes")
            incoming = replace(incoming, payload=b"", refusal=refusal)
        try:
            self._waiting.put_nowait(incoming)
        except queue.Full:
            self._counts["busy"] += 1
            case = _Case(self._name(incoming))
            self._answer(incoming, case, Reply("refused", "busy", "too many commands; try later"))

    def _drop_one(self) -> None:
        try:
            self._waiting.get_nowait()
        except queue.Empty:
            return

    def _work(self) -> None:
        while (incoming := self._waiting.get()) is not None:
            case = _Case(self._name(incoming))
            try:
                self._answer(incoming, case, self._handle(incoming, case))
            except Exception:  # noqa: BLE001  # the edge of the thread
                _log.exception("a command failed in a way that nobody foresaw")
                text = "the terminal failed; see its log"
                self._answer(incoming, case, Reply("failed", "internal", text))

    def _handle(self, incoming: Incoming, case: _Case) -> Reply:
        try:
            judged = self._judge(incoming, case)
        except StorageError as fault:
            judged = Refusal("storage", f"single use cannot be recorded: {fault}")
        if isinstance(judged, Refusal):
            self._counts["refused"] += 1
            self._note(case, judged)
            return Reply("refused", judged.reason, judged.text)
        handler, args, context = judged
        self._counts["accepted"] += 1
        try:
            return handler(args, context)
        except EdgedError as fault:
            return Reply("failed", "failed", str(fault))

    def _judge(self, incoming: Incoming, case: _Case) -> Refusal | tuple[Handler, Args, Context]:
        if incoming.refusal:
            return incoming.refusal
        assert self._keyring is not None  # noqa: S101  # opened before the worker started
        envelope = self._keyring.open(incoming.payload)
        if isinstance(envelope, Refusal):
            return envelope
        claims = envelope.claims
        case.id, case.key_id = claims.jti, envelope.sender.key_id
        refusal = self._misdirected(envelope, case) or self._untimely(envelope)
        if refusal:
            return refusal
        command = CATALOGUE[claims.cmd]
        try:
            args = command.args.model_validate(claims.args)
        except ValidationError as fault:
            return Refusal("bad_args", describe(fault))
        refusal = self._too_often(envelope) or self._spend(envelope)
        if refusal:
            return refusal
        return self._handlers[claims.cmd], args, Context(claims.cmd, claims.jti, case.key_id)

    def _misdirected(self, envelope: Envelope, case: _Case) -> Refusal | None:
        claims = envelope.claims
        if claims.aud != self._topics.audience:
            return Refusal("wrong_audience", "the command is meant for another terminal")
        if case.name is None or claims.cmd != case.name:
            return Refusal("wrong_command", "cmd is not the command that the topic names")
        command = CATALOGUE.get(claims.cmd)
        if command is None or claims.cmd not in self._handlers:
            return Refusal("unknown_command", "this terminal has no such command")
        if command.role not in envelope.sender.roles:
            return Refusal("wrong_role", f"the key lacks the role {command.role}")
        return None

    def _untimely(self, envelope: Envelope) -> Refusal | None:
        trusted = self._clock() == "synced"
        if not trusted and self._settings.unsynced_clock == "refuse":
            return Refusal(
                "clock_unsynced", "the terminal's clock is not synchronised; it cannot tell the age"
            )
        longest = self._settings.longest_validity_s
        return check_times(envelope.claims, time.time(), longest, trusted)

    def _too_often(self, envelope: Envelope) -> Refusal | None:
        key_id = envelope.sender.key_id
        rate = self._rates.setdefault(key_id, Bucket(self._settings.rate_hz, _BURST))
        if rate.take():
            return None
        return Refusal("too_often", f"at most {self._settings.rate_hz:g} commands a second a key")

    def _spend(self, envelope: Envelope) -> Refusal | None:
        """Last of all: a command that was refused for another reason may be sent again."""
        claims, expires = envelope.claims, envelope.claims.exp
        if self._clock() != "synced":
            expires = max(expires, time.time() + _UNTRUSTED_CLOCK_NONCE_S)
        if self._outbox.use_nonce(f"{envelope.sender.key_id or ''}:{claims.jti}", expires):
            return None
        return Refusal("replayed", "this command was used before; every command needs a new jti")

    def _name(self, incoming: Incoming) -> str | None:
        parsed = self._topics.parse(incoming.topic)
        return parsed.name if parsed and parsed.kind == "cmd" else None

    def _note(self, case: _Case, refusal: Refusal) -> None:
        if not self._notes.take():
            self._unnoted += 1
            return
        data = {
            "command": case.name,
            "id": case.id,
            "key": case.key_id,
            "reason": refusal.reason,
            "text": refusal.text,
            "unrecorded": self._unnoted,
        }
        try:
            self._outbox.append("command.refused", data)
        except StorageError as fault:
            self._unnoted += 1
            _log.error("a refused command could not be recorded: %s", fault)
        else:
            self._unnoted = 0

    def _answer(self, incoming: Incoming, case: _Case, reply: Reply) -> None:
        topic = incoming.response_topic
        if topic is None or not self._topics.may_reply_to(topic):
            if case.name is None:
                return
            topic = self._topics.result(case.name)
        message = {
            "v": 1,
            "command": case.name,
            "id": case.id,
            "result": reply.result,
            "reason": reply.reason,
            "text": reply.text,
            "data": reply.data,
        }
        incoming.answer(topic, message, incoming.correlation)
