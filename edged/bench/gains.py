"""What each defect costs in quality: measured on frames into which it was made.

Protocol. Frames of a folder of photos and of recorded webcam sessions, each without and with
every defect of `edged.bench.variants` at several strengths, are detected, aligned and embedded
as at the door. One half of the people is fitted: by bins of a measure, the quality that three of
four views keep, made monotone. The other half says how well that foretells the quality.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import isotonic_regression

from edged.bench import variants
from edged.bench.webcam import read_session
from edged.camera.images import read_image
from edged.evaluation.intervals import bucket
from edged.vision.defects import blur, measure, visible_share
from edged.vision.gains import BEST
from edged.vision.pipeline import as_face

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.service.engine import Engine
    from edged.types import Image
    from edged.vision.gains import Knots
    from edged.vision.mtcnn import Detector

STRENGTHS: dict[str, tuple[float, ...]] = {
    "dark": (0.6, 0.4, 0.25, 0.16, 0.11, 0.07, 0.045),
    "bright": (1.3, 1.7, 2.2, 3, 4, 6),
    "backlit": (0.8, 0.5, 0.3, 0.2, 0.14, 0.1, 0.07),
    "out_of_focus": (0.7, 1.3, 2, 2.5, 3, 4, 5),
    "moving": (4, 8, 11, 15, 19, 24),
    "far": (90, 72, 56, 44, 36, 28),
    "cut_off": (0.1, 0.2, 0.3, 0.4),
}

# Which measure is read off which frames, and whether more of it is better.
_READ_OFF: dict[str, tuple[tuple[str, ...], bool]] = {
    "level": (("dark",), True),
    "contrast": (("backlit",), False),
    "burnt": (("bright",), False),
    "blur": (("out_of_focus", "moving"), False),
    "face_px": (("far",), True),
    "visible": (("cut_off",), True),
    "yaw": ((), False),
    "pitch": ((), False),
    "roll": ((), False),
}
_BINS = 8


@dataclass(frozen=True, slots=True)
class View:
    """One face as it was seen: every measure by name, and its quality."""

    half: int
    kind: str
    measures: dict[str, float]
    quality: float


def collect(engine: Engine, data: Path, most_photos: int = 240) -> Iterator[View]:
    """Every frame of every kind in which the face was found again."""
    detector = engine.detector(24)
    for half, image, plain in _frames(data, most_photos):
        clean = _look(engine, detector, image)
        if clean is None:
            continue
        yield View(half, "clean", clean[1], clean[2])
        for kind, strengths in {} if plain else STRENGTHS.items():
            spoil: Callable[..., Image] = getattr(variants, kind)
            for strength in strengths:
                seen = _look(engine, detector, spoil(image, clean[0], strength))
                if seen is not None:
                    yield View(half, kind, seen[1], seen[2])


def fit(views: list[View]) -> dict[str, Knots]:
    """For each measure the knots of what is kept of the best quality, falling as it worsens."""
    return {name: _knots(*_column(views, name), _READ_OFF[name][1]) for name in _READ_OFF}


def errors(views: list[View], table: dict[str, Knots]) -> dict[str, tuple[float, float]]:
    """By measure, on other people: the share of views that keep what is foretold (0.75 is
    right), and the mean absolute error of the quality."""
    told = {}
    for name, knots in table.items():
        x, kept = _column(views, name)
        foretold = np.interp(x, *np.array(knots).T)
        told[name] = (float(np.mean(kept >= foretold)), float(np.mean(np.abs(kept - foretold))))
    return told


def _column(views: list[View], name: str) -> tuple[Any, Any]:
    kinds = ("clean", *_READ_OFF[name][0])
    rows = [(v.measures[name], min(1.0, v.quality / BEST)) for v in views if v.kind in kinds]
    x, kept = np.array(rows).T
    return x, kept


def _knots(x: Any, kept: Any, rising: bool) -> Knots:
    order = np.argsort(x)
    bins = [b for b in np.array_split(order, min(3 * _BINS, max(1, len(order) // 20))) if len(b)]
    lower = np.array([np.quantile(kept[b], 0.25) for b in bins])
    fitted = isotonic_regression(lower, increasing=rising).x
    points = [(float(np.median(x[b])), float(y)) for b, y in zip(bins, fitted, strict=True)]
    # Of knots in one place the last counts.
    return tuple({float(f"{a:.3g}"): round(b, 3) for a, b in _thinned(points)}.items())


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without the knots that lie within a hundredth of the line between their neighbours."""
    kept = list(points)
    while len(kept) > 2:
        off = []
        for (x0, y0), (x1, y1), (x2, y2) in zip(kept, kept[1:], kept[2:], strict=False):
            straight = y0 + (y2 - y0) * (x1 - x0) / (x2 - x0) if x2 > x0 else y1
            off.append(abs(y1 - straight))
        least = int(np.argmin(off))
        if off[least] > 0.01 and len(kept) <= _BINS:
            break
        del kept[least + 1]
    return kept


def _frames(data: Path, most_photos: int) -> Iterator[tuple[int, Image, bool]]:
    """Frames by half of the people, and whether they are only looked at as they are."""
    for number, person in enumerate(sorted((data / "webcam-dev" / "live").iterdir())):
        for day in sorted(person.iterdir()):
            for image in read_session(day)[2::12]:
                yield number % 2, image, False
    per_half: dict[int, int] = defaultdict(int)
    for person in sorted((data / "lfw-train").iterdir())[::7]:
        half = bucket(person.name) % 2
        if per_half[half] < most_photos // 2:
            per_half[half] += 1
            yield half, read_image(min(person.iterdir())), False
    for person in sorted((data / "photos-dev").iterdir()):
        for photo in sorted(person.iterdir()):
            yield bucket(person.name) % 2, read_image(photo), True


def _look(engine: Engine, detector: Detector, image: Image) -> Any:
    """Box, measures and quality of the most prominent face; None without one."""
    height, width = image.shape[:2]
    found = detector.detect(image)
    if not found:
        return None
    face = as_face(max(found, key=lambda f: f.box.area))
    chip = engine.embedder.chip(image, face.landmarks)
    seen = replace(measure(image, face), blur=blur(chip))
    told = asdict(seen) | {
        "contrast": seen.around / max(seen.level, 1.0),
        "visible": visible_share(face.box, width, height),
        "yaw": abs(face.pose.yaw_deg),
        "pitch": abs(face.pose.pitch_deg),
        "roll": abs(face.pose.roll_deg),
    }
    return face.box, told, engine.embedder.embed(chip).quality
