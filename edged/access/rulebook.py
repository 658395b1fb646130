"""The rules as an installer wrote them, compiled: may this one pass, here and now? Pure.

The first rule that fits a person and a moment decides, whatever has been shown: showing more
never loses what showing less would gain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.access.calendar import Calendar
from edged.access.request import Ask, Factor, Ruling
from edged.config.access import Access
from edged.errors import RulesError

if TYPE_CHECKING:
    from datetime import tzinfo

    from edged.access.request import Subject
    from edged.config.access import AccessRule
    from edged.config.load import Lines
    from edged.config.schema import Config

Sets = tuple[frozenset[Factor], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, ready to be asked.

    Attributes:
        number: its place among the rules, from 0.
        line: in the YAML; None where nobody knows.
        everybody: it names neither groups nor people.
        factors: the sets of which one is to be shown.
    """

    number: int
    name: str
    line: int | None
    everybody: bool
    groups: frozenset[str]
    people: frozenset[str]
    when: str
    deny: bool
    factors: Sets
    two_people: bool
    escort: tuple[str, ...]
    after: tuple[str, ...]

    @classmethod
    def of(cls, rule: AccessRule, number: int, factors: Sets, line: int | None) -> Rule:
        """Compile one; `factors` count where it has none of its own."""
        return cls(
            number,
            rule.name,
            line,
            not rule.groups and not rule.people,
            frozenset(rule.groups),
            frozenset(rule.people),
            rule.when,
            rule.deny,
            factors if rule.factors is None else sets(rule.factors),
            rule.two_people,
            rule.escort,
            rule.after,
        )

    def names(self, subject: Subject) -> bool:
        """Whether the rule is about somebody, at whatever time."""
        return (
            self.everybody
            or not self.groups.isdisjoint(subject.groups)  # goes through the smaller one
            or subject.person_id in self.people
        )


class Rulebook:
    """All rules of a terminal and the calendar they count by; any thread.

    Attributes:
        rules: in their order; none: everybody who is known passes by one of `factors`.
    """

    def __init__(self, rules: tuple[Rule, ...], factors: Sets, calendar: Calendar) -> None:
        self.rules = rules
        self.factors = factors
        self.calendar = calendar
        self._schedules = frozenset(rule.when for rule in rules)
        self._now: tuple[tzinfo, float, float, tuple[Rule, ...]] = calendar.zone, 0, 0, ()

    @classmethod
    def of(cls, config: Config, lines: Lines | None = None, zone: tzinfo | None = None) -> Rulebook:
        """The rules of a configuration.

        Args:
            lines: of its file, so that a ruling names the line that decided.
            zone: see `Calendar.of`.

        Raises:
            RulesError: with every problem, one a line.
        """
        access = config.access or Access()
        try:
            calendar = Calendar.of(config, zone)
        except RulesError as fault:
            if lines is None:
                raise
            told = (line.partition(": ") for line in str(fault).splitlines())
            placed = (lines.told(path, what) for path, _, what in told)
            raise RulesError("\n".join(placed)) from fault
        factors = sets(access.factors)
        rules = tuple(
            Rule.of(
                rule, number, factors, lines.line(("access", "rules", number)) if lines else None
            )
            for number, rule in enumerate(access.rules)
        )
        return cls(rules, factors, calendar)

    def rule(self, ask: Ask) -> Ruling:
        """The answer for a person, a moment and what they have shown; takes no time to speak of."""
        for rule in self._in_force(ask.at):
            if rule.names(ask.subject):
                return _ruling(rule, ask.factors)
        if self.rules:
            return Ruling(False, "no_rule", why="no rule is for them at this time")
        return self._without_rules(ask.factors)

    def _in_force(self, at: float) -> tuple[Rule, ...]:
        """The rules whose schedule holds; kept until the next schedule changes."""
        zone, begin, end, rules = self._now
        if not begin <= at < end or zone is not self.calendar.zone:
            zone = self.calendar.zone
            begin, end, held = self.calendar.steady(self._schedules, at)
            rules = tuple(rule for rule in self.rules if rule.when in held)
            self._now = zone, begin, end, rules
        return rules

    def _without_rules(self, shown: frozenset[Factor]) -> Ruling:
        missing = lacking(self.factors, shown)
        if missing is not None:
            return Ruling(
                False,
                "factor_missing",
                missing=missing,
                why=f"{names(missing)} is still to be shown",
            )
        return Ruling(True, "permitted", why="everybody who is known may pass: there are no rules")


def _ruling(rule: Rule, shown: frozenset[Factor]) -> Ruling:
    if rule.deny:
        return Ruling(
            False, "denied_by_rule", rule.name, rule.line, why=f"rule {rule.name} keeps them out"
        )
    missing = lacking(rule.factors, shown)
    return Ruling(
        allowed=missing is None,
        reason="permitted" if missing is None else "factor_missing",
        rule=rule.name,
        line=rule.line,
        missing=missing or (),
        two_people=rule.two_people,
        escort=rule.escort,
        after=rule.after,
        why=f"rule {rule.name} lets them in"
        + (f" once they show {names(missing)}" if missing else ""),
    )


def lacking(alternatives: Sets, shown: frozenset[Factor]) -> Sets | None:
    """What each alternative still asks for, the shortest first; None: one is complete."""
    missing = {wanted - shown for wanted in alternatives}
    if frozenset() in missing:
        return None
    return tuple(sorted(missing, key=lambda one: (len(one), sorted(one))))


def sets(alternatives: tuple[frozenset[str], ...]) -> Sets:
    """Sets of factors as the configuration names them."""
    return tuple(frozenset(map(Factor, one)) for one in alternatives)


def names(factors: Sets) -> str:
    """Alternatives in words: ``face, or card and pin``."""
    return ", or ".join(" and ".join(one for one in Factor if one in wanted) for wanted in factors)
