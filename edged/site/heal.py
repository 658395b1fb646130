"""When a terminal is asked to send events again that were lost on their way; no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edged.site.stream import Hole

MOST_AT_ONCE = 10_000
_LONGEST_PAUSE_S = 600.0
_DRAINED_S = 3.0
_IMPATIENT = 6
_CERTAIN = 2


@dataclass(slots=True)
class _Wait:
    noticed_s: float
    next_s: float
    pause_s: float
    empty: int = 0


class Healing:
    """Chooses the hole to be asked for next.

    A hole may be one for a moment only: what happens now overtakes what waits. So it is asked for
    when it is `after_s` old and nothing else came late from its terminal for a few seconds; and
    if it has been there for long, in any case.
    """

    def __init__(self, after_s: float, monotonic: Callable[[], float]) -> None:
        self._after_s = after_s
        self._now = monotonic
        self._waits: dict[tuple[str, str, int], _Wait] = {}
        self._late_s: dict[str, float] = {}
        self._asked: dict[str, Hole] = {}

    def came_late(self, terminal: str, seq: object) -> None:
        """A terminal is still sending what waited; what was asked for is none of that."""
        asked = self._asked.get(terminal)
        ours = asked is not None and isinstance(seq, int) and asked.first <= seq <= asked.last
        if not ours:
            self._late_s[terminal] = self._now()

    def due(self, holes: Iterable[Hole]) -> Hole | None:
        """The hole to be asked for now; the next time it waits longer."""
        now_s, chosen = self._now(), None
        there: dict[tuple[str, str, int], _Wait] = {}
        for hole in holes:
            wait = self._waits.get(_place(hole))
            if wait is None:
                wait = _Wait(now_s, now_s + self._after_s, 2 * self._after_s)
            there[_place(hole)] = wait
            drained = now_s - self._late_s.get(hole.terminal, -_DRAINED_S) >= _DRAINED_S
            ripe = drained or now_s - wait.noticed_s >= _IMPATIENT * self._after_s
            if chosen is None and now_s >= wait.next_s and ripe:
                chosen = hole
                wait.next_s = now_s + wait.pause_s
                wait.pause_s = min(_LONGEST_PAUSE_S, 2 * wait.pause_s)
        self._waits = there
        if chosen is not None:
            self._asked[chosen.terminal] = chosen
        return chosen

    def answered(self, hole: Hole, events: int) -> bool:
        """The terminal sends so many of a hole again. Whether they may be given up: it had none
        several times, so that they do not just wait there either."""
        wait = self._waits.get(_place(hole))
        if wait is None:
            return False
        wait.empty = 0 if events else wait.empty + 1
        return wait.empty >= _CERTAIN


def _place(hole: Hole) -> tuple[str, str, int]:
    """A hole is filled from its beginning."""
    return hole.terminal, hole.log, hole.last
