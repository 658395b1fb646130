"""Rules that others get in the way of: the first that fits decides; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.access.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edged.access.grid import Grid
    from edged.access.rulebook import Rule

_Named = tuple[str, str]
"""Whom a rule names: everybody, a group or a person."""
_EVERYBODY: _Named = ("everybody", "")
_TOLD = 3


def shadows(rules: Sequence[Rule], grid: Grid) -> Iterator[Finding]:
    """Rules that are never reached, and pairs that contradict each other.

    An exception that stands before its rule is none of these: who is kept out at some of the
    times at which a later rule lets them in, or the other way round.
    """
    decided: dict[_Named, int] = {}
    before: list[tuple[Rule, dict[_Named, int]]] = []
    for rule in rules:
        times = grid.of(rule.when)
        if not times:
            continue  # its schedule is told of
        taken = decided.get(_EVERYBODY, 0)
        own = {one: times & ~(taken | decided.get(one, 0)) for one in _named(rule)}
        if not any(own.values()):
            if grid.until is None:  # else it may be reached later
                yield _unreached(rule, [other for other, _ in before if _meet(other, rule, grid)])
        else:
            for other, theirs in before:
                yield from _contradiction(rule, times, other, theirs, grid)
        for one in own:
            decided[one] = decided.get(one, 0) | times
        before.append((rule, own))


def _named(rule: Rule) -> list[_Named]:
    if rule.everybody:
        return [_EVERYBODY]
    groups = [("group", name) for name in sorted(rule.groups)]
    return [*groups, *(("person", name) for name in sorted(rule.people))]


def _meet(other: Rule, rule: Rule, grid: Grid) -> bool:
    """Whether an earlier rule takes anything from a later one."""
    shared = other.everybody or rule.groups & other.groups or rule.people & other.people
    return bool(shared) and bool(grid.of(other.when) & grid.of(rule.when))


def _unreached(rule: Rule, earlier: list[Rule]) -> Finding:
    who = ", ".join(told(one) for one in earlier[:_TOLD]) + (" …" * (len(earlier) > _TOLD))
    verb = "decides" if len(earlier) == 1 else "decide"
    return Finding(
        ("access", "rules", rule.number),
        f"rule {rule.name} is never reached: {who} {verb} for the same people at all its times; "
        "move it up, or remove it",
    )


def _contradiction(
    rule: Rule, times: int, other: Rule, theirs: dict[_Named, int], grid: Grid
) -> Iterator[Finding]:
    if rule.deny == other.deny:
        return
    for one in _named(rule):
        decides = theirs.get(one, 0)
        common = decides & times
        exception = decides != times and decides & ~times == 0
        if common and not exception:
            whom = " ".join(one).strip()
            verbs = ("keeps", "lets") if rule.deny else ("lets", "keeps")
            ends = {"keeps": "out", "lets": "in"}
            yield Finding(
                ("access", "rules", rule.number),
                f"rule {rule.name} {verbs[0]} {whom} {ends[verbs[0]]} at {grid.first(common)}, "
                f"where {told(other)} {verbs[1]} them {ends[verbs[1]]} and counts; give them "
                "different times, or name them in one",
            )
            return


def told(rule: Rule) -> str:
    """A rule with its line."""
    return f"rule {rule.name}" + (f" (line {rule.line})" if rule.line is not None else "")
