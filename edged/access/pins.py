"""Against guessing: who was wrong too often rests, each time longer; pure.

A count belongs to a reader or to a person. What comes while it rests is neither counted nor
answered otherwise than a wrong PIN is, so that nobody learns anything by going on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PIN, _CARD = 5, 1
"""What a wrong PIN and an unknown card weigh: pockets hold cards of other houses, and no reader
shall rest because a bus came."""
_MOST = 2000  # counts that are kept; people and readers are fewer


@dataclass(frozen=True, slots=True)
class Count:
    """What is known of one reader or person.

    Attributes:
        wrong: since the last rest, in weights.
        rests: how many there were, one after the other.
        until_s: of the last rest, or when the last wrong one came if that is later.
    """

    wrong: int = 0
    rests: int = 0
    until_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LockedOut:
    """A rest began.

    Attributes:
        of: whose count was full.
        unseen: tries during the rest before, that were not looked at.
    """

    of: str
    rest_s: float
    unseen: int


class Guard:
    """The counts. Times are monotonic seconds.

    Args:
        tries: wrong PINs until a rest; of unknown cards it takes five times as many.
        rest_s: of the first one; each is twice as long as the one before.
        longest_rest_s: of any; who was not wrong for so long begins anew.
    """

    def __init__(self, tries: int, rest_s: float, longest_rest_s: float) -> None:
        self._full = tries * _PIN
        self._rest_s = rest_s
        self._longest_s = max(rest_s, longest_rest_s)
        self._counts: dict[str, Count] = {}
        self._unseen: dict[str, int] = {}

    def resting(self, whose: Iterable[str], now_s: float) -> bool:
        """Whether one of them rests; then the try is not to be looked at, and is noted as such."""
        found = [one for one in whose if self._rests(one, now_s)]
        for one in found:
            self._unseen[one] = self._unseen.get(one, 0) + 1
        return bool(found)

    def _rests(self, one: str, now_s: float) -> bool:
        known = self._counts.get(one)
        return known is not None and known.wrong == 0 and now_s < known.until_s

    def wrong(self, whose: Iterable[str], now_s: float, *, card: bool = False) -> list[LockedOut]:
        """Count a wrong PIN, or an unknown card, against each; the rests that begin with it."""
        weight = _CARD if card else _PIN
        return [began for one in whose if (began := self._count(one, now_s, weight)) is not None]

    def right(self, person: str, reader: str) -> bool:
        """Somebody was right: nothing is held against them any more, and a little less against
        the reader, so that a thousand people may mistype at it and nobody guesses with a PIN of
        their own in between. Whether anything changed."""
        gone = self._counts.pop(person, None)
        known = self._counts.get(reader)
        if known is None:
            return gone is not None
        if known.wrong:
            known = Count(max(0, known.wrong - _PIN), known.rests, known.until_s)
        elif known.rests > 1:
            known = Count(0, known.rests - 1, known.until_s)
        else:
            del self._counts[reader]
            return True
        self._counts[reader] = known
        return True

    def _count(self, one: str, now_s: float, weight: int) -> LockedOut | None:
        known = self._counts.pop(one, Count())
        if now_s - known.until_s >= self._longest_s:
            known = Count()
        if known.wrong + weight < self._full:
            self._keep(one, Count(known.wrong + weight, known.rests, now_s))
            return None
        rest_s = self._length_s(known.rests + 1)
        self._keep(one, Count(0, known.rests + 1, now_s + rest_s))
        return LockedOut(one, rest_s, self._unseen.pop(one, 0))

    def _keep(self, one: str, count: Count) -> None:
        self._counts[one] = count
        while len(self._counts) > _MOST:  # the one that was wrong longest ago
            gone = next(iter(self._counts))
            del self._counts[gone]
            self._unseen.pop(gone, None)

    def _length_s(self, rests: int) -> float:
        return float(min(self._longest_s, self._rest_s * 2.0 ** min(rests - 1, 60)))

    def written(self, now_s: float, wall_s: float) -> str:
        """The counts as a text that outlasts the process.

        Args:
            wall_s: Unix seconds.
        """
        counts = {one: [c.wrong, c.rests, c.until_s - now_s] for one, c in self._counts.items()}
        return json.dumps({"v": 1, "wall": wall_s, "counts": counts})

    def read(self, text: str, now_s: float, wall_s: float | None) -> bool:
        """Take up such a text; False: it is garbage, and nothing changed.

        Args:
            wall_s: Unix seconds; None: nobody knows how much of a rest is over, so none of it is.
        """
        try:
            document = json.loads(text)
            written_s = _finite(document["wall"])
            past_s = 0.0 if wall_s is None else max(0.0, wall_s - written_s)
            counts = {
                str(one): self._read(told, now_s, past_s)
                for one, told in document["counts"].items()
            }
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return False
        self._counts = dict(list(counts.items())[-_MOST:])
        return True

    def _read(self, told: list[float], now_s: float, past_s: float) -> Count:
        wrong, rests, left_s = told
        if not (type(wrong) is type(rests) is int and wrong >= 0 and rests >= 0):
            raise ValueError("not a count")
        return Count(wrong, rests, now_s + min(_finite(left_s) - past_s, self._longest_s))


def _finite(told: float) -> float:
    seconds = float(told)
    if not isfinite(seconds):
        raise ValueError("not a time")
    return seconds
