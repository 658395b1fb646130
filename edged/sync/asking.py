"""When to ask the site, and when to be quiet."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.sync.progress import Want

_FIRST_S, _LONGEST_S = 2.0, 300.0
_REFUSED_S = 30.0
_TOLD_AGAIN_S = 5.0


class Asking:
    """One question at a time; again after twice as long each time, until something moves.

    Args:
        say: sends a question, or with None only what is held.
        settle_s: how long a retained head has to arrive on a new connection before it is asked
            for; many terminals may come back at once, so each takes a part of it by chance.

    Attributes:
        due_s: when it is time to ask (again); infinity: not by itself.
    """

    def __init__(self, say: Callable[[Want | None], None], settle_s: float) -> None:
        self._say = say
        self._settle_s = settle_s
        self._asked: Want | None = None
        self._delay_s = _FIRST_S
        self._tell_s = 0.0
        self.due_s = float("inf")

    def connected(self, now_s: float) -> None:
        """Whatever was asked before is forgotten."""
        self._asked, self._delay_s = None, _FIRST_S
        self.due_s = now_s + self._settle_s * random.SystemRandom().uniform(0.25, 1)

    def disconnected(self) -> None:
        """There is nobody to ask."""
        self._asked, self.due_s = None, float("inf")

    def moved(self) -> None:
        """What was asked for came, or the site said something new: patience begins anew."""
        self._delay_s = _FIRST_S

    def ask(self, want: Want, now_s: float) -> None:
        """Ask, unless just that is asked already."""
        if want == self._asked:
            return
        self._asked = want
        self._wait(now_s)
        self._say(want)

    def overdue(self, now_s: float) -> bool:
        """Whether the site has been silent for too long; then the question is open again."""
        if now_s < self.due_s:
            return False
        self._asked = None
        return True

    def refuse(self, now_s: float) -> None:
        """What came cannot be taken: say so, and ask for the same again, but not soon."""
        self._asked = None
        self._say(None)
        self._delay_s = max(self._delay_s, _REFUSED_S)
        self._wait(now_s)

    def rest(self, now_s: float, *, first: bool) -> None:
        """Nothing is missing: say so if that is news (or for the first time), then be quiet."""
        if first or self._asked is not None:
            self._say(None)
        self._asked, self.due_s, self._tell_s = None, float("inf"), now_s + _TOLD_AGAIN_S
        self._delay_s = _FIRST_S

    def tell(self, now_s: float) -> None:
        """Say again what is held and wanted, not too often: whoever sent what does not fit may
        not know."""
        if now_s >= self._tell_s:
            self._tell_s = now_s + _TOLD_AGAIN_S
            self._say(self._asked)

    def _wait(self, now_s: float) -> None:
        self.due_s = now_s + self._delay_s
        self._delay_s = min(2 * self._delay_s, _LONGEST_S)
