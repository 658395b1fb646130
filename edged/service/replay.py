"""A recorded day decided again, by the very code that decided it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from math import isclose, isnan
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from edged.bundle.manifest import IsotonicQuality, LogisticQuality, Quality, Similarity
from edged.config.schema import Decision
from edged.errors import ConfigError, StorageError
from edged.gallery.search import Index
from edged.recording.codec import read_policy
from edged.recording.items import Forgot, Gap, Held, Seen
from edged.recording.reader import gone
from edged.service.judge import Judge, one_to_one
from edged.service.policy import make_policy
from edged.types import Match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from edged.decision.policy import Policy
    from edged.decision.presentation import Outcome
    from edged.recording.items import Header, Item, Template
    from edged.recording.reader import Reader, Session, Visit
    from edged.types import Floats

    Search = Callable[[Floats], Match]

_QUALITY: TypeAdapter[LogisticQuality | IsotonicQuality] = TypeAdapter(Quality)
_ROUNDING = 1e-5  # another processor adds in another order


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a recording kept of its bundle."""

    similarity: Similarity
    quality: LogisticQuality | IsotonicQuality


def calibration(header: Header) -> Calibration:
    """The bundle's part of a header.

    Raises:
        StorageError: it is none.
    """
    try:
        similarity = Similarity.model_validate(header.similarity)
        return Calibration(similarity, _QUALITY.validate_python(header.quality))
    except ValidationError as fault:
        raise StorageError(
            "the recorded calibration is of another form; update edged, or record anew"
        ) from fault


def changed_policy(header: Header, changes: dict[str, Any]) -> Policy:
    """The policy of a session with other settings.

    Args:
        header: of the session.
        changes: settings of ``decision`` by name.

    Raises:
        ConfigError: a setting that there is not, or a value that it cannot have.
    """
    try:
        decision = Decision.model_validate(header.decision | changes)
    except ValidationError as fault:
        problems = [
            f"decision.{'.'.join(map(str, error['loc']))}: "
            + ("unknown setting" if error["type"] == "extra_forbidden" else error["msg"].lower())
            for error in fault.errors(include_url=False)
        ]
        raise ConfigError(problems) from fault
    then = read_policy(header.policy)
    return replace(
        make_policy(decision, calibration(header)),
        lookalikes=then.lookalikes,
        lookalike_margin=then.lookalike_margin,
    )


class RecordedSearch:
    """The people who were ever among the best of the session, as they were at each frame.

    Whoever never was cannot come up.

    Args:
        people: how many the gallery is to have had; None: as many as it had.
    """

    def __init__(
        self, model: str, size: int, templates: Iterable[Template], people: int | None = None
    ) -> None:
        self._index = Index(model, size)
        self._templates = sorted(templates, key=lambda template: template.since)
        self._next = 0
        self._wanted = people
        self._people = 0
        self._marked: dict[str, bool] = {}
        self._claim: str | None = None

    def at(self, item: Seen) -> None:
        """The gallery as it was when this frame was decided on."""
        self._people = item.people
        while (
            self._next < len(self._templates) and self._templates[self._next].since <= item.revision
        ):
            template = self._templates[self._next]
            self._index.put(template.person_id, template.row)
            self._next += 1
        self._claim = None
        if item.fused is not None:
            best = item.fused.match.candidates
            if item.fused.match.claimed and best:
                self._claim = best[0].person_id
            self._marked.update((one.person_id, one.lookalike) for one in best)
            self._index.mark(who for who, marked in self._marked.items() if marked)

    def __call__(self, probe: Floats) -> Match:
        row = None if self._claim is None else self._index.row(self._claim)
        if self._claim is not None and row is not None:  # said who they were, whatever else
            return one_to_one(self._claim, row[1], probe)
        found = self._index.search(probe, 2)
        people = self._people if self._wanted is None else self._wanted
        return Match(found.candidates, people)


@dataclass(frozen=True, slots=True)
class Decided:
    """An outcome, on which frame of whom; times are monotonic and Unix seconds."""

    visit: int
    track_id: int | None
    t_s: float
    wall: float
    outcome: Outcome


