"""Whether somebody may pass at a moment, and everything that bears on it; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edged.access.request import Ask, Factor

if TYPE_CHECKING:
    from edged.access.request import Ruling
    from edged.access.rulebook import Rule, Rulebook

MOST_OTHERS = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """How a schedule stands at a moment; times are Unix seconds.

    Attributes:
        began: of the span in force; None: none is.
        next_change: None: not within more than a year.
    """

    name: str
    in_force: bool
    began: float | None
    next_change: float | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """The rules' answer, with its reasons.

    Attributes:
        rule: that decided; None: none did.
        schedule: that rule's.
        more: what would be answered if everything had been shown.
        others: rules for this person whose schedule is not in force, and that come before the one
            that decided, each with that schedule.
    """

    ruling: Ruling
    rule: Rule | None
    schedule: Standing | None
    more: Ruling
    others: tuple[tuple[Rule, Standing], ...]


def outlook(book: Rulebook, ask: Ask) -> Outlook:
    """What bears on an answer."""
    ruling = book.rule(ask)
    decided = next((rule for rule in book.rules if rule.name == ruling.rule), None)
    before = book.rules if decided is None else book.rules[: decided.number]
    others = [rule for rule in before if rule.names(ask.subject)][:MOST_OTHERS]
    return Outlook(
        ruling,
        decided,
        None if decided is None else standing(book, decided.when, ask.at),
        book.rule(replace(ask, factors=frozenset(Factor))),
        tuple((rule, standing(book, rule.when, ask.at)) for rule in others),
    )


def standing(book: Rulebook, name: str, at: float) -> Standing:
    """How one schedule stands."""
    calendar = book.calendar
    return Standing(
        name, calendar.in_force(name, at), calendar.began(name, at), calendar.next_change(name, at)
    )
