"""Whether the door opens: the mode that is in force and what it lets pass; pure.

Recognition says who somebody is, and a signed order that somebody asks; the mode says whether the
door opens for it. There is no clock in here: moments come in.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from math import inf, isfinite
from typing import Literal

Mode = Literal["normal", "locked_down", "secured", "open"]
By = Literal["command", "timetable"] | None
"""Who says which mode is in force; None: nobody does, it is ``normal``."""
Asking = Literal["recognised", "named", "ordered", "exit"]
"""By recognition; by somebody of ``door.lockdown_groups``; by ``door.unlock``; by the button."""

LONGEST_S = 7 * 86_400.0
"""No mode is asked for a longer time than this."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a mode means.

    Attributes:
        recognised: the door opens for who is recognised.
        ordered: it opens by ``door.unlock``.
        held: it is open as long as the mode is in force.
        caution: the higher, the less opens; towards more of it the terminal never hesitates.
    """

    recognised: bool
    ordered: bool
    held: bool
    caution: int


RULES: dict[Mode, Rule] = {
    "locked_down": Rule(recognised=False, ordered=False, held=False, caution=3),
    "secured": Rule(recognised=False, ordered=True, held=False, caution=2),
    "normal": Rule(recognised=True, ordered=True, held=False, caution=1),
    "open": Rule(recognised=True, ordered=True, held=True, caution=0),
}


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, as two clocks see it.

    Attributes:
        unix_s: the wall clock; whether it is right is `trusted`.
        boot: names this start of the machine; "" where nobody knows.
        up_s: since that start, sleep included; nobody can set it.
    """

    unix_s: float
    trusted: bool
    boot: str
    up_s: float


@dataclass(frozen=True, slots=True)
class Order:
    """A mode that somebody put in force; the end is None where it holds until the next order.

    Attributes:
        for_s: how long it was asked for.
        until_s: its end by the wall clock, Unix seconds.
        sure: whether that clock was to be trusted when the order began.
        boot, over_s: its end by the counter of one start of the machine, which counts.
        command, key: the order's id, and who signed it.
    """

    mode: Mode = "normal"
    for_s: float | None = None
    until_s: float | None = None
    sure: bool = True
    boot: str = ""
    over_s: float | None = None
    command: str | None = None
    key: str | None = None
    cause: str | None = None

    @property
    def rule(self) -> Rule:
        return RULES[self.mode]

    def looser_than(self, other: Order) -> bool:
        """Whether more opens by this one: at once, or by an end that comes sooner or later."""
        if self.mode != other.mode:
            return self.rule.caution < other.rule.caution
        ends, other_ends = (inf if o.over_s is None else o.over_s for o in (self, other))
        return ends > other_ends if self.rule.held else ends < other_ends

    def is_over(self, now: Moment) -> bool:
        """Whether its time is up, within the start of the machine that it is counted by."""
        return self.over_s is not None and now.up_s >= self.over_s


NORMAL = Order()


def ordered(
    mode: Mode,
    for_s: float | None,
    now: Moment,
    *,
    command: str | None,
    key: str | None,
    cause: str | None,
) -> Order:
    """The order that begins now; "normal" has no end."""
    if for_s is None or mode == "normal":
        return Order(mode, command=command, key=key, cause=cause)
    until_s, over_s = now.unix_s + for_s, now.up_s + for_s
    return Order(mode, for_s, until_s, now.trusted, now.boot, over_s, command, key, cause)


def resumed(order: Order, now: Moment) -> Order:
    """What is left of an order when the daemon starts; `NORMAL` when nothing is.

    A door that is open without an end does not open again by itself, nor one whose end nobody
    can tell: after a power cut with a clock that is not to be trusted, or was not when it was
    ordered. What keeps it shut goes on in both cases, in the latter for its whole time again.
    """
    if order.for_s is None or order.until_s is None or order.over_s is None:
        return NORMAL if order.rule.held else order
    if order.boot and order.boot == now.boot:
        return NORMAL if order.is_over(now) else order
    known = now.trusted and order.sure
    left_s = min(order.for_s, order.until_s - now.unix_s) if known else order.for_s
    if left_s <= 0 or (order.rule.held and not known):
        return NORMAL
    return Order(
        order.mode,
        order.for_s,
        now.unix_s + left_s,
        now.trusted,
        now.boot,
        now.up_s + left_s,
        order.command,
        order.key,
        order.cause,
    )


def opens(mode: Mode, asking: Asking) -> bool:
    """Whether the door opens."""
    rule = RULES[mode]
    if asking == "recognised":
        return rule.recognised
    return rule.ordered or asking == "named"


@cache
def in_force(ordered: Mode, timed: Mode) -> tuple[Mode, By]:
    """The mode of a door, by what command and timetable want, and who says so.

    What keeps the door shut wins; where neither does, the timetable comes first.
    """
    wishes: list[tuple[Mode, By]] = [(timed, "timetable"), (ordered, "command")]
    wishes = [wish for wish in wishes if wish[0] != "normal"]
    return max(wishes, key=lambda wish: RULES[wish[0]].caution, default=("normal", None))


def write_order(order: Order) -> str:
    """An order as a text that outlasts the process."""
    return json.dumps({"v": 1, **asdict(order)})


def read_order(text: str) -> Order | None:
    """An order from such a text; None for garbage."""
    try:
        data = json.loads(text)
        if data.pop("v") != 1 or data["mode"] not in RULES:
            return None
        order = Order(**data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    numbers = (order.for_s, order.until_s, order.over_s)
    texts = (order.command, order.key, order.cause)
    good = all(n is None or (type(n) in (int, float) and isfinite(n)) for n in numbers)
    if not good or not isinstance(order.boot, str) or not isinstance(order.sure, bool):
        return None
    if not all(isinstance(text, str | None) for text in texts):
        return None
    return order if order.for_s is None or 0 < order.for_s <= LONGEST_S else None
