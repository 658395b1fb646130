"""Faces keep their number from frame to frame, and one of them is served."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING

from edged.vision.turn import PATIENCE_S, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.types import Box
    from edged.vision.mtcnn import Detection

_SAME_FACE = 0.3
_ONE_FACE = 0.5  # tracks that overlap more have run into one
_REMEMBERED_S = 0.9  # for so long a face that was lost keeps its number
_MOST = 16  # faces, the largest of a frame; and as many that were lost
_COMPANY, _STILL_COMPANY = 0.5, 0.4  # shares of the served face's area


@dataclass(frozen=True, slots=True)
class Track:
    """One face over time; ``number`` is never used twice."""

    number: int
    face: Detection


class Tracker:
    """Associates detections by overlap and chooses whom to serve.

    Every frame begins with `tick`. Between two detections only the served face is followed; the
    others stay where they were last seen.

    Args:
        near_px: from this width on a face is at the door.

    Attributes:
        tracks: the faces in view.
    """

    # One row for the whole process: a pipeline that is made anew never repeats a number.
    _all_numbers = itertools.count(1)

    def __init__(self, near_px: float = 72, numbers: Iterator[int] = _all_numbers) -> None:
        self._numbers = numbers
        self._turn = Turn(near_px)
        self._now_s = 0.0
        self._missing: list[tuple[float, Track]] = []  # when it was last seen, the track
        self._company_s = float("-inf")
        self.tracks: list[Track] = []

    @property
    def current(self) -> Track | None:
        """The face being served, if it was in view in the last frame."""
        return next((t for t in self.tracks if t.number == self._turn.number), None)

    def tick(self, t_s: float) -> None:
        """A frame of this time comes; a time that is no number, or past, is now."""
        if isfinite(t_s):
            self._now_s = max(self._now_s, t_s)
        oldest_s = self._now_s - _REMEMBERED_S
        self._missing = [item for item in self._missing if item[0] >= oldest_s][-_MOST:]
        self._turn.forget({track.number for track in self._known()})

    def follow(self, face: Detection | None) -> bool:
        """Take over the served face as it is now; False when it was lost.

        One that has run into another face counts as lost: a detection tells whose it is.
        """
        served = self.current
        if served is None:
            return False
        others = [track for track in self.tracks if track is not served]
        if (
            face is None
            or not is_sound(face)
            or any(face.box.overlap(track.face.box) > _ONE_FACE for track in others)
        ):
            self.tracks = others
            self._missing.append((self._now_s, served))
            return False
        self.tracks = [replace(t, face=face) if t is served else t for t in self.tracks]
        return True

    def associate(self, faces: list[Detection]) -> None:
        """Take over the faces of a full detection: best overlaps first, new numbers else.

        Whoever has hardly moved comes first: in the place of who was lost they may stand.
        """
        sound = [face for face in faces if is_sound(face)]
        sound.sort(key=lambda face: face.box.area, reverse=True)
        del sound[_MOST:]
        known = self._known()
        in_view = len(self.tracks)
        pairs = []
        for t, track in enumerate(known):
            for f, face in enumerate(sound):
                overlap = track.face.box.overlap(face.box)
                if overlap >= _SAME_FACE:
                    pairs.append((t < in_view and overlap > _ONE_FACE, overlap, t, f))
        pairs.sort(reverse=True)
        numbers: dict[int, int] = {}
        used: set[int] = set()
        for _, _, t, f in pairs:
            if t not in used and f not in numbers:
                numbers[f] = known[t].number
                used.add(t)
        found = set(numbers.values())
        self._missing = [item for item in self._missing if item[1].number not in found]
        self._missing += [(self._now_s, t) for t in self.tracks if t.number not in found]
        self.tracks = [
            Track(numbers[f] if f in numbers else next(self._numbers), face)
            for f, face in enumerate(sound)
        ]

    def served(self, width: int, height: int, *, done: bool = False) -> Track | None:
        """The face being served in a frame of that size; None when nobody is.

        Args:
            width, height: of the frame, px.
            done: whether the one served so far has been decided about, so that the next in the
                queue need not wait until they have gone.
        """
        self._turn.settle(self._now_s, done=done)
        return self._turn.choose(self.tracks, width, height, self._now_s)

    def company(self, served: Track) -> bool:
        """Whether a face of like size is, or was a moment ago, at the door beside this one."""
        share = _STILL_COMPANY if self._now_s - self._company_s < PATIENCE_S else _COMPANY
        areas = [track.face.box.area for track in self.tracks if track.number != served.number]
        if max(areas, default=0.0) > share * served.face.box.area:
            self._company_s = self._now_s
        return self._now_s - self._company_s < PATIENCE_S

    def part(self, track: Track, box: Box) -> None:
        """In the place of a track stands somebody else now, who gets a new number.

        Args:
            track: one of `tracks`.
            box: where the person who has its number was last seen, and may be again.
        """
        other = replace(track, number=next(self._numbers))
        self.tracks = [other if known is track else known for known in self.tracks]
        was = replace(track, face=replace(track.face, box=box))
        self._missing.append((self._now_s, was))

    def _known(self) -> list[Track]:
        return [*self.tracks, *(track for _, track in self._missing)]


def is_sound(face: Detection) -> bool:
    """Whether a detection is made of numbers and has an area."""
    box = face.box
    sides = (box.left, box.top, box.right, box.bottom)
    points = (value for point in face.landmarks for value in point)
    return all(map(isfinite, (*sides, *points, face.score))) and box.width > 0 < box.height
