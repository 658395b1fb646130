"""One side of an interlock of two doors (mantrap): never both unlocked or open; pure.

A side may unlock its door only while it *holds*: it has asked with a claim of its own, and the
other has said that it *yields* to that very claim. Who yields keeps its own door locked until the
other says that the claim is over and its door shut and locked. Nothing ends a yield but that
word: neither time nor silence, so that no clock and no lost, late or repeated word opens the
second door. A side never holds and yields at once, and each claim is named by the start of the
program that made it, so a start that forgot what it yielded to does no harm: it cannot hold
without the other, and the other does not yield while it holds.

A word counts only if it answers one that this side said a moment ago, and is newer than the last
that counted. Words of an earlier start of the other, and words that somebody kept and repeats,
answer nothing of that kind. When both ask at once, the name that comes first wins.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import inf

HEARTBEAT_S = 1.0
"""A side says how it is at least this often."""

STALE_BEATS = 3.2
"""What a word answers must have been said no more beats ago than this; so old is a silence."""

GRACE_S = 2.0
"""A claim that is held and not used is over after this."""

_REMEMBERED = 128


@dataclass(frozen=True, slots=True)
class Word:
    """What a side says: all that it knows, each time.

    Attributes:
        boot: names one start of the sender.
        number: grows with each word of that start.
        echo: start and number of the last word that the sender heard.
        shut: the sender's door is shut and locked.
        claim: the claim that the sender asks with, or holds.
        holds: whether it holds it.
        yields: start and number of the other's claim that the sender keeps its door locked for.
        fire: the sender's door is open because of a fire.
    """

    boot: str
    number: int
    echo: tuple[str, int] | None = None
    shut: bool = False
    claim: int | None = None
    holds: bool = False
    yields: tuple[str, int] | None = None
    fire: bool = False


class Side:
    """One of the two.

    Args:
        me, other: the terminals' names.
        boot: nobody can guess it, and no other start has it.
        now_s: monotonic, as everywhere here.
        settle_s: how long after its start a side neither asks nor yields: whoever was passing
            when the program ended has passed.
        dwell_s: how long the door must be shut and locked before that is said: a contact that is
            debounced tells late that the door is open.
    """

    def __init__(
        self,
        me: str,
        other: str,
        boot: str,
        now_s: float,
        *,
        settle_s: float,
        dwell_s: float,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._first = me < other
        self._boot = boot
        self._settled_s = now_s + settle_s
        self._dwell_s = dwell_s
        self._stale_s = STALE_BEATS * heartbeat_s
        self._number = self._claims = 0
        self._said: OrderedDict[int, float] = OrderedDict()  # when, by number
        self._echo: tuple[str, int] | None = None
        self._word: Word | None = None  # the last of the other's that counted
        self._answered_s = -inf  # when this side said what that word answers
        self._fresh_from = 1  # a new start of the other must answer this or a later word
        self._claim: int | None = None
        self._holds = self._used = False
        self._held_s = -inf
        self._yields: tuple[str, int] | None = None
        self._shut = self._fire = False
        self._shut_s = inf

    @property
    def asking(self) -> bool:
        """Whether it waits for the other to yield."""
        return self._claim is not None and not self._holds

    @property
    def holding(self) -> bool:
        """Whether this door may be unlocked, and the other one may not."""
        return self._holds

    @property
    def yielding(self) -> bool:
        """Whether this door stays locked for the other."""
        return self._yields is not None

    def heard(self, now_s: float) -> bool:
        """Whether the other side answers."""
        return now_s - self._answered_s <= self._stale_s

    def locked(self, now_s: float) -> bool:
        """Whether this door is shut and locked for certain."""
        return self._shut and now_s - self._shut_s >= self._dwell_s

    def blocked(self, now_s: float) -> str | None:
        """Why this door stays locked, as far as is known at once: "starting", "unheard",
        "other_fire", "other_passing", "other_open"; None: it may ask."""
        if self._holds:
            return None
        if now_s < self._settled_s:
            return "starting"
        if self._word is None or not self.heard(now_s):
            return "unheard"
        if self._word.fire:
            return "other_fire"
        if self._yields is not None or self._word.claim is not None:
            return "other_passing"
        return None if self._word.shut else "other_open"

    def ask(self, now_s: float) -> str | None:
        """Claim, unless something speaks against it at once: that is returned."""
        if self._holds:  # the same claim, once more
            self._used, self._held_s = False, now_s
            return None
        why = self.blocked(now_s)
        if why is None and self._claim is None:
            self._claims += 1
            self._claim = self._claims
        return why

    def give_up(self) -> None:
        """Ask no longer."""
        if not self._holds:
            self._claim = None

    def door(self, shut_and_locked: bool, now_s: float, *, fire: bool = False) -> None:
        """How this door is, on each change."""
        self._fire = fire
        if shut_and_locked and not self._shut:
            self._shut_s = now_s
        self._shut = shut_and_locked
        self._used = self._used or (self._holds and not shut_and_locked)

    def tick(self, now_s: float) -> bool:
        """Let go of what is over; whether something was."""
        over = self._used or now_s - self._held_s >= GRACE_S
        if not (self._holds and over and self.locked(now_s)):
            return False
        self._claim, self._holds = None, False
        return True

    def say(self, now_s: float) -> Word:
        """What is to be said now, in whole."""
        self._number += 1
        self._said[self._number] = now_s
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        return Word(
            self._boot,
            self._number,
            self._echo,
            shut=self.locked(now_s),
            claim=self._claim,
            holds=self._holds,
            yields=self._yields,
            fire=self._fire,
        )

    def hear(self, word: Word, now_s: float) -> bool:
        """Take in a word that the other signed; whether it is to be answered at once."""
        if self._echo is None or self._echo[0] != word.boot or self._echo[1] < word.number:
            self._echo = (word.boot, word.number)
        if not self._counts(word, now_s):
            return True  # the other may be new, and need an answer that it can answer
        new = self._word is None or self._word.boot != word.boot
        if new:
            self._fresh_from = self._number + 1
        assert word.echo is not None  # noqa: S101  # else it would not count
        self._answered_s = self._said[word.echo[1]]
        self._word = word
        before = (self._claim, self._holds, self._yields)
        self._take(word, now_s)
        changed = before != (self._claim, self._holds, self._yields)
        return new or changed or (word.claim is not None and not word.holds)

    def _counts(self, word: Word, now_s: float) -> bool:
        """Whether it was said just now, and by the start of the other that is alive."""
        if word.echo is None or word.echo[0] != self._boot:
            return False
        said_s = self._said.get(word.echo[1])
        if said_s is None or now_s - said_s > self._stale_s:
            return False
        if self._word is not None and self._word.boot == word.boot:
            return word.number > self._word.number
        return word.echo[1] >= self._fresh_from

    def _take(self, word: Word, now_s: float) -> None:
        over = word.shut and (word.claim is None or (word.boot, word.claim) != self._yields)
        if over:
            self._yields = None
        if self.asking and word.shut and word.yields == (self._boot, self._claim):
            self._holds, self._used, self._held_s = True, False, now_s
        if word.claim is not None and self._may_yield(now_s):
            self._yields = (word.boot, word.claim)
            self._claim = None

    def _may_yield(self, now_s: float) -> bool:
        if self._holds or now_s < self._settled_s or not self.locked(now_s):
            return False
        # who has yielded once does so until the end of that claim, not to another
        return self._yields is None and (self._claim is None or not self._first)
