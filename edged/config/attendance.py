"""Working days: which punch a presentation is."""

from __future__ import annotations

from typing import Annotated, Literal

from edged.config.access import Clock
from edged.config.base import Name, Settings, within

PunchState = Literal["in", "out", "break", "return", "field", "overtime"]


class StateSpan(Settings):
    """The state that a schedule gives to a presentation."""

    state: PunchState
    when: Name


class Attendance(Settings):
    """Punches of a terminal. The state is what a key said within ``key_within_s``, else the
    timetable's, else the terminal's ``role``; ``toggle`` is what follows the person's last punch of
    the working day here: out after in, return after a break or field work, in otherwise. Who comes
    again within ``fold_within_s`` of a punch, and presses no key for something else, means the same
    one: it is counted. ``day_begins`` is when a working day begins, for shifts over midnight."""

    role: Literal["in", "out", "toggle"] = "toggle"
    timetable: tuple[StateSpan, ...] = ()
    keys: tuple[PunchState, ...] = ()
    key_within_s: Annotated[float, *within(2, 120)] = 15
    fold_within_s: Annotated[float, *within(0, 3600)] = 60
    day_begins: Clock = "04:00"
