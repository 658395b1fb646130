"""Why something happened at the door, in words, from the event alone.

An event is read as it came, from the terminal's log or from what a site captured: any field may
be missing, as in events of older software, or garbage.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from edged.decision.outcome import Kind, Rule
from edged.service import explain_access as access

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DECISIONS = frozenset(kind.value for kind in Kind)
"""The types of events that a decision about somebody's face made."""

EXPLAINED = DECISIONS | {
    "access.duress",
    "access.locked_out",
    "door.unlocked",
    "command.refused",
    "enrol.failed",
}
"""The types of events that have words of their own."""


_LARGEST = 1e12  # beyond, a number is garbage


@dataclass(frozen=True, slots=True)
class Explanation:
    """Lines for people.

    Attributes:
        rule: the code of what decided; None where no decision about a face was made.
        what: what happened, in one line.
        why: what decided, in one line.
        facts: what that rests on, one a line.
        otherwise: what would have changed it, one a line.
    """

    rule: str | None
    what: str
    why: str
    facts: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Words:
    """What a rule means, and what would have led to something else."""

    why: str
    otherwise: Callable[[_Facts], list[str]]


class _Facts:
    """The data of an event, where a number is a number and a text is a text."""

    def __init__(self, data: object) -> None:
        self._data: Mapping[Any, Any] = data if isinstance(data, dict) else {}

    def number(self, name: str) -> float | None:
        value = self._data.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if abs(value) < _LARGEST and isfinite(value) else None

    def count(self, name: str) -> int | None:
        value = self.number(name)
        return None if value is None else int(value)

    def text(self, name: str) -> str | None:
        value = self._data.get(name)
        return value if isinstance(value, str) and value else None

    def texts(self, name: str) -> list[str]:
        value = self._data.get(name)
        return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []

    def counts(self, name: str) -> dict[str, int]:
        value = self._data.get(name)
        found = _Facts(value)
        names = value if isinstance(value, dict) else {}
        counted = {one: found.count(one) for one in names if isinstance(one, str)}
        return {one: number for one, number in counted.items() if number}

    def true(self, name: str) -> bool:
        return self._data.get(name) is True

    def part(self, name: str) -> Mapping[str, Any]:
        value = self._data.get(name)
        return value if isinstance(value, dict) else {}

    def rest(self) -> list[str]:
        """Everything, for what has no words."""
        return [f"{name}: {value}" for name, value in self._data.items()]


def explain(event: Mapping[str, Any]) -> Explanation:
    """The words for an event, given as the message for the site."""
    kind, facts = str(event.get("type")), _Facts(event.get("data"))
    if event.get("redacted"):
        return Explanation(None, kind, "what it said was erased with the person whom it named")
    if kind in DECISIONS:
        return _decision(Kind(kind), facts)
    if kind in ("access.duress", "access.locked_out"):
        words = access.forced(facts) if kind == "access.duress" else access.locked_out(facts)
        return Explanation(None, *words)
    if kind == "door.unlocked":
        return _unlocked(facts)
    if kind == "command.refused":
        return _refused(facts)
    if kind == "enrol.failed":
        return _not_enrolled(facts)
    return Explanation(None, kind, "not a decision; this is what was told", tuple(facts.rest()))


def _decision(kind: Kind, facts: _Facts) -> Explanation:
    rule = rule_of(kind, facts)
    mode = _MODES.get(facts.text("reason") or "")
    words = RULES[rule] if rule is not None else _UNKNOWN
    why, otherwise = words.why, words.otherwise(facts)
    kept_out = access.keeps_out(facts)
    if access.without_face(facts):
        why, otherwise = kept_out or access.WITHOUT_FACE, access.otherwise(facts)
    elif kept_out is not None:
        why = f"{kept_out}; recognition itself: {why}"
        otherwise = access.otherwise(facts) or otherwise
    elif mode is not None:
        why, otherwise = f"{mode}; recognition itself: {why}", [_MODE_OTHERWISE, *otherwise]
    return Explanation(
        None if rule is None else rule.value,
        _RESULTS[kind] + _who(kind, facts),
        why,
        tuple(
            line
            for line in (
                access.ruled(facts),
                access.shown(facts),
                *(() if access.without_face(facts) else _of_the_face(facts)),
                _by(facts),
            )
            if line
        ),
        tuple(otherwise),
    )


def _of_the_face(facts: _Facts) -> tuple[str | None, ...]:
    return _views(facts), _asked(facts), _compared(facts), _risk(facts)


