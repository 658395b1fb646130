"""An empty lobby costs nothing: which frames without a face the decision can do without."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from edged.recording.items import Held, Seen

if TYPE_CHECKING:
    from edged.recording.items import Item

GONE_S = 60.0
"""The longest ``decision.gone_after_s`` that a configuration may have: a frame without a face
so long after the last face has reset the decision under every policy, and those that follow
change nothing any more."""


class Thinner:
    """Chooses, one item after the other."""

    def __init__(self) -> None:
        self._now_s = float("-inf")
        self._seen_s = float("-inf")
        self._over = False

    def keeps(self, item: Item) -> bool:
        """Whether a decision under any policy can tell that this item is missing."""
        if isinstance(item, Held):
            self._now_s = max(self._now_s, item.t_s)
            self._seen_s, self._over = self._now_s, False
        if not isinstance(item, Seen):
            return True
        observation = item.observation
        if isfinite(observation.t_s):
            self._now_s = max(self._now_s, observation.t_s)
        if observation.track_id is not None:
            self._seen_s, self._over = self._now_s, False
            return True
        if self._over:
            return False
        self._over = self._now_s - self._seen_s >= GONE_S
        return True
