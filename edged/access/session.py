"""What has been shown at this door just now, by whom, and what comes of it; pure.

::

    nothing ──card, code, face──▶ somebody ──Decide──▶ the rules ──▶ over, or asked for more
       │                             ▲                                  │
       └──PIN: waits for somebody ───┘◀──────── the next factor ────────┘

Factors come in any order. All that count for a decision are of one person and were shown within
`wait_s`; whoever shows somebody else's loses what was there. Every attempt that was asked for
more ends once: decided, or in a `Deny`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from edged.access.request import Factor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from edged.access.request import Direction

PinResult = Literal["right", "duress", "wrong", "none"]


@dataclass(frozen=True, slots=True)
class Face:
    """What became of a presentation before the camera.

    Attributes:
        person_id: who was recognised or may have been; None: nobody.
        sure: recognised; otherwise only doubtful, or not at all where `person_id` is None.
        similarity: to that person, a cosine.
        claimed: the only person whom it was compared with; None: everybody.
    """

    person_id: str | None
    sure: bool = False
    similarity: float = -1.0
    claimed: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a factor was shown."""

    reader: str | None = None
    direction: Direction = "in"


@dataclass(frozen=True, slots=True)
class CheckPin:
    """These digits are to be held against this person's; the answer goes to `pin_checked`."""

    person_id: str
    digits: str = field(repr=False)
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class Decide:
    """All this was shown by one person: the rules are asked, and `over` or `lacks` is told.

    Attributes:
        duress: one of the factors says that they are forced.
        place: of what was shown last at a reader.
    """

    person_id: str
    factors: frozenset[Factor]
    place: Place = Place()
    duress: bool = False


@dataclass(frozen=True, slots=True)
class Deny:
    """The attempt came to nothing.

    Attributes:
        reason: "not_the_holder", "doubtful", "wrong_pin", "factor_missing",
            "factor_unavailable", "timed_out", "cancelled".
        goes_on: they may try the factor again; what else they showed still counts.
    """

    reason: str
    person_id: str
    factors: frozenset[Factor] = frozenset()
    place: Place = Place()
    duress: bool = False
    goes_on: bool = False


Action = CheckPin | Decide | Deny


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A face that may be somebody's."""

    person_id: str
    similarity: float
    t_s: float


@dataclass(frozen=True, slots=True)
class _Digits:
    """A PIN of whoever will be known next."""

    digits: str = field(repr=False)
    t_s: float
    place: Place