class Course:
    """One judge's way through what was recorded."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.decided: list[Decided] = []
        self.endings: Counter[str] = Counter()

    def forget(self) -> None:
        """What comes next has nothing to do with what was before."""
        self._judge.forget()

    def take(self, visit: int, item: Item) -> None:
        """Decide on one item."""
        if isinstance(item, Held):
            self._judge.hold(item.t_s, item.person_id)
        elif isinstance(item, Forgot | Gap):
            self._judge.forget()
        else:
            step = self._judge.step(item.observation)
            if step.summary is not None:
                self.endings[step.summary.ended] += 1
            if step.outcome is not None:
                self.decided.append(_decided(visit, item, step.outcome))


def _decided(visit: int, item: Seen, outcome: Outcome) -> Decided:
    seen = item.observation
    return Decided(visit, seen.track_id, seen.t_s, item.wall, outcome)


@dataclass(slots=True)
class Replay:
    """What came of it: as it was recorded, under the recording's own policy, and another's.

    Attributes:
        touched: visits with somebody in them who was removed from the recording since.
        lost_frames: that the disk was too slow for.
        cut_visits: that begin in the middle: what was before was removed, or is not asked for.
    """

    recorded: list[Decided] = field(default_factory=list)
    own: list[Decided] = field(default_factory=list)
    other: list[Decided] | None = None
    own_endings: Counter[str] = field(default_factory=Counter)
    other_endings: Counter[str] = field(default_factory=Counter)
    touched: set[int] = field(default_factory=set)
    sessions: list[Session] = field(default_factory=list)
    visits: int = 0
    frames: int = 0
    first: float | None = None
    last: float | None = None
    lost_frames: int = 0
    cut_visits: int = 0

    def compared(self) -> tuple[int, int, int, tuple[Decided | None, Decided | None] | None]:
        """Outcomes, those that came out as recorded, those that cannot be compared, and the
        first pair (recorded, now) that differs."""
        then, now = (
            {(one.visit, one.t_s, one.track_id): one for one in decided}
            for decided in (self.recorded, self.own)
        )
        places = sorted(set(then) | set(now), key=lambda place: (place[0], place[1]))
        same, apart, first = 0, 0, None
        for place in places:
            pair = then.get(place), now.get(place)
            if place[0] in self.touched:
                apart += 1
            elif pair[0] and pair[1] and alike(pair[0].outcome, pair[1].outcome):
                same += 1
            elif first is None:
                first = pair
        return len(places), same, apart, first


def alike(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes are the same but for rounding."""
    return all(_equal(getattr(one, name), getattr(other, name)) for name in one.__slots__)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=0, abs_tol=_ROUNDING) or (isnan(one) and isnan(other))
    return bool(one == other)


def replay(
    reader: Reader,
    *,
    policy: Callable[[Header], Policy] | None = None,
    people: int | None = None,
    search: Callable[[Header], Search] | None = None,
    begin: float = float("-inf"),
    end: float = float("inf"),
) -> Replay:
    """Decide everything again: under the recorded policy, and once more if anything is changed.

    Args:
        reader: of an open recording.
        policy: makes the other policy of a session; None: its own.
        people: the size of gallery to suppose; None: as it was.
        search: another gallery; None: as it was.
        begin, end: Unix seconds; visits that began before, or not before `end`, are left out.

    Raises:
        ConfigError, StorageError, GalleryError: see `changed_policy` and `Reader`.
    """
    changed = policy is not None or people is not None or search is not None
    result = Replay(other=[] if changed else None)
    for session in reader.sessions():
        visits = [visit for visit in reader.visits(session.number) if begin <= visit.started < end]
        if visits:
            header, quality = session.header, calibration(session.header).quality.quality
            own = _Way(session, read_policy(header.policy), quality, None, None)
            other = None
            if changed:
                rules = read_policy(header.policy) if policy is None else policy(header)
                found = None if search is None else search(header)
                other = _Way(session, rules, quality, people, found)
            _through(reader, session, visits, (own, other), result)
    return result


class _Way:
    """A course with the search that it asks."""

    def __init__(
        self,
        session: Session,
        policy: Policy,
        quality: Callable[[float], float],
        people: int | None,
        search: Search | None,
    ) -> None:
        header = session.header
        self._then = RecordedSearch(header.model, header.size, session.templates, people)
        ask: Search = self._then
        if search is not None:
            ask = search if people is None else _supposing(search, people)
        self.course = Course(Judge(policy, ask, quality))

    def take(self, visit: int, item: Item) -> None:
        if isinstance(item, Seen):
            self._then.at(item)
        self.course.take(visit, item)


def _supposing(search: Search, people: int) -> Search:
    return lambda probe: Match(search(probe).candidates, people)


def _through(
    reader: Reader,
    session: Session,
    visits: list[Visit],
    ways: tuple[_Way, _Way | None],
    result: Replay,
) -> None:
    own, other = ways
    result.sessions.append(session)
    before: int | None = None
    for visit in visits:
        if visit.number - 1 != before:
            if visit.continues:
                result.cut_visits += 1
                continue
            for way in _given(ways):
                way.course.forget()
        before = visit.number
        result.visits += 1
        for item in reader.items(visit, session.header.size):
            _note(result, visit, item)
            for way in _given(ways):
                way.take(visit.number, item)
    result.own += own.course.decided
    result.own_endings += own.course.endings
    if other is not None and result.other is not None:
        result.other += other.course.decided
        result.other_endings += other.course.endings


def _given(ways: tuple[_Way, _Way | None]) -> Iterator[_Way]:
    return (way for way in ways if way is not None)


def _note(result: Replay, visit: Visit, item: Item) -> None:
    if isinstance(item, Gap):
        result.lost_frames += item.frames
    if isinstance(item, Held) and item.person_id is not None and gone(item.person_id):
        result.touched.add(visit.number)
    if not isinstance(item, Seen):
        return
    result.frames += 1
    result.first = item.wall if result.first is None else min(result.first, item.wall)
    result.last = item.wall if result.last is None else max(result.last, item.wall)
    if item.fused is not None and any(gone(c.person_id) for c in item.fused.match.candidates):
        result.touched.add(visit.number)
    if item.outcome is not None:
        result.recorded.append(_decided(visit.number, item, item.outcome))
