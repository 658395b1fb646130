"""The interlock of two doors at work: words over MQTT, answers to whoever wants to open."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from edged.door.interlock import HEARTBEAT_S, Side, Word
from edged.errors import KeyUnavailable
from edged.mqtt.bucket import Bucket
from edged.mqtt.contract.interlock import TYP, InterlockWord
from edged.mqtt.topics import topics_of
from edged.vault.identity import read_signed, verifying_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.config.door import Interlock as Settings
    from edged.config.schema import Config
    from edged.mqtt.catalogue import Handler
    from edged.service.state import State
    from edged.vault.identity import Identity

log = logging.getLogger(__name__)

PART = "interlock"
SETTLE_S = 3.0
"""After a start this door neither opens nor yields for so long."""

_ASK_AGAIN_S = 0.2
_LARGEST = 2048
_WAITING = 32
_WORDS_HZ, _WORDS_AT_ONCE = 40.0, 40.0  # more than this nobody has to say
_ANSWERS_HZ, _ANSWERS_AT_ONCE = 20.0, 20.0
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class _Claim:
    on_answer: Callable[[bool, str], None]
    until_s: float


class Interlock:
    """A `Part`, with a thread of its own that says, hears and answers.

    Attributes:
        subscriptions: topics to be heard, and who takes what comes there.
    """

    def __init__(
        self,
        config: Config,
        settings: Settings,
        identity: Identity,
        state: State,
        *,
        settle_s: float = SETTLE_S,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        topics = topics_of(config)
        contact = config.door.contact
        self._settings = settings
        self._identity = identity
        self._state = state
        self._public = next(p.public_key for p in config.peers if p.terminal == settings.peer)
        self._from = topics.audience
        self._to = f"{config.site}/{settings.peer}"
        self._topic = topics.interlock
        self._dwell_s = 0.2 + (0.0 if contact is None else contact.debounce_s)
        self._settle_s = settle_s
        self._heartbeat_s = heartbeat_s
        self._me = config.terminal
        self.subscriptions: dict[str, Callable[[bytes], None]] = {
            topics.of(settings.peer).interlock: self._incoming
        }
        self._send: Callable[[str, bytes], bool] = lambda _topic, _message: False
        self._changed = threading.Condition()
        self._side = self._begun()
        self._inbox: deque[bytes] = deque(maxlen=_WAITING)
        self._new: list[_Claim] = []
        self._waiting: list[_Claim] = []
        self._silent_from_s = 0.0
        self._due = False  # something is to be said at once
        self._said_s = float("-inf")
        self._words = Bucket(_WORDS_HZ, _WORDS_AT_ONCE)
        self._answers = Bucket(_ANSWERS_HZ, _ANSWERS_AT_ONCE)
        self._stop = False
        self._thread: threading.Thread | None = None

    def _begun(self) -> Side:
        return Side(
            self._me,
            self._settings.peer,
            secrets.token_urlsafe(16),
            time.monotonic(),
            settle_s=self._settle_s,
            dwell_s=self._dwell_s,
            heartbeat_s=self._heartbeat_s,
        )

    def connect(self, send: Callable[[str, bytes], bool]) -> None:
        """How words are sent: topic and message; returns at once, False where nobody is there."""
        self._send = send

    def open(self) -> None:
        """Begin to speak.

        Raises:
            KeyUnavailable: the peer's key is none.
        """
        if self._thread is not None:
            return
        try:
            verifying_key(self._public)
        except KeyUnavailable as fault:
            raise KeyUnavailable(f"peers: the key of {self._settings.peer}: {fault}") from fault
        self._side = self._begun()
        self._silent_from_s = time.monotonic() + self._settle_s
        self._stop = False
        self._thread = threading.Thread(target=self._work, name="interlock", daemon=True)
        self._thread.start()

    def blocked(self) -> str | None:
        """Why this door stays shut, as far as is known at once, see `Side.blocked`."""
        with self._changed:
            return self._side.blocked(time.monotonic())

    def claim(self, on_answer: Callable[[bool, str], None]) -> None:
        """Ask to open; returns at once.

        Args:
            on_answer: called once, on the interlock's thread, within `timeout_s`: True and "", or
                False and why not. After True `door_is(False)` is said and the door unlocked
                before `on_answer` returns: a claim that is not used is over a moment later.
        """
        claim = _Claim(on_answer, time.monotonic() + self._settings.timeout_s)
        with self._changed:
            works = self._thread is not None
            if works:
                self._new.append(claim)
                self._changed.notify()
        if not works:
            self._answer(claim, "not_ready")

    def door_is(self, shut_and_locked: bool, *, fire: bool = False) -> None:
        """How this door is, at each change, and before it is unlocked; any thread."""
        with self._changed:
            self._side.door(shut_and_locked, time.monotonic(), fire=fire)
            self._due = True
            self._changed.notify()

    def tick(self) -> None:
        return

    def handlers(self) -> dict[str, Handler]:
        return {}

    def close(self) -> None:
        """Say nothing more; who waits for an answer gets a no."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._stop = True
            self._changed.notify()
        if thread is None:
            return
        if thread is not threading.current_thread():
            thread.join()

    def _incoming(self, message: bytes) -> None:
        """On the network's thread."""
        if len(message) <= _LARGEST:
            with self._changed:
                self._inbox.append(message)
                self._changed.notify()

    def _work(self) -> None:
        while not self._stop:
            try:
                self._round()
            except Exception:  # the edge of the thread; the door stays as it is
                log.exception("the interlock failed in a way that nobody foresaw")
                time.sleep(_ASK_AGAIN_S)
        with self._changed:
            left = [*self._new, *self._waiting]
            self._new, self._waiting = [], []
        for claim in left:
            self._answer(claim, "not_ready")

    def _round(self) -> None:
        """Wait for something, take it in, say what follows, answer."""
        with self._changed:
            if not (self._due or self._inbox or self._new or self._stop):
                self._changed.wait(self._pause_s(time.monotonic()))
            inbox = [self._inbox.popleft() for _ in range(len(self._inbox))]
        words = [word for message in inbox if (word := self._read(message)) is not None]
        said = None
        with self._changed:
            now_s = time.monotonic()
            for word in words:
                if self._side.hear(word, now_s) and self._answers.take():
                    self._due = True
            answers = self._decided(now_s)
            self._due = self._side.tick(now_s) or self._due
            if self._due or now_s >= self._next_word_s():
                said = self._side.say(now_s)
                self._due, self._said_s = False, now_s
            heard = self._side.heard(now_s)
        if said is not None:
            self._send(self._topic, self._signed(said))
        self._tell(heard=heard, now_s=now_s)
        for claim, why in answers:
            self._answer(claim, why)

    def _decided(self, now_s: float) -> list[tuple[_Claim, str]]:
        """The claims that have an answer, and why not; "" is a yes. With the lock."""
        side, answers = self._side, []
        for claim in self._new:
            why = None if side.asking else side.ask(now_s)
            if why is None:
                self._waiting.append(claim)
                self._due = self._due or side.asking
            else:
                answers.append((claim, why))
        waiting, self._new, self._waiting = self._waiting, [], []
        for claim in waiting:
            if side.holding:
                answers.append((claim, ""))
            elif not side.asking:  # the other one was first
                answers.append((claim, "other_passing"))
            elif now_s >= claim.until_s:
                answers.append((claim, "timed_out"))
            else:
                self._waiting.append(claim)
        if side.asking and not self._waiting:
            side.give_up()
            self._due = True
        return answers

    def _answer(self, claim: _Claim, why: str) -> None:
        """Without the lock, on the interlock's thread: no claim ends meanwhile."""
        try:
            claim.on_answer(not why, why)
        except Exception:  # whoever asked must not end the interlock
            log.exception("an answer of the interlock was not taken")

    def _next_word_s(self) -> float:
        return self._said_s + (_ASK_AGAIN_S if self._side.asking else self._heartbeat_s)

    def _pause_s(self, now_s: float) -> float:
        """How long nothing has to be done unless somebody says so."""
        ends = [self._next_word_s(), *(claim.until_s for claim in self._waiting)]
        if self._side.holding:
            ends.append(now_s + _LOOK_S)
        return max(0.0, min(ends) - now_s)

    def _read(self, message: bytes) -> Word | None:
        """What the peer said to this terminal; None for anything else."""
        if not self._words.take():
            return None
        try:
            claims = read_signed(message.decode("ascii"), self._public, TYP)
            said = InterlockWord.model_validate_json(json.dumps(claims))
        except ValueError:  # pydantic's and that of text are such
            return None
        if (said.aud, said.iss) != (self._from, self._to):
            return None
        return Word(**said.model_dump(exclude={"aud", "iss"}))

    def _signed(self, word: Word) -> bytes:
        claims = {"aud": self._to, "iss": self._from, **asdict(word)}
        return self._identity.sign(claims, TYP).encode("ascii")

    def _tell(self, *, heard: bool, now_s: float) -> None:
        """Once when the peer is silent, once when it is back."""
        if heard:
            if self._state.restore(PART):
                log.warning("the other door's terminal answers again")
        elif now_s > self._silent_from_s:
            peer = self._settings.peer
            why = f"the terminal {peer} does not answer; this door stays shut"
            if self._state.degrade(PART, why):
                log.error("interlock: %s", why)


def make_interlock(config: Config, identity: Identity, state: State) -> Interlock | None:
    """The interlock of this terminal, not opened yet; None where there is none."""
    settings = config.door.interlock
    return None if settings is None else Interlock(config, settings, identity, state)
