"""What the installer's page shows, as Server-Sent Events: five times a second at most."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edged.web.installer.advice import Light, Pace, Scene, advise
from edged.web.installer.focus import Picture, examine
from edged.web.picture import encode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from edged.types import Face
    from edged.web.installer.advice import Limits
    from edged.web.installer.desk import Desk, Rates
    from edged.web.installer.notes import Moment, Told

PERIOD_S = 0.2
_TREND_S = 1.0
_FORGOTTEN_S = 2.0  # nobody looked for so long: what stood still then tells nothing now


class Feed:
    """Turns the desk into events; what one reader was told is told to the others as it is.

    Args:
        desk: what is known.
        limits: of a view, for the advice.
        floor: the quality that a view must have to count.
        wanted_hz: the camera's configured rate.
        images: whether the camera's picture may be shown.
    """

    def __init__(
        self, desk: Desk, limits: Limits, floor: float, wanted_hz: float | None, *, images: bool
    ) -> None:
        self._desk = desk
        self._limits = limits
        self._floor = floor
        self._wanted_hz = wanted_hz
        self._images = images
        self._made: dict[str, tuple[float, bytes]] = {}
        self._picture: Picture | None = None
        self._seq: int | None = None
        self._looked_s = self._differed_s = 0.0

    async def messages(self, alive: Callable[[], bool]) -> AsyncGenerator[bytes]:
        """The events, until `alive` says no. What was missed is not sent later."""
        told, trend_s = -1, float("-inf")
        while alive():
            yield self._fresh("now", PERIOD_S, self.now)
            if time.monotonic() - trend_s >= _TREND_S:
                trend_s = time.monotonic()
                yield self._fresh("trend", _TREND_S / 2, self.trend)
            if self._desk.told != told:
                told = self._desk.told
                yield self._fresh("last", PERIOD_S, self.last)
            await asyncio.sleep(PERIOD_S)
        yield b"event: over\ndata: {}\n\n"

    def now(self) -> dict[str, Any]:
        """The newest frame, its measures, and the advice."""
        moment, rates = self._desk.moment, self._desk.rates()
        same_s = self._examine(moment)
        picture = self._picture
        document: dict[str, Any] = {
            "rates": asdict(rates) | {"wanted_hz": self._wanted_hz},
            "sharpness": picture.sharpness if picture else None,
            "noise": picture.noise if picture else None,
            "hints": [asdict(hint) for hint in self._advise(rates, same_s)],
            "visitors": len(self._desk.visitors()),
        }
        if moment is None:
            return document
        return document | _of_moment(moment) | self._jpeg(moment)

    def trend(self) -> dict[str, Any]:
        """The last two minutes, and the histogram of the views' quality."""
        columns = zip(*self._desk.history(), strict=True)
        names = ("quality", "level", "sharpness", "rate", "present")
        history = {
            name: [_short(value) for value in column]
            for name, column in zip(names, columns, strict=True)
        }
        return {"history": history, "histogram": self._desk.histogram()}

    def last(self) -> dict[str, Any]:
        """The last presentations, the newest first."""
        return {"last": [_of_told(told) for told in self._desk.outcomes()]}

    def _fresh(self, name: str, for_s: float, make: Callable[[], dict[str, Any]]) -> bytes:
        now_s = time.monotonic()
        made = self._made.get(name)
        if made is None or now_s - made[0] >= 0.9 * for_s:
            text = json.dumps(make(), allow_nan=False, separators=(",", ":"))
            made = self._made[name] = (now_s, f"event: {name}\ndata: {text}\n\n".encode())
        return made[1]

    def _examine(self, moment: Moment | None) -> float:
        """Measure the newest picture; returns since when no picture differed from the next."""
        if moment is None:
            return 0.0
        now_s = time.monotonic()
        if now_s - self._looked_s > _FORGOTTEN_S:
            self._seq, self._picture = None, None
        self._looked_s = now_s
        if self._seq != moment.frame.seq:
            face = moment.observation.face
            found = examine(moment.frame.image, face.box if face else None)
            if self._picture is None or found.mark != self._picture.mark:
                self._differed_s = now_s
            self._seq, self._picture = moment.frame.seq, found
            self._desk.note_sharpness(found.sharpness)
            return now_s - self._differed_s
        return 0.0

    def _advise(self, rates: Rates, same_s: float) -> Any:
        picture = self._picture
        light = Light(picture.level, picture.burnt, picture.black) if picture else None
        pace = Pace(
            rates.camera_hz,
            rates.seen_hz,
            self._wanted_hz,
            rates.silent_s,
            rates.clock_still_s,
            same_s,
        )
        scene = Scene(self._desk.recent(), self._desk.visitors(), light, pace)
        return advise(scene, self._limits, self._floor)

    def _jpeg(self, moment: Moment) -> dict[str, str]:
        if not self._images:
            return {}
        return {"jpeg": base64.b64encode(encode(moment.frame.image)).decode("ascii")}


def _of_moment(moment: Moment) -> dict[str, Any]:
    observation = moment.observation
    height, width = moment.frame.image.shape[:2]
    return {
        "size": [width, height],
        "phase": moment.phase,
        "instruction": moment.instruction,
        "progress": _short(moment.progress),
        "similarity": _short(moment.similarity),
        "views": moment.views,
        "faces": observation.faces,
        "defects": [str(defect) for defect in observation.defects],
        "face": _of_face(observation.face, width, height),
        "view": {name: _short(value) for name, value in asdict(moment.view).items()}
        if moment.view
        else None,
    }


def _of_face(face: Face | None, width: int, height: int) -> dict[str, Any] | None:
    """Where it is, as shares of the picture."""
    if face is None:
        return None
    box = face.box
    return {
        "box": [
            _short(box.left / max(1, width)),
            _short(box.top / max(1, height)),
            _short(box.right / max(1, width)),
            _short(box.bottom / max(1, height)),
        ],
        "marks": [
            [_short(x / max(1, width)), _short(y / max(1, height))] for x, y in face.landmarks
        ],
    }


def _of_told(told: Told) -> dict[str, Any]:
    return {
        "number": told.number,
        "at_s": round(told.at_s, 1),
        "kind": told.kind,
        "reason": told.reason,
        "rule": told.rule,
        "duration_s": _short(told.duration_s),
        "views": told.views,
        "quality": _short(told.quality),
        "similarity": _short(told.similarity),
        "threshold": _short(told.threshold),
        "instructions": list(told.instructions),
        "face": told.face is not None,
    } | ({"person_id": told.person_id} if told.person_id is not None else {})


def _short(value: float | None) -> float | None:
    """Four digits will do; what is no number is nothing."""
    if value is None or not -1e9 < value < 1e9:
        return None
    return round(float(value), 4)
