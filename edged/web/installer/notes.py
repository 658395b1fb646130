"""What is kept of a frame and of a presentation: numbers that may be shown; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING

import cv2

from edged.types import Box
from edged.web.installer.advice import View
from edged.web.installer.rules import frequent, left, rule

if TYPE_CHECKING:
    from edged.decision.presentation import Outcome, Summary
    from edged.types import Face, Frame, Image, Observation

_FACE_PX = 96


@dataclass(frozen=True, slots=True)
class Told:
    """One of the last presentations.

    Attributes:
        number: counts on; names its picture.
        at_s: when it ended, seconds since 1970.
        kind: an event type, or "left".
        face: BGR uint8 (96, 96, 3), where pictures are allowed.
    """

    number: int
    at_s: float
    kind: str
    reason: str
    rule: str
    duration_s: float
    views: int
    quality: float | None = None
    similarity: float | None = None
    threshold: float | None = None
    instructions: tuple[str, ...] = ()
    person_id: str | None = None
    face: Image | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """The newest frame, and what the decision made of it."""

    frame: Frame
    observation: Observation
    view: View | None
    phase: str = "idle"
    instruction: str | None = None
    progress: float = 0.0
    similarity: float | None = None
    views: int = 0


def view_of(frame: Frame, observation: Observation) -> View | None:
    """The measures of a view; None without a face."""
    face, measures = observation.face, observation.measures
    if face is None:
        return None
    height, width = (max(1, side) for side in frame.image.shape[:2])
    box, pose = face.box, face.pose
    x, y = box.centre
    view = View(
        x=number_of(x / width),
        y=number_of(y / height),
        width_px=number_of(box.width),
        share=number_of(max(box.width / width, box.height / height)),
        yaw_deg=number_of(pose.yaw_deg),
        pitch_deg=number_of(pose.pitch_deg),
        roll_deg=number_of(pose.roll_deg),
        quality=number_of(observation.quality),
    )
    if measures is None:
        return view
    return replace(
        view,
        level=number_of(measures.level),
        around=number_of(measures.around),
        burnt=number_of(measures.burnt),
        blur=number_of(measures.blur),
    )


def told_of(number: int, at_s: float, outcome: Outcome) -> Told:
    """A presentation that was decided."""
    return Told(
        number,
        at_s,
        outcome.kind.value,
        outcome.reason,
        rule(outcome),
        outcome.duration_s,
        outcome.frames,
        number_of(outcome.fused_quality if outcome.fused_quality is not None else outcome.quality),
        number_of(outcome.similarity),
        number_of(outcome.threshold),
        tuple(instruction.value for instruction in outcome.instructions),
        outcome.person_id,
    )


def left_of(number: int, at_s: float, summary: Summary) -> Told:
    """A presentation that nobody decided."""
    return Told(
        number,
        at_s,
        "left",
        str(frequent(summary) or "left"),
        left(summary),
        summary.duration_s,
        summary.views,
        number_of(summary.best_quality),
        instructions=tuple(dict.fromkeys(hint.instruction.value for hint in summary.hints)),
    )


def cut_out(image: Image, face: Face | None) -> Image | None:
    """The face with some room around it, small; a copy."""
    if face is None or not all(map(isfinite, (*face.box.centre, face.box.width, face.box.height))):
        return None
    height, width = image.shape[:2]
    (x, y), half = face.box.centre, 0.7 * max(face.box.width, face.box.height)
    cut = Box(max(0, x - half), max(0, y - half), min(width, x + half), min(height, y + half))
    if cut.width < 2 or cut.height < 2:
        return None
    part = image[int(cut.top) : int(cut.bottom), int(cut.left) : int(cut.right)]
    if part.size == 0:
        return None
    small: Image = cv2.resize(part, (_FACE_PX, _FACE_PX), interpolation=cv2.INTER_AREA)
    return small


def number_of(value: float | None) -> float | None:
    """What may be shown: no NaN, no infinity."""
    return float(value) if value is not None and isfinite(value) else None
