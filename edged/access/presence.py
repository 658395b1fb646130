"""Who is where: the last word about each person counts, in whatever order the words arrive.

Words bear an `order`, see `edged.access.order`, and the terminal that said them. Of two words about
one person the later one holds, so that terminals that have heard the same words agree, whichever
came late or twice. Pure.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Moved:
    """Somebody is in this area from now on; None: nobody knows where."""

    person_id: str
    area: str | None
    order: int
    terminal: str


@dataclass(frozen=True, slots=True)
class LetIn:
    """Somebody of these groups was let in; `day` is a number of the local calendar."""

    groups: frozenset[str]
    day: int
    order: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Where everybody was up to then counts no more."""

    order: int


@dataclass(frozen=True, slots=True)
class Erased:
    """Nothing is known of this person any more."""

    person_id: str


Word = Moved | LetIn | Forgotten | Erased


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The last word about a person; `area` is "" where nobody knows."""

    order: int
    terminal: str
    area: str


class Presence:
    """All places.

    Args:
        places, first_in, forgotten, newest: as `people`, `first_in` and the attributes gave them.

    Attributes:
        forgotten: words about people up to this order count no more.
        newest: the greatest order of all words.
    """

    def __init__(
        self,
        places: Iterable[tuple[str, Place]] = (),
        first_in: Iterable[tuple[str, tuple[int, int]]] = (),
        *,
        forgotten: int = 0,
        newest: int = 0,
    ) -> None:
        self._places = dict(places)
        self._inside = Counter(place.area for place in self._places.values() if place.area)
        self._let_in = dict(first_in)
        self.forgotten = forgotten
        self.newest = newest

    def take(self, word: Word) -> tuple[str, ...]:
        """Let a word count; whose place is another one now."""
        match word:
            case Moved():
                return self._move(word)
            case LetIn():
                self.newest = max(self.newest, word.order)
                for group in word.groups:
                    found = (word.order, word.day)
                    self._let_in[group] = max(found, self._let_in.get(group, found))
                return ()
            case Forgotten():
                self.newest = max(self.newest, word.order)
                self.forgotten = max(self.forgotten, word.order)
                return self._drop([p for p, at in self._places.items() if at.order <= word.order])
            case _:
                return self._drop([word.person_id] if word.person_id in self._places else [])

    def drop_old(self, order: int, areas: Container[str]) -> tuple[str, ...]:
        """Of who was in one of these areas before that, nothing is known any more; who they are."""
        old = [p for p, at in self._places.items() if at.order < order and at.area in areas]
        return self._drop(old)

    def place(self, person_id: str) -> Place | None:
        """The last word about somebody; None: there is none that counts."""
        return self._places.get(person_id)

    def area(self, person_id: str) -> str | None:
        """Where somebody is; None: nobody knows."""
        found = self._places.get(person_id)
        return found.area or None if found is not None else None

    def inside(self, area: str) -> int:
        """How many are known to be in an area."""
        return self._inside[area]

    def people(self) -> Iterator[tuple[str, Place]]:
        """Everybody of whom there is a word."""
        return iter(self._places.items())

    def let_in(self, groups: Iterable[str], day: int) -> bool:
        """Whether somebody of these groups was let in on that day, as the last one of them."""
        return any(self._let_in.get(group, (0, -1))[1] == day for group in groups)

    def first_in(self) -> dict[str, tuple[int, int]]:
        """By group the order and the day of the last one who was let in."""
        return dict(self._let_in)

    def _move(self, word: Moved) -> tuple[str, ...]:
        self.newest = max(self.newest, word.order)
        place = Place(word.order, word.terminal, word.area or "")
        before = self._places.get(word.person_id)
        if word.order <= self.forgotten or (before is not None and before >= place):
            return ()
        self._drop([] if before is None else [word.person_id])
        self._places[word.person_id] = place
        if place.area:
            self._inside[place.area] += 1
        return (word.person_id,)

    def _drop(self, people: list[str]) -> tuple[str, ...]:
        for person_id in people:
            place = self._places.pop(person_id)
            if place.area:
                self._inside[place.area] -= 1
        return tuple(people)
