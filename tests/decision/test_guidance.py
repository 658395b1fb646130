"""One steady instruction at a time."""

from hypothesis import given
from hypothesis import strategies as st

from edged.decision.guidance import Guidance, remedy
from edged.types import Defect, Instruction

NEEDS = st.sampled_from([None, *Instruction])


def test_size_is_mended_before_light_and_light_before_sharpness() -> None:
    assert remedy((Defect.BLURRED, Defect.TOO_DARK, Defect.TOO_FAR)) is Instruction.COME_CLOSER
    assert remedy((Defect.BLURRED, Defect.TOO_DARK)) is Instruction.MORE_LIGHT
    assert remedy((Defect.BLURRED,)) is Instruction.HOLD_STILL


def test_a_low_quality_without_a_known_cause_asks_for_a_retake() -> None:
    assert remedy(()) is Instruction.RETAKE


@given(st.sets(st.sampled_from(list(Defect)), min_size=1))
def test_every_defect_has_a_remedy(defects: set[Defect]) -> None:
    assert remedy(tuple(defects)) in Instruction


def test_a_need_must_last_before_it_is_shown() -> None:
    guidance = Guidance(delay_s=0.3, hold_s=1.0)
    assert guidance.update(0.0, Instruction.HOLD_STILL) is None
    assert guidance.update(0.2, None) is None
    assert guidance.update(0.4, Instruction.HOLD_STILL) is None
    assert guidance.update(0.71, Instruction.HOLD_STILL) is Instruction.HOLD_STILL


def test_what_is_shown_stays_long_enough_to_be_read() -> None:
    guidance = Guidance(delay_s=0.0, hold_s=1.0)
    guidance.update(0.0, Instruction.COME_CLOSER)
    assert guidance.update(0.5, Instruction.MORE_LIGHT) is Instruction.COME_CLOSER
    assert guidance.update(0.9, None) is Instruction.COME_CLOSER
    assert guidance.update(1.1, None) is None


@given(st.lists(st.tuples(st.floats(0, 0.2), NEEDS), max_size=200))
def test_nothing_flickers_however_the_needs_change(changes: list[tuple[float, object]]) -> None:
    guidance = Guidance(delay_s=0.3, hold_s=1.0)
    now, shown, since = 0.0, None, 0.0
    for wait, need in changes:
        now += wait
        current = guidance.update(now, need)  # type: ignore[arg-type]
        if current != shown:
            assert shown is None or now - since >= 1.0 - 1e-9
            shown, since = current, now


def test_clearing_is_immediate() -> None:
    guidance = Guidance(delay_s=0.0, hold_s=9.0)
    guidance.update(0.0, Instruction.RETAKE)
    guidance.clear()
    assert guidance.shown is None
