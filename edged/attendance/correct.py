"""What a correction comes to, or why it cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edged.attendance.workday import moment
from edged.errors import AttendanceError
from edged.events.types import utc_text

if TYPE_CHECKING:
    from datetime import tzinfo

    from edged.attendance.punch import Action, Punch
    from edged.config.attendance import PunchState

_EARLIEST_MS = 946_684_800_000  # 2000: before it no punch was made
AHEAD_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        time: RFC 3339.
    """

    person: str
    action: Action
    punch: str | None = None
    state: PunchState | None = None
    time: str | None = None
    why: str = ""
    who: str | None = None


def corrected(
    request: Request,
    stands: Punch | None,
    now_ms: int,
    zone: tzinfo | None = None,
) -> dict[str, Any]:
    """What the event says of it: person, action, punch, state, time, why and who.

    Args:
        stands: the punch that is named, as it stood last; None: none is named.
        now_ms: a day later than this nobody can have punched.
        zone: of a time that does not say it; None: it has to.

    Raises:
        AttendanceError: it makes no sense.
    """
    state, ms = request.state, None
    if request.action == "add":
        if request.punch is not None:
            raise AttendanceError("to add a punch, name none; to change one, replace it")
        if state is None or request.time is None:
            raise AttendanceError("to add a punch, say its state and its time")
    elif stands is None:
        raise AttendanceError(f"to {request.action} a punch, name the event that recorded it")
    elif stands.person != request.person:
        raise AttendanceError("that punch is somebody else's")
    elif request.action == "void":
        if state is not None or request.time is not None:
            raise AttendanceError("a void punch has no state and no time")
    else:
        if state is None and request.time is None:
            raise AttendanceError("to replace a punch, say its state, its time, or both")
        state, ms = state or stands.state, stands.ms
    if request.time is not None:
        ms = _time(request.time, now_ms, zone)
    return {
        "person_id": request.person,
        "action": request.action,
        "punch": None if stands is None else stands.id,
        "state": state,
        "time": None if ms is None else utc_text(ms),
        "why": request.why,
        "who": request.who,
    }


def _time(text: str, now_ms: int, zone: tzinfo | None) -> int:
    try:
        ms = moment(text, zone)
    except (ValueError, OverflowError) as fault:
        raise AttendanceError(
            f"the time is none; such as 2026-03-01T08:00:00+01:00 ({fault})"
        ) from fault
    if not _EARLIEST_MS <= ms <= now_ms + AHEAD_MS:
        raise AttendanceError("the time is before 2000, or more than a day ahead")
    return ms
