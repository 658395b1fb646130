"""What has been going wrong for days, such as "dark every morning at 08:10"; pure.

The history of presentations comes in ten-minute buckets of local wall time. Two things are
looked for:

- *light*: in the same half hour (or all day) a light defect dominates at least half of at least
  five presentations a day, on at least three of the last five days with anybody at the door;
- *lens*: the quality of views that nothing but blur explains sinks below that of the weeks
  before, on three days one after the other and in every part of the day.

Each is told once when it begins, and once when three days with data were without it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Literal

from edged.types import Defect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BUCKET_MIN = 10
DAYS = 28
"""How far back is looked."""

LIGHT = (Defect.TOO_DARK, Defect.BACKLIT, Defect.OVEREXPOSED)
_OTHERS = (
    Defect.BLURRED,
    Defect.COVERED,
    Defect.TURNED,
    Defect.TOO_FAR,
    Defect.TOO_CLOSE,
    Defect.CUT_OFF,
)
_DAY_MIN = 24 * 60
_WINDOW_MIN = 30
_NEAR_MIN = 30  # two times of day this near are the same
_PART_MIN = 6 * 60
_LAST_DAYS = 5
_BAD_DAYS = 3
_GOOD_DAYS = 3
_FEWEST = 5  # presentations, to judge a day by
_HALF = 0.5
_REFERENCE_DAYS = 5
_SMALLEST_LOSS = 0.08  # of quality
_CLEARLY_BLURRED = 0.2

What = Literal["light", "lens"]


def trouble(defects: Mapping[Defect, int], frames: int) -> Defect | None:
    """What dominated a presentation: a defect of at least half of its frames.

    Light goes first, for it explains blur and distance is how everybody begins.
    """
    if sum(defects.get(defect, 0) for defect in LIGHT) >= max(1.0, _HALF * frames):
        return max(LIGHT, key=lambda defect: defects.get(defect, 0))
    worst = max(_OTHERS, key=lambda defect: defects.get(defect, 0))
    return worst if defects.get(worst, 0) >= max(1.0, _HALF * frames) else None


@dataclass(frozen=True, slots=True)
class Bucket:
    """The presentations of ten minutes that were dominated by the same trouble.

    Attributes:
        day: number of the local day.
        minute: of the local day at which the ten minutes begin.
        measured, quality: how many had a quality, and the sum of their best ones.
    """

    day: int
    minute: int
    trouble: Defect | None
    presentations: int
    measured: int
    quality: float


@dataclass(frozen=True, slots=True)
class Drift:
    """Something that has been going wrong for days.

    Attributes:
        defect: which; None where the quality sinks without a cause that is seen.
        minute: around which time of the local day; None: all day.
        days: how many of the days looked at were bad.
        share: of the presentations then; for the lens the share of quality that was lost.
        presentations: on those days, at that time.
        since: number of the first bad day.
        level: the quality below which the lens counts as dirty.
    """

    what: What
    defect: Defect | None
    minute: int | None
    days: int
    share: float
    presentations: int
    since: int
    level: float = 0.0


@dataclass(frozen=True, slots=True)
class Review:
    """What began, what is over, and what goes on (with what began)."""

    began: tuple[Drift, ...]
    over: tuple[Drift, ...]
    active: tuple[Drift, ...]


def review(buckets: Iterable[Bucket], active: Sequence[Drift], today: int) -> Review:
    """Look at the last `DAYS` days; later ones, by a clock that was set back, do not count.

    Args:
        buckets: the history, in any order.
        active: what the last review left active.
        today: number of the local day.
    """
    days = _by_day(bucket for bucket in buckets if today - DAYS < bucket.day <= today)
    over = tuple(drift for drift in active if _is_over(drift, days, today))
    going_on = tuple(drift for drift in active if drift not in over)
    found = [*_find_light(days), *_find_lens(days, today)]
    began = tuple(drift for drift in found if not any(_covers(old, drift) for old in going_on))
    return Review(began, over, going_on + began)


@dataclass(slots=True)
class _Day:
    """One day, added up in ten-minute bins."""

    number: int
    total: Counter[int] = field(default_factory=Counter)
    light: Counter[int] = field(default_factory=Counter)
    defects: Counter[tuple[int, Defect]] = field(default_factory=Counter)
    blurred: int = 0
    unexplained: int = 0
    parts: dict[int, tuple[int, float]] = field(default_factory=dict)

    def add(self, bucket: Bucket) -> None:
        start = bucket.minute // BUCKET_MIN * BUCKET_MIN
        self.total[start] += bucket.presentations
        if bucket.trouble in LIGHT:
            self.light[start] += bucket.presentations
            self.defects[start, bucket.trouble] += bucket.presentations
        if bucket.trouble not in (None, Defect.BLURRED):
            return
        self.unexplained += bucket.presentations
        self.blurred += bucket.presentations if bucket.trouble else 0
        measured, quality = self.parts.get(start // _PART_MIN, (0, 0.0))
        part = measured + bucket.measured, quality + bucket.quality
        self.parts[start // _PART_MIN] = part

    def seen(self, window: range) -> int:
        return sum(self.total[minute] for minute in window)

    def without(self, window: range) -> int:
        """How many presentations had light as their trouble."""
        return sum(self.light[minute] for minute in window)

    def dark(self, window: range) -> bool:
        """Whether light was the trouble of a window that says enough."""
        seen = self.seen(window)
        return seen >= _FEWEST and self.without(window) >= _HALF * seen

    @property
    def measured(self) -> int:
        return sum(measured for measured, _ in self.parts.values())

    @property
    def quality(self) -> float:
        """The mean of what nothing but blur explains; only of a day with `measured`."""
        return sum(quality for _, quality in self.parts.values()) / self.measured


_ALL_DAY = range(0, _DAY_MIN, BUCKET_MIN)


def _by_day(buckets: Iterable[Bucket]) -> list[_Day]:
    days: dict[int, _Day] = {}
    for bucket in buckets:
        if bucket.presentations > 0:
            days.setdefault(bucket.day, _Day(bucket.day)).add(bucket)
    return [days[number] for number in sorted(days)]


def _windows(around: int | None = None) -> list[range]:
    """Every half hour of a day, beginning with each bucket; or those near a time of the day."""
    starts = range(0, _DAY_MIN - _WINDOW_MIN + 1, BUCKET_MIN)
    return [
        range(start, start + _WINDOW_MIN, BUCKET_MIN)
        for start in starts
        if around is None or abs(start + _WINDOW_MIN // 2 - around) <= _NEAR_MIN
    ]


def _find_light(days: Sequence[_Day]) -> list[Drift]:
    last = days[-_LAST_DAYS:]
    bad = [w for w in _windows() if sum(day.dark(w) for day in last) >= _BAD_DAYS]
    groups: list[list[range]] = []
    for window in bad:
        if groups and window.start <= groups[-1][-1].stop:
            groups[-1].append(window)
        else:
            groups.append([window])
    at_times = [_light(max(group, key=lambda w: _worst(w, last)), last) for group in groups]
    if sum(day.dark(_ALL_DAY) for day in last) < _BAD_DAYS:
        return at_times
    all_day = replace(_light(_ALL_DAY, last), minute=None)
    # a door that is used at one time of the day is dark then, as far as anybody knows
    if any(d.presentations * d.share >= _HALF * all_day.presentations for d in at_times):
        return at_times
    return [all_day]


def _worst(window: range, days: Sequence[_Day]) -> tuple[int, int]:
    """Where most were without light, and hardly anybody else was."""
    return sum(day.without(window) for day in days), -sum(day.seen(window) for day in days)


def _light(window: range, days: Sequence[_Day]) -> Drift:
    """What is told of a time of the day at which light is the trouble."""
    bad = [day for day in days if day.dark(window)]
    kinds = {d: sum(day.defects[m, d] for day in bad for m in window) for d in LIGHT}
    minutes = sorted(m for day in bad for m in window for _ in range(day.light[m]))
    seen = sum(day.seen(window) for day in bad)
    return Drift(
        what="light",
        defect=max(LIGHT, key=lambda defect: kinds[defect]),
        minute=minutes[(len(minutes) - 1) // 2],
        days=len(bad),
        share=len(minutes) / seen,
        presentations=seen,
        since=bad[0].number,
    )


def _find_lens(days: Sequence[_Day], today: int) -> list[Drift]:
    """Today is not over: who comes late may be served better or worse."""
    judged = [day for day in days if day.number < today and day.measured >= _FEWEST]
    before, last = judged[:-_BAD_DAYS], judged[-_BAD_DAYS:]
    if len(before) < _REFERENCE_DAYS:
        return []
    usual = [day.quality for day in before]
    level = fmean(usual) - max(_SMALLEST_LOSS, 2 * pstdev(usual))
    if any(day.quality >= level for day in last) or not _sank_all_day(before, last):
        return []
    measured = sum(day.measured for day in last)
    mean = sum(day.quality * day.measured for day in last) / measured
    blurred = _blurred(last) >= max(_CLEARLY_BLURRED, 2 * _blurred(before))
    return [
        Drift(
            what="lens",
            defect=Defect.BLURRED if blurred else None,
            minute=None,
            days=len(last),
            share=1 - mean / fmean(usual),
            presentations=measured,
            since=last[0].number,
            level=level,
        )
    ]


def _blurred(days: Sequence[_Day]) -> float:
    return sum(day.blurred for day in days) / sum(day.unexplained for day in days)


def _sank_all_day(before: Sequence[_Day], last: Sequence[_Day]) -> bool:
    """Whether every part of the day became worse: a low sun does not dirty a lens."""
    then, now = _parts(before), _parts(last)
    return all(
        quality / measured <= then[part][1] / then[part][0] - _SMALLEST_LOSS / 2
        for part, (measured, quality) in now.items()
        if measured >= _FEWEST and then[part][0] >= _FEWEST
    )


def _parts(days: Sequence[_Day]) -> dict[int, tuple[int, float]]:
    parts: dict[int, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    for day in days:
        for part, (measured, quality) in day.parts.items():
            parts[part] = parts[part][0] + measured, parts[part][1] + quality
    return parts


def _covers(old: Drift, new: Drift) -> bool:
    """Whether something new is only more of what is known already."""
    if old.what != new.what:
        return False
    if old.minute is None or new.minute is None:
        return old.minute is None
    return abs(old.minute - new.minute) <= 2 * _NEAR_MIN


def _is_over(drift: Drift, days: Sequence[_Day], today: int) -> bool:
    """Gone for so many days with data, or without data for as long as is looked back."""
    if drift.what == "lens":
        verdicts = [
            day.quality < drift.level
            for day in days
            if day.number < today and day.measured >= _FEWEST
        ]
    else:
        windows = [_ALL_DAY] if drift.minute is None else _windows(drift.minute)
        near = range(windows[0].start, windows[-1].stop, BUCKET_MIN)
        verdicts = [any(day.dark(w) for w in windows) for day in days if day.seen(near)]
    last = verdicts[-_GOOD_DAYS:]
    return not any(last) and (len(last) == _GOOD_DAYS or today - drift.since >= DAYS)
