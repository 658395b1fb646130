"""A day on which somebody was marked as a lookalike is decided again as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edged.decision.presentation import Kind
from edged.recording.codec import write_policy
from edged.service.judge import Judge
from edged.service.replay import calibration, changed_policy
from tests.recording.lobby import Lobby, header, policy_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from edged.decision.policy import Lookalikes
    from edged.service.replay import Replay

ALICE, BOB = 1, 4


def guarded(lookalikes: Lookalikes) -> Lobby:
    """A lobby where people with a mark are asked for more: Alice has one, Bob has none."""
    about = header()
    rules = replace(policy_of(about), lookalikes=lookalikes, lookalike_margin=0.3)
    lobby = Lobby(replace(about, policy=write_policy(rules)))
    quality = calibration(about).quality.quality
    lobby.judge = Judge(rules, lambda probe: lobby.index.search(probe, 2), quality)
    lobby.enrol(alice=ALICE, bob=BOB)
    lobby.index.mark(["alice"])
    return lobby


@pytest.mark.parametrize(
    ("lookalikes", "kind"), [("second_factor", Kind.SECOND_FACTOR), ("margin", Kind.GRANTED)]
)
def test_a_mark_is_recorded_and_decides_again(
    lookalikes: Lookalikes,
    kind: Kind,
    recording: Callable[..., AbstractContextManager[Lobby]],
    replayed: Callable[..., Replay],
) -> None:
    with recording(guarded(lookalikes)) as lobby:
        lobby.comes(ALICE, track=1)
        lobby.comes(BOB, track=2)
    result = replayed(policy=lambda about: changed_policy(about, {"fpir": 0.001}))
    assert [one.outcome for one in result.own] == lobby.outcomes
    assert result.compared() == (2, 2, 0, None)
    assert [one.outcome.kind for one in result.own] == [kind, Kind.GRANTED]
    assert [one.outcome.lookalike for one in result.own] == [True, False]
    # what else is changed, the rule for lookalikes and the mark stay as they were
    assert result.other is not None
    assert [one.outcome.kind for one in result.other] == [kind, Kind.GRANTED]
    assert [one.outcome.lookalike for one in result.other] == [True, False]
