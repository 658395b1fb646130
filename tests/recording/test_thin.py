"""Frames that are left out of a recording change nothing that is decided."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.config.schema import Decision
from edged.decision.presentation import Phase
from edged.gallery.search import Index
from edged.recording.items import Forgot, Held, Item, Seen
from edged.recording.thin import GONE_S, Thinner
from edged.service.judge import Judge
from edged.service.replay import calibration
from edged.testing.builders import face
from edged.types import Defect, Observation
from tests.recording.lobby import SIZE, header, person, policy_of

if TYPE_CHECKING:
    from edged.decision.policy import Policy

DECISION: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "gone_after_s": st.sampled_from([0.1, 1, 7, 60]),
        "cool_down_s": st.sampled_from([0.5, 8, 3600]),
        "serve_again_after_s": st.sampled_from([None, 1, 5]),
        "evidence_frames": st.integers(1, 3),
        "denial_frames": st.integers(3, 6),
        "retake_after_s": st.sampled_from([0.5, 3]),
        "doubtful": st.sampled_from(["review", "retake", "second_factor"]),
        "instruction_hold_s": st.sampled_from([0, 1, 10]),
        "instruction_delay_s": st.sampled_from([0, 0.3]),
    }
)
STRETCH = st.tuples(
    st.sampled_from(["empty", "empty", "known", "stranger", "far", "unasked", "hold", "forget"]),
    st.integers(1, 12),  # frames
    st.sampled_from([0.04, 0.4, 3.0, 25.0, 61.0]),  # seconds from frame to frame
    st.integers(1, 3),  # track
)


def items(stretches: list[tuple[str, int, float, int]]) -> list[Item]:
    found: list[Item] = []
    t_s, seq = 0.0, 0
    for kind, frames, step_s, track in stretches:
        if kind == "hold":
            found.append(Held(t_s, None if track == 1 else f"p{track}"))
            continue
        if kind == "forget":
            found.append(Forgot())
            continue
        for _ in range(frames):
            t_s, seq = t_s + step_s, seq + 1
            found.append(Seen(0, _observation(kind, t_s, seq, track), None, Phase.IDLE, None, 1, 1))
    return found


def _observation(kind: str, t_s: float, seq: int, track: int) -> Observation:
    if kind == "empty":
        return Observation(t_s, seq, 0, None, None, (Defect.NO_FACE,))
    if kind == "far":
        return Observation(t_s, seq, 1, track, face(), (Defect.TOO_FAR,))
    if kind == "unasked":
        return Observation(t_s, seq, 1, track, face(), ())
    who = person(track if kind == "known" else 99)
    return Observation(t_s, seq, 1, track, face(), (), who, -2.0, 0.98)


def decided(course: list[Item], policy: Policy) -> tuple[list[Any], Phase]:
    """Every outcome and summary, and where it ends."""
    index = Index("m@1#1", SIZE)
    index.put_many([f"p{n}" for n in (1, 2, 3)], np.stack([person(n) for n in (1, 2, 3)]))
    quality = calibration(header()).quality.quality
    judge = Judge(policy, lambda probe: index.search(probe, 2), quality)
    told: list[Any] = []
    for item in course:
        if isinstance(item, Held):
            judge.hold(item.t_s, item.person_id)
        elif isinstance(item, Forgot):
            judge.forget()
        elif isinstance(item, Seen):
            step = judge.step(item.observation)
            told += [one for one in (step.outcome, step.summary) if one is not None]
            if item.observation.track_id is not None:
                told.append((step.phase, step.instruction))
    return told, judge.phase


@settings(max_examples=300, deadline=None)
@given(st.lists(STRETCH, max_size=14), DECISION)
def test_no_policy_notices_the_frames_that_are_left_out(
    stretches: list[tuple[str, int, float, int]], decision: dict[str, Any]
) -> None:
    policy = policy_of(header(**decision))
    whole = items(stretches)
    thinner = Thinner()
    thin = [item for item in whole if thinner.keeps(item)]
    assert decided(thin, policy) == decided(whole, policy)


def test_an_empty_night_leaves_nothing_behind() -> None:
    thinner = Thinner()
    course = items([("known", 3, 1 / 15, 1)])
    kept = sum(thinner.keeps(item) for item in course)
    empty = Observation(0, 0, 0, None, None, (Defect.NO_FACE,))
    for n in range(1_000_000):
        seen = Seen(0, replace(empty, t_s=1 + n / 15, seq=n), None, Phase.IDLE, None, 1, 1)
        kept += thinner.keeps(seen)
    assert kept <= 3 + 15 * (GONE_S + 1)


def test_no_configuration_waits_longer_for_somebody_to_be_gone() -> None:
    limits = Decision.model_fields["gone_after_s"].metadata
    assert [limit.le for limit in limits if hasattr(limit, "le")] == [GONE_S]
