"""Many short random lives of a door, and of two: what must never be, never is."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from edged.access.order import Order
from edged.access.presence import Erased, Forgotten, LetIn, Moved, Presence, Word
from edged.access.request import Ruling, Subject
from edged.access.threshold import Here, Threshold

if TYPE_CHECKING:
    from edged.access.request import Direction
    from edged.access.threshold import Going

SEQUENCES = 100_000
STEPS = 7
YEAR_S = 365 * 86_400
AREA = "lab"
HERE = Here(AREA, most=2, passback="hard", within_s=30)
PLAIN = Ruling(True, "permitted", "all")
PAIR = Ruling(True, "permitted", "pair", two_people=True)
GUEST = Ruling(True, "permitted", "guest", escort=("staff",))
PEOPLE = [Subject(name, frozenset({"staff"} if name < "c" else ())) for name in "abcd"]
RULES = {"a": PLAIN, "b": PAIR, "c": PAIR, "d": GUEST}


class Terminal:
    """One door, its clock, and all the words that it has heard, its own among them."""

    def __init__(self, name: str, random: Random) -> None:
        self.name = name
        self.random = random
        self.order = Order()
        self.presence = Presence()
        self.threshold = Threshold(HERE, self.presence)
        self.words: list[Word] = []
        self.open: list[Going] = []
        self.wall_s, self.count_s, self.trusted = 1e9, 5.0, True

    def now(self) -> int:
        return self.order.now(self.wall_s, self.count_s, trusted=self.trusted)

    def hear(self, word: Word) -> None:
        if not isinstance(word, Erased):
            self.order.heard(word.order)
        before = self.presence.newest
        self.presence.take(word)
        assert self.presence.newest >= before
        self.words.append(word)

    def says(self, word: Word, to: list[Word]) -> None:
        self.hear(word)
        to.append(word)

    def next(self) -> int:
        return self.order.next(self.wall_s, self.count_s, trusted=self.trusted)

    def ask(self, subject: Subject, direction: Direction) -> bool:
        """Whether the door was opened for somebody."""
        now, ruling = self.now(), RULES[subject.person_id]
        found = self.threshold.objection(
            subject, ruling, direction, now=now, t_s=self.count_s, today=1
        )
        if found is not None:
            return False
        inside = self.presence.inside(AREA) + self.threshold.entering
        going = self.threshold.granted(subject, direction, t_s=self.count_s)
        assert self.presence.inside(AREA) + self.threshold.entering == inside
        names = [one.person_id for one in going]
        assert len(set(names)) == len(names)
        assert names[-1] == subject.person_id
        if ruling.two_people:
            assert any(RULES[name].two_people for name in names[:-1])
        self.open += going
        return True

    def end(self, going: Going, opened: bool, to: list[Word]) -> bool:
        """A grant ends; whether somebody has passed."""
        self.open.remove(going)
        if not opened:
            self.threshold.unused(going)
            return False
        if not self.threshold.passed(going):
            return False
        order, area = self.next(), HERE.leads_to(going.direction)
        self.says(Moved(going.person_id, area, order, self.name), to)
        if going.direction == "in" and going.groups:
            self.says(LetIn(going.groups, 1, order), to)
        self.threshold.arrived(going)
        return True

    def check(self) -> None:
        counted = Counter(place.area for _, place in self.presence.people())
        for area in (AREA, "outside"):
            assert self.presence.inside(area) == counted[area] >= 0

    def jump(self) -> None:
        self.wall_s += self.random.choice((YEAR_S, -YEAR_S))
        self.trusted = self.random.random() < 0.5


def same(one: Presence, other: Presence) -> bool:
    return (dict(one.people()), one.first_in(), one.forgotten, one.newest) == (
        dict(other.people()),
        other.first_in(),
        other.forgotten,
        other.newest,
    )


def pick(random: Random) -> tuple[Subject, Direction]:
    return PEOPLE[int(random.random() * 4)], "in" if random.random() < 0.6 else "out"


def one_door(random: Random) -> None:
    """Grants overlap; the clock jumps. Nobody enters twice, nor one too many."""
    door, inside, said = Terminal("a", random), set[str](), list[Word]()
    for _ in range(STEPS):
        door.count_s += 1 + random.random() * 20
        door.wall_s += 1
        chance = random.random()
        if chance < 0.55:
            subject, direction = pick(random)
            if door.ask(subject, direction) and direction == "in":
                assert door.presence.inside(AREA) + door.threshold.entering <= 2
        elif chance < 0.95 and door.open:
            going = random.choice(door.open)
            if door.end(going, random.random() < 0.8, said):
                if going.direction == "in":
                    assert going.person_id not in inside
                    inside.add(going.person_id)
                else:
                    inside.discard(going.person_id)
        elif chance > 0.95:
            door.jump()
        assert door.presence.inside(AREA) == len(inside) <= 2
    door.check()
    assert {n for n, at in door.presence.people() if at.area == AREA} == inside


def two_doors(random: Random, *, prompt: bool) -> None:
    """Into one area. What the one says reaches the other at once, or late and in any order."""
    doors = Terminal("a", random), Terminal("b", random)
    inside: set[str] = set()
    waiting: tuple[list[Word], list[Word]] = ([], [])
    for _ in range(STEPS):
        at = int(random.random() * 2)
        for one in doors:
            one.count_s += 5
            one.wall_s += 5
        if random.random() < 0.7:
            visit(doors[at], inside if prompt else None, waiting[at])
        else:
            correct(doors[at], waiting[at], people=not prompt)
        if prompt or random.random() < 0.3:
            random.shuffle(waiting[at])
            while waiting[at] and (prompt or random.random() < 0.5):
                doors[1 - at].hear(waiting[at].pop())
        assert doors[at].presence.inside(AREA) >= 0
        assert len(inside) <= 2
    for at in (0, 1):
        random.shuffle(waiting[at])
        for word in waiting[at]:
            doors[1 - at].hear(word)
        doors[at].check()
    assert same(doors[0].presence, doors[1].presence)
    replayed = Presence()
    until = int(random.random() * len(doors[0].words))
    for word in [*doors[0].words[:until], *doors[0].words]:  # cut short, and begun anew
        replayed.take(word)
    assert same(replayed, doors[0].presence)


def visit(door: Terminal, inside: set[str] | None, said: list[Word]) -> None:
    """Somebody asks, and those who are let in pass or do not."""
    subject, direction = pick(door.random)
    door.ask(subject, direction)
    for going in list(door.open):
        if door.end(going, door.random.random() < 0.8, said) and inside is not None:
            if direction == "in":
                assert going.person_id not in inside
                inside.add(going.person_id)
            else:
                inside.discard(going.person_id)


def correct(door: Terminal, said: list[Word], *, people: bool) -> None:
    """The clock is set; or an operator says where somebody is, or forgets everybody."""
    chance = door.random.random()
    if not people or chance < 0.4:
        door.jump()
    elif chance < 0.8:
        person, area = pick(door.random)[0].person_id, door.random.choice((AREA, None))
        door.says(Moved(person, area, door.next(), door.name), said)
    else:
        door.says(Forgotten(door.next()), said)


def test_what_must_never_be_never_is() -> None:
    random = Random(20_260_301)
    for number in range(SEQUENCES):
        if number % 2:
            one_door(random)
        else:
            two_doors(random, prompt=number % 4 == 0)
