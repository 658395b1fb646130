"""``edged policy explain | week | simulate``: whom the rules let in, when, and by which line."""

from __future__ import annotations

import argparse
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edged.access.moments import moment, said, written
from edged.access.outlook import outlook
from edged.access.request import Ask, Factor, Subject
from edged.access.rulebook import Rulebook, names
from edged.cli import policy_door, policy_simulate, policy_week
from edged.cli.output import BadUsage, add_config, add_json, person_id
from edged.config.access import FACTORS
from edged.config.load import lines_of, load
from edged.errors import ConfigError, RulesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo
    from pathlib import Path

    from edged.access.outlook import Outlook, Standing
    from edged.access.rulebook import Rule
    from edged.cli.output import Output
    from edged.config.load import Lines
    from edged.config.schema import Config
    from edged.gallery.store import Gallery

_LONGEST_GROUP = 200


@dataclass(frozen=True, slots=True)
class Terminal:
    """What the rules of a terminal are, with the site's settings over its file."""

    config: Config
    lines: Lines
    book: Rulebook

    @property
    def zone(self) -> tzinfo:
        return self.book.calendar.zone


def add(command: argparse.ArgumentParser) -> None:
    """Its actions and their arguments."""
    actions = command.add_subparsers(required=True, metavar="ACTION")
    explaining = actions.add_parser("explain", help="may somebody pass at a time, and why")
    explaining.add_argument("--at", metavar="TIME", help="such as 2026-12-24T23:10; now")
    explaining.add_argument(
        "--factors", type=_factors, default=frozenset({Factor.FACE}), metavar="face,card"
    )
    explaining.add_argument("--direction", choices=("in", "out"))
    explaining.set_defaults(run=explain)
    week = actions.add_parser("week", help="who may pass when, as a table of a week")
    week.add_argument("--at", metavar="TIME", help="a moment of the week; now")
    week.set_defaults(run=show_week)
    for action in (explaining, week):
        action.add_argument("person_id", nargs="?", type=person_id, metavar="PERSON")
        action.add_argument(
            "--groups", type=_groups, metavar="A,B", help="as if in these; without the gallery"
        )
    simulating = actions.add_parser("simulate", help="what a day of events would come to")
    policy_simulate.add(simulating)
    simulating.set_defaults(run=simulate)
    for action in (explaining, week, simulating):
        add_config(action, required=True)
        add_json(action)


def explain(args: argparse.Namespace, output: Output) -> int:
    """Exit code 0 whatever the answer is."""
    terminal = opened(args.config)
    at = _moment(args.at, terminal.zone)
    subject, absent = _subject(args, terminal.config, at)
    settings = terminal.config.access
    direction = args.direction or (settings.direction if settings is not None else "in")
    told = outlook(terminal.book, Ask(subject, at, args.factors, direction))
    door = policy_door.timed(terminal, subject, at)
    may = told.ruling.allowed and absent is None
    allowed = may and door.lets_in
    shut = may and not door.lets_in
    document = {
        "person_id": args.person_id,
        "groups": sorted(subject.groups),
        "at": written(at, terminal.zone),
        "factors": [one for one in FACTORS if one in args.factors],
        "direction": direction,
        "allowed": allowed,
        "reason": "not_in_force" if absent else door.mode if shut else told.ruling.reason,
        "why": absent or (door.said(terminal) if shut else told.ruling.why),
        "door": {"mode": door.mode, "line": door.line, "lets_in": door.lets_in},
        **_document(told, terminal),
    }
    who = args.person_id or "somebody"
    lines = _told(who, at, args.factors, told, absent or door.shut_for_them(terminal), terminal)
    output.result(document, [*lines, *door.told(terminal)])
    return 0


def show_week(args: argparse.Namespace, output: Output) -> int:
    """The week of a person, of groups, or of every group that a rule names."""
    terminal = opened(args.config)
    at = _moment(args.at, terminal.zone)
    subjects: list[tuple[str, Subject]] = []
    if args.person_id is None and args.groups is None:
        subjects = policy_week.everybody(terminal.book)
    else:
        subject, absent = _subject(args, terminal.config, at)
        name = args.person_id or ", ".join(sorted(subject.groups))
        subjects = [(name if absent is None else f"{name} ({absent})", subject)]
    policy_week.show(terminal.book, subjects, at, output)
    return 0


def simulate(args: argparse.Namespace, output: Output) -> int:
    """Exit code 0 whatever comes of the events."""
    terminal = opened(args.config)
    with _gallery(terminal.config) as gallery:
        policy_simulate.run(args, terminal.config, terminal.book, gallery, output)
    return 0


def opened(path: Path) -> Terminal:
    """The rules that the terminal would begin with.

    Raises:
        ConfigError: the file is unusable, or its rules are.
    """
    from edged.service.begin import begin

    config, lines = begin(load(path), tries=False).config, lines_of(path)
    try:
        return Terminal(config, lines, Rulebook.of(config, lines))
    except RulesError as fault:
        raise ConfigError(str(fault).splitlines()) from fault