def rule_of(kind: Kind, facts: _Facts) -> Rule | None:
    """The rule that decided; of older software's events, which do not say, by what they do."""
    told = facts.text("rule")
    if told is not None:
        return Rule(told) if told in set(Rule) else None
    reason = facts.text("reason") or ""
    if kind is Kind.SECOND_FACTOR and reason == "lookalike":
        lead, needed = _lead(facts), facts.number("margin")
        close = lead is not None and needed is not None and lead < needed
        return Rule.TOO_CLOSE if close else Rule.LOOKALIKE_FACTOR
    if kind is Kind.RETAKE and reason not in _REASONS:
        return Rule.WEAK_EVIDENCE if facts.count("frames") else Rule.NO_USABLE_VIEW
    return _REASONS.get(reason)


_REASONS = {
    "matched": Rule.CLEAR_MATCH,
    "doubtful": Rule.BELOW_THRESHOLD,
    "lookalike": Rule.TOO_CLOSE,
    "not_enrolled": Rule.BELOW_REVIEW,
    "gallery_empty": Rule.GALLERY_EMPTY,
}
_MODES = {
    "locked_down": "the door was locked down (door.mode): nobody is let in",
    "secured": "the door was secured (door.mode): it opens by order only",
}
_MODE_OTHERWISE = "the mode normal, by door.mode"
_RESULTS = {
    Kind.GRANTED: "access was granted",
    Kind.DENIED: "access was denied",
    Kind.REVIEW: "the door stayed shut, and somebody is to look at the case",
    Kind.SECOND_FACTOR: "the door stayed shut until a second factor is shown",
    Kind.RETAKE: "nothing was decided, and the person was asked to try again",
}
_THOUGHT_OF = {Kind.GRANTED: "", Kind.DENIED: "recognised: "}


def _who(kind: Kind, facts: _Facts) -> str:
    person, name = facts.text("person_id"), facts.text("name")
    if person is None:
        return ""
    known = person if name is None else f"{name}, {person}"
    return f" ({_THOUGHT_OF.get(kind, 'thought of: ')}{known})"


def _views(facts: _Facts) -> str | None:
    usable, seen = facts.count("frames"), facts.count("seen")
    if usable is None:
        return None
    line = f"{usable} of {seen} frames could be used" if seen else f"{_n(usable, 'usable frame')}"
    duration_s = facts.number("duration_s")
    line += f" in {duration_s:.1f} s" if duration_s is not None else ""
    best, fused = facts.number("quality"), facts.number("fused_quality")
    needed = facts.number("minimum_quality")
    line += f"; quality of the best {best:.2f}" if best is not None else ""
    line += f", of all together {fused:.2f}" if fused is not None else ""
    line += f" ({needed:.2f} needed)" if needed else ""
    defects = sorted(facts.counts("defects").items(), key=lambda one: -one[1])
    if defects:
        line += "; " + ", ".join(f"{_plain(name)} in {frames}" for name, frames in defects)
    return line


def _asked(facts: _Facts) -> str | None:
    asked = facts.texts("instructions")
    if not asked and facts.number("duration_s") is None:
        return None
    return f"the person was asked: {', '.join(map(_plain, asked)) if asked else 'nothing'}"


def _compared(facts: _Facts) -> str | None:
    people, best = facts.count("people"), facts.number("similarity")
    if people is None:
        return "no comparison counted" if best is None else None
    if best is None:
        return f"compared with {_n(people, 'person')}"
    second, threshold = facts.number("runner_up"), facts.number("threshold")
    line = f"compared with {_n(people, 'person')}: the best {best:.3f}"
    line += f", the next {second:.3f}" if second is not None else ""
    line += f"; {threshold:.3f} opens" if threshold is not None else ""
    review, margin = facts.number("review_threshold"), facts.number("margin")
    line += f", {review:.3f} is doubtful" if review is not None else ""
    line += f"; {margin:.3f} ahead needed" if margin else ""
    return line + (", as they resemble somebody" if facts.true("lookalike") else "")


def _risk(facts: _Facts) -> str | None:
    fpir = facts.number("implied_fpir")
    if fpir is None or fpir <= 0:
        return None
    return f"this threshold lets in about 1 in {1 / fpir:,.0f} strangers, says the calibration"


def _by(facts: _Facts) -> str | None:
    parts = [f"{name} {facts.text(name)}" for name in ("profile", "policy", "model")
             if facts.text(name)]  # fmt: skip
    return ", ".join(parts) if parts else None


def _lead(facts: _Facts) -> float | None:
    best, second = facts.number("similarity"), facts.number("runner_up")
    return None if best is None or second is None else best - second


def _short_of(what: str, best: float | None, needed: float | None) -> list[str]:
    if best is None or needed is None:
        return [f"a higher similarity, to {what}"]
    return [f"{max(0.0, needed - best):.3f} more similarity, to {what} {needed:.3f}"]


def _quality(facts: _Facts) -> list[str]:
    """A clearer view; where it is known, what was wrong with those that there were."""
    has, needed = facts.number("fused_quality"), facts.number("minimum_quality")
    if has is None:
        has = facts.number("quality")
    known = has is not None and needed is not None and needed > has
    line = (
        f"a clearer view: quality {has:.2f} of {needed:.2f} needed" if known else "a clearer view"
    )
    defects = sorted(facts.counts("defects").items(), key=lambda one: -one[1])
    return [line + (f" (it was {_plain(defects[0][0])})" if defects else "")]


