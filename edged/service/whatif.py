"""What would have changed: two courses of the same day, side by side."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from math import isfinite
from statistics import median
from typing import TYPE_CHECKING, Any

from edged.decision.presentation import Kind
from edged.recording.codec import write_outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edged.service.replay import Decided, Replay

_FACTS = (
    "similarity",
    "runner_up",
    "threshold",
    "margin",
    "quality",
    "fused_quality",
    "frames",
    "duration_s",
    "people",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """One decision about one presentation, as it was and as it would have been."""

    then: Decided | None
    now: Decided | None

    @property
    def changed(self) -> bool:
        """Whether somebody at the door would have noticed, or the site."""
        return _essence(self.then) != _essence(self.now)

    @property
    def seconds(self) -> float | None:
        """By how much later it would have been; negative: sooner."""
        if self.then is None or self.now is None:
            return None
        return self.now.t_s - self.then.t_s

    @property
    def wall(self) -> float:
        """When, Unix seconds."""
        return min(one.wall for one in (self.then, self.now) if one is not None)


def _essence(decided: Decided | None) -> tuple[object, ...]:
    if decided is None:
        return ()
    outcome = decided.outcome
    return outcome.kind, outcome.reason, outcome.person_id


def pairs(then: Iterable[Decided], now: Iterable[Decided]) -> list[Pair]:
    """Decisions of the same presentation side by side, in order of time; retakes are none."""
    sides: dict[tuple[int, int | None], tuple[list[Decided], list[Decided]]] = defaultdict(
        lambda: ([], [])
    )
    for side, decided in enumerate((then, now)):
        for one in decided:
            if one.outcome.kind is not Kind.RETAKE:
                sides[one.visit, one.track_id][side].append(one)
    found = [Pair(*two) for both in sides.values() for two in zip_longest(*both)]
    return sorted(found, key=lambda pair: pair.wall)


@dataclass(slots=True)
class Pseudonyms:
    """p1, p2, … for people, in the order in which they come up; or their ids."""

    show_ids: bool = False
    _known: dict[str, str] = field(default_factory=dict)

    def __call__(self, person_id: str) -> str:
        if self.show_ids:
            return person_id
        return self._known.setdefault(person_id, f"p{len(self._known) + 1}")


def document(replay: Replay, who: Callable[[str], str]) -> dict[str, Any]:
    """The whole account, fit for JSON; the same recording and policy give the same."""
    total, same, apart, first = replay.compared()
    told: dict[str, Any] = {
        "recording": {
            "sessions": len(replay.sessions),
            "visits": replay.visits,
            "frames": replay.frames,
            "from": _time(replay.first),
            "to": _time(replay.last),
            "models": sorted({session.header.model for session in replay.sessions}),
            "lost_frames": replay.lost_frames,
            "cut_visits": replay.cut_visits,
        },
        "as_recorded": {
            "outcomes": total,
            "same": same,
            "not_compared": apart,
            "first_difference": first and [_told(one, who) for one in first],
        },
        "then": counts(replay.own, replay.own_endings),
    }
    if replay.other is not None:
        told["now"] = counts(replay.other, replay.other_endings)
        told |= _changes(pairs(replay.own, replay.other), who)
    return told


def counts(decided: Iterable[Decided], endings: Counter[str]) -> dict[str, int]:
    """Outcomes by kind, and how many left without one."""
    found = Counter(one.outcome.kind.value for one in decided)
    return {kind.value: found[kind.value] for kind in Kind} | {"left": endings["left"]}


def _changes(side_by_side: list[Pair], who: Callable[[str], str]) -> dict[str, Any]:
    changed = [pair for pair in side_by_side if pair.changed]
    moves = Counter(f"{_kind(pair.then)} -> {_kind(pair.now)}" for pair in changed)
    shifts = [pair.seconds for pair in side_by_side if not pair.changed and pair.seconds]
    return {
        "moves": dict(sorted(moves.items())),
        "unchanged": len(side_by_side) - len(changed),
        "sooner": sum(shift < 0 for shift in shifts),
        "later": sum(shift > 0 for shift in shifts),
        "median_shift_s": _number(median(shifts)) if shifts else 0.0,
        "changes": [
            {
                "time": _time(pair.wall),
                "then": _told(pair.then, who),
                "now": _told(pair.now, who),
                "later_s": _number(pair.seconds),
            }
            for pair in changed
        ],
    }


def _kind(decided: Decided | None) -> str:
    return "undecided" if decided is None else decided.outcome.kind.value


def _told(decided: Decided | None, who: Callable[[str], str]) -> dict[str, Any] | None:
    if decided is None:
        return None
    outcome = write_outcome(decided.outcome, who)
    return {
        "time": _time(decided.wall),
        "visit": decided.visit,
        "kind": outcome["kind"],
        "reason": outcome["reason"],
        "person": outcome["person_id"],
        **{name: _number(outcome[name]) for name in _FACTS},
    }


def _number(value: float | None) -> float | None:
    """Rounded, so that another processor gives the same text."""
    return None if value is None or not isfinite(value) else round(value, 4)


def _time(wall: float | None) -> str | None:
    if wall is None:
        return None
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds")


def lines(told: dict[str, Any]) -> Iterable[str]:
    """The account for people to read."""
    about, agreed = told["recording"], told["as_recorded"]
    yield (
        f"{about['visits']} visits, {about['frames']} frames"
        + (f", {about['from']} to {about['to']}" if about["from"] else "")
    )
    if about["lost_frames"]:
        yield f"{about['lost_frames']} frames are missing: the disk was too slow"
    if about["cut_visits"]:
        yield f"{about['cut_visits']} visits left out: their beginning is not among these"
    apart = f" ({agreed['not_compared']} of people removed since)" if agreed["not_compared"] else ""
    comparable = agreed["outcomes"] - agreed["not_compared"]
    yield f"as recorded: {agreed['same']} of {comparable}{apart}"
    if agreed["first_difference"]:
        then, now = agreed["first_difference"]
        yield f"  first difference: recorded {_line(then)}"
        yield f"                    replayed {_line(now)}"
    yield ""
    if "now" not in told:
        yield from (f"{kind:<22} {number:>6}" for kind, number in told["then"].items())
        return
    yield f"{'':<22} {'then':>6} {'now':>6}"
    for kind, number in told["then"].items():
        yield f"{kind:<22} {number:>6} {told['now'][kind]:>6}"
    yield ""
    yield (
        f"unchanged: {told['unchanged']}, {told['sooner']} of them sooner and {told['later']} "
        f"later (median {told['median_shift_s']:+.2f} s)"
    )
    for move, number in told["moves"].items():
        yield f"{move}: {number}"
    for change in told["changes"]:
        yield f"{change['time']}  then {_line(change['then'])}"
        late = "" if change["later_s"] is None else f", {change['later_s']:+.2f} s"
        yield f"{'':<29}  now  {_line(change['now'])}{late}"


def _line(told: dict[str, Any] | None) -> str:
    if told is None:
        return "undecided"
    facts = [
        f"{label} {told[name]:.2f}"
        for name, label in (("similarity", "similarity"), ("threshold", "needed"))
        if told[name] is not None
    ]
    if told["fused_quality"] is not None:
        facts.append(f"quality {told['fused_quality']:.2f}")
    facts.append(f"{told['frames']} frames in {told['duration_s']:.2f} s")
    person = f" {told['person']}" if told["person"] else ""
    return f"{told['kind']}{person} ({told['reason']}): {', '.join(facts)}"
