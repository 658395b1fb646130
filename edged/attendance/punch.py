"""Punches and their corrections, as the events tell them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from edged.attendance.workday import moment
from edged.config.attendance import PunchState

if TYPE_CHECKING:
    from collections.abc import Mapping

PUNCHED, CORRECTED = "attendance.punched", "attendance.corrected"
STATES: tuple[PunchState, ...] = get_args(PunchState)
Action = Literal["replace", "add", "void"]
ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True, slots=True)
class Correction:
    """What somebody, or the terminal after a power cut, said later of a punch.

    Attributes:
        seq: of its event; the later one counts.
        root: the event of the punch: its first one, or that of the correction that added it.
        state, ms: as it is from now on; None: it is void, or a presentation more of `folds`.
        folds: it tells of one more presentation of that punch, and of nothing else.
        by: who, as far as that is known.
        synced: whether the clock that said when was known to be right.
    """

    id: str
    seq: int
    person: str
    root: str
    action: Action
    state: PunchState | None = None
    ms: int | None = None
    folds: str | None = None
    by: str = ""
    why: str = ""
    synced: bool = True


@dataclass(frozen=True, slots=True)
class Punch:
    """One punch, with all its presentations and as it was corrected last.

    Attributes:
        id: of the event that recorded it.
        ms: when, since 1970, UTC.
        count: presentations.
        synced: whether the terminal's clock was known to be right.
        made: who corrected or added it; None: nobody.
    """

    id: str
    person: str
    state: PunchState
    ms: int
    count: int = 1
    synced: bool = True
    made: Correction | None = None


@dataclass(frozen=True, slots=True)
class Repeat:
    """One more presentation of a punch."""

    person: str
    folds: str


def read_punch(
    identity: str, ms: int, synced: bool, data: Mapping[str, Any]
) -> Punch | Repeat | None:
    """What an event ``attendance.punched`` says; None where its content was taken away."""
    person, state, folds = data.get("person_id"), data.get("state"), data.get("folds")
    if not isinstance(person, str) or state not in STATES:
        return None
    if isinstance(folds, str):
        return Repeat(person, folds)
    return Punch(identity, person, state, ms, 1, synced)


def read_correction(identity: str, seq: int, data: Mapping[str, Any]) -> Correction | None:
    """What an event ``attendance.corrected`` says; None where its content was taken away."""
    person, punch, folds = data.get("person_id"), data.get("punch"), data.get("folds")
    action = next((one for one in ACTIONS if one == data.get("action")), None)
    if not isinstance(person, str) or action is None:
        return None
    state, ms = data.get("state"), None
    if action != "void":
        try:
            ms = moment(str(data.get("time")))
        except ValueError:
            return None
        if state not in STATES:
            return None
    return Correction(
        identity,
        seq,
        person,
        punch if isinstance(punch, str) else identity,
        action,
        state if action != "void" else None,
        ms,
        folds if isinstance(folds, str) else None,
        _by(data),
        str(data.get("why") or ""),
        data.get("clock") != "unsynced",
    )


def _by(data: Mapping[str, Any]) -> str:
    told = [str(data[name]) for name in ("who", "key") if data.get(name)]
    return ", ".join(told) or str(data.get("by") or "")
