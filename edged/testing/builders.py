"""Values for tests, with defaults that a sentence about behaviour need not mention."""

from __future__ import annotations

from edged.decision.policy import Policy
from edged.types import (
    Box,
    Candidate,
    Defect,
    Face,
    FusedMatch,
    Match,
    Observation,
    Pose,
    RiskPoint,
)

CURVE = (
    RiskPoint(1e-2, 0.30),
    RiskPoint(1e-4, 0.42),
    RiskPoint(1e-6, 0.55),
    RiskPoint(1e-8, 0.65),
)


def policy(**changes: object) -> Policy:
    """A policy of the `access` kind."""
    settings: dict[str, object] = {
        "curve": CURVE,
        "fpir": 0.003,
        "floor_same": 0.45,
        "floor_different": 0.35,
        "minimum_quality": 0.5,
    }
    return Policy(**(settings | changes))  # type: ignore[arg-type]


def face(width_px: float = 150.0, yaw_deg: float = 0.0) -> Face:
    """A face in the middle of a 640 x 480 frame."""
    left, top = 320 - width_px / 2, 240 - width_px * 0.6
    box = Box(left, top, left + width_px, top + width_px * 1.2)
    marks = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.58), (0.35, 0.75), (0.65, 0.75))
    a, b, c, d, e = ((left + x * box.width, top + y * box.height) for x, y in marks)
    return Face(box, (a, b, c, d, e), 0.99, Pose(yaw_deg, 0.0, 0.0))


def observation(
    t_s: float,
    *,
    quality: float | None = 0.9,
    track_id: int | None = 1,
    defects: tuple[Defect, ...] = (),
    faces: int = 1,
    seq: int = 0,
    yaw_deg: float = 0.0,
) -> Observation:
    """What a frame showed; without a track nobody is there."""
    if track_id is None:
        return Observation(t_s, seq, 0, None, None, (Defect.NO_FACE,))
    doubt = None if quality is None else -1.0
    shown = face(yaw_deg=yaw_deg)
    return Observation(t_s, seq, faces, track_id, shown, defects, None, doubt, quality)


def fused(found: Match, quality: float = 0.9, views: int = 1) -> FusedMatch:
    """What some views say together."""
    return FusedMatch(found, quality, views)


def match(similarity: float, person_id: str = "p1", people: int = 100) -> Match:
    """A search result whose runner-up is far behind."""
    return Match((Candidate(person_id, similarity), Candidate("other", 0.1)), people)
