"""A frame in, an `Observation` of the face being served out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edged.decision.guidance import BLOCKING
from edged.types import Defect, Face, Observation
from edged.vision.defects import (
    blur,
    find_defects,
    measure,
    shows_sharpness,
    visible_share,
)
from edged.vision.gains import gains
from edged.vision.geometry import head_pose
from edged.vision.tone import toned
from edged.vision.track import Tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edged.config.schema import Vision as Limits
    from edged.types import Box, Floats, Frame, Image, Point, Second
    from edged.vision.embed import Embedded, Embedder
    from edged.vision.mtcnn import Detection, Detector
    from edged.vision.track import Track

_DOUBTFUL = 0.85  # a view of a higher quality is sharp enough, whatever it measures


@dataclass(frozen=True, slots=True)
class _Person:
    """Who has the number of a track: the running mean of their views, where they were last
    seen, and whether the last view was of somebody else."""

    number: int
    mean: Floats
    box: Box
    doubted: bool = False


class Vision:
    """Detect, follow, judge and embed; one frame at a time, in one thread.

    Args:
        detector: the cascade, on open runners.
        embedder: the recogniser, on an open runner.
        limits: when a view is fit to be used.
        same: the similarity from which two views are of one person.
        trusted: the quality from which a view can say that it is somebody else.
        again: what a second network makes of a view that can be trusted: of an image, the
            landmarks in it and the chip that was embedded; None while it makes nothing.
    """

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder,
        limits: Limits,
        *,
        same: float,
        trusted: float,
        again: Callable[[Image, Sequence[Point], Image], Second | None] | None = None,
    ) -> None:
        self._detector = detector
        self._embedder = embedder
        self._limits = limits
        self._same = same
        self._trusted = trusted
        self._again = again
        self._seen: _Person | None = None
        self._tracker = Tracker(limits.near_face_px)
        self._since_detection = 0
        self._spread = False

    def observe(self, frame: Frame, *, embed: bool, done: bool = False) -> Observation:
        """What the frame shows.

        Args:
            frame: the frame.
            embed: whether the decision can use an embedding; without, and on views that are
                never matched, only place, pose and light are judged and the recogniser rests,
                unless the last view was of somebody else.
            done: whether the face served so far has been decided about; then the next in the
                queue is served.

        Raises:
            RuntimeFault: an inference runtime failed.
        """
        image = frame.image
        self._tracker.tick(frame.t_s)
        self._find(image)
        height, width = image.shape[:2]
        track = self._tracker.served(width, height, done=done)
        if track is None:
            return self._nobody(frame)
        face = as_face(track.face)
        measures = measure(image, face)
        defects = find_defects(image, face, self._limits, measures)
        if self._tracker.company(track):
            defects.append(Defect.SEVERAL_FACES)
        seen = Observation(
            frame.t_s,
            frame.seq,
            len(self._tracker.tracks),
            track.number,
            face,
            tuple(defects),
            measures=measures,
        )
        visible = visible_share(face.box, width, height)
        wanted = embed or (self._seen is not None and self._seen.doubted)
        if not wanted or BLOCKING.intersection(defects):
            return replace(seen, gains=gains(defects, face, measures, visible, None))
        chip = self._embedder.chip(image, face.landmarks)
        found = self._embedder.embed(chip)
        softness = blur(chip)
        measures = replace(measures, blur=softness)
        soft = softness > self._limits.blur_level and shows_sharpness(measures)
        if soft and found.quality < _DOUBTFUL:
            defects.append(Defect.BLURRED)
        if not self._is_same(track, found):
            return self._nobody(frame)
        second = None
        if self._again is not None and embed and found.quality >= self._trusted:
            second = self._again(image, face.landmarks, chip)
        return replace(
            seen,
            defects=tuple(defects),
            embedding=found.embedding,
            log_variance=found.log_variance,
            quality=found.quality,
            gains=gains(defects, face, measures, visible, found.quality),
            measures=measures,
            second=second,
        )

    def _nobody(self, frame: Frame) -> Observation:
        """Nobody is served, whoever else may be in view."""
        faces = len(self._tracker.tracks)
        return Observation(frame.t_s, frame.seq, faces, None, None, (Defect.NO_FACE,))

    def _is_same(self, track: Track, found: Embedded) -> bool:
        """Whether the person is still who had the number of this track.

        A track is a place. One view of somebody else there says nothing; with the second the
        place gets another number, and who was there keeps theirs for a moment: somebody may
        just have passed before them.
        """
        if found.quality < self._trusted:
            return True
        seen = self._seen
        if seen is None or seen.number != track.number:
            self._seen = _Person(track.number, found.embedding, track.face.box)
            return True
        if float(seen.mean @ found.embedding) >= self._same * float(np.linalg.norm(seen.mean)):
            self._seen = _Person(track.number, 0.8 * seen.mean + found.embedding, track.face.box)
            return True
        if seen.doubted:
            self._tracker.part(track, seen.box)
        self._seen = replace(seen, doubted=not seen.doubted)
        return False

    def _find(self, image: Image) -> None:
        """Follow the served face; detect anew when it is lost, and every few frames.

        So somebody who joins is seen within ``detect_every_frames``, and a crowd costs no more
        between two detections than one face.
        """
        self._since_detection += 1
        spread = toned(image)
        served = self._tracker.current
        due = self._since_detection >= self._limits.detect_every_frames
        if served is not None and not due:
            where = spread if self._spread else image
            (face,) = self._detector.follow(where, [served.face.box])
            if self._tracker.follow(face):
                return
        self._since_detection = 0
        found = self._detector.detect(spread)
        self._spread = spread is not image and bool(found)
        if not found and spread is not image:
            found = self._detector.detect(image)  # spreading loses a dark face before a bright wall
        self._tracker.associate(found)


def as_face(detection: Detection) -> Face:
    """A detection with the pose that its landmarks mean."""
    return Face(detection.box, detection.landmarks, detection.score, head_pose(detection.landmarks))
