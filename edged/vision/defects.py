"""What is wrong with a view, measured simply enough to be explained to the person.

Defects name causes for an instruction. Whether a view can be trusted is the network's own
score; sharpness in particular is only asked after when that score is low (noise passes every
sharpness measure).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edged.types import Box, Defect, Face

if TYPE_CHECKING:
    from edged.config.schema import Vision
    from edged.types import Image


def find_defects(image: Image, face: Face, limits: Vision) -> list[Defect]:
    """Defects of place, size, pose and light; sharpness is `blur` of the chip.

    Args:
        image: the whole frame, BGR uint8.
        face: the face being served.
        limits: the installer's limits.
    """
    return [*_place(image, face, limits), *_light(image, face.box, limits)]


def _place(image: Image, face: Face, limits: Vision) -> list[Defect]:
    height, width = image.shape[:2]
    box, pose = face.box, face.pose
    found: list[Defect] = []
    if box.width < limits.near_face_px:
        found.append(Defect.TOO_FAR)
    elif max(box.width / width, box.height / height) > limits.largest_face_share:
        found.append(Defect.TOO_CLOSE)
    inside = Box(0, 0, width, height)
    visible = Box(max(box.left, 0), max(box.top, 0), min(box.right, width), min(box.bottom, height))
    marks_out = any(
        not (inside.left <= x < inside.right and inside.top <= y < inside.bottom)
        for x, y in face.landmarks
    )
    if marks_out or visible.area < 0.85 * box.area:
        found.append(Defect.CUT_OFF)
    x, y = box.centre
    if max(abs(x / width - 0.5), abs(y / height - 0.5)) > limits.off_centre_share:
        found.append(Defect.OFF_CENTRE)
    if (
        abs(pose.yaw_deg) > limits.largest_yaw_deg
        or abs(pose.pitch_deg) > limits.largest_pitch_deg
        or abs(pose.roll_deg) > limits.largest_roll_deg
    ):
        found.append(Defect.TURNED)
    return found


def _light(image: Image, box: Box, limits: Vision) -> list[Defect]:
    height, width = image.shape[:2]
    mx, my = 0.2 * box.width, 0.2 * box.height
    left, right = int(max(box.left + mx, 0)), int(min(box.right - mx, width))
    top, bottom = int(max(box.top + my, 0)), int(min(box.bottom - my, height))
    if right <= left or bottom <= top:
        return []
    inner = _grey(image[top:bottom, left:right])
    level = cv2.mean(inner)[0]
    burnt = cv2.countNonZero(cv2.inRange(inner, 250, 255)) / inner.size
    around = cv2.mean(_grey(image))[0]
    if level < limits.dark_level:
        bright_around = around > limits.backlight_ratio * max(level, 1.0)
        return [Defect.BACKLIT if bright_around else Defect.TOO_DARK]
    if around > limits.backlight_ratio * level:
        return [Defect.BACKLIT]
    if level > limits.bright_level or burnt > 0.35:
        return [Defect.OVEREXPOSED]
    return []


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
    grey = cv2.cvtColor(chip, cv2.COLOR_BGR2GRAY).astype(np.float32)
    worst = 0.0
    for axis, kernel in ((0, (1, 9)), (1, (9, 1))):
        before = np.abs(np.diff(grey, axis=axis))
        after = np.abs(np.diff(cv2.blur(grey, kernel), axis=axis))
        total = float(before.sum())
        lost = float(np.maximum(before - after, 0).sum())
        worst = max(worst, 1.0 - lost / total if total > 0 else 1.0)
    return worst
