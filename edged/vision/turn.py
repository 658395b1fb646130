"""Whose turn it is: one of the faces in view is served, steadily."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.vision.track import Track

PATIENCE_S = 0.5
"""How long somebody must be clearly more prominent to take over, and how long the turn of a
face that is lost is kept for it."""

_CLEARLY = 2.0  # times as prominent
_COMPARABLE = 0.5  # times as prominent is enough for the next in the queue
_REST_S = 8.0
_SOMEBODY_WAS_HERE_S = 2.0  # so long nobody far away is served in place of who was at the door


class Turn:
    """Chooses whom to serve; time is passed in and never runs backwards.

    Whoever is served stays so until they are lost for `PATIENCE_S`, until somebody has been
    twice as prominent for as long, or, once decided about, until the next stands at the door.
    Who was decided about and made way is not served again for some seconds: they linger.

    Args:
        near_px: from this width on a face is at the door; smaller ones are bystanders.
    """

    def __init__(self, near_px: float) -> None:
        self._near_px = near_px
        self._number: int | None = None
        self._weight = 0.0
        self._near = False
        self._seen_s = float("-inf")
        self._challenged_s: float | None = None
        self._settled: dict[int, float] = {}  # when they last had the turn

    @property
    def number(self) -> int | None:
        """Whose turn it is, in view or lost for a moment; None: nobody's."""
        return self._number

    def settle(self, now_s: float, *, done: bool) -> None:
        """Whether whoever has the turn has been decided about."""
        if self._number is None:
            return
        if done:
            self._settled[self._number] = now_s
        else:
            self._settled.pop(self._number, None)

    def forget(self, known: set[int]) -> None:
        """Forget all that was decided about others than these."""
        self._settled = {n: t_s for n, t_s in self._settled.items() if n in known}

    def choose(self, tracks: list[Track], width: int, height: int, now_s: float) -> Track | None:
        """Whose turn it is in a frame of that size; None while nobody is served."""
        weights = {track.number: prominence(track, width, height) for track in tracks}
        current = next((track for track in tracks if track.number == self._number), None)
        chosen = (
            self._successor(tracks, weights, now_s)
            if current is None
            else self._rival(current, tracks, weights, now_s) or current
        )
        if chosen is None:
            return None
        if chosen is not current:
            self._number, self._challenged_s = chosen.number, None
        self._weight, self._near = weights[chosen.number], self._is_near(chosen)
        self._seen_s = now_s
        return chosen

    def _rival(
        self, current: Track, tracks: list[Track], weights: dict[int, float], now_s: float
    ) -> Track | None:
        """Who takes over from somebody who is there."""
        others = [t for t in tracks if t is not current and not self._rests(t, now_s)]
        weight = weights[current.number]
        waiting = self._next(others, weights, weight) if self._is_settled else None
        if waiting is not None:
            return waiting
        best = max(others, key=lambda track: weights[track.number], default=None)
        if best is None or weights[best.number] <= _CLEARLY * weight:
            self._challenged_s = None
            return None
        if self._challenged_s is None:
            self._challenged_s = now_s
        return best if now_s - self._challenged_s >= PATIENCE_S else None

    def _successor(
        self, tracks: list[Track], weights: dict[int, float], now_s: float
    ) -> Track | None:
        """Who is served when who was served is not in view."""
        self._challenged_s = None
        tracks = [track for track in tracks if not self._rests(track, now_s)]
        lost_s = now_s - self._seen_s
        waiting = self._next(tracks, weights, self._weight if lost_s < PATIENCE_S else 0.0)
        if waiting is not None and (self._is_settled or lost_s >= PATIENCE_S):
            return waiting
        best = max(tracks, key=lambda track: weights[track.number], default=None)
        kept_s = PATIENCE_S
        if best is not None and self._near and not self._is_near(best):
            kept_s = _SOMEBODY_WAS_HERE_S
        return best if lost_s >= kept_s else None

    def _next(self, tracks: list[Track], weights: dict[int, float], than: float) -> Track | None:
        """The most prominent person at the door who has not been decided about."""
        queue = [
            track
            for track in tracks
            if track.number not in self._settled
            and self._is_near(track)
            and weights[track.number] >= _COMPARABLE * than
        ]
        return max(queue, key=lambda track: weights[track.number], default=None)

    @property
    def _is_settled(self) -> bool:
        return self._number in self._settled

    def _rests(self, track: Track, now_s: float) -> bool:
        """Whether they were decided about and then somebody else had a turn, not long ago."""
        return now_s - self._settled.get(track.number, float("-inf")) < _REST_S

    def _is_near(self, track: Track) -> bool:
        return track.face.box.width >= self._near_px


def prominence(track: Track, width: int, height: int) -> float:
    """The nearer and the more central, the more prominent."""
    x, y = track.face.box.centre
    away = max(abs(x / max(width, 1) - 0.5), abs(y / max(height, 1) - 0.5))
    return track.face.box.area * (1.25 - min(away, 1.0))
