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
    "level": (
        (4.46, 0.03),
        (7.18, 0.073),
        (11.1, 0.223),
        (17.0, 0.614),
        (25.2, 0.744),
        (32.6, 0.906),
        (49.8, 0.968),
        (185.0, 0.995),
    ),
    "contrast": (
        (0.377, 0.996),
        (3.15, 0.955),
        (4.27, 0.877),
        (4.89, 0.772),
        (5.56, 0.738),
        (7.87, 0.401),
        (9.04, 0.257),
        (10.9, 0.172),
    ),
    "burnt": (
        (0.0, 0.999),
        (0.0202, 0.971),
        (0.213, 0.953),
        (0.322, 0.921),
        (0.465, 0.706),
        (0.602, 0.706),
        (0.717, 0.618),
        (0.835, 0.372),
    ),
    "blur": (
        (0.317, 0.995),
        (0.609, 0.916),
        (0.675, 0.792),
        (0.694, 0.571),
        (0.709, 0.529),
        (0.725, 0.328),
        (0.77, 0.131),
        (0.853, 0.043),
    ),
    "face_px": ((27.3, 0.886), (28.7, 0.916), (36.8, 0.968), (80.3, 0.99), (200.0, 0.998)),
    "visible": (
        (0.726, 0.724),
        (0.812, 0.724),
        (0.858, 0.863),
        (0.91, 0.865),
        (0.936, 0.903),
        (0.953, 0.944),
        (1.0, 0.983),
    ),
    "yaw": ((0.498, 0.999), (31.3, 0.977), (36.3, 0.894), (42.9, 0.894), (59.4, 0.613)),
    "pitch": ((0.36, 0.996), (28.4, 0.971)),
    "roll": ((0.118, 0.998), (6.61, 0.986), (7.45, 0.971), (16.6, 0.97), (24.0, 0.905)),
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
        lost = BEST - min(BEST, max(0.0, quality))
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
        Defect.BACKLIT: [
            ("contrast", measures.around / max(measures.level, 1.0)),
            ("level", measures.level),
        ],
        Defect.OFF_CENTRE: [("visible", visible)],
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
