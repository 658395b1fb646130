"""Decides at the door: who is there, whether they may pass, and what is done about it.

Faces come from the vision thread, cards, PINs and codes from the readers' threads: each is taken
in under one lock, and whatever follows from it has happened when the call returns. What can be
decided without clock and disk is decided in `edged.access`.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from edged.access.findings import readable
from edged.access.request import Ask, Factor, Subject
from edged.access.session import CheckPin, Decide, Deny, Face, Place, Session
from edged.config.access import Access
from edged.decision.outcome import Kind
from edged.decision.presentation import Phase
from edged.service.access_show import Shown, ask_of, dressed, phase_of, why_of
from edged.service.entry import Attempt, Entry, without_face
from edged.service.guesses import Guesses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edged.access.request import Reading, Ruling
    from edged.access.session import Action
    from edged.decision.outcome import Outcome
    from edged.mqtt.catalogue import Handler
    from edged.readers.reader import Cue
    from edged.service.access import AccessParts, House
    from edged.service.display import Display
    from edged.service.visitors import Visitor

log = logging.getLogger(__name__)

_BLIND = frozenset({"camera", "runtime", "pipeline"})
_TOLD_S = 3.0  # how long what became of a card is shown
_READINGS_HZ, _AT_ONCE = 10.0, 10.0
_LONGEST_VALUE, _LONGEST_PIN = 4096, 16


class AccessDesk:
    """A `Part`.

    Attributes:
        on_change: called, on any thread, when what is to be shown may have changed.
    """

    def __init__(
        self,
        house: House,
        parts: AccessParts,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        config, policy = house.config, house.policy
        settings = config.access or Access()
        self._house = house
        self._parts = parts
        self._monotonic = monotonic
        self._ruled = config.access is not None
        self._direction = settings.direction
        self._within_s = settings.two_people_within_s
        self._readable = frozenset(Factor(one) for one in readable(config))
        wanted = [Factor(one) for one in settings.second_factor] if self._ruled else []
        self._session = Session(
            settings.wait_s,
            [one for one in wanted if one in self._readable - {Factor.FACE}],
            lambda similarity: policy.thresholds(1).grant <= similarity <= 1,
        )
        self._guesses = Guesses(house, settings.pins, monotonic)
        self._entry = Entry(house, parts, self._within_s, monotonic)
        self._lock = threading.Lock()
        self._faces: dict[str, Outcome] = {}
        self._visitor: Visitor | None = None
        self._read_now: Subject | None = None  # by the card that is just being looked at
        self._unlooked = False  # the last PIN came during a rest
        self._buckets: dict[str, tuple[float, float]] = {}
        self._babbling: set[str] = set()
        self._shown: Shown | None = None
        self.on_change: Callable[[], None] = lambda: None

    # the part

    def open(self) -> None:
        """Take up what is held against guessers."""
        self._guesses.open()

    def tick(self) -> None:
        """End what was waited for too long."""
        with self._lock:
            self._run(self._session.tick(self._monotonic()))
            for reason, reader in self._entry.tick():
                self._show_denied(reason, reader)
            shown = self._shown
            idle = self._session.until_s is None and not self._entry.waiting
            if idle and shown is not None and shown.ask is not None:
                self._shown = None
        self.on_change()

    def handlers(self) -> dict[str, Handler]:
        """No commands."""
        return {}

    def close(self) -> None:
        """End what is waited for, and forget who stands there; safe twice."""
        with self._lock:
            self._run(self._session.cancel())
            self._entry.close()
            self._over()

    def dress(self, display: Display) -> Display:
        """What the person sees, given what the vision thread shows."""
        return dressed(display, self._shown, self._monotonic())

    @property
    def blind_but_open(self) -> str | None:
        """What opens without the camera, for people; None: nothing."""
        book = self._parts.rulebook
        rules = [rule.factors for rule in book.rules if not rule.deny] or [book.factors]
        sets = {one for factors in rules for one in factors}
        can = self._readable - {Factor.FACE}
        found = sorted(" and ".join(sorted(one)) for one in sets if one <= can)
        return ", or ".join(found) or None

    # faces, from the vision thread

    @property
    def claimed(self) -> str | None:
        """Who somebody before the camera says they are."""
        return self._session.claimed

    def judged(self, outcome: Outcome, claim: str | None = None) -> bool:
        """Take in what was decided about a face, and act upon it.

        Args:
            claim: the only person whom it was compared with; None: everybody.

        Returns:
            False: the door should have opened, and did not.
        """
        with self._lock:
            done = self._judged(outcome, claim)
        self.on_change()
        return done

    def _judged(self, outcome: Outcome, claim: str | None) -> bool:
        sure, doubtful = outcome.kind is Kind.GRANTED, outcome.kind is Kind.SECOND_FACTOR
        if outcome.kind is Kind.RETAKE:
            self._record(outcome)
            return True
        now_s, session = self._monotonic(), self._session
        who = outcome.person_id if sure or doubtful or claim is not None else None
        about = claim or who
        if about is not None and (sure or about not in self._faces):
            self._faces[about] = outcome
        again = doubtful and session.doubted == who  # as they stand there still
        if claim is None and not sure and session.claimed is None and not again:
            self._record(outcome)  # for itself, whatever follows
            self._show(Shown(phase_of(outcome.kind), now_s))
        similarity = -1.0 if outcome.similarity is None else outcome.similarity
        done = self._run(session.face(Face(who, sure, similarity, claim), now_s))
        if doubtful and session.asked and session.person_id is None:
            self._ask(session.asked, None, any_of=True)
        return done

    def _record(self, outcome: Outcome) -> None:
        """What nothing is done about."""
        attempt = Attempt(person_id=outcome.person_id, outcome=outcome, direction=self._direction)
        self._house.doorway.act(outcome, _nothing, self._entry.told(attempt))

    def panel_said(self, granted: bool) -> None:
        """The panel shows red for somebody who is let in here: so are they shown."""
        if not granted:
            with self._lock:
                self._show_denied("panel_denied", None)
            self.on_change()

    # readings, from the readers' threads

    def read(self, reading: Reading) -> None:
        """Take in what was read."""
        with self._lock:
            if self._may_read(reading.reader):
                self._read(reading)
        self.on_change()

    def _may_read(self, reader: str) -> bool:
        """Only so many a second are looked at."""
        now_s = self._monotonic()
        left, then_s = self._buckets.get(reader, (_AT_ONCE, now_s))
        left = min(_AT_ONCE, left + (now_s - then_s) * _READINGS_HZ)
        self._buckets[reader] = (left - 1 if left >= 1 else left, now_s)
        if left >= _AT_ONCE:  # it paused
            self._babbling.discard(reader)
        if left >= 1:
            return True
        if reader not in self._babbling:
            self._babbling.add(reader)
            log.warning("reader %s reads too much: some of it is not looked at", reader)
        return False

    def _read(self, reading: Reading) -> None:
        place = Place(reading.reader, reading.direction)
        value = reading.value if len(reading.value) <= _LONGEST_VALUE else ""
        if reading.kind == "key":
            self._key(value)
        elif reading.kind == "card":
            self._card(value, place)
        elif reading.kind == "qr":
            self._code(value, place)
        else:
            self._pin(value, place)

    def _key(self, value: str) -> None:
        if value == "cancel":
            self._run(self._session.cancel())
        elif self._parts.punches is not None:
            self._parts.punches.key(value)

    def _card(self, card: str, place: Place) -> None:
        credentials = self._parts.credentials
        found = credentials.shown(card)
        if found is None:
            digest = (("card", credentials.digest(card)),) if card else ()
            self._unknown("unknown_card", place, digest)
        elif self._guesses.resting(None, place.reader):
            self._show_wrong(place)
        else:
            (self._read_now, duress), now_s = found, self._monotonic()
            who = self._read_now.person_id
            self._run(self._session.named(Factor.CARD, who, place, now_s, duress=duress))
            self._read_now = None

    def _code(self, code: str, place: Place) -> None:
        visitors = self._parts.visitors
        found = "unknown_key" if visitors is None else visitors.read(code)
        if isinstance(found, str):
            self._unknown(f"code_{found}", place)
            return
        self._visitor = found
        who = found.subject.person_id
        self._run(self._session.named(Factor.QR, who, place, self._monotonic()))

    def _pin(self, digits: str, place: Place) -> None:
        if not (digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_PIN):
            self._unknown("bad_reading", place)
            return
        self._run(self._session.pin(digits, place, self._monotonic()))
        if not self._session.asked and self._session.until_s is not None:
            self._ask((Factor.FACE,), place.reader)

    def _unknown(self, reason: str, place: Place, more: Sequence[tuple[str, Any]] = ()) -> None:
        """Nobody's: as many as look like guessing have the reader rest."""
        if not self._guesses.resting(None, place.reader):
            self._entry.deny(
                Attempt(
                    person_id=None,
                    outcome=without_face(None),
                    reader=place.reader,
                    direction=place.direction,
                    more=tuple(more),
                ),
                reason,
            )
            self._guesses.wrong(None, place.reader, card=reason == "unknown_card")
        self._show_wrong(place)

    # what follows

    def _run(self, actions: Iterable[Action]) -> bool:
        """Do what the session says, and what follows from that; False as `judged`."""
        done, waiting = True, list(actions)
        while waiting:
            action = waiting.pop(0)
            if isinstance(action, CheckPin):
                waiting[:0] = self._check(action)
            elif isinstance(action, Decide):
                done, more = self._decide(action)
                waiting[:0] = more
            else:
                self._denied(action)
        return done

    def _check(self, action: CheckPin) -> list[Action]:
        person_id, reader = action.person_id, action.place.reader
        # looked at in any case, so that it takes as long during a rest as at any time
        said = self._parts.credentials.check_pin(person_id, action.digits)
        self._unlooked = self._guesses.resting(person_id, reader)
        if self._unlooked:
            said = "wrong"
        elif said in ("right", "duress"):
            self._guesses.right(person_id, reader)
        return self._session.pin_checked(person_id, said)

    def _denied(self, deny: Deny) -> None:
        place, who = deny.place, deny.person_id
        if not deny.goes_on:
            self._entry.deny(self._attempt(deny), deny.reason)
            self._faces.pop(who, None)
            self._show_denied(deny.reason, place.reader)
            return
        if not self._unlooked:
            self._entry.deny(self._attempt(deny), deny.reason)
            self._guesses.wrong(who, place.reader)
        self._show_wrong(place)

    def _decide(self, decide: Decide) -> tuple[bool, list[Action]]:
        subject = self._subject(decide)
        attempt = self._attempt(decide, subject)
        if subject is None:
            self._over()
            self._entry.deny(attempt, "not_in_force")
            self._show_denied("not_in_force", attempt.reader)
            return True, []
        at = self._house.time.now()
        ask = Ask(subject, at, decide.factors, attempt.direction)
        ruling = self._parts.rulebook.rule(ask)
        reason = None if ruling.allowed else ruling.reason
        if reason == "factor_missing":
            reason = self._entry.refusal(subject)
            if reason is None:
                return True, self._ask_for_more(decide, ruling)
        attempt = self._attempt(decide, subject, ruling)
        self._over()
        if reason is not None:
            self._entry.deny(attempt, reason)
            self._show_denied(reason, attempt.reader)
            return True, []
        return self._admit(attempt, subject, ruling, at), []

    def _ask_for_more(self, decide: Decide, ruling: Ruling) -> list[Action]:
        more = self._session.lacks(ruling.missing, self._possible(decide.person_id))
        if not more:
            self._ask(self._session.asked, decide.place.reader)
        return more

    def _admit(self, attempt: Attempt, subject: Subject, ruling: Ruling, at: float) -> bool:
        result = self._entry.admit(attempt, subject, ruling, at)
        reader = attempt.reader
        if result.waits:
            until_s = self._monotonic() + self._within_s
            ask = "escort" if result.reason == "needs_escort" else "second_person"
            self._show(Shown(Phase.SECOND_FACTOR, until_s, ask=ask))
            self._cue("wait", reader)
        elif result.reason is not None:
            self._show_denied(result.reason, reader)
        else:
            if Factor.PIN not in attempt.factors:  # a right PIN was noted as one
                self._guesses.right(None, reader)
            name = self._house.doorway.greeting(attempt.person_id)
            until_s = self._until_s(reader)
            self._show(Shown(Phase.GRANTED, until_s, name=name, punched=result.punched))
            self._cue("granted", reader)
        return result.done

    def _attempt(
        self, one: Decide | Deny, subject: Subject | None = None, ruling: Ruling | None = None
    ) -> Attempt:
        place, who = one.place, one.person_id
        face = self._faces.get(who)
        seen = isinstance(one, Deny) or Factor.FACE in one.factors
        outcome = face if face is not None and seen else without_face(who)
        return Attempt(
            person_id=who,
            outcome=outcome,
            factors=one.factors,
            reader=place.reader,
            direction=self._direction if place.reader is None else place.direction,
            ruling=ruling,
            subject=subject,
            visitor=self._visitor if Factor.QR in one.factors else None,
            duress=one.duress,
        )

    def _subject(self, decide: Decide) -> Subject | None:
        visitor, who = self._visitor, decide.person_id
        if Factor.QR in decide.factors and visitor and visitor.subject.person_id == who:
            return visitor.subject
        if self._read_now is not None and self._read_now.person_id == who:
            return self._read_now
        subject = self._parts.credentials.subject(who)
        if subject is None and not self._ruled and Factor.FACE in decide.factors:
            return Subject(who)  # found in force a moment ago; nothing else is asked here
        return subject

    def _possible(self, person_id: str) -> frozenset[Factor]:
        """What this person can show here just now."""
        seen = self._house.index.row(person_id) is not None
        if seen and _BLIND.isdisjoint(self._house.state.degraded):
            return self._readable
        return self._readable - {Factor.FACE}

    def _over(self) -> None:
        self._session.over()
        self._faces.clear()
        self._visitor = None

    # what is shown

    def _show(self, shown: Shown) -> None:
        self._shown = shown

    def _until_s(self, reader: str | None) -> float:
        """Who shows a card may be seen by nobody; whoever was recognised, by the camera."""
        return self._monotonic() + (0.0 if reader is None else _TOLD_S)

    def _ask(self, asked: Sequence[Factor], reader: str | None, *, any_of: bool = False) -> None:
        until_s = self._session.until_s or self._monotonic()
        self._show(Shown(Phase.SECOND_FACTOR, until_s, ask=ask_of(asked, any_of=any_of)))
        self._cue("ask_pin" if asked[0] is Factor.PIN else "wait", reader)

    def _show_denied(self, reason: str, reader: str | None) -> None:
        until_s = self._until_s(reader)
        self._show(Shown(Phase.DENIED, until_s, why=why_of(reason)))
        self._cue("denied", reader)

    def _show_wrong(self, place: Place) -> None:
        """The same for whatever is wrong, looked at or not; what was asked for still is."""
        shown = self._shown
        if shown is not None and shown.ask is not None and self._session.until_s is not None:
            self._show(Shown(shown.phase, shown.until_s, ask=shown.ask, why="wrong_factor"))
            self._cue("denied", place.reader)
        else:
            self._show_denied("wrong_factor", place.reader)

    def _cue(self, cue: Cue, reader: str | None) -> None:
        """At the reader where it was shown; what the camera saw, at all of them."""
        readers = self._parts.readers
        if readers is None:
            return
        for name in self._house.config.readers if reader is None else (reader,):
            readers.cue(name, cue)


def _nothing() -> None:
    """Nobody is let in by this."""
