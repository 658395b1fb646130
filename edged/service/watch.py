"""Whether the pipeline moves: all of it, for half of one recognises nobody."""

from __future__ import annotations


class Watch:
    """Compares the beats of several threads; one that moves does not stand in for another.

    Attributes:
        moved_s: when all of them were last seen to have moved, monotonic.
    """

    def __init__(self, now_s: float) -> None:
        self.moved_s = now_s
        self._seen: tuple[int, ...] = ()

    def look(self, now_s: float, *beats: int) -> bool:
        """Whether every beat has changed since this was last true."""
        if self._seen and any(new == old for new, old in zip(beats, self._seen, strict=True)):
            return False
        self._seen, self.moved_s = beats, now_s
        return True