def _otherwise_granted(facts: _Facts) -> list[str]:
    lines = []
    best, threshold = facts.number("similarity"), facts.number("threshold")
    if best is not None and threshold is not None:
        lines.append(f"{best - threshold:.3f} less similarity would not have been enough")
    lead, margin = _lead(facts), facts.number("margin")
    if lead is not None and margin is not None:
        lines.append(f"the next one {lead - margin:.3f} more similar would have been too near")
    return lines


def _otherwise_below(facts: _Facts) -> list[str]:
    lines = _short_of("reach the threshold", facts.number("similarity"), facts.number("threshold"))
    return [*lines, "a clearer view raises it, and so do more and newer views at the enrolment"]


def _otherwise_close(facts: _Facts) -> list[str]:
    lead, needed = _lead(facts), facts.number("margin")
    if lead is None or needed is None:
        return ["a clearer view, in which the two people differ more"]
    return [
        f"two people alike: {lead:.3f} ahead, {needed:.3f} needed",
        "a clearer view, or better views of both at the enrolment",
    ]


def _otherwise_refused(facts: _Facts) -> list[str]:
    best, review = facts.number("similarity"), facts.number("review_threshold")
    lines = _short_of("be looked at as doubtful", best, review)
    return [*lines, "if the person is enrolled: a clearer view, or an enrolment anew"]


RULES: dict[Rule, _Words] = {
    Rule.CLEAR_MATCH: _Words(
        "the best person was similar enough, and far enough ahead of the next", _otherwise_granted
    ),
    Rule.LOOKALIKE_FACTOR: _Words(
        "recognised, but this person is known to resemble somebody else", lambda _: [_FACTOR]
    ),
    Rule.BELOW_THRESHOLD: _Words(
        "the best person was similar, and not similar enough", _otherwise_below
    ),
    Rule.TOO_CLOSE: _Words(
        "the best person was similar enough, and the next one too near", _otherwise_close
    ),
    Rule.IMPLAUSIBLE: _Words(
        "a similarity was no similarity: something is wrong with the model or the gallery",
        lambda _: ["edged gallery verify, and edged check"],
    ),
    Rule.BELOW_REVIEW: _Words("nobody in the gallery was similar", _otherwise_refused),
    Rule.GALLERY_EMPTY: _Words(
        "nobody in the gallery could be compared", lambda _: ["somebody who is enrolled and valid"]
    ),
    Rule.WEAK_EVIDENCE: _Words("the views together were not clear enough to be trusted", _quality),
    Rule.NO_USABLE_VIEW: _Words("no view was clear enough to be used", _quality),
}
"""What each rule means; docs/explain.md shows them."""

_FACTOR = (
    "nothing at the camera: whoever is known to resemble somebody else needs the second factor "
    "(gallery.lookalikes)"
)
_UNKNOWN = _Words("the event does not say, or says it in words of newer software", lambda _: [])


def _unlocked(facts: _Facts) -> Explanation:
    key = facts.text("key")
    lines = (
        f"signed with the key {key}" if key else "not signed",
        f"the command's id is {facts.text('command') or 'not told'}",
        f"the cause given: {facts.text('cause') or 'none'}",
    )
    return Explanation(
        None,
        "the door was opened",
        "the site ordered it; nobody was recognised for it",
        tuple(line for line in lines if line),
    )


def _refused(facts: _Facts) -> Explanation:
    left_out = facts.count("unrecorded")
    lines = (
        f"the key named was {facts.text('key')}" if facts.text("key") else "no key was proved",
        f"the command's id is {facts.text('id')}" if facts.text("id") else "",
        f"{left_out} refusals before it were not recorded" if left_out else "",
    )
    return Explanation(
        None,
        f"the command {facts.text('command') or '(unreadable)'} was refused",
        _reason(facts),
        tuple(line for line in lines if line),
    )


def _not_enrolled(facts: _Facts) -> Explanation:
    person, other = facts.text("person_id"), facts.text("other")
    lines = (
        f"the command's id is {facts.text('command')}" if facts.text("command") else "",
        f"it concerns {other}, too" if other else "",
    )
    return Explanation(
        None,
        f"{person or 'somebody'} was not enrolled",
        _reason(facts),
        tuple(line for line in lines if line),
    )


def _reason(facts: _Facts) -> str:
    code, text = facts.text("reason") or "not told", facts.text("text")
    return code if text is None else f"{code}: {text}"


def _plain(code: str) -> str:
    return code.replace("_", " ")


def _n(number: int, one: str) -> str:
    many = "people" if one == "person" else f"{one}s"
    return f"{number:,} {one if number == 1 else many}"
