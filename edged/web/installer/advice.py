"""What an installer can do about what the terminal sees, in words. Pure.

Light and size are judged on the last two seconds, so that a change shows at once; aim and height
on the typical face of everybody who came lately, so that one tall visitor moves no camera.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from math import isfinite
from operator import attrgetter
from statistics import median
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_ASIDE = 1 / 3  # of the picture; the middle third is where faces belong
_ABOVE_DEG = 20.0  # median pitch; a single head may well do more
_ASIDE_DEG = 18.0
_LEANS_DEG = 8.0
_BURNT_FACE = 0.15
_BURNT_PICTURE = 0.30
_BLACK_PICTURE = 0.60
_DARK_PICTURE = 30.0
_NEARLY = 1.15  # faces within this of the smallest are lost when somebody stops a step earlier
_SLOW = 0.85  # of the configured rate
_SILENT_S = 2.0
_FROZEN_S = 3.0
_FEW = 3  # people; before, the text says that it is early


class Weight(StrEnum):
    """How much a hint matters: faults stop the terminal, the rest costs people time."""

    FAULT = "fault"
    MEND = "mend"


@dataclass(frozen=True, slots=True)
class Hint:
    """One thing to do."""

    code: str
    weight: Weight
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """A face in the picture; anything may be None where it was not measured.

    Attributes:
        x, y: of the face's centre, 0-1 from the left and from the top.
        share: the face's larger side, of the picture's.
        level, around: mean grey level of the face and of the picture, 0-255.
        burnt: share of the face, 0-1.
    """

    x: float | None = None
    y: float | None = None
    width_px: float | None = None
    share: float | None = None
    yaw_deg: float | None = None
    pitch_deg: float | None = None
    roll_deg: float | None = None
    level: float | None = None
    around: float | None = None
    burnt: float | None = None
    blur: float | None = None
    quality: float | None = None


@dataclass(frozen=True, slots=True)
class Light:
    """The whole picture: mean grey level, shares that are burnt and black, 0-1."""

    level: float
    burnt: float
    black: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How the pictures come.

    Attributes:
        camera_hz, seen_hz: pictures a second that the camera gave and that were looked at; None
            before enough came.
        wanted_hz: as configured; None where nothing is.
        silent_s: since the last picture.
        clock_still_s: since the time of capture last moved on, while pictures came.
        same_s: since two pictures last differed, while they came.
    """

    camera_hz: float | None = None
    seen_hz: float | None = None
    wanted_hz: float | None = None
    silent_s: float = 0.0
    clock_still_s: float = 0.0
    same_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """All that advice is given on: the last seconds' views, one view a visitor, and the rest."""

    recent: tuple[View, ...] = ()
    visitors: tuple[View, ...] = ()
    light: Light | None = None
    pace: Pace = Pace()


class Limits(Protocol):
    """The part of the configuration's ``vision`` that is asked here."""

    @property
    def near_face_px(self) -> float: ...
    @property
    def largest_face_share(self) -> float: ...
    @property
    def dark_level(self) -> float: ...
    @property
    def bright_level(self) -> float: ...
    @property
    def backlight_ratio(self) -> float: ...
    @property
    def blur_level(self) -> float: ...


def middle(views: tuple[View, ...]) -> View:
    """The typical view: each measure's median, over those that have it."""
    return View(**{field.name: _median(views, field.name) for field in fields(View)})


def advise(scene: Scene, limits: Limits, floor: float) -> tuple[Hint, ...]:
    """What to do, the gravest first; nothing when all is well, or nobody was there yet.

    Args:
        scene: what was seen.
        limits: the installer's.
        floor: the quality that a view must have to count, 0-1.
    """
    now, typical = middle(scene.recent), middle(scene.visitors)
    few = "" if len(scene.visitors) >= _FEW else " (so far)"
    hints = [
        *_pace(scene.pace),
        *(_face_light(now, limits) if scene.recent else _picture_light(scene.light)),
        *_size(typical, limits, few),
        *_aim(typical, few),
        *_height(typical, few),
    ]
    hints += _sharpness(typical, limits, floor, few, alone=not hints)
    return tuple(sorted(hints, key=lambda hint: hint.weight is not Weight.FAULT))


def _pace(pace: Pace) -> Iterator[Hint]:
    if pace.silent_s > _SILENT_S:
        text = f"No picture for {pace.silent_s:.0f} s: check the camera's cable and power."
        yield Hint("no_picture", Weight.FAULT, text)
        return
    if pace.clock_still_s > _FROZEN_S:
        text = "Pictures come, but their time stands still: restart or replace the camera."
        yield Hint("clock_still", Weight.FAULT, text)
    elif pace.same_s > _FROZEN_S:
        text = "The same picture comes again and again: the camera hangs; restart it."
        yield Hint("frozen", Weight.FAULT, text)
    if pace.wanted_hz is None or pace.camera_hz is None or pace.seen_hz is None:
        return
    enough_hz = _SLOW * pace.wanted_hz
    if pace.camera_hz < enough_hz:
        text = (
            f"The camera gives {pace.camera_hz:.1f} pictures a second, not {pace.wanted_hz:g}: "
            "in the dark it exposes longer, so add light or fix the exposure time; or its USB "
            "port or network is slow."
        )
        yield Hint("slow_camera", Weight.MEND, text)
    elif pace.seen_hz < enough_hz:
        text = (
            f"The terminal looks at {pace.seen_hz:.1f} of {pace.camera_hz:.1f} pictures a second: "
            "it is too slow for them; see `edged doctor`, or lower camera.rate_hz."
        )
        yield Hint("slow_terminal", Weight.MEND, text)


