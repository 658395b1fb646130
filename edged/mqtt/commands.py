"""Commands: taken from the network at once, judged one by one, and obeyed on threads of their own.

The first thread judges, and obeys what concerns the door, the keys, and the beginning and end of an
enrolment; what may take its time is obeyed by a second one, so that nobody waits outside while a
photo is looked at. Whatever happens, the sender gets at most one reply, and a refusal is on the
record unless there is a flood of them.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edged.errors import EdgedError, StorageError
from edged.mqtt.auth import LARGEST_COMMAND, Keyring, Refusal, WallTime
from edged.mqtt.catalogue import Reply
from edged.mqtt.flood import Flood
from edged.mqtt.gate import Case, Gate, Passed
from edged.mqtt.keys import CHANGES
from edged.mqtt.refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edged.config.schema import Commands as Settings
    from edged.mqtt.auth import Time
    from edged.mqtt.catalogue import Handler
    from edged.mqtt.gate import Records
    from edged.mqtt.topics import Topics

_log = logging.getLogger(__name__)
_WAITING = 64
_SLOW_WAITING = 16
_LOOK_EVERY_S = 1.0
_AT_ONCE = frozenset({"door.unlock", "door.mode", "enrol.start", "enrol.cancel", *CHANGES})


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


class Commands:
    """Judges commands and hands the good ones to their handlers.

    Args:
        settings: ``mqtt.commands``.
        topics: this terminal's.
        outbox: remembers nonces and takes ``command.refused`` events.
        handlers: by command; each is called on a thread of the commands, and may raise an
            `EdgedError`, which is answered as ``failed``. Those of the door and the keys must
            return soon.
        time: by which the age of a command is judged.
        keyring: whose commands; None: the keys of `settings`.
        deafen: called on the network's thread in a flood: for how many seconds to listen no more;
            must not block. None: everything is listened to.
        on_flood: told then for how many seconds nobody listens, and 0 when that is over.
    """

    def __init__(
        self,
        settings: Settings,
        topics: Topics,
        outbox: Records,
        handlers: Mapping[str, Handler],
        time: Time | None = None,
        *,
        keyring: Keyring | None = None,
        deafen: Callable[[float], None] | None = None,
        on_flood: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._outbox = outbox
        self._handlers = dict(handlers)
        self._time = time or WallTime()
        self._keyring = keyring
        self._deafen = deafen
        self._on_flood = on_flood
        self._gate: Gate | None = None
        self._flood = Flood(settings.rate_hz)
        self._floods: deque[float] = deque()
        self._paused = False
        self._waiting: queue.Queue[Incoming | None] = queue.Queue(_WAITING)
        self._slow: queue.Queue[tuple[Incoming, Case, Passed] | None] = queue.Queue(_SLOW_WAITING)
        self._threads: list[threading.Thread] = []
        self._refusals = Refusals(outbox)
        self._counts = {"accepted": 0, "refused": 0, "busy": 0, "dropped": 0}

    def open(self) -> None:
        """Read the keys and start to work.

        Raises:
            BrokerError: a key of the configuration is unusable.
        """
        keyring = self._keyring or Keyring(self._settings, self._time.now)
        self._gate = Gate(
            self._settings,
            self._topics,
            self._outbox,
            self._handlers,
            keyring,
            self._time,
            lambda command: command in _AT_ONCE or not self._slow.full(),
        )
        if self._settings.allow_unsigned:
            _log.warning(
                "mqtt.commands.allow_unsigned is on: whoever reaches the broker opens this door"
            )
        for name, work in (("mqtt-commands", self._work), ("mqtt-orders", self._work_slowly)):
            self._threads.append(threading.Thread(target=work, name=name, daemon=True))
            self._threads[-1].start()

    def close(self) -> None:
        """Finish the commands at hand, drop those that wait; safe twice and without `open`."""
        threads, self._threads = self._threads, []
        if not threads:
            return
        judging, working = threads
        _end(self._waiting)
        judging.join()
        _end(self._slow)
        working.join()
        self._refusals.flush(at_once=True)

    @property
    def counts(self) -> dict[str, int]:
        """How many commands were accepted, refused, refused unread as the queue was full, and
        dropped unread in a flood."""
        return dict(self._counts)

    def submit(self, incoming: Incoming) -> None:
        """Take a command from the network thread; never blocks."""
        if self._flooded(len(incoming.payload)):
            return
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
            self._refusals.skip()
            case = Case(self._name(incoming))
            self._answer(incoming, case, Reply("refused", "busy", "too many commands; try later"))

    def _flooded(self, size: int) -> bool:
        """Whether a message is dropped, unread and unanswered, as there are far too many."""
        if self._deafen is None:
            return False
        if self._flood.over:
            pause_s = self._flood.arrived(size)
            if not pause_s:
                return False
            self._deafen(pause_s)
            self._floods.append(pause_s)
        self._counts["dropped"] += 1
        self._refusals.skip()
        return True

    def _work(self) -> None:
        while True:
            idle = not (self._refusals.skipped or self._floods or self._paused)
            try:
                incoming = self._waiting.get(timeout=None if idle else _LOOK_EVERY_S)
            except queue.Empty:
                self._settle(self._look_after)
                continue
            if incoming is None:
                return
            if not idle:
                self._settle(self._look_after)
            self._obey(incoming)

    def _look_after(self) -> None:
        """Tell of floods, and of refusals that were only counted."""
        while self._floods:
            pause_s, self._paused = self._floods.popleft(), True
            self._on_flood(pause_s)
            self._outbox.append("command.flood", {"pause_s": pause_s})
        if self._paused and self._flood.settled:
            self._paused = False
            self._on_flood(0.0)
        if self._waiting.empty():
            self._refusals.flush()

    def _settle(self, work: Callable[[], None]) -> None:
        try:
            work()
        except StorageError as fault:
            _log.error("a flood of commands could not be recorded: %s", fault)
        except Exception:  # noqa: BLE001  # the edge of the thread
            _log.exception("a flood of commands could not be told")

    def _obey(self, incoming: Incoming) -> None:
        case = Case(self._name(incoming))

        def judge() -> Reply | None:
            judged = self._judge(incoming, case)
            if isinstance(judged, Passed) and judged.context.command not in _AT_ONCE:
                self._slow.put_nowait((incoming, case, judged))  # there is room: it was asked
                return None
            return self._handled(judged, case)

        self._answered(incoming, case, judge)

    def _work_slowly(self) -> None:
        while (waiting := self._slow.get()) is not None:
            incoming, case, passed = waiting

            def handle(passed: Passed = passed, case: Case = case) -> Reply:
                assert self._gate is not None  # noqa: S101  # it judged this
                return self._handled(self._gate.late(passed) or passed, case)

            self._answered(incoming, case, handle)

    def _answered(self, incoming: Incoming, case: Case, work: Callable[[], Reply | None]) -> None:
        try:
            reply = work()
            if reply is not None:
                self._answer(incoming, case, reply)
        except Exception:  # noqa: BLE001  # the edge of a thread
            _log.exception("a command failed in a way that nobody foresaw")
            text = "the terminal failed; see its log"
            self._answer(incoming, case, Reply("failed", "internal", text))

    def _judge(self, incoming: Incoming, case: Case) -> Refusal | Reply | Passed:
        assert self._gate is not None  # noqa: S101  # opened before the worker started
        try:
            return incoming.refusal or self._gate.judge(incoming.payload, case)
        except StorageError as fault:
            return Refusal("storage", f"single use cannot be recorded: {fault}")

    def _handled(self, judged: Refusal | Reply | Passed, case: Case) -> Reply:
        if isinstance(judged, Refusal):
            self._counts["refused"] += 1
            self._refusals.note(case, judged)
            return Reply("refused", judged.reason, judged.text)
        self._counts["accepted"] += 1
        if isinstance(judged, Reply):
            return judged
        reply = self._carried_out(judged)
        if reply.result == "refused":
            # why somebody cannot be enrolled or found may name people: the reply tells it
            named = "person_id" in type(judged.args).model_fields
            self._refusals.note(case, Refusal(reply.reason, "" if named else reply.text))
        return reply

    def _carried_out(self, passed: Passed) -> Reply:
        try:
            return self._handlers[passed.context.command](passed.args, passed.context)
        except EdgedError as fault:
            return Reply("failed", "failed", str(fault))

    def _name(self, incoming: Incoming) -> str | None:
        parsed = self._topics.parse(incoming.topic)
        return parsed.name if parsed and parsed.kind == "cmd" else None

    def _answer(self, incoming: Incoming, case: Case, reply: Reply) -> None:
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


def _end(waiting: queue.Queue[Any]) -> None:
    """Tell a thread to end: after what it does now, and instead of what waits."""
    while True:
        try:
            waiting.put_nowait(None)
        except queue.Full:
            with contextlib.suppress(queue.Empty):
                waiting.get_nowait()
        else:
            return