@contextmanager
def _gallery(config: Config) -> Iterator[Gallery | None]:
    """The gallery, where there is one."""
    from edged.cli.gallery import opened as opened_gallery

    if not config.gallery.path.exists():
        yield None
        return
    with opened_gallery(config) as gallery:
        yield gallery


def _subject(args: argparse.Namespace, config: Config, at: float) -> tuple[Subject, str | None]:
    """Who is asked about, and why they would not be recognised at that time."""
    from edged.cli.gallery_person import nobody

    if args.groups is not None:
        return Subject(args.person_id or "", args.groups), None
    if args.person_id is None:
        raise BadUsage("say who: a person's id, or --groups")
    with _gallery(config) as gallery:
        profile = None if gallery is None else gallery.profile(args.person_id)
    if profile is None:
        raise nobody(args.person_id)
    absent = None if profile.in_force(at) else "not recognised then: validity or consent"
    return Subject(args.person_id, frozenset(profile.groups)), absent


def _document(told: Outlook, terminal: Terminal) -> dict[str, Any]:
    ruling, zone = told.ruling, terminal.zone
    return {
        "rule": ruling.rule,
        "file": terminal.lines.name if ruling.line is not None else None,
        "line": ruling.line,
        "yaml": terminal.lines.quote(ruling.line) if ruling.line is not None else None,
        "missing": [[one for one in FACTORS if one in wanted] for wanted in ruling.missing],
        "with_everything_shown": told.more.allowed,
        "two_people": ruling.two_people,
        "escort": list(ruling.escort),
        "after": list(ruling.after),
        "schedule": None if told.schedule is None else _standing(told.schedule, zone),
        "not_yet": [
            {"rule": rule.name, "line": rule.line, "schedule": _standing(standing, zone)}
            for rule, standing in told.others
        ],
    }


def _standing(standing: Standing, zone: tzinfo) -> dict[str, Any]:
    began, change = standing.began, standing.next_change
    return {
        "name": standing.name,
        "in_force": standing.in_force,
        "began": None if began is None else written(began, zone),
        "next_change": None if change is None else written(change, zone),
    }


def _told(
    who: str,
    at: float,
    factors: frozenset[Factor],
    told: Outlook,
    absent: str | None,
    terminal: Terminal,
) -> Iterator[str]:
    ruling, lines = told.ruling, terminal.lines
    answer = "yes" if ruling.allowed and absent is None else "no"
    shown = names((factors,)) if factors else "nothing"
    yield f"{answer}: {who}, {said(at, terminal.zone)}, with {shown}"
    if absent is not None:
        yield f"  {absent}"
    if told.rule is None:
        yield f"  {ruling.why}"
    elif ruling.line is not None:
        yield f"  {lines.name}:{ruling.line}: {lines.quote(ruling.line)}"
    if ruling.reason == "denied_by_rule":
        yield f"  {ruling.why}"
    if ruling.missing:
        yield f"  still to be shown: {names(ruling.missing)}"
    if told.rule is not None:
        yield from (f"  {line}" for line in _beside(told.rule))
    if told.schedule is not None:
        yield f"  {_state(told.schedule, terminal.zone)}"
    for rule, standing in told.others:
        yield f"  {_place(rule)} is about them, too: {_state(standing, terminal.zone)}"


def _beside(rule: Rule) -> Iterator[str]:
    if rule.two_people:
        yield "two people of this rule pass together only"
    if rule.escort:
        yield f"only together with somebody of: {', '.join(rule.escort)}"
    if rule.after:
        yield f"only once somebody was let in that day of: {', '.join(rule.after)}"


def _state(standing: Standing, zone: tzinfo) -> str:
    verb = "is in force" if standing.in_force else "is not in force"
    if standing.next_change is None:
        return f"schedule {standing.name} {verb}, and that will not change"
    return f"schedule {standing.name} {verb} until {said(standing.next_change, zone)}"


def _place(rule: Rule) -> str:
    return f"rule {rule.name}" + (f" (line {rule.line})" if rule.line is not None else "")


def _moment(text: str | None, zone: tzinfo) -> float:
    now = time.time()
    if text is None:
        return now
    try:
        return moment(text, zone, now)
    except ValueError as fault:
        raise BadUsage(f"--at: {fault}") from fault


def _factors(text: str) -> frozenset[Factor]:
    found = {name.strip() for name in text.split(",")} - {""}
    if unknown := found - set(FACTORS):
        raise argparse.ArgumentTypeError(
            f"{min(unknown)[:40]!r} is no factor; known: {', '.join(FACTORS)}"
        )
    return frozenset(map(Factor, found))


def _groups(text: str) -> frozenset[str]:
    found = frozenset(name.strip() for name in text.split(",")) - {""}
    if any(len(name) > _LONGEST_GROUP for name in found):
        raise argparse.ArgumentTypeError(f"a group has at most {_LONGEST_GROUP} characters")
    return found
