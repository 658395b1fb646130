"""The words for what rules, factors and readers had to do with an event; see `explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from edged.access.reasons import DENIALS, PERMITTED

if TYPE_CHECKING:
    from collections.abc import Mapping

WITHOUT_FACE = "the rules let them in without a look at their face"
_OTHERWISE = {
    "no_rule": "a rule that is for them at this time, see edged policy explain",
    "denied_by_rule": "another rule before it, see edged policy explain",
    "factor_missing": "the rest of what the rule asks for, within access.wait_s",
    "factor_unavailable": "a reader for it, or the camera back",
    "not_the_holder": "the face of whom the card, code or PIN belongs to",
    "unknown_card": "the card given to somebody: edged gallery set PERSON --credentials FILE",
    "anti_passback": "them leaving first, or edged ctl area where what is known is wrong",
    "area_full": "somebody leaving",
    "second_person": "another person of the same rule, within access.two_people_within_s",
    "needs_escort": "somebody of the rule's escort groups, within access.two_people_within_s",
}


class Facts(Protocol):
    """Data of an event that may be garbage."""

    def text(self, name: str) -> str | None: ...
    def texts(self, name: str) -> list[str]: ...
    def count(self, name: str) -> int | None: ...
    def number(self, name: str) -> float | None: ...
    def true(self, name: str) -> bool: ...
    def part(self, name: str) -> Mapping[str, Any]: ...


def keeps_out(facts: Facts) -> str | None:
    """Why somebody was kept out whatever their face said; None: that was not the matter."""
    return DENIALS.get(facts.text("reason") or "")


def without_face(facts: Facts) -> bool:
    """Whether nobody was looked at."""
    return facts.text("reason") == PERMITTED or (
        facts.text("rule") is None and facts.count("people") is None and not facts.count("seen")
        and keeps_out(facts) is not None
    )  # fmt: skip


def otherwise(facts: Facts) -> list[str]:
    """What would have let them in."""
    told = _OTHERWISE.get(facts.text("reason") or "")
    return [] if told is None else [told]


def shown(facts: Facts) -> str | None:
    """What they showed, and where."""
    factors, reader = facts.texts("factors"), facts.text("reader")
    if not factors and reader is None:
        return None
    line = f"what counted: {' and '.join(factors) or 'nothing'}"
    line += f", last shown at {reader}" if reader is not None else ""
    line += f", on the way {facts.text('direction')}" if facts.text("direction") else ""
    return line + ("; inside already, as far as is known" if facts.true("passback") else "")


def ruled(facts: Facts) -> str | None:
    """Which rule decided."""
    by = facts.part("by")
    rule, line = by.get("rule"), by.get("line")
    if not isinstance(rule, str):
        return None
    where = f", line {line} of the configuration" if type(line) is int else ""
    return f"the rule of access that decided: {rule}{where}"


def forced(facts: Facts) -> tuple[str, str]:
    """What and why of `access.duress`."""
    who = facts.text("person_id") or "somebody"
    did = "was let in" if facts.true("opened") else "was not let in"
    return f"{who} {did} under duress", "a PIN or card for that was shown; the door told nobody"


def locked_out(facts: Facts) -> tuple[str, str]:
    """What and why of `access.locked_out`."""
    what = facts.text("person_id") if facts.text("what") == "person" else facts.text("reader")
    rest_s = facts.number("rest_s")
    how_long = "for a while" if rest_s is None else f"for {rest_s:.0f} s"
    return (
        f"nothing is looked at of {what or 'a reader'} {how_long}",
        "too many PINs, cards or codes in a row were wrong (access.pins)",
    )
