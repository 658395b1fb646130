"""What the installer's page knows: the last two minutes, fifty outcomes, and the newest picture.

The vision thread gives, browsers' threads take. All is in memory and bounded; nothing is written
anywhere. The lock is held for some microseconds on either side: the vision thread never waits for
a browser.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING

from edged.web.installer.advice import middle
from edged.web.installer.notes import Moment, cut_out, left_of, number_of, told_of, view_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.decision.presentation import Step
    from edged.types import Frame, FusedMatch, Image, Observation
    from edged.web.installer.advice import View
    from edged.web.installer.notes import Told

log = logging.getLogger(__name__)

BUCKET_S = 0.5
BUCKETS = 240
OUTCOMES = 50
PICTURES = 20
BINS = 20
_QUALITIES = 2000
_VISITORS = 50
_VISIT_FRAMES = 5  # a face that was there for fewer was no visitor, or no face
_VISIT_VIEWS = 60  # of a visit; the latest, however long it lasts
_RECENT_S = 2.0
_RECENT = 240
_STAMPS = 120
_SPAN_S = 5.0
_SHORTEST_SPAN_S = 2.0


@dataclass(slots=True)
class Bucket:
    """Half a second; sums, with how many are in each."""

    number: int
    frames: int = 0
    faces: int = 0
    quality: list[float] = field(default_factory=lambda: [0.0, 0.0])
    level: list[float] = field(default_factory=lambda: [0.0, 0.0])
    sharpness: list[float] = field(default_factory=lambda: [0.0, 0.0])


@dataclass(frozen=True, slots=True)
class Rates:
    """Frames a second that the camera gave and that were looked at, and seconds since then."""

    camera_hz: float | None
    seen_hz: float | None
    silent_s: float
    clock_still_s: float


class Desk:
    """Takes in every frame and every step of the decision.

    Args:
        images: whether small pictures of the last faces are kept.
        person_ids: whether it is kept who was recognised.
        now: monotonic seconds.
    """

    def __init__(
        self,
        *,
        images: bool = False,
        person_ids: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._images = images
        self._person_ids = person_ids
        self._now = now
        self._lock = threading.Lock()
        self._opened_s = now()
        self._moment: Moment | None = None
        self._buckets: deque[Bucket] = deque(maxlen=BUCKETS)
        self._qualities: deque[float] = deque(maxlen=_QUALITIES)
        self._recent: deque[tuple[float, View]] = deque(maxlen=_RECENT)
        self._visitors: deque[View] = deque(maxlen=_VISITORS)
        self._visit: deque[View] = deque(maxlen=_VISIT_VIEWS)
        self._track: int | None = None
        self._stamps: deque[tuple[float, int, int]] = deque(maxlen=_STAMPS)
        self._looks = 0
        self._looked_s = now()
        self._clock_s: tuple[float, float] | None = None  # time of capture, and since when
        self._outcomes: deque[Told] = deque(maxlen=OUTCOMES)
        self._told = 0
        self.version = 0

    def look(self, frame: Frame, observation: Observation) -> None:
        """Take note of a frame, which nobody may change any more. On the vision thread."""
        view = view_of(frame, observation)
        now_s = self._now()
        with self._lock:
            self._moment = Moment(frame, observation, view)
            self._pace(now_s, frame)
            bucket = self._bucket(now_s)
            bucket.frames += 1
            if view is not None:
                bucket.faces += 1
                _add(bucket.quality, view.quality)
                _add(bucket.level, view.level)
                self._recent.append((now_s, view))
                if view.quality is not None:
                    self._qualities.append(view.quality)
            self._follow(observation.track_id, view)
            self.version += 1

    def step(self, observation: Observation, fused: FusedMatch | None, step: Step) -> None:
        """Take note of what was decided on the frame before. On the vision thread."""
        moment = self._moment
        if moment is None or moment.observation is not observation:
            return
        told = self._tell(moment, step)
        best = fused.match.candidates[0] if fused and fused.match.candidates else None
        with self._lock:
            self._moment = replace(
                moment,
                phase=step.phase.value,
                instruction=step.instruction.value if step.instruction else None,
                progress=number_of(step.progress) or 0.0,
                similarity=number_of(best.similarity) if best else None,
                views=fused.views if fused else 0,
            )
            if told is not None:
                self._keep(told)
            self.version += 1

    def note_sharpness(self, value: float) -> None:
        """What a browser's thread measured on the newest picture."""
        with self._lock:
            _add(self._bucket(self._now()).sharpness, value)

    @property
    def moment(self) -> Moment | None:
        """The newest frame."""
        return self._moment

    def rates(self) -> Rates:
        """How the frames come."""
        now_s = self._now()
        with self._lock:
            stamps = [stamp for stamp in self._stamps if now_s - stamp[0] <= _SPAN_S]
            looked_s, clock = self._looked_s, self._clock_s
        still_s = looked_s - clock[1] if clock else 0.0
        camera_hz = seen_hz = None
        if len(stamps) > 1 and (span_s := stamps[-1][0] - stamps[0][0]) >= _SHORTEST_SPAN_S:
            seen_hz = (stamps[-1][2] - stamps[0][2]) / span_s
            camera_hz = max(seen_hz, (stamps[-1][1] - stamps[0][1]) / span_s)
        return Rates(camera_hz, seen_hz, max(0.0, now_s - looked_s), max(0.0, still_s))

    def recent(self) -> tuple[View, ...]:
        """The views of the last two seconds."""
        now_s = self._now()
        with self._lock:
            recent = list(self._recent)
        return tuple(view for t_s, view in recent if now_s - t_s <= _RECENT_S)

    def visitors(self) -> tuple[View, ...]:
        """The typical view of each of the last fifty visitors, the present one included."""
        with self._lock:
            gone, visit = tuple(self._visitors), tuple(self._visit)
        return (*gone, middle(visit)) if len(visit) >= _VISIT_FRAMES else gone

    def history(self) -> list[tuple[float | None, ...]]:
        """The last two minutes, oldest first: mean quality, level and sharpness, frames a second,
        share with a face; None where nothing was measured."""
        with self._lock:
            last = self._bucket(self._now()).number
            known = {bucket.number: bucket for bucket in self._buckets}
            return [_row(known.get(number)) for number in range(last - BUCKETS, last)]

    def histogram(self) -> list[int]:
        """How many of the last two thousand views had which quality, in twentieths."""
        counts = [0] * BINS
        with self._lock:
            for quality in self._qualities:
                counts[min(BINS - 1, max(0, int(quality * BINS)))] += 1
        return counts

    def outcomes(self) -> list[Told]:
        """The last presentations, newest first."""
        with self._lock:
            return list(reversed(self._outcomes))

    @property
    def told(self) -> int:
        """How many presentations there were."""
        return self._told

    def face(self, number: int) -> Image | None:
        """The picture of one of the last presentations."""
        with self._lock:
            return next((told.face for told in self._outcomes if told.number == number), None)

    def _bucket(self, now_s: float) -> Bucket:
        number = int((now_s - self._opened_s) / BUCKET_S)
        if not self._buckets or self._buckets[-1].number < number:
            self._buckets.append(Bucket(number))
        return self._buckets[-1]

    def _pace(self, now_s: float, frame: Frame) -> None:
        self._looks += 1
        self._looked_s = now_s
        # Not each of a thousand a second: the deque must span some seconds.
        if not self._stamps or now_s - self._stamps[-1][0] >= _SPAN_S / _STAMPS:
            self._stamps.append((now_s, frame.seq, self._looks))
        if self._clock_s is None or frame.t_s != self._clock_s[0]:
            self._clock_s = (frame.t_s, now_s)

    def _follow(self, track_id: int | None, view: View | None) -> None:
        if track_id is None or view is None:
            return  # lost from sight, perhaps for a moment
        if track_id != self._track:
            if len(self._visit) >= _VISIT_FRAMES:
                self._visitors.append(middle(tuple(self._visit)))
            self._visit.clear()
            self._track = track_id
        self._visit.append(view)

    def _tell(self, moment: Moment, step: Step) -> Told | None:
        number, at_s = self._told + 1, time.time()
        if step.outcome is not None:
            told = told_of(number, at_s, step.outcome)
            if not self._person_ids:
                told = replace(told, person_id=None)
            if self._images:
                told = replace(told, face=cut_out(moment.frame.image, moment.observation.face))
            return told
        if step.summary is not None and step.summary.ended == "left":
            return left_of(number, at_s, step.summary)
        return None

    def _keep(self, told: Told) -> None:
        self._outcomes.append(told)
        self._told = told.number
        pictured = [n for n, one in enumerate(self._outcomes) if one.face is not None]
        for n in pictured[:-PICTURES]:
            self._outcomes[n] = replace(self._outcomes[n], face=None)


def _add(sums: list[float], value: float | None) -> None:
    if value is not None and isfinite(value):
        sums[0] += value
        sums[1] += 1


def _row(bucket: Bucket | None) -> tuple[float | None, ...]:
    if bucket is None:
        return (None, None, None, 0.0, 0.0)
    means = [
        total / count if count else None
        for total, count in (bucket.quality, bucket.level, bucket.sharpness)
    ]
    return (*means, bucket.frames / BUCKET_S, bucket.faces / max(bucket.frames, 1))
