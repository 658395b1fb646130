"""Who may pass when, and with what: schedules, rules, areas."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from edged.config.base import Misplaced, Name, Settings, spelled, within

FACTORS = ("face", "card", "pin", "qr")
Factor = Literal["face", "card", "pin", "qr"]
_ROUND_THE_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
_DAY = "(mon|tue|wed|thu|fri|sat|sun)"
_DAYS = rf"^(daily|holidays|{_DAY}(-{_DAY})?)$"
Span = Annotated[
    str, spelled(_ROUND_THE_CLOCK, 'two times with two digits each, such as "08:00-18:00"')
]
Days = Annotated[str, spelled(_DAYS, "mon, tue … sun, mon-fri, daily or holidays")]
Clock = Annotated[
    str,
    spelled(r"^([01][0-9]|2[0-3]):[0-5][0-9]$", 'a time in quotation marks, such as "04:00"'),
]


def _sets(value: Any) -> Any:
    """Refuse ``[face, card]``: is it one set, or two?"""
    if isinstance(value, list | tuple) and any(isinstance(one, str) for one in value):
        raise ValueError(
            "expected sets of factors: [[face], [card, pin]] is the face, or card and PIN"
        )
    return value


FactorSets = Annotated[
    tuple[Annotated[frozenset[Factor], Field(min_length=1)], ...],
    Field(min_length=1),
    BeforeValidator(_sets),
]
Group = Annotated[str, Field(min_length=1, max_length=200)]


class Schedule(Settings):
    """Spans of the week, in the terminal's time zone.

    ``days`` names days (``mon``, ``mon-fri``, ``daily``, ``holidays``) and their spans:
    ``"08:00-18:00"``; one that ends before it begins goes on into the next day and belongs to
    the day it begins on. A day that is named twice has the spans of both. Where ``holidays`` is
    given, it replaces the weekday's spans on a holiday; ``[]`` is none. ``valid_from`` and
    ``valid_until`` are the first and the last day.
    """

    days: Annotated[dict[Days, tuple[Span, ...]], Field(min_length=1)]
    valid_from: date | None = None
    valid_until: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Schedule:
        begin, end = self.valid_from, self.valid_until
        problems: list[tuple[tuple[str | int, ...], str]] = []
        if begin is not None and end is not None and end < begin:
            problems.append((("valid_until",), "is before valid_from"))
        for days, spans in self.days.items():
            for place, span in enumerate(spans):
                if span[:5] == span[6:]:
                    what = "ends when it begins; a whole day is 00:00-24:00"
                    problems.append((("days", days, place), what))
        if problems:
            raise Misplaced(problems)
        return self


class Holidays(Settings):
    """Which days are holidays: those of a country (library ``holidays``), dates of the site, and
    the all-day events of iCalendar files."""

    country: Annotated[str, spelled(r"^[A-Z]{2}$", "two capitals, such as DE")] | None = None
    subdivision: str | None = None
    dates: tuple[date, ...] = ()
    calendars: tuple[Path, ...] = ()


class AccessRule(Settings):
    """One rule; the first that fits a person and a moment decides.

    It fits those in one of ``groups`` or among ``people`` (neither: everybody) while the schedule
    ``when`` holds. ``deny`` keeps them out; otherwise they pass with one of ``factors``, each a
    set such as ``[card, pin]`` (left out: `access.factors`). ``two_people``: two different people
    of this rule, one after the other. ``escort``: only together with somebody of these groups.
    ``after``: only once somebody of these groups has been let in that day.
    """

    name: Name
    groups: tuple[Group, ...] = ()
    people: tuple[str, ...] = ()
    when: Name = "always"
    deny: bool = False
    factors: FactorSets | None = None
    two_people: bool = False
    escort: tuple[Group, ...] = ()
    after: tuple[Group, ...] = ()

    @model_validator(mode="after")
    def _deny_is_all(self) -> AccessRule:
        if self.deny and (self.factors is not None or self.two_people or self.escort or self.after):
            raise ValueError("deny goes with groups, people and when only")
        return self


class Passback(Settings):
    """Nobody enters twice without having left; whoever wants out is let out.

    ``hard`` keeps them out, ``soft`` lets them in and tells it, ``timed`` keeps them out for
    ``again_after_s`` since they entered. ``forgive_at`` forgets each day where everybody is.
    ``offline`` is what holds while one of ``peers`` cannot be heard: ``hard`` goes by what is
    known, ``soft`` lets in and tells it, ``deny`` lets nobody in.
    """

    mode: Literal["hard", "soft", "timed"] = "hard"
    again_after_s: Annotated[float, *within(1, 86_400)] = 600
    forgive_at: Clock | None = None
    offline: Literal["hard", "soft", "deny"] = "soft"


class Area(Settings):
    """What lies behind this door. ``name`` is the same at every terminal of the area; ``most`` is
    how many people may be inside."""

    name: Name
    outside: Name = "outside"
    most: Annotated[int, *within(1, 1_000_000)] | None = None
    passback: Passback | None = None


class PinGuard(Settings):
    """Against guessing: after ``tries`` wrong PINs a reader, or a person, rests for ``rest_s``,
    each time twice as long as before, at most ``longest_rest_s``."""

    tries: Annotated[int, *within(1, 100)] = 3
    rest_s: Annotated[float, *within(1, 3600)] = 15
    longest_rest_s: Annotated[float, *within(1, 86_400)] = 3600


class QrTokens(Settings):
    """Visitors' codes, read by the camera: signed by one of ``keys`` (role enroller of
    ``mqtt.commands.keys``, or PEM files of Ed25519 public keys here), each good once. ``groups``
    are those that a code may give; one that names none gives them all."""

    keys: tuple[Path, ...] = ()
    longest_validity_s: Annotated[float, *within(60, 31_536_000)] = 7 * 86_400
    groups: tuple[Group, ...] = ("visitor",)


class Access(Settings):
    """Whether who is recognised is let in. Left out: everybody in force is, by their face.

    Without ``rules`` everybody in force is, too, by one of ``factors``; with rules, whom none of
    them fits stays outside. ``factors`` are the sets of which one must be shown.
    ``second_factor`` are those that are asked for when a face is in doubt. ``wait_s`` is how long
    the terminal waits for the next factor.
    """

    rules: tuple[AccessRule, ...] = ()
    factors: FactorSets = (frozenset({"face"}),)
    second_factor: tuple[Literal["card", "pin", "qr"], ...] = ("card", "pin")
    wait_s: Annotated[float, *within(2, 120)] = 15
    two_people_within_s: Annotated[float, *within(2, 300)] = 30
    area: Area | None = None
    pins: PinGuard = PinGuard()
    qr: QrTokens | None = None
    direction: Literal["in", "out"] = "in"

    @model_validator(mode="after")
    def _distinct(self) -> Access:
        problems: list[tuple[tuple[str | int, ...], str]] = []
        seen: set[str] = set()
        for place, rule in enumerate(self.rules):
            if rule.name in seen:
                problems.append((("rules", place, "name"), f"{rule.name} is given twice"))
            seen.add(rule.name)
        if problems:
            raise Misplaced(problems)
        return self


class Peer(Settings):
    """Another terminal of the site that this one listens to: where people are, and the other door
    of an interlock. ``public_key`` is its Ed25519 key (``edged gallery identity``
    there)."""

    terminal: Name
    public_key: str

    @field_validator("public_key")
    @classmethod
    def _pem(cls, value: str) -> str:
        if "BEGIN PUBLIC KEY" not in value:
            raise ValueError("expected an Ed25519 public key in PEM form (-----BEGIN PUBLIC KEY…)")
        return value
