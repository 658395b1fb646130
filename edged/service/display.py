"""What the person at the terminal is to see and hear, whatever shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from edged.decision.agreement import Asked
    from edged.decision.presentation import Phase
    from edged.types import Instruction


@dataclass(frozen=True, slots=True)
class Prompt:
    """Somebody is asked to agree to be enrolled.

    Attributes:
        person_id: as whom.
        name: theirs, where the installer allows it.
        how: what they are to do.
        token: what a button has to send with the answer; good for this enrolment, once.
    """

    person_id: str
    name: str | None
    how: Asked
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Display:
    """What the person is to see now.

    Attributes:
        prompt: what they are asked before their enrolment.
        ended: how the enrolment ended of who still stands there.
        ask: what is asked for beside the face: one of `edged.web.view.ASKS`.
        why: the reason code of who was not let in, where the person may know it.
        punched: the state of the punch that was made with this, such as "in".
    """

    phase: Phase
    instruction: Instruction | None = None
    enrolling: bool = False
    views: int = 0
    progress: float = 0.0
    name: str | None = None
    prompt: Prompt | None = None
    ended: Literal["enrolled", "not_enrolled"] | None = None
    ask: str | None = None
    why: str | None = None
    punched: str | None = None
