"""Who was out of view for a moment is known again by the face."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from edged.types import Floats, Observation


class Acquaintance:
    """Remembers one face while it is in view. A head that was turned too far to be followed, or
    hidden behind a helper, gets its number back; anybody else stays somebody else.

    Args:
        same: the similarity from which two views are of one person.
        quality: from which a view can tell.
    """

    def __init__(self, same: float, quality: float) -> None:
        self._same = same
        self._quality = quality
        self._sum: Floats | None = None
        self._numbers: set[int] = set()

    @property
    def knows(self) -> bool:
        """Whether there was a view by which the person would be told from somebody else."""
        return self._sum is not None

    def meet(self, observation: Observation, person: int | None) -> Observation:
        """The observation, with the number of `person` where it shows them under another one.

        Args:
            person: the track of who is remembered; None: nobody yet.
        """
        number = observation.track_id
        if person is None or number is None:
            return observation
        if number in self._numbers:
            observation = replace(observation, track_id=person)
        embedding, quality = observation.embedding, observation.quality
        if embedding is None or quality is None or not quality >= self._quality:
            return observation
        if observation.track_id == person:
            self._sum = embedding if self._sum is None else self._sum + embedding
        elif self._is_same(embedding):
            self._numbers.add(number)
            return replace(observation, track_id=person)
        return observation

    def _is_same(self, embedding: Floats) -> bool:
        if self._sum is None:
            return False
        return float(self._sum @ embedding) >= self._same * float(np.linalg.norm(self._sum))
