"""A frame in, an `Observation` of the face being served out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edged.decision.guidance import BLOCKING
from edged.types import Defect, Face, Observation
from edged.vision.defects import blur, find_defects, measure, visible_share
from edged.vision.gains import gains
from edged.vision.geometry import head_pose
from edged.vision.track import Tracker

if TYPE_CHECKING:
    from edged.config.schema import Vision as Limits
    from edged.types import Floats, Frame, Image
    from edged.vision.embed import Embedded, Embedder
    from edged.vision.mtcnn import Detection, Detector
    from edged.vision.track import Track

_COMPARABLE = 0.5  # a second face of half the served one's area is somebody at the door too
_DOUBTFUL = 0.85  # a view of a higher quality is sharp enough, whatever it measures


class Vision:
    """Detect, follow, judge and embed; one frame at a time, in one thread.

    Args:
        detector: the cascade, on open runners.
        embedder: the recogniser, on an open runner.
        limits: when a view is fit to be used.
        same: the similarity from which two views are of one person.
        trusted: the quality from which a view can say that it is somebody else.
    """

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder,
        limits: Limits,
        *,
        same: float,
        trusted: float,
    ) -> None:
        self._detector = detector
        self._embedder = embedder
        self._limits = limits
        self._same = same
        self._trusted = trusted
        self._seen: tuple[int, Floats] | None = None  # track number, running mean of its views
        self._tracker = Tracker()
        self._since_detection = 0

    def observe(self, frame: Frame, *, embed: bool) -> Observation:
        """What the frame shows.

        Args:
            frame: the frame.
            embed: whether the decision can use an embedding; without, and on views that are
                never matched, only place, pose and light are judged and the recogniser rests.

        Raises:
            RuntimeFault: an inference runtime failed.
        """
        image = frame.image
        self._find(image)
        height, width = image.shape[:2]
        track = self._tracker.served(width, height)
        if track is None:
            return Observation(frame.t_s, frame.seq, 0, None, None, (Defect.NO_FACE,))
        face = as_face(track.face)
        measures = measure(image, face)
        defects = find_defects(image, face, self._limits, measures)
        others = [t.face.box.area for t in self._tracker.tracks if t is not track]
        if others and max(others) > _COMPARABLE * face.box.area:
            defects.append(Defect.SEVERAL_FACES)
        seen = len(self._tracker.tracks)
        visible = visible_share(face.box, width, height)
        if not embed or BLOCKING.intersection(defects):
            return Observation(
                frame.t_s,
                frame.seq,
                seen,
                track.number,
                face,
                tuple(defects),
                gains=gains(defects, face, measures, visible, None),
                measures=measures,
            )
        chip = self._embedder.chip(image, face.landmarks)
        found = self._embedder.embed(chip)
        softness = blur(chip)
        measures = replace(measures, blur=softness)
        if found.quality < _DOUBTFUL and softness > self._limits.blur_level:
            defects.append(Defect.BLURRED)
        track = self._as_person(track, found)
        return Observation(
            frame.t_s,
            frame.seq,
            seen,
            track.number,
            face,
            tuple(defects),
            found.embedding,
            found.log_variance,
            found.quality,
            gains(defects, face, measures, visible, found.quality),
            measures,
        )

    def _as_person(self, track: Track, found: Embedded) -> Track:
        """A track is a place; when another person stands in it, it gets another number."""
        if found.quality < self._trusted:
            return track
        if self._seen is not None and self._seen[0] == track.number:
            mean = self._seen[1]
            if float(mean @ found.embedding) < self._same * float(np.linalg.norm(mean)):
                track = self._tracker.renumber(track)
                self._seen = (track.number, found.embedding)
            else:
                self._seen = (track.number, 0.8 * mean + found.embedding)
        else:
            self._seen = (track.number, found.embedding)
        return track

    def _find(self, image: Image) -> None:
        """Follow the known faces; detect anew when one is lost, and every few frames."""
        self._since_detection += 1
        boxes = [track.face.box for track in self._tracker.tracks]
        due = self._since_detection >= self._limits.detect_every_frames
        if boxes and not due and self._tracker.follow(self._detector.follow(image, boxes)):
            return
        self._since_detection = 0
        self._tracker.associate(self._detector.detect(image))


def as_face(detection: Detection) -> Face:
    """A detection with the pose that its landmarks mean."""
    return Face(detection.box, detection.landmarks, detection.score, head_pose(detection.landmarks))
