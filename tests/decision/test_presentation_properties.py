"""What holds whatever the camera, the network and the clock come up with."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields, replace
from math import inf, isfinite, nan
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.decision.guidance import BLOCKING
from edged.decision.presentation import Kind, Phase, Step
from edged.testing.builders import fused, match, observation, policy
from edged.types import Candidate, Defect, Instruction, Match, Observation
from tests.decision.fed import FRAME_S, Fed

if TYPE_CHECKING:
    from edged.decision.policy import Policy

YEAR_S = 365.25 * 86400
FINAL = {Kind.GRANTED, Kind.DENIED, Kind.REVIEW, Kind.SECOND_FACTOR}
REFUSED = {Phase.DENIED, Phase.REVIEW, Phase.SECOND_FACTOR}


@dataclass(frozen=True)
class Seen:
    """A frame, and what its evidence would say."""

    view: Observation
    found: Match | None
    quality: float
    forged_views: int | None  # not counted by the judge: anything at all


SIMILARITY = st.one_of(
    st.sampled_from([0.9, 0.9, 0.44, 0.2, nan, inf, -inf]), st.floats(-1, 1, width=32)
)
MATCHES = st.one_of(
    st.just(match(0.9)),
    st.none(),
    st.just(Match((), 0)),
    st.builds(match, SIMILARITY, st.sampled_from(["p1", "p2"]), st.sampled_from([1, 100, 50_000])),
    st.builds(
        lambda a, b: Match((Candidate("p1", a), Candidate("p2", b)), 100), SIMILARITY, SIMILARITY
    ),
)
QUALITY = st.one_of(
    st.sampled_from([0.9, 0.9, 0.9, 0.1, None, nan, inf, -inf]), st.floats(-0.5, 1.5)
)
# Mostly the rhythm of a camera; a clock that stands, jumps and is set back; no time at all.
TICKS = st.sampled_from(
    [FRAME_S] * 8 + [0.0, 0.001, 0.5, 2.0, 30.0, YEAR_S, -FRAME_S, -YEAR_S, nan]
)
DEFECTS = st.one_of(
    st.just(()), st.sets(st.sampled_from(list(Defect)), max_size=3).map(lambda s: tuple(sorted(s)))
)
FRAMES = st.tuples(
    TICKS,
    st.booleans() | st.just(True),  # False: the number of the last frame again
    st.sampled_from([1, 1, 1, 1, 1, 2, None]),
    QUALITY,
    DEFECTS,
    MATCHES,
    st.sampled_from([0.9, 0.9, 0.9, 0.3, nan, inf]),
    st.sampled_from([None] * 6 + [1, 3, 1000]),
)


@st.composite
def days(draw: st.DrawFn) -> list[Seen]:
    """A sequence of frames in which some last for a while."""
    seen: list[Seen] = []
    t_s, seq = draw(st.sampled_from([0.0, -5.0, 1e6])), 0
    for frame in draw(st.lists(FRAMES, max_size=30)):
        tick, fresh, track, quality, defects, found, fused_quality, forged = frame
        for _ in range(draw(st.sampled_from([1, 1, 4, 12, 40]))):
            seq += fresh
            t_s = t_s + tick if isfinite(tick) else t_s
            view = observation(
                t_s if isfinite(tick) else nan,
                seq=seq,
                track_id=track,
                quality=quality,
                defects=defects,
            )
            seen.append(Seen(view, found, fused_quality, forged))
            tick = FRAME_S if abs(tick) > 1 else tick
    return seen


POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "doubtful": st.sampled_from(["review", "retake", "second_factor"]),
        "margin": st.sampled_from([0.0, 0.03, 0.2]),
        "one_person": st.booleans(),
        "evidence_frames": st.integers(1, 5),
        "denial_frames": st.integers(5, 12),
        "view_quality": st.sampled_from([0.1, 0.5]),
        "serve_again_after_s": st.sampled_from([None, 1.0]),
        "cool_down_s": st.sampled_from([0.5, 8.0]),
        "instruction_hold_s": st.sampled_from([0.0, 1.0]),
    },
)


def feed(it: Fed, seen: Seen) -> Step:
    if seen.forged_views is None or seen.found is None:
        return it.see(seen.view, seen.found, seen.quality)
    return it.step(seen.view, fused(seen.found, seen.quality, seen.forged_views))


class Watched:
    """What an onlooker can tell of a sequence without knowing how it is decided."""

    def __init__(self, rules: Policy) -> None:
        self._rules = rules
        self._last: tuple[float, int] | None = None
        self.now_s = 0.0
        self._nobody_since_s = 0.0
        self.track: int | None = None
        self.begun = False  # another face, or the same after having been gone
        self.usable = 0  # views of this very face since it came
        self.stale = False

    def look(self, view: Observation) -> None:
        last = self._last
        self.stale = not isfinite(view.t_s) or (
            last is not None and view.t_s <= last[0] and view.seq <= last[1]
        )
        self.begun = False
        if self.stale:
            return
        self.now_s += max(0.0, view.t_s - last[0]) if last is not None else 0.0
        self._last = (view.t_s, view.seq)
        if view.track_id is None:
            if self.now_s - self._nobody_since_s >= self._rules.gone_after_s - 1e-6:
                self.track = None
            return
        self._nobody_since_s = self.now_s
        if view.track_id != self.track:
            self.track, self.usable, self.begun = view.track_id, 0, True
        several = self._rules.one_person and Defect.SEVERAL_FACES in view.defects
        good = view.quality is not None and self._rules.view_floor <= view.quality <= 1
        self.usable += good and not several and BLOCKING.isdisjoint(view.defects)


@settings(deadline=None)  # no test asserts on time
@given(days(), POLICIES)
def test_nobody_is_granted_without_quality_evidence_similarity_and_margin(
    day: list[Seen], changes: dict[str, object]
) -> None:
    rules, it = policy(**changes), Fed(**changes)
    watched = Watched(rules)
    for seen in day:
        watched.look(seen.view)
        outcome = feed(it, seen).outcome
        if outcome is None or outcome.kind is not Kind.GRANTED:
            continue
        assert not watched.stale
        assert watched.usable >= rules.evidence_frames
        assert watched.usable >= outcome.frames >= rules.evidence_frames
        assert outcome.fused_quality == seen.quality
        assert rules.minimum_quality <= seen.quality <= 1
        assert seen.found is not None
        best = seen.found.candidates[0]
        assert rules.thresholds(seen.found.people).grant <= best.similarity <= 1
        if len(seen.found.candidates) > 1:
            assert best.similarity - seen.found.candidates[1].similarity >= rules.margin
        assert outcome.person_id == best.person_id


@settings(deadline=None)  # no test asserts on time
@given(days(), POLICIES)
def test_one_face_gets_one_decision_until_it_has_gone_or_may_try_again(
    day: list[Seen], changes: dict[str, object]
) -> None:
    rules, it = policy(**changes), Fed(**changes)
    watched = Watched(rules)
    decided: tuple[float, Phase] | None = None
    retakes = 0
    for seen in day:
        before = it.phase
        watched.look(seen.view)
        step = feed(it, seen)
        if watched.begun or watched.track is None:
            decided, retakes = None, 0
        if step.outcome is None:
            assert step.summary is None or step.summary.ended == "left"
            continue
        assert not watched.stale
        if step.outcome.kind in FINAL:
            if decided is not None:
                wait_s = rules.cool_down_s if decided[1] in REFUSED else rules.serve_again_after_s
                assert wait_s is not None
                assert watched.now_s - decided[0] >= wait_s - 1e-3
            decided, retakes = (watched.now_s, step.phase), 0
            assert step.outcome.kind.value == f"access.{step.phase.value}"
            assert step.summary is not None
            assert step.summary.ended == step.phase.value
            assert (step.progress, step.instruction) == (1.0, None)
        else:
            if before in REFUSED | {Phase.GRANTED}:
                retakes = 0
            retakes += 1
            assert retakes <= 2  # one without a usable view, one in doubt
            assert step.phase is Phase.GATHERING


@settings(deadline=None)  # no test asserts on time
@given(days(), POLICIES)
def test_an_instruction_stays_its_time_unless_decided_gone_or_for_another_face(
    day: list[Seen], changes: dict[str, object]
) -> None:
    rules, it = policy(**changes), Fed(**changes)
    watched = Watched(rules)
    shown: Instruction | None = None
    since_s = 0.0
    for seen in day:
        before = it.phase
        watched.look(seen.view)
        step = feed(it, seen)
        assert step.instruction is None or isinstance(step.instruction, Instruction)
        assert step.instruction is None or step.phase is Phase.GATHERING
        if watched.begun or step.phase is not Phase.GATHERING or before is not Phase.GATHERING:
            shown, since_s = step.instruction, watched.now_s
        elif step.instruction != shown:
            if shown is not None:
                assert watched.now_s - since_s >= rules.instruction_hold_s - 1e-3
            shown, since_s = step.instruction, watched.now_s


@settings(deadline=None)  # no test asserts on time
@given(days(), POLICIES, st.data())
def test_frames_that_come_twice_change_nothing(
    day: list[Seen], changes: dict[str, object], data: st.DataObject
) -> None:
    once, twice = Fed(**changes), Fed(**changes)
    for seen in day:
        step = feed(once, seen)
        assert feed(twice, seen) == step
        if data.draw(st.booleans()):
            again = twice.step(seen.view, fused(match(0.9), 0.9, 1))
            assert again == replace(step, outcome=None, summary=None)


@settings(deadline=None)  # no test asserts on time
@given(days(), POLICIES)
def test_the_same_frames_give_the_same_steps_with_numbers_that_are_numbers(
    day: list[Seen], changes: dict[str, object]
) -> None:
    first, second = Fed(**changes), Fed(**changes)
    for seen in day:
        step = feed(first, seen)
        assert feed(second, seen) == step
        assert 0 <= step.progress <= 1
        for value in (step.outcome, step.summary):
            for name in [field.name for field in fields(value)] if value is not None else []:
                number = getattr(value, name)
                assert not isinstance(number, float) or isfinite(number), name


@settings(deadline=None)  # no test asserts on time
@given(days(), POLICIES)
def test_what_is_asked_of_it_between_frames_changes_nothing(
    day: list[Seen], changes: dict[str, object]
) -> None:
    plain, asked = Fed(**changes), Fed(**changes)
    for seen in day:
        assert isinstance(asked.wants_evidence, bool)
        asked.usable(seen.view)
        asked.starts_anew(1)
        assert feed(asked, seen) == feed(plain, seen)


def held_by(thing: object, seen: set[int]) -> int:
    """Bytes of an object of ours and of all that hangs on it."""
    if id(thing) in seen or isinstance(thing, type):
        return 0
    seen.add(id(thing))
    size = sys.getsizeof(thing)
    if isinstance(thing, dict):
        return size + sum(held_by(k, seen) + held_by(v, seen) for k, v in thing.items())
    if isinstance(thing, list | tuple | set | frozenset) or type(thing).__name__ == "deque":
        return size + sum(held_by(item, seen) for item in thing)  # type: ignore[attr-defined]
    names = [*getattr(thing, "__dict__", {}), *getattr(type(thing), "__slots__", ())]
    return size + sum(held_by(getattr(thing, name), seen) for name in names if hasattr(thing, name))


@pytest.mark.slow
def test_a_presentation_is_no_larger_after_a_hundred_thousand_frames_than_after_a_thousand() -> (
    None
):
    """Two hours at 15 frames a second; what does not grow by then does not in a million either."""
    it = Fed(denial_frames=10**9, denial_after_s=1e9)
    kinds = [(), (Defect.TOO_DARK,), (Defect.TOO_FAR,), (Defect.BLURRED, Defect.BACKLIT)]
    views = [observation(0.0, quality=q, defects=d) for d in kinds for q in (0.9, 0.1)]
    weak, size, said = match(0.2), 0, []
    for n in range(100_000):
        view = replace(views[n // 40 % len(views)], t_s=n * FRAME_S, seq=n)
        step = it.see(view, weak)
        said += [step.outcome] if step.outcome else []
        if n == 2000:
            size = held_by(it, set())
    assert held_by(it, set()) <= size + 512  # greater numbers
    assert [outcome.kind for outcome in said] in ([], [Kind.RETAKE])
