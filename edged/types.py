"""Frozen values that travel between the rooms.

Images are BGR uint8 (height, width, 3), as OpenCV delivers them; aligned chips handed to a
network are RGB. Times named ``t_s`` are monotonic seconds; wall-clock times are RFC 3339.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    Floats = NDArray[np.float32]

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """One captured image: BGR uint8 (h, w, 3), monotonic time of capture, running number."""

    image: Image
    t_s: float
    seq: int


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle in px; may reach beyond the frame."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def centre(self) -> Point:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0–1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.area + other.area - shared)


@dataclass(frozen=True, slots=True)
class Pose:
    """Head rotation as the camera sees it, degrees.

    Positive yaw: the nose points to the image's right; positive pitch: the head is raised;
    positive roll: the head is tilted clockwise in the image.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True)
class Face:
    """A detected face; landmarks are left eye, right eye, nose, left and right mouth corner
    as seen in the image, in px; score is the detector's, 0–1."""

    box: Box
    landmarks: tuple[Point, Point, Point, Point, Point]
    score: float
    pose: Pose


class Defect(StrEnum):
    """What is wrong with a view of a face."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    TOO_FAR = "too_far"
    TOO_CLOSE = "too_close"
    OFF_CENTRE = "off_centre"
    CUT_OFF = "cut_off"
    TURNED = "turned"
    TOO_DARK = "too_dark"
    OVEREXPOSED = "overexposed"
    BACKLIT = "backlit"
    BLURRED = "blurred"
    COVERED = "covered"


class Instruction(StrEnum):
    """What the person at the door is asked to do; left and right are the person's own.

    The texts live with whoever shows them.
    """

    COME_CLOSER = "come_closer"
    STEP_BACK = "step_back"
    FACE_CAMERA = "face_camera"
    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    RAISE_HEAD = "raise_head"
    LOWER_HEAD = "lower_head"
    HOLD_STILL = "hold_still"
    MORE_LIGHT = "more_light"
    AVOID_BACKLIGHT = "avoid_backlight"
    REMOVE_COVERING = "remove_covering"
    ONE_PERSON_ONLY = "one_person_only"
    CENTER_FACE = "center_face"
    RETAKE = "retake"


class QualityLevel(StrEnum):
    """Words for a quality in 0–1; the bounds are the bundle's."""

    EXCELLENT = "excellent"
    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"


@dataclass(frozen=True, slots=True)
class Measures:
    """What a view measured, for the installer's eyes; `edged.vision.defects` says how.

    Attributes:
        face_share: the face's larger side as a share of the frame's.
        off_centre: how far the face's centre is from the frame's, as a share of the frame, 0-0.5.
        level, around: mean grey level of the face and of the whole frame, 0-255.
        burnt: share of the face that is overexposed, 0-1.
        blur: 0 (sharp) to 1; None where the chip was not looked at.
    """

    face_px: float
    face_share: float
    off_centre: float
    level: float
    around: float
    burnt: float
    blur: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Second:
    """What another network made of the same view, while people move to it; see `Observation`."""

    embedding: Floats
    log_variance: float
    quality: float


@dataclass(frozen=True, slots=True)
class Observation:
    """What one frame showed of the face that is being served.

    Attributes:
        faces: how many faces are in the frame, bystanders included.
        track_id: stays the same while the same face is followed; None without a face.
        embedding: unit-length float32 (d,), or None when it was not asked for.
        log_variance: the network's own doubt about this view; low is good.
        quality: 0–1 as the bundle's calibration states it; None with ``embedding`` None.
        gains: what mending each of ``defects`` is predicted to add to the quality, 0-1, in the
            same order; empty where nobody has measured.
        measures: what the view measured; None without a face.
        second: of the network that shall take over, where there is one.
    """

    t_s: float
    seq: int
    faces: int
    track_id: int | None
    face: Face | None
    defects: tuple[Defect, ...]
    embedding: Floats | None = None
    log_variance: float | None = None
    quality: float | None = None
    gains: tuple[float, ...] = ()
    measures: Measures | None = None
    second: Second | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person of the gallery and the similarity of their fused template (cosine, -1 to 1).

    ``lookalike``: somebody else in the gallery resembles them, so more is asked of this match.
    """

    person_id: str
    similarity: float
    lookalike: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """The answer of a 1:N search: candidates best first, one a person, out of ``people``.

    ``claimed``: 1:1, as they had said who they are; the candidate is that one.
    """

    candidates: tuple[Candidate, ...]
    people: int
    claimed: bool = False


@dataclass(frozen=True, slots=True)
class FusedMatch:
    """What all usable views of one face say together.

    Attributes:
        match: the search result of the fused template.
        quality: of the fused template, predicted, 0-1.
        views: how many were fused.
        template: unit-length float32 (d,); None where more than one network spoke.
    """

    match: Match
    quality: float
    views: int
    template: Floats | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """At ``similarity`` or above, a share ``fmr`` of impostor comparisons passes."""

    fmr: float
    similarity: float
