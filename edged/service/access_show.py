"""What is shown of the desk's work over what the vision thread shows of the face."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edged.decision.outcome import Kind
from edged.decision.presentation import Phase
from edged.service.display import Display

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.access.request import Factor

_DECIDED = (Phase.GRANTED, Phase.DENIED, Phase.REVIEW, Phase.SECOND_FACTOR)
_PHASES = {
    Kind.GRANTED: Phase.GRANTED,
    Kind.DENIED: Phase.DENIED,
    Kind.REVIEW: Phase.REVIEW,
    Kind.SECOND_FACTOR: Phase.SECOND_FACTOR,
    Kind.RETAKE: Phase.GATHERING,
}
_WHYS = {
    "unknown_card": "wrong_factor",
    "bad_reading": "wrong_factor",
    "wrong_pin": "wrong_factor",
    "factor_missing": "timeout",
    "timed_out": "timeout",
}
_TOLD = ("code_used", "code_expired", "code_not_yet")


@dataclass(frozen=True, slots=True)
class Shown:
    """What the desk last said to whoever stands there.

    Attributes:
        until_s: monotonic; so long also to somebody whom the camera does not see. Whoever it was
            decided about by their face sees it as long as they stand there.
        ask: what is asked for: one of `edged.web.view.ASKS`.
        why: a reason that they may know.
    """

    phase: Phase
    until_s: float
    ask: str | None = None
    why: str | None = None
    name: str | None = None
    punched: str | None = None


def phase_of(kind: Kind) -> Phase:
    """How a decision is shown."""
    return _PHASES[kind]


def why_of(reason: str) -> str | None:
    """What the person may know of a reason; never whether a card is known or a PIN near."""
    if reason in _TOLD:  # of a code that is ours
        return reason
    return "wrong_factor" if reason.startswith("code_") else _WHYS.get(reason, reason)


def ask_of(asked: Sequence[Factor], *, any_of: bool) -> str:
    """What is asked for first, or that any of several will do."""
    return "factor" if any_of and len(asked) > 1 else asked[0].value


def dressed(display: Display, shown: Shown | None, now_s: float) -> Display:
    """What the person sees: of the face and of the desk what is newer and matters more."""
    if shown is None or display.enrolling or display.phase is Phase.HELD:
        return display
    if display.phase not in _DECIDED and now_s >= shown.until_s:
        return display
    if display.phase is Phase.GATHERING and shown.ask is not None:  # guided on to the camera
        return replace(display, ask=shown.ask, why=shown.why)
    return Display(
        shown.phase, ask=shown.ask, why=shown.why, name=shown.name, punched=shown.punched
    )
