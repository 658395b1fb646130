"""Faces keep their number from frame to frame, and one of them is served."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.vision.mtcnn import Detection

_SAME_FACE = 0.3
_REMEMBERED = 8  # frames for which a face that was lost keeps its number


@dataclass(frozen=True, slots=True)
class Track:
    """One face over time; ``number`` is never used twice."""

    number: int
    face: Detection


class Tracker:
    """Associates detections by overlap and chooses whom to serve."""

    # One row for the whole process: a pipeline that is made anew never repeats a number.
    _all_numbers = itertools.count(1)

    def __init__(self, numbers: Iterator[int] = _all_numbers) -> None:
        self._numbers = numbers
        self.tracks: list[Track] = []
        self._missing: list[tuple[int, Track]] = []  # frames since it was seen, the track
        self._served: int | None = None

    def follow(self, faces: list[Detection | None]) -> bool:
        """Take over the faces found where the tracks were; False when one was lost.

        Two tracks that have run together count as one.
        """
        kept: list[Track] = []
        lost = False
        self._age()
        for track, face in zip(self.tracks, faces, strict=True):
            if face is None or any(face.box.overlap(t.face.box) > 0.5 for t in kept):
                lost = True
                self._missing.append((0, track))
            else:
                kept.append(replace(track, face=face))
        self.tracks = kept
        return not lost

    def associate(self, faces: list[Detection]) -> None:
        """Take over the faces of a full detection: best overlaps first, new numbers else."""
        self._age()
        known = [*self.tracks, *(track for _, track in self._missing)]
        pairs = sorted(
            (
                (track.face.box.overlap(face.box), t, f)
                for t, track in enumerate(known)
                for f, face in enumerate(faces)
            ),
            reverse=True,
        )
        numbers: dict[int, int] = {}
        used: set[int] = set()
        for overlap, t, f in pairs:
            if overlap >= _SAME_FACE and t not in used and f not in numbers:
                numbers[f] = known[t].number
                used.add(t)
        self._missing = [item for item in self._missing if item[1].number not in numbers.values()]
        self._missing += [
            (0, track) for track in self.tracks if track.number not in numbers.values()
        ]
        tracks: list[Track] = []
        for f, face in enumerate(faces):
            number = numbers.get(f)
            tracks.append(Track(next(self._numbers) if number is None else number, face))
        self.tracks = tracks

    def renumber(self, track: Track) -> Track:
        """The place is the same, the person is not: give the track a new number."""
        other = replace(track, number=next(self._numbers))
        self.tracks = [other if known is track else known for known in self.tracks]
        if self._served == track.number:
            self._served = other.number
        return other

    def _age(self) -> None:
        self._missing = [(age + 1, track) for age, track in self._missing if age < _REMEMBERED]

    def served(self, width: int, height: int) -> Track | None:
        """The face being served: the same as before while it is there, else the nearest and
        most central one. A bystander takes over only by being twice as prominent."""
        if not self.tracks:
            self._served = None
            return None

        def prominence(track: Track) -> float:
            x, y = track.face.box.centre
            away = max(abs(x / width - 0.5), abs(y / height - 0.5))
            return track.face.box.area * (1.25 - min(away, 1.0))

        best = max(self.tracks, key=prominence)
        current = next((t for t in self.tracks if t.number == self._served), None)
        if current is None or prominence(best) > 2 * prominence(current):
            current = best
        self._served = current.number
        return current
