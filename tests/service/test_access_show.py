"""What the person sees of the desk's work over what the camera's side shows."""

from __future__ import annotations

import pytest

from edged.access.reasons import DENIALS
from edged.access.request import Factor
from edged.decision.outcome import Kind
from edged.decision.presentation import Phase
from edged.service.access_show import Shown, ask_of, dressed, phase_of, why_of
from edged.service.display import Display
from edged.types import Instruction

ASKING = Shown(Phase.SECOND_FACTOR, 10, ask="card")
DENIED = Shown(Phase.DENIED, 10, why="no_rule")
IDLE = Display(Phase.IDLE)


def test_nothing_is_laid_over_where_the_desk_said_nothing() -> None:
    assert dressed(IDLE, None, 0) is IDLE


def test_what_is_asked_for_is_shown_for_as_long_as_it_is_waited_for() -> None:
    assert dressed(IDLE, ASKING, 9.9) == Display(Phase.SECOND_FACTOR, ask="card")
    assert dressed(IDLE, ASKING, 10) is IDLE


def test_whoever_is_guided_to_the_camera_is_guided_on() -> None:
    guided = Display(Phase.GATHERING, Instruction.COME_CLOSER, progress=0.3)
    shown = dressed(guided, ASKING, 1)
    assert (shown.phase, shown.instruction) == (Phase.GATHERING, Instruction.COME_CLOSER)
    assert (shown.ask, shown.progress) == ("card", 0.3)
    assert dressed(guided, DENIED, 1).phase is Phase.DENIED


def test_who_was_recognised_and_not_let_in_sees_that_as_long_as_they_stand_there() -> None:
    recognised = Display(Phase.GRANTED, name="Eileen")
    assert dressed(recognised, DENIED, 99) == Display(Phase.DENIED, why="no_rule")


@pytest.mark.parametrize(
    "display", [Display(Phase.HELD), Display(Phase.GATHERING, enrolling=True, views=1)]
)
def test_an_enrolment_is_left_alone(display: Display) -> None:
    assert dressed(display, ASKING, 1) is display


def test_what_is_asked_for_first() -> None:
    assert ask_of((Factor.CARD, Factor.FACE), any_of=False) == "card"
    assert ask_of((Factor.CARD, Factor.PIN), any_of=True) == "factor"
    assert ask_of((Factor.PIN,), any_of=True) == "pin"


@pytest.mark.parametrize("reason", DENIALS)
def test_nobody_learns_at_the_door_whether_a_card_is_known_or_a_pin_was_near(reason: str) -> None:
    ours = reason in ("code_used", "code_expired", "code_not_yet")  # signed, and by whom that may
    wrong = reason.startswith("code_") or reason in ("unknown_card", "bad_reading", "wrong_pin")
    assert (why_of(reason) == "wrong_factor") is (wrong and not ours)


def test_every_decision_has_its_picture() -> None:
    assert {phase_of(kind) for kind in Kind} >= {Phase.GRANTED, Phase.DENIED, Phase.REVIEW}