class Session:
    """One attempt after the other at one door. Times are monotonic seconds and never go back.

    Args:
        wait_s: how long a factor counts.
        second_factor: what is asked for when a face is in doubt.
        enough: whether a similarity is enough for somebody who said who they are.

    Attributes:
        asked: what is waited for just now, one factor of which is shown next; empty: nothing.
        person_id: whose attempt it is; None: nobody's yet.
    """

    def __init__(
        self, wait_s: float, second_factor: Collection[Factor], enough: Callable[[float], bool]
    ) -> None:
        self._wait_s = wait_s
        self._second_factor = tuple(second_factor)
        self._enough = enough
        self._begin()

    def _begin(self) -> None:
        self.asked: tuple[Factor, ...] = ()
        self.person_id: str | None = None
        self._shown: dict[Factor, float] = {}
        self._missing: tuple[frozenset[Factor], ...] = ()
        self._doubt: _Doubt | None = None
        self._digits: _Digits | None = None
        self._place = Place()
        self._duress = False

    @property
    def claimed(self) -> str | None:
        """Whom the face before the camera is to be compared with, alone."""
        if Factor.FACE in self._shown or not any(Factor.FACE in one for one in self._missing):
            return None
        return self.person_id

    @property
    def doubted(self) -> str | None:
        """Whose face it may be that a second factor is waited for."""
        return None if self._doubt is None else self._doubt.person_id

    @property
    def _whose(self) -> str | None:
        """Whose attempt it is, or may be."""
        return self._doubt.person_id if self._doubt is not None else self.person_id

    @property
    def until_s(self) -> float | None:
        """When the first of what was shown ceases to count; None: nothing was."""
        times = [*self._shown.values()]
        times += [one.t_s for one in (self._doubt, self._digits) if one is not None]
        return min(times) + self._wait_s if times else None

    # what comes in

    def face(self, face: Face, now_s: float) -> list[Action]:
        """Somebody was recognised, or not, or doubtfully."""
        told = self.tick(now_s)
        if face.claimed is not None:
            return told + self._compared(face, now_s)
        if self._shown and Factor.FACE not in self._shown:  # came before they said who they are
            return told + self._beside_a_claim(face, now_s)
        again = face.person_id is not None and face.person_id == self._whose
        if not again:
            digits = self._digits
            told += self._give_up("factor_missing")
            if face.person_id is None:
                return told
            self._digits = digits
            self._place = digits.place if digits is not None else self._place
        if face.sure:
            return told + self._recognised(face.person_id or "", now_s)
        return told + self._doubtful(face.person_id or "", face.similarity, now_s)

    def _recognised(self, person_id: str, now_s: float) -> list[Action]:
        self._doubt = None
        self.person_id, self._shown[Factor.FACE] = person_id, now_s
        return self._next()

    def _compared(self, face: Face, now_s: float) -> list[Action]:
        """The answer to a claim: worth nothing but with that claim."""
        if face.claimed != self.claimed:
            return [] if self._shown else [Deny("timed_out", str(face.claimed))]
        if face.person_id != self.claimed or not face.sure:
            return self._give_up("doubtful" if face.person_id else "not_the_holder")
        self._shown[Factor.FACE] = now_s
        return self._next()

    def _beside_a_claim(self, face: Face, now_s: float) -> list[Action]:
        if face.person_id == self.person_id and (face.sure or self._enough(face.similarity)):
            self._shown[Factor.FACE] = now_s
            return self._next()
        return self._give_up("not_the_holder") if face.sure else []  # they are looked at again

    def _doubtful(self, person_id: str, similarity: float, now_s: float) -> list[Action]:
        if Factor.FACE in self._shown:  # was recognised a moment ago
            return []
        if not self._second_factor:
            self._begin()
            return []
        before = self._doubt  # of the same one, if any: the time does not begin anew
        if before is not None:
            now_s, similarity = before.t_s, max(before.similarity, similarity)
        self._doubt = _Doubt(person_id, similarity, now_s)
        self.asked = self._second_factor
        if self._digits is not None:
            return self._check(person_id, self._digits)
        return []

    def named(
        self,
        factor: Literal[Factor.CARD, Factor.QR],
        person_id: str,
        place: Place,
        now_s: float,
        *,
        duress: bool = False,
    ) -> list[Action]:
        """Somebody's card or code was read."""
        told = self.tick(now_s) + self._moved_to(place)
        doubt = self._doubt
        if doubt is not None:
            if doubt.person_id != person_id:
                return told + self._give_up("not_the_holder")
            self._shown[factor], self._duress = now_s, self._duress or duress
            return told + self._without_doubt(doubt)
        if self.person_id not in (None, person_id):
            if Factor.FACE in self._shown:
                return told + self._give_up("not_the_holder")
            told += self._give_up("factor_missing")
            self._place = place
        self.person_id, self._shown[factor] = person_id, now_s
        self._duress = self._duress or duress
        return told + self._next()

    def pin(self, digits: str, place: Place, now_s: float) -> list[Action]:
        """Digits were entered; whose they are is known already, or soon."""
        told = self.tick(now_s) + self._moved_to(place)
        self._digits = _Digits(digits, now_s, place)
        if self._whose is not None:
            return told + self._check(self._whose, self._digits)
        return told

    def _check(self, person_id: str, entered: _Digits) -> list[Action]:
        return [CheckPin(person_id, entered.digits, entered.place)]

    def pin_checked(self, person_id: str, result: PinResult) -> list[Action]:
        """The answer to `CheckPin`."""
        digits, self._digits = self._digits, None
        doubt = self._doubt
        if digits is None or person_id != self._whose:
            return []
        if result not in ("right", "duress"):
            wrong = Deny(
                "wrong_pin",
                person_id,
                frozenset(self._shown),
                digits.place,
                self._duress,
                goes_on=True,
            )
            return [wrong] if self.asked else [wrong, *self._next()]
        self._shown[Factor.PIN] = digits.t_s
        self._duress = self._duress or result == "duress"
        return self._next() if doubt is None else self._without_doubt(doubt)

    def _without_doubt(self, doubt: _Doubt) -> list[Action]:
        """They said who they are: the face is held against that one alone."""
        self.person_id = doubt.person_id
        if not self._enough(doubt.similarity):
            return self._give_up("doubtful")
        self._doubt, self._shown[Factor.FACE] = None, doubt.t_s
        return self._next()

    def _next(self) -> list[Action]:
        """Somebody is known: their PIN is looked at, or the rules are asked."""
        assert self.person_id is not None  # noqa: S101  # every caller has just set it
        if self._digits is not None:
            return self._check(self.person_id, self._digits)
        return [Decide(self.person_id, frozenset(self._shown), self._place, self._duress)]

    def _moved_to(self, place: Place) -> list[Action]:
        """What was shown at a reader for the other way does not count for this one."""
        told: list[Action] = []
        readers = self._digits is not None or self._shown.keys() - {Factor.FACE}
        if readers and place.direction != self._place.direction:
            told = self._give_up("factor_missing")
        self._place = place
        return told

    # what comes of it

    def lacks(
        self, missing: Iterable[frozenset[Factor]], possible: Collection[Factor]
    ) -> list[Action]:
        """The rules want more: the first of these sets that can be shown here is asked for.

        Args:
            possible: what can be shown at this terminal just now.
        """
        self._missing = tuple(missing)
        for one in self._missing:
            if one and one <= set(possible):
                self.asked = tuple(factor for factor in _ORDER if factor in one)
                return []
        return self._give_up("factor_unavailable")

    def over(self) -> None:
        """It was decided: nothing of it counts any more."""
        self._begin()

    def cancel(self) -> list[Action]:
        """They do not want to any more."""
        return self._give_up("cancelled")

    def tick(self, now_s: float) -> list[Action]:
        """What was waited for too long ends."""
        until_s = self.until_s
        if until_s is None or now_s < until_s:
            return []
        return self._give_up("doubtful" if self._doubt is not None else "factor_missing")

    def _give_up(self, reason: str) -> list[Action]:
        """Forget all; whoever was known is told that it came to nothing."""
        who = self._whose
        factors, place, duress = frozenset(self._shown), self._place, self._duress
        self._begin()
        return [] if who is None else [Deny(reason, who, factors, place, duress)]


_ORDER = (Factor.CARD, Factor.QR, Factor.PIN, Factor.FACE)