def _face_light(view: View, limits: Limits) -> Iterator[Hint]:
    if view.level is None:
        return
    around = view.around if view.around is not None else view.level
    if around > limits.backlight_ratio * max(view.level, 1.0):
        text = (
            f"The face ({view.level:.0f}) is dark against what is behind it ({around:.0f}): turn "
            "the camera away from the window, or add light in front of the person; if neither "
            "can be, raise the exposure."
        )
        yield Hint("backlit", Weight.MEND, text)
    elif view.level < limits.dark_level:
        text = (
            f"The face is dark ({view.level:.0f}, needs {limits.dark_level:.0f}): add light in "
            "front of the person, or raise the exposure or the gain."
        )
        yield Hint("dark", Weight.MEND, text)
    elif view.level > limits.bright_level or (view.burnt or 0.0) > _BURNT_FACE:
        text = (
            f"The face is burnt out ({view.level:.0f}, {100 * (view.burnt or 0):.0f} % white): "
            "lower the exposure, or keep the sun or the lamp off it."
        )
        yield Hint("burnt", Weight.MEND, text)


def _picture_light(light: Light | None) -> Iterator[Hint]:
    """While nobody is there the whole picture says what it can."""
    if light is None:
        return
    if light.level < _DARK_PICTURE or light.black > _BLACK_PICTURE:
        text = "The picture is nearly black: take the cap off, add light or raise the exposure."
        yield Hint("black_picture", Weight.MEND, text)
    elif light.burnt > _BURNT_PICTURE:
        text = (
            f"{100 * light.burnt:.0f} % of the picture is white: a window or a lamp shines into "
            "the camera; turn it away or lower the exposure."
        )
        yield Hint("white_picture", Weight.MEND, text)


def _size(view: View, limits: Limits, few: str) -> Iterator[Hint]:
    if view.width_px is not None and view.width_px < _NEARLY * limits.near_face_px:
        text = (
            f"Faces are {view.width_px:.0f} px wide and need {limits.near_face_px:.0f}{few}: "
            "mount the camera nearer, use a longer lens, or a higher resolution."
        )
        yield Hint("small", Weight.MEND, text)
    elif view.share is not None and view.share > 0.9 * limits.largest_face_share:
        text = (
            f"Faces fill {100 * view.share:.0f} % of the picture{few}: mount the camera further "
            "away or use a wider lens."
        )
        yield Hint("large", Weight.MEND, text)


def _aim(view: View, few: str) -> Iterator[Hint]:
    for place, codes, thirds, remedies in (
        (view.y, ("high", "low"), ("upper", "lower"), ("tilt the camera up", "tilt it down")),
        (
            view.x,
            ("left", "right"),
            ("left", "right"),
            ("turn the camera to its left", "turn the camera to its right"),
        ),
    ):
        if place is not None and not _ASIDE <= place <= 1 - _ASIDE:
            side = int(place > 0.5)
            text = (
                f"Faces appear in the {thirds[side]} third of the picture{few}: {remedies[side]}."
            )
            yield Hint(codes[side], Weight.MEND, text)


def _height(view: View, few: str) -> Iterator[Hint]:
    if view.pitch_deg is not None and abs(view.pitch_deg) > _ABOVE_DEG:
        above = view.pitch_deg < 0
        text = (
            f"Faces are seen from {'above' if above else 'below'} by {abs(view.pitch_deg):.0f}°"
            f"{few}: mount the camera {'lower' if above else 'higher'}, at the height of the "
            "eyes."
        )
        yield Hint("above" if above else "below", Weight.MEND, text)
    if view.yaw_deg is not None and abs(view.yaw_deg) > _ASIDE_DEG:
        side = "right" if view.yaw_deg > 0 else "left"
        text = (
            f"People look past the camera by {abs(view.yaw_deg):.0f}°{few}: move it towards the "
            f"{side} of the picture, to where they look."
        )
        yield Hint(f"past_{side}", Weight.MEND, text)
    if view.roll_deg is not None and abs(view.roll_deg) > _LEANS_DEG:
        way = "clockwise" if view.roll_deg > 0 else "anticlockwise"
        text = (
            f"Faces lean by {abs(view.roll_deg):.0f}°{few}: turn the camera {way}, seen from "
            "behind it, until it is level."
        )
        yield Hint("leans", Weight.MEND, text)


def _sharpness(view: View, limits: Limits, floor: float, few: str, *, alone: bool) -> list[Hint]:
    doubtful = view.quality is not None and view.quality < floor
    if doubtful and view.blur is not None and view.blur > limits.blur_level:
        text = (
            f"Faces are blurred{few}: focus the lens (see the focus meter), add light so that the "
            "exposure gets shorter, and clean the lens."
        )
        return [Hint("blurred", Weight.MEND, text)]
    if doubtful and alone:
        text = (
            f"Views are doubtful ({view.quality:.2f}, need {floor:.2f}) and nothing above says "
            f"why{few}: clean the lens, focus it, and look whether something hides the faces."
        )
        return [Hint("doubtful", Weight.MEND, text)]
    return []


def _median(views: tuple[View, ...], name: str) -> float | None:
    read = attrgetter(name)
    known = [value for value in map(read, views) if value is not None and isfinite(value)]
    return median(known) if known else None
