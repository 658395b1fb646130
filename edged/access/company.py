"""Who waits for whom at a door: a second person, an escort. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.access.request import Direction, Ruling, Subject


@dataclass(frozen=True, slots=True)
class _Waiting:
    subject: Subject
    ruling: Ruling
    direction: Direction
    until: float


@dataclass(frozen=True, slots=True)
class _Leader:
    """Somebody who was granted, and holds the door for those who follow."""

    person_id: str
    groups: frozenset[str]
    direction: Direction
    until: float


@dataclass(frozen=True, slots=True)
class Party:
    """Those who pass together: without those who are `needed` nobody does; `guests` if there is
    room."""

    needed: list[Subject]
    guests: list[Subject]


class Company:
    """Who waits, and who holds the door open for others; each for `within_s`."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._waiting: dict[str, _Waiting] = {}
        self._leaders: dict[str, _Leader] = {}

    def waiting(self, direction: Direction) -> list[Subject]:
        """Who does, the first one first."""
        return [one.subject for one in self._waiting.values() if one.direction == direction]

    def party(self, subject: Subject, ruling: Ruling, direction: Direction) -> Party | None:
        """With whom somebody passes now; None: they have to wait."""
        there = [
            one
            for one in self._waiting.values()
            if one.direction == direction and one.subject.person_id != subject.person_id
        ]
        needed = [subject]
        if ruling.two_people:
            second = [w for w in there if w.ruling.two_people and w.ruling.rule == ruling.rule]
            if not second:
                return None
            needed = [second[0].subject, subject]
        if not all(self._escorted(r, s, direction) for s, r in self._each(needed, ruling)):
            return None
        guests = [
            one.subject
            for one in there
            if not one.ruling.two_people and not subject.groups.isdisjoint(one.ruling.escort)
        ]
        return Party(needed, guests)

    def wait(self, subject: Subject, ruling: Ruling, direction: Direction, t_s: float) -> None:
        """Somebody does."""
        until = t_s + self._within_s
        self._waiting[subject.person_id] = _Waiting(subject, ruling, direction, until)

    def leads(self, subject: Subject, direction: Direction, t_s: float) -> None:
        """Somebody was granted: whoever they may escort can follow."""
        if subject.groups:
            until = t_s + self._within_s
            leader = _Leader(subject.person_id, subject.groups, direction, until)
            self._leaders[subject.person_id] = leader

    def leads_no_more(self, person_id: str) -> None:
        """They did not pass, after all."""
        self._leaders.pop(person_id, None)

    def leave(self, person_id: str) -> None:
        """They wait no more."""
        self._waiting.pop(person_id, None)

    def _each(self, needed: list[Subject], ruling: Ruling) -> list[tuple[Subject, Ruling]]:
        """Each with the ruling about them; the last one is who asks."""
        before = [(one, self._waiting[one.person_id].ruling) for one in needed[:-1]]
        return [*before, (needed[-1], ruling)]

    def _escorted(self, ruling: Ruling, subject: Subject, direction: Direction) -> bool:
        if not ruling.escort or not subject.groups.isdisjoint(ruling.escort):
            return True
        return any(
            one.direction == direction
            and one.person_id != subject.person_id
            and not one.groups.isdisjoint(ruling.escort)
            for one in self._leaders.values()
        )

    def tidy(self, t_s: float) -> None:
        """Nobody waits longer than that."""
        for people in (self._waiting, self._leaders):
            for name in [n for n, one in people.items() if one.until < t_s]:
                del people[name]
