"""What mending a defect is predicted to add to the quality of a view."""

from __future__ import annotations

from bisect import bisect_right
from math import isfinite, log
from typing import TYPE_CHECKING

from edged.decision.guidance import BLOCKING
from edged.types import Defect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.types import Face, Measures

Knots = tuple[tuple[float, float], ...]

BEST = 0.97
"""The quality of a view without defects."""

KEPT: dict[str, Knots] = {
    "level": ((5, 0.05), (8, 0.15), (11, 0.4), (15, 0.6), (22, 0.8), (45, 0.93)),
    "contrast": ((2.5, 0.95), (4, 0.9), (6.7, 0.75), (8.2, 0.6), (10.5, 0.3), (14, 0.1)),
    "burnt": ((0.2, 0.95), (0.48, 0.8), (0.66, 0.55), (0.73, 0.3), (0.85, 0.1)),
    "blur": ((0.58, 0.95), (0.65, 0.85), (0.7, 0.65), (0.74, 0.45), (0.78, 0.2), (0.84, 0.04)),
    "face_px": ((28, 0.9), (40, 0.95), (56, 0.98)),
    "visible": ((0.6, 0.4), (0.7, 0.7), (0.9, 0.9)),
    "yaw": ((20, 0.97), (40, 0.7), (60, 0.2)),
    "pitch": ((20, 0.97), (40, 0.7), (60, 0.3)),
    "roll": ((20, 0.98), (45, 0.9)),
}
"""Which share of the best quality three of four views keep, by how bad a measure is; straight
between the knots, level beyond them. Made by ``python bench/gains.py``."""

_KEPT_ELSE = {Defect.TOO_CLOSE: 0.8, Defect.OFF_CENTRE: 0.98, Defect.COVERED: 0.2}
_KEPT_BLOCKED = 0.01  # a view that is never matched loses everything
_LEAST = 0.001


def gains(
    defects: Sequence[Defect],
    face: Face,
    measures: Measures,
    visible: float,
    quality: float | None,
) -> tuple[float, ...]:
    """What mending each of `defects` is predicted to add to the quality, 0-1, in their order.

    What is lost of the best quality is shared out by how much each defect costs alone, and none
    gets more than that: what no defect explains, none is promised to win back.

    Args:
        visible: the share of the face's box that is in the frame.
        quality: of the view; None where it was not embedded.
    """
    kept = [_kept(defect, face, measures, visible) for defect in defects]
    weights = [-log(share) for share in kept]
    whole = sum(weights)
    if quality is not None and isfinite(quality):
        lost = max(0.0, BEST - quality)
    elif BLOCKING.isdisjoint(defects):
        left = BEST
        for share in kept:
            left *= share
        lost = BEST - left
    else:
        lost = BEST
    return tuple(
        # Several faces are no matter of quality: where one is asked for, all hangs on it.
        1.0 if defect is Defect.SEVERAL_FACES else min(1.0 - share, lost * weight / (whole or 1.0))
        for defect, share, weight in zip(defects, kept, weights, strict=True)
    )


def _kept(defect: Defect, face: Face, measures: Measures, visible: float) -> float:
    """The share of the best quality that a view keeps with this defect alone, above 0."""
    pose = face.pose
    worst = {
        Defect.TOO_FAR: [("face_px", measures.face_px)],
        Defect.CUT_OFF: [("visible", visible)],
        Defect.TURNED: [
            ("yaw", abs(pose.yaw_deg)),
            ("pitch", abs(pose.pitch_deg)),
            ("roll", abs(pose.roll_deg)),
        ],
        Defect.TOO_DARK: [("level", measures.level)],
        Defect.BACKLIT: [("contrast", measures.around / max(measures.level, 1.0))],
        Defect.OVEREXPOSED: [("burnt", measures.burnt)],
        Defect.BLURRED: [("blur", measures.blur if measures.blur is not None else 0.0)],
    }.get(defect, [])
    kept = min((_at(KEPT[name], value) for name, value in worst), default=1.0)
    kept *= _KEPT_ELSE.get(defect, 1.0)
    if defect in BLOCKING:
        kept *= _KEPT_BLOCKED
    return max(_LEAST, kept)


def _at(knots: Knots, value: float) -> float:
    """Straight between the knots, level beyond them; the worst for what is no number."""
    if not isfinite(value):
        return min(kept for _, kept in knots)
    place = bisect_right(knots, value, key=lambda knot: knot[0])
    if place == 0:
        return knots[0][1]
    if place == len(knots):
        return knots[-1][1]
    (x, y), (other_x, other_y) = knots[place - 1], knots[place]
    return y + (other_y - y) * (value - x) / (other_x - x)
