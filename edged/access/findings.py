"""What cannot be meant as it is written: for ``edged check``; pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Protocol

from edged.access.finding import Finding, Place
from edged.access.grid import MOST_ERAS, Grid
from edged.access.shadows import shadows
from edged.config.access import FACTORS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from edged.access.calendar import Calendar
    from edged.access.rulebook import Rulebook
    from edged.config.load import Lines
    from edged.config.schema import Config

_READS = {
    "keyboard": ("card", "pin"),
    "serial": ("card",),
    "osdp": ("card", "pin"),
    "simulated": ("card", "pin"),
}


class Known(Protocol):
    """Who is enrolled; see `findings`."""

    @property
    def groups(self) -> Collection[str]:
        """Of anybody."""

    @property
    def people(self) -> Collection[str]:
        """By id."""


def findings(
    config: Config,
    book: Rulebook,
    now: float,
    lines: Lines | None = None,
    known: Known | None = None,
) -> list[Finding]:
    """What `book` of `config` can hardly be meant to say, in the order of the sections.

    Args:
        now: Unix seconds; what was over before is over.
        lines: so that texts can point to other lines, too.
        known: who is enrolled; None, or nobody: nothing is said of groups and people.
    """
    calendar = book.calendar
    today = calendar.day(now).toordinal()
    grid = _grid(calendar, sorted(set(_named(config))), today)
    found = [*_schedules(config, calendar, today), *_factors(config)]
    if grid.until is not None:
        text = f"become or cease to be valid on more than {MOST_ERAS} days; what follows "
        text += f"holds until {grid.until}, and rules that are never reached are not told"
        found.append(Finding(("schedules",), text))
    found += shadows(book.rules, grid)
    if known is not None and known.people:
        found += _nobody(config, known)
    modes = [(span.mode, span.when) for span in config.door.timetable]
    found += _overlaps(("door", "timetable"), modes, grid, lines)
    if config.attendance is not None:
        states = [(span.state, span.when) for span in config.attendance.timetable]
        found += _overlaps(("attendance", "timetable"), states, grid, lines)
    return found


def _named(config: Config) -> Iterator[str]:
    """Every schedule that something goes by."""
    for spans in (
        config.access.rules if config.access is not None else (),
        config.door.timetable,
        config.attendance.timetable if config.attendance is not None else (),
    ):
        yield from (span.when for span in spans)


def _grid(calendar: Calendar, names: Collection[str], today: int) -> Grid:
    return Grid(calendar.schedules, names, holidays=not calendar.holidays.none, today=today)


def _schedules(config: Config, calendar: Calendar, today: int) -> Iterator[Finding]:
    for name, settings in config.schedules.items():
        if _grid(calendar, [name], today).of(name):
            continue
        weekly = calendar.schedules[name]
        if not any(weekly.week) and not weekly.holidays:
            what = "it has no spans; give it some"
        elif weekly.last is not None and weekly.last < today:
            what = f"it was valid until {settings.valid_until}; give it another end"
        elif not any(weekly.week):
            what = "it has spans for holidays only, and there are none; see holidays"
        else:
            what = "no day on which it is valid has a span"
        yield Finding(("schedules", name), f"never opens: {what}, or remove it")


def _factors(config: Config) -> Iterator[Finding]:
    access = config.access
    if access is None:
        return
    can = readable(config)
    for number, rule in enumerate(access.rules):
        if rule.factors is not None:
            place: Place = ("access", "rules", number, "factors")
            yield from _unreadable(place, rule.factors, can, f"rule {rule.name}")
    if any(rule.factors is None and not rule.deny for rule in access.rules) or not access.rules:
        yield from _unreadable(("access", "factors"), access.factors, can, "access.factors")
    asked = config.decision.doubtful == "second_factor"
    if (asked or config.gallery.lookalikes == "second_factor") and can.isdisjoint(
        access.second_factor
    ):
        text = "a second factor is asked for in doubt, and nothing here reads one of these"
        yield Finding(("access", "second_factor"), f"{text}; configure a reader")


def readable(config: Config) -> frozenset[str]:
    """The factors that can be shown at this terminal."""
    can = {factor for reader in config.readers.values() for factor in _READS[reader.driver]}
    if config.web is not None and config.web.pin_pad:
        can.add("pin")  # keyed on its page
    if config.access is not None and config.access.qr is not None:
        can.add("qr")
    return frozenset(can | {"face"})


def _unreadable(
    place: Place, alternatives: Sequence[frozenset[str]], can: frozenset[str], whose: str
) -> Iterator[Finding]:
    lacking = [[one for one in FACTORS if one in wanted - can] for wanted in alternatives]
    nobody = f"; so nobody passes by {whose}" if all(lacking) else ""
    for number, missing in enumerate(lacking):
        if missing:
            what = f"nothing here reads {_and(missing)}{nobody}"
            yield Finding((*place, number), f"{what}; {_remedy(missing)}, or leave this set out")


def _and(missing: Sequence[str]) -> str:
    words = {"card": "a card", "pin": "a PIN", "qr": "a QR code"}
    return " and ".join(words[one] for one in missing)


def _remedy(missing: Sequence[str]) -> str:
    where = {"card": "readers", "pin": "readers", "qr": "access.qr"}
    return f"configure {' and '.join(dict.fromkeys(where[one] for one in missing))}"


def _nobody(config: Config, known: Known) -> Iterator[Finding]:
    access = config.access
    groups = {*known.groups, *(access.qr.groups if access is not None and access.qr else ())}
    people = set(known.people)
    for place, name in _groups(config):
        if name not in groups:
            yield Finding(place, f"nobody enrolled is in group {name!r}{_near(name, groups)}")
    for number, rule in enumerate(access.rules if access is not None else ()):
        for index, person in enumerate(rule.people):
            if person not in people:
                place = ("access", "rules", number, "people", index)
                yield Finding(place, f"nobody is enrolled as {person!r}; see `edged gallery list`")


def _groups(config: Config) -> Iterator[tuple[Place, str]]:
    """Every place that names a group."""
    for number, rule in enumerate(config.access.rules if config.access else ()):
        for setting in ("groups", "escort", "after"):
            for index, name in enumerate(getattr(rule, setting)):
                yield ("access", "rules", number, setting, index), name
    for number, span in enumerate(config.door.timetable):
        for index, name in enumerate(span.first_in):
            yield ("door", "timetable", number, "first_in", index), name
    for index, name in enumerate(config.door.lockdown_groups):
        yield ("door", "lockdown_groups", index), name


def _near(name: str, groups: Collection[str]) -> str:
    close = difflib.get_close_matches(name, list(groups), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else "; see `edged gallery list`"


def _overlaps(
    place: Place, spans: Sequence[tuple[str, str]], grid: Grid, lines: Lines | None
) -> Iterator[Finding]:
    for later, (what, when) in enumerate(spans):
        for earlier, (other, then) in enumerate(spans[:later]):
            common = grid.of(when) & grid.of(then)
            if what != other and common:
                line = lines.line((*place, earlier)) if lines is not None else None
                where = f" (line {line})" if line is not None else ""
                yield Finding(
                    (*place, later),
                    f"{what} holds together with {other}{where}, as at {grid.first(common)}; "
                    "give them different times",
                )
                break
