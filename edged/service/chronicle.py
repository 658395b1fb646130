"""Keeps the history while the terminal works, and says what has been going wrong for days."""

from __future__ import annotations

import logging
import time
from datetime import date
from typing import TYPE_CHECKING, Any

from edged.decision.drift import review
from edged.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.decision.drift import Drift
    from edged.decision.presentation import Summary
    from edged.history.store import History, Traffic
    from edged.service.journal import Journal
    from edged.service.state import State

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 3600.0
_TRY_AGAIN_S = 5.0


class Chronicle:
    """`note` belongs to the vision thread, everything else to the supervisor's.

    A history that fails is no reason to shut a door: the part is told as degraded, once, and
    tried again.

    Args:
        clock: Unix seconds.

    Attributes:
        traffic: how busy the door is, as of the last hour; None until a day was measured.
    """

    def __init__(
        self,
        history: History,
        journal: Journal,
        state: State,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._history = history
        self._journal = journal
        self._state = state
        self._clock = clock
        self._look_s = self._try_s = float("-inf")
        self.traffic: Traffic | None = None

    @property
    def not_granted_per_day(self) -> float | None:
        """Presentations a day that were not granted, as far as that was measured."""
        return self.traffic.not_granted if self.traffic is not None else None

    def note(self, summary: Summary) -> None:
        """A presentation has ended; it is written by the next `tick`."""
        self._history.note(summary, self._clock())

    def tick(self, now_s: float) -> None:
        """Write what was noted; every hour look back. `now_s` is monotonic."""
        if now_s < self._try_s:
            return
        try:
            self._history.open()
            self._history.flush()
            if now_s >= self._look_s:
                self._look_back(self._clock())
                self._look_s = now_s + _LOOK_EVERY_S
        except StorageError as fault:
            self._try_s = now_s + _TRY_AGAIN_S
            if self._state.degrade("history", str(fault)):
                log.error("the history cannot be kept: %s", fault)
        else:
            if self._state.restore("history"):
                log.warning("the history is kept again")

    def close(self) -> None:
        """Write what was noted last, and let go of the file; safe at any time."""
        try:
            self._history.flush()
        except StorageError as fault:
            log.info("the last presentations are not in the history: %s", fault)
        self._history.close()

    def _look_back(self, now: float) -> None:
        self._history.prune(now)
        self.traffic = self._history.traffic(now)
        today, known = self._history.today(now), self._history.drifts()
        found = review(self._history.buckets(today), known, today)
        if not found.began and not found.over:
            return
        told = [self._journal.record("capture.drift", **_told(drift)) for drift in found.began]
        told += [self._journal.record("capture.drift_over", **_told(drift)) for drift in found.over]
        if None not in told:  # else all of it is told again in an hour: rather twice than never
            self._history.keep_drifts(found.active)


def _told(drift: Drift) -> dict[str, Any]:
    minute = drift.minute
    return {
        "what": drift.what,
        "defect": drift.defect,
        "at": None if minute is None else f"{minute // 60:02}:{minute % 60:02}",
        "days": drift.days,
        "share": round(drift.share, 3),
        "presentations": drift.presentations,
        "since": date.fromordinal(drift.since).isoformat(),
    }
