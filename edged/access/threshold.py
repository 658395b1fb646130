"""Who may step over this door's threshold now, as far as others have to do with it. Pure.

Anti-passback, how many may be inside, two people, escort, and who comes first on a day. Grants that
are under way are counted as if they had entered, so that many at once do not get past a limit.
Time is monotonic, or a number of `edged.access.order`: neither goes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edged.access.company import Company
from edged.access.request import Objection

if TYPE_CHECKING:
    from edged.access.presence import Presence
    from edged.access.request import Direction, Ruling, Subject

AGREED_S = 15.0
"""For how long room is kept for somebody who met no objection and is not granted yet."""

GRANTED_S = 300.0
"""After that a grant of which nothing more was heard is over."""


@dataclass(frozen=True, slots=True)
class Here:
    """What is configured.

    Attributes:
        area: behind the door; None: people are not followed.
        most: how many may be in it.
        passback: "hard", "soft", "timed"; None: whoever enters twice is nobody's concern.
        offline: what holds while other terminals are not heard: "hard", "soft", "deny".
        within_s: of a second person, an escort.
    """

    area: str | None = None
    outside: str = "outside"
    most: int | None = None
    passback: Literal["hard", "soft", "timed"] | None = None
    again_after_ms: int = 600_000
    offline: Literal["hard", "soft", "deny"] = "soft"
    within_s: float = 30.0

    def leads_to(self, direction: Direction) -> str | None:
        """Where those are who have passed."""
        if self.area is None:
            return None
        return self.area if direction == "in" else self.outside


_Way = tuple[str, str]  # a person and a direction


@dataclass(slots=True, eq=False)
class Going:
    """Somebody who may pass, or has, and is not there yet by what is recorded.

    Attributes:
        until: when nobody waits for it any more, monotonic seconds.
        grants: how many of the door's have not ended; 0 before the first.
        passed: the door was opened.
        passback: they are where they go to, by what is known.
    """

    person_id: str
    groups: frozenset[str]
    direction: Direction
    until: float
    grants: int = 0
    passed: bool = False
    passback: bool = False


class Threshold:
    """One door. Whoever meets no objection has a place kept until `granted`."""

    def __init__(self, here: Here, presence: Presence) -> None:
        self._here = here
        self._presence = presence
        self._going: dict[_Way, Going] = {}
        self._company = Company(here.within_s)
        self._agreed: dict[str, tuple[Subject, ...]] = {}

    def objection(
        self,
        subject: Subject,
        ruling: Ruling,
        direction: Direction,
        *,
        now: int,
        t_s: float,
        today: int,
        heard: bool = True,
    ) -> Objection | None:
        """Why somebody whom the rules let in does not pass now.

        Args:
            now: a number of `edged.access.order`.
            t_s: monotonic.
            today: the number of the local day.
            heard: whether all other terminals of the area are.
        """
        self._tidy(t_s)
        self._agreed.pop(subject.person_id, None)
        self._company.leave(subject.person_id)
        found = self._own(subject, ruling, direction, now, today, heard)
        if found is not None:
            return found
        for one in self._company.waiting(direction):
            if self._barred(one, direction, now, heard):
                self._company.leave(one.person_id)
        party = self._company.party(subject, ruling, direction)
        full = self._room([subject] if party is None else party.needed, direction)
        if full is not None:
            return full
        if party is None:
            self._company.wait(subject, ruling, direction, t_s)
            return _waits(ruling)
        guests = party.guests
        while guests and self._room([*guests, *party.needed], direction) is not None:
            guests.pop()
        everybody = (*guests, *party.needed)
        for one in everybody:
            self._expect(one, direction, t_s + AGREED_S)
        self._agreed[subject.person_id] = everybody
        return None

    def granted(self, subject: Subject, direction: Direction, *, t_s: float) -> tuple[Going, ...]:
        """The door opens for somebody, and for those who waited for them, who come first."""
        everybody = self._agreed.pop(subject.person_id, (subject,))
        going = []
        for one in everybody:
            found = self._expect(one, direction, t_s + GRANTED_S)
            found.grants += 1
            self._company.leave(one.person_id)
            going.append(found)
        self._company.leads(subject, direction, t_s)
        return tuple(going)

    def passed(self, going: Going) -> bool:
        """The door was opened; True once, however many grants it ended."""
        news, going.passed = not going.passed, True
        return news

    def unused(self, going: Going) -> bool:
        """A grant ended without; True when it was the last one of this person."""
        going.grants -= 1
        if going.passed or going.grants:
            return False
        self.arrived(going)
        self._company.leads_no_more(going.person_id)
        return True

    def arrived(self, going: Going) -> None:
        """They are not on their way any more: it is recorded that they passed, or did not."""
        way = (going.person_id, going.direction)
        if self._going.get(way) is going:
            del self._going[way]

    def withdrawn(self, person_id: str) -> None:
        """Whoever met no objection, or waits for somebody, passes not, after all."""
        self._company.leave(person_id)
        for one in self._agreed.pop(person_id, ()):
            for way in ((one.person_id, "in"), (one.person_id, "out")):
                found = self._going.get(way)
                if found is not None and not found.grants:
                    del self._going[way]

    @property
    def entering(self) -> int:
        """How many are on their way in, beside those who are known to be inside."""
        area = self._here.area
        return sum(
            direction == "in" and self._presence.area(name) != area
            for name, direction in self._going
        )

    def _own(
        self,
        subject: Subject,
        ruling: Ruling,
        direction: Direction,
        now: int,
        today: int,
        heard: bool,
    ) -> Objection | None:
        """What speaks against somebody by themselves."""
        if direction == "out":
            return None
        if self._here.passback is not None and self._here.offline == "deny" and not heard:
            return Objection("site_unheard", why="another terminal of the area is not heard")
        if self._barred(subject, direction, now, heard):
            return Objection("anti_passback", why="is inside already, as far as is known")
        if not ruling.after or not subject.groups.isdisjoint(ruling.after):
            return None
        if self._presence.let_in(ruling.after, today):
            return None
        return Objection("nobody_in_yet", why=f"first comes: {', '.join(ruling.after)}")

    def _repeats(self, person_id: str, direction: Direction) -> bool:
        """Whether they are where they want to go, and that is of concern."""
        if self._here.passback is None:
            return False
        if self._passing(person_id, direction):
            return True
        if self._passing(person_id, "out" if direction == "in" else "in"):
            return False
        return self._presence.area(person_id) == self._here.leads_to(direction)

    def _barred(self, subject: Subject, direction: Direction, now: int, heard: bool) -> bool:
        """Whether anti-passback keeps them out; whoever wants out is let out."""
        here = self._here
        if direction == "out" or not self._repeats(subject.person_id, direction):
            return False
        if here.passback == "soft" or (not heard and here.offline == "soft"):
            return False
        since = self._since(subject.person_id)
        return here.passback == "hard" or since is None or now - since < here.again_after_ms

    def _since(self, person_id: str) -> int | None:
        """Since when they are where they are; None: it is just being recorded."""
        place = self._presence.place(person_id)
        return None if place is None or self._passing(person_id, "in") else place.order

    def _passing(self, person_id: str, direction: Direction) -> bool:
        """Whether they have passed, and that is not recorded yet."""
        going = self._going.get((person_id, direction))
        return going is not None and going.passed

    def _room(self, people: list[Subject], direction: Direction) -> Objection | None:
        most, area = self._here.most, self._here.area
        if direction == "out" or most is None or area is None:
            return None
        new = sum(self._is_new(one.person_id) for one in people)
        if not new or self._presence.inside(area) + self.entering + new <= most:
            return None
        return Objection("area_full", why=f"no more than {most} may be in {area}")

    def _is_new(self, person_id: str) -> bool:
        """Whether nobody has counted them yet."""
        return (person_id, "in") not in self._going and self._presence.area(
            person_id
        ) != self._here.area

    def _expect(self, subject: Subject, direction: Direction, until: float) -> Going:
        way: tuple[str, Direction] = (subject.person_id, direction)
        found = self._going.get(way)
        if found is None or found.passed:
            repeats = self._repeats(*way)
            found = Going(subject.person_id, subject.groups, direction, until, passback=repeats)
            self._going[way] = found
        found.until = max(found.until, until)
        return found

    def _tidy(self, t_s: float) -> None:
        self._company.tidy(t_s)
        for way in [w for w, one in self._going.items() if one.until < t_s and not one.passed]:
            del self._going[way]
        there = {person for person, _ in self._going}
        for name in self._agreed.keys() - there:
            del self._agreed[name]


def _waits(ruling: Ruling) -> Objection:
    if ruling.two_people:
        return Objection("second_person", waits=True, why="a second person is needed")
    return Objection("needs_escort", waits=True, why=f"only with: {', '.join(ruling.escort)}")
