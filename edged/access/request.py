"""What is asked at a door and what is answered: values, shared by all that has a say in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Direction = Literal["in", "out"]


class Factor(StrEnum):
    """By what somebody shows who they are."""

    FACE = "face"
    CARD = "card"
    PIN = "pin"
    QR = "qr"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader read.

    Attributes:
        reader: its name in the configuration; "camera" for a code before the camera, "page" for
            the terminal's own page.
        kind: a factor, or "key" for a key that means something, such as "in" or "break".
        value: card number, digits, token or key; not to be logged.
        direction: where this reader's users go.
        t_s: monotonic.
    """

    reader: str
    kind: Literal["card", "pin", "qr", "key"]
    value: str = field(repr=False)
    direction: Direction = "in"
    t_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks.

    Attributes:
        groups: of the gallery's profile, or of a visitor's token.
        extended: needs longer at the door.
        visitor: known by a token only.
    """

    person_id: str
    groups: frozenset[str] = frozenset()
    extended: bool = False
    visitor: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """May this one pass here and now?

    Attributes:
        at: Unix seconds.
        factors: what has been shown so far.
    """

    subject: Subject
    at: float
    factors: frozenset[Factor]
    direction: Direction = "in"


@dataclass(frozen=True, slots=True)
class Ruling:
    """The rules' answer.

    Attributes:
        allowed: they pass, as far as these rules go, with what has been shown.
        reason: a code: "permitted", "no_rule", "denied_by_rule", "factor_missing".
        rule, line: the rule that decided, by name and by its line in the YAML; None where none
            did, or where the configuration has no section `access`.
        missing: for "factor_missing": what each alternative lacks, the shortest first.
        two_people, escort, after: what the rule asks for beside, see `edged.config.access`.
        why: for people: one line.
    """

    allowed: bool
    reason: str
    rule: str | None = None
    line: int | None = None
    missing: tuple[frozenset[Factor], ...] = ()
    two_people: bool = False
    escort: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why somebody whom the rules let in waits or stays outside all the same.

    Attributes:
        reason: "anti_passback", "area_full", "second_person", "needs_escort", "nobody_in_yet",
            "site_unheard", "interlock".
        waits: it may be cured within a moment: by a second person, an escort.
        why: for people: one line.
    """

    reason: str
    waits: bool = False
    why: str = ""
