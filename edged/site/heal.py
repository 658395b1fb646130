"""When a terminal is asked to send events again that were lost on their way; no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edged.site.stream import Hole

MOST_AT_ONCE = 10_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 20.0, 600.0
_DRAINED_S = 3.0


@dataclass(slots=True)
class _Wait:
    noticed_s: float
    next_s: float = 0.0
    pause_s: float = _FIRST_PAUSE_S


class Healing:
    """Chooses the hole to be asked for next.

    A hole may be one for a moment only: what happens now overtakes what waits. So it is asked for
    when it is `after_s` old and nothing came late from its terminal for a few seconds.
    """

    def __init__(self, after_s: float, monotonic: Callable[[], float]) -> None:
        self._after_s = after_s
        self._now = monotonic
        self._waits: dict[tuple[str, str, int], _Wait] = {}
        self._late_s: dict[str, float] = {}

    def came_late(self, terminal: str) -> None:
        """A terminal is still sending what waited."""
        self._late_s[terminal] = self._now()

    def due(self, holes: Iterable[Hole]) -> Hole | None:
        """The hole to be asked for now; the next time it waits longer."""
        now_s, chosen = self._now(), None
        there: dict[tuple[str, str, int], _Wait] = {}
        for hole in holes:
            place = (hole.terminal, hole.log, hole.last)
            wait = there[place] = self._waits.get(place) or _Wait(now_s, now_s + self._after_s)
            drained = now_s - self._late_s.get(hole.terminal, -_DRAINED_S) >= _DRAINED_S
            if chosen is None and now_s >= wait.next_s and drained:
                chosen = hole
                wait.next_s = now_s + wait.pause_s
                wait.pause_s = min(_LONGEST_PAUSE_S, 2 * wait.pause_s)
        self._waits = there
        return chosen
