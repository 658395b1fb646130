"""What is wrong with a view, measured simply enough to be explained to the person.

Defects name causes for an instruction. Whether a view can be trusted is the network's own
score; sharpness in particular is only asked after when that score is low (noise passes every
sharpness measure).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edged.types import Box, Defect, Face, Measures

if TYPE_CHECKING:
    from edged.config.schema import Vision
    from edged.types import Image, Pose


# Beyond these a grey value is as good as white.
_BURNT_LEVEL = 250
_BURNT_SHARE = 0.35
_LEAST_VISIBLE = 0.85
_EDGE = 0.15  # of the face's width: nearer to the frame's edge it may go on beyond
_GLARE = 5.0  # times the face's level: light around it that softens whatever is before it


def measure(image: Image, face: Face) -> Measures:
    """What can be measured without the aligned face; `blur` is left out.

    Args:
        image: the whole frame, BGR uint8.
        face: the face being served; its box may be partly or wholly outside the frame, and
            then has the frame's own level.
    """
    height, width = image.shape[:2]
    box = face.box
    x, y = box.centre
    around = cv2.mean(_grey(image))[0]
    inner = _inner(image, box)
    level, burnt = around, 0.0
    if inner is not None:
        level = cv2.mean(inner)[0]
        burnt = cv2.countNonZero(cv2.inRange(inner, _BURNT_LEVEL, 255)) / inner.size
    return Measures(
        face_px=box.width,
        face_share=max(box.width / width, box.height / height),
        off_centre=min(0.5, max(abs(x / width - 0.5), abs(y / height - 0.5))),
        level=level,
        around=around,
        burnt=burnt,
    )


def find_defects(
    image: Image, face: Face, limits: Vision, measures: Measures | None = None
) -> list[Defect]:
    """Defects of place, size, pose and light; sharpness is `blur` of the chip.

    Light is judged whatever else is wrong: who is too far away may stand in the dark too.

    Args:
        image: the whole frame, BGR uint8.
        face: the face being served.
        limits: the installer's limits.
        measures: of this face, if they were taken before.
    """
    measures = measure(image, face) if measures is None else measures
    found: list[Defect] = []
    if measures.face_px < limits.near_face_px:
        found.append(Defect.TOO_FAR)
    elif measures.face_share > limits.largest_face_share:
        found.append(Defect.TOO_CLOSE)
    height, width = image.shape[:2]
    turned = _is_turned(face.pose, limits)
    # Of a face that goes on beyond the frame the landmarks are guesses, and so is its pose.
    cut = _is_cut(face, width, height) or (turned and _is_at_the_edge(face.box, width, height))
    if cut:
        found.append(Defect.CUT_OFF)
    if measures.off_centre > limits.off_centre_share:
        found.append(Defect.OFF_CENTRE)
    if turned and not cut:
        found.append(Defect.TURNED)
    return found + _light(measures, limits)


def shows_sharpness(measures: Measures) -> bool:
    """Whether a soft face is a blurred one: against strong light every face looks soft."""
    return measures.around <= _GLARE * max(measures.level, 1.0)


def _is_turned(pose: Pose, limits: Vision) -> bool:
    return (
        abs(pose.yaw_deg) > limits.largest_yaw_deg
        or abs(pose.pitch_deg) > limits.largest_pitch_deg
        or abs(pose.roll_deg) > limits.largest_roll_deg
    )


def _is_cut(face: Face, width: int, height: int) -> bool:
    marks_out = any(not (0 <= x < width and 0 <= y < height) for x, y in face.landmarks)
    return marks_out or visible_share(face.box, width, height) < _LEAST_VISIBLE


def _is_at_the_edge(box: Box, width: int, height: int) -> bool:
    near = _EDGE * box.width
    away = min(box.left, box.top, width - box.right, height - box.bottom)
    return away <= near


def visible_share(box: Box, width: int, height: int) -> float:
    """The share of a box that lies in a frame of `width` by `height` px, 0-1."""
    seen = Box(max(box.left, 0), max(box.top, 0), min(box.right, width), min(box.bottom, height))
    if seen.width <= 0 or seen.height <= 0 or box.area <= 0:
        return 0.0
    return seen.area / box.area


def _light(measures: Measures, limits: Vision) -> list[Defect]:
    level, around = measures.level, measures.around
    # Where all is dark, moving away from the brighter wall would not help.
    lit = around >= limits.dark_level
    if lit and around > limits.backlight_ratio * max(level, 1.0):
        return [Defect.BACKLIT]
    if level < limits.dark_level:
        return [Defect.TOO_DARK]
    if level > limits.bright_level or measures.burnt > _BURNT_SHARE:
        return [Defect.OVEREXPOSED]
    return []


def _inner(image: Image, box: Box) -> Image | None:
    """The middle of the face, sampled in grey; None where it is outside the frame."""
    height, width = image.shape[:2]
    mx, my = 0.2 * box.width, 0.2 * box.height
    left, right = int(max(box.left + mx, 0)), int(min(box.right - mx, width))
    top, bottom = int(max(box.top + my, 0)), int(min(box.bottom - my, height))
    if right <= left or bottom <= top:
        return None
    return _grey(image[top:bottom, left:right])


def _grey(image: Image) -> Image:
    """A few hundred of its pixels, grey: enough for a mean."""
    sample = cv2.resize(image, (32, 24), interpolation=cv2.INTER_NEAREST)
    grey: Image = cv2.cvtColor(sample, cv2.COLOR_BGR2GRAY)
    return grey


def blur(chip: Image) -> float:
    """How blurred a chip is, 0 (sharp) to 1: the share of neighbour differences that a
    further blur leaves as they are (Crete et al., 2007, "The blur effect").

    Args:
        chip: an aligned face, uint8 (h, w, 3), any colour order.
    """
    grey = cv2.cvtColor(chip, cv2.COLOR_BGR2GRAY)
    worst = 0.0
    for near, ahead, kernel in (
        (np.s_[:-1], np.s_[1:], (1, 9)),
        (np.s_[:, :-1], np.s_[:, 1:], (9, 1)),
    ):
        soft = cv2.blur(grey, kernel)
        before = cv2.absdiff(grey[ahead], grey[near])
        after = cv2.absdiff(soft[ahead], soft[near])
        total = cv2.sumElems(before)[0]
        lost = cv2.sumElems(cv2.subtract(before, after))[0]  # saturates: never below 0
        worst = max(worst, 1.0 - lost / total if total > 0 else 1.0)
    return worst
