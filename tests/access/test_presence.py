"""Who is where, and who may pass because of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.access.daily import day_of, last_time, local
from edged.access.order import LATEST, Order
from edged.access.presence import Erased, Forgotten, LetIn, Moved, Presence
from edged.access.request import Ruling, Subject
from edged.access.threshold import AGREED_S, GRANTED_S, Here, Threshold

if TYPE_CHECKING:
    from edged.access.request import Direction, Objection
    from edged.access.threshold import Going

ANYBODY = Ruling(allowed=True, reason="permitted", rule="staff")
PAIR = Ruling(allowed=True, reason="permitted", rule="vault", two_people=True)
GUEST = Ruling(allowed=True, reason="permitted", rule="guests", escort=("staff",))
EARLY = Ruling(allowed=True, reason="permitted", rule="shop", after=("keyholders",))
TODAY = 9


def who(name: str, *groups: str) -> Subject:
    return Subject(name, frozenset(groups))


class Door:
    """A threshold, a clock, and what is recorded of it."""

    def __init__(self, **here: Any) -> None:
        self.now = 1000
        self.t_s = 5.0
        self.heard = True
        self.here = Here(**{"area": "lab", **here})
        self.presence = Presence()
        self.threshold = Threshold(self.here, self.presence)

    def asks(
        self, person: Subject, ruling: Ruling = ANYBODY, direction: Direction = "in"
    ) -> Objection | None:
        self.now += 1
        return self.threshold.objection(
            person, ruling, direction, now=self.now, t_s=self.t_s, today=TODAY, heard=self.heard
        )

    def grants(self, person: Subject, direction: Direction = "in") -> tuple[Going, ...]:
        return self.threshold.granted(person, direction, t_s=self.t_s)

    def opens(self, *going: Going) -> list[str]:
        """The door is opened, and that is recorded; who has passed."""
        passed = [one for one in going if self.threshold.passed(one)]
        for one in passed:
            self.now += 1
            area = self.here.leads_to(one.direction)
            self.presence.take(Moved(one.person_id, area, self.now, "here"))
            if one.direction == "in":
                self.presence.take(LetIn(one.groups, TODAY, self.now))
            self.threshold.arrived(one)
        return [one.person_id for one in passed]

    def passes(
        self, person: Subject, ruling: Ruling = ANYBODY, direction: Direction = "in"
    ) -> list[str]:
        """From the question to the record; who has passed."""
        assert self.asks(person, ruling, direction) is None
        return self.opens(*self.grants(person, direction))

    def reason(self, *asked: Any) -> str | None:
        objection = self.asks(*asked)
        return None if objection is None else objection.reason


# --- who is where


def test_the_last_word_holds_and_an_older_one_that_comes_late_says_nothing() -> None:
    presence = Presence()
    assert presence.take(Moved("ada", "lab", 20, "b")) == ("ada",)
    assert presence.take(Moved("ada", "outside", 10, "a")) == ()
    assert presence.take(Moved("ada", "lab", 20, "b")) == ()
    assert (presence.area("ada"), presence.inside("lab"), presence.newest) == ("lab", 1, 20)
    assert presence.take(Moved("ada", None, 30, "a")) == ("ada",)
    assert (presence.area("ada"), presence.inside("lab")) == (None, 0)
    place = presence.place("ada")
    assert place is not None
    assert (place.order, place.area) == (30, "")
    assert presence.area("bob") is None
    assert presence.place("bob") is None


def test_of_two_words_of_one_moment_all_terminals_choose_the_same() -> None:
    one, other = Moved("ada", "lab", 20, "a"), Moved("ada", "outside", 20, "b")
    for order in ((one, other), (other, one)):
        presence = Presence()
        for word in order:
            presence.take(word)
        assert presence.area("ada") == "outside"


def test_what_is_forgotten_does_not_come_back_late_and_what_is_newer_stays() -> None:
    presence = Presence()
    presence.take(Moved("ada", "lab", 10, "a"))
    presence.take(Moved("bob", "lab", 30, "a"))
    assert presence.take(Forgotten(20)) == ("ada",)
    assert presence.take(Forgotten(15)) == ()
    assert presence.take(Moved("ada", "lab", 19, "b")) == ()
    assert (presence.inside("lab"), presence.forgotten) == (1, 20)
    assert dict(presence.people()).keys() == {"bob"}


def test_nothing_is_known_of_somebody_who_was_erased() -> None:
    presence = Presence()
    presence.take(Moved("ada", "lab", 10, "a"))
    presence.take(Moved("bob", None, 10, "a"))
    assert presence.take(Erased("ada")) == ("ada",)
    assert presence.take(Erased("bob")) == ("bob",)
    assert presence.take(Erased("ada")) == ()
    assert (presence.inside("lab"), list(presence.people())) == (0, [])


def test_who_was_outside_long_ago_is_nobodys_concern() -> None:
    presence = Presence()
    for name, area, order in (("ada", "outside", 9), ("bob", None, 9), ("cy", "lab", 9)):
        presence.take(Moved(name, area, order, "a"))
    presence.take(Moved("dee", "outside", 10, "a"))
    assert presence.drop_old(10, ("", "outside")) == ("ada", "bob")
    assert {name for name, _ in presence.people()} == {"cy", "dee"}
    assert presence.inside("outside") == 1


def test_a_group_was_in_today_if_its_last_one_was() -> None:
    presence = Presence()
    presence.take(LetIn(frozenset({"staff"}), 8, 20))
    presence.take(LetIn(frozenset({"staff"}), 7, 10))
    assert presence.let_in(["staff", "cleaners"], 8)
    assert not presence.let_in(["staff"], 7)
    assert not presence.let_in(["cleaners"], 8)
    assert presence.first_in() == {"staff": (20, 8)}


# --- anti-passback


def test_hard_passback_keeps_out_who_is_inside_until_they_have_left() -> None:
    door, ada = Door(passback="hard"), who("ada")
    assert door.passes(ada) == ["ada"]
    assert door.reason(ada) == "anti_passback"
    assert door.passes(ada, ANYBODY, "out") == ["ada"]
    assert door.passes(ada) == ["ada"]


def test_who_is_known_to_be_nowhere_may_leave_and_enter() -> None:
    door = Door(passback="hard")
    assert door.passes(who("ada"), ANYBODY, "out") == ["ada"]
    assert door.passes(who("bob")) == ["bob"]


def test_nobody_is_kept_inside_and_leaving_twice_is_told() -> None:
    door, ada = Door(passback="hard"), who("ada")
    door.passes(ada, ANYBODY, "out")
    assert door.asks(ada, ANYBODY, "out") is None
    (going,) = door.grants(ada, "out")
    assert going.passback


def test_soft_passback_lets_in_and_tells() -> None:
    door, ada = Door(passback="soft"), who("ada")
    assert door.passes(ada) == ["ada"]
    assert door.asks(ada) is None
    (going,) = door.grants(ada)
    assert going.passback
    assert door.opens(going) == ["ada"]
    assert door.presence.inside("lab") == 1


def test_timed_passback_keeps_out_for_a_time() -> None:
    door, ada = Door(passback="timed", again_after_ms=5000), who("ada")
    door.passes(ada)
    door.now += 4000
    assert door.reason(ada) == "anti_passback"
    door.now += 1000
    assert door.asks(ada) is None
    (going,) = door.grants(ada)
    assert going.passback


def test_without_passback_nobody_cares_who_enters_twice() -> None:
    door, ada = Door(), who("ada")
    door.passes(ada)
    assert door.asks(ada) is None
    (going,) = door.grants(ada)
    assert not going.passback


@pytest.mark.parametrize("mode", ["hard", "timed"])
def test_who_has_passed_is_inside_before_that_is_recorded(mode: Any) -> None:
    door, ada = Door(passback=mode, most=1), who("ada")
    door.presence.take(Moved("ada", "outside", 1, "here"))
    door.now += 10_000_000
    door.asks(ada)
    (going,) = door.grants(ada)
    assert door.threshold.passed(going)
    assert door.reason(ada) == "anti_passback"
    assert door.reason(who("bob")) == "area_full"
    assert door.asks(ada, ANYBODY, "out") is None
    assert not door.grants(ada, "out")[0].passback


@pytest.mark.parametrize(
    ("offline", "inside", "stranger"),
    [("soft", None, None), ("hard", "anti_passback", None), ("deny",) + ("site_unheard",) * 2],
)
def test_while_another_terminal_is_not_heard_the_configuration_says_what_holds(
    offline: Any, inside: str | None, stranger: str | None
) -> None:
    door, ada = Door(passback="hard", offline=offline), who("ada")
    door.passes(ada)
    door.heard = False
    assert door.reason(ada) == inside
    assert door.reason(who("bob")) == stranger
    assert door.asks(ada, ANYBODY, "out") is None


def test_without_passback_a_silent_terminal_keeps_nobody_out() -> None:
    door = Door(offline="deny")
    door.heard = False
    assert door.asks(who("ada")) is None


# --- how many


def test_of_ten_at_once_one_gets_the_last_place() -> None:
    door = Door(most=10)
    for number in range(9):
        door.passes(who(f"p{number}"))
    found = [door.reason(who(f"q{number}")) for number in range(10)]
    assert found == [None] + ["area_full"] * 9
    assert door.threshold.entering == 1


def test_a_place_that_is_not_used_is_free_again() -> None:
    door, ada, bob = Door(most=1), who("ada"), who("bob")
    assert door.asks(ada) is None
    (going,) = door.grants(ada)
    assert door.reason(bob) == "area_full"
    assert door.threshold.unused(going)
    assert door.reason(bob) is None
    door.threshold.withdrawn("bob")
    assert door.reason(ada) is None
    (going,) = door.grants(ada)
    assert door.asks(ada) is None
    door.threshold.withdrawn("ada")  # the second time; the first grant is still open
    assert door.reason(bob) == "area_full"
    assert door.threshold.unused(going)
    assert door.reason(ada) is None
    door.t_s += AGREED_S + 1
    assert door.reason(bob) is None
    door.grants(bob)
    door.t_s += GRANTED_S + 1
    assert door.reason(ada) is None


def test_who_is_inside_may_come_in_again_though_it_is_full_and_everybody_may_leave() -> None:
    door, ada = Door(most=1), who("ada")
    door.passes(ada)
    assert door.asks(ada) is None
    assert door.asks(who("bob"), ANYBODY, "out") is None


def test_a_second_grant_before_the_door_was_opened_is_the_same_passage() -> None:
    door, ada = Door(most=1), who("ada")
    door.asks(ada)
    (first,) = door.grants(ada)
    assert door.asks(ada) is None
    (second,) = door.grants(ada)
    assert not door.threshold.unused(first)
    assert door.opens(second) == ["ada"]
    assert door.opens(first) == []
    assert not door.threshold.unused(second)


def test_who_turns_round_before_the_door_was_opened_goes_the_other_way() -> None:
    door, ada = Door(), who("ada")
    door.asks(ada)
    (inwards,) = door.grants(ada)
    door.asks(ada, ANYBODY, "out")
    (outwards,) = door.grants(ada, "out")
    assert door.threshold.unused(inwards)
    assert door.opens(outwards) == ["ada"]
    assert door.presence.area("ada") == "outside"


def test_a_door_without_an_area_follows_nobody() -> None:
    door = Door(area=None)
    assert door.here.leads_to("in") is None
    assert door.passes(who("ada")) == ["ada"]
    assert door.presence.area("ada") is None


def test_who_comes_again_before_the_first_passage_is_recorded_is_on_their_way_again() -> None:
    door, ada = Door(passback="soft", most=1), who("ada")
    door.asks(ada)
    (first,) = door.grants(ada)
    assert door.threshold.passed(first)
    assert door.asks(ada) is None
    (second,) = door.grants(ada)
    assert second.passback
    door.threshold.arrived(first)
    assert door.threshold.entering == 1
    assert door.opens(second) == ["ada"]
    assert door.threshold.entering == 0


# --- company


def test_two_different_people_of_one_rule_open_the_door_once_and_both_pass() -> None:
    for first, second in (("ada", "bob"), ("bob", "ada")):
        door = Door()
        assert door.reason(who(first), PAIR) == "second_person"
        assert door.asks(who(second), PAIR) is None
        going = door.grants(who(second))
        assert door.opens(*going) == [first, second]
        assert door.presence.inside("lab") == 2


def test_the_same_person_twice_is_no_second_and_neither_is_one_of_another_rule() -> None:
    door = Door()
    objection = door.asks(who("ada"), PAIR)
    assert objection is not None
    assert objection.waits
    assert door.reason(who("ada"), PAIR) == "second_person"
    other = Ruling(allowed=True, reason="permitted", rule="other", two_people=True)
    assert door.reason(who("bob"), other) == "second_person"
    assert door.asks(who("eve")) is None
    assert len(door.grants(who("eve"))) == 1
    assert door.reason(who("zoe"), PAIR, "out") == "second_person"


def test_a_second_person_who_comes_too_late_is_the_first() -> None:
    door = Door(within_s=10)
    door.asks(who("ada"), PAIR)
    door.t_s += 10.1
    assert door.reason(who("bob"), PAIR) == "second_person"
    assert door.asks(who("ada"), PAIR) is None


def test_who_goes_away_waits_no_more() -> None:
    door = Door()
    door.asks(who("ada"), PAIR)
    door.threshold.withdrawn("ada")
    assert door.reason(who("bob"), PAIR) == "second_person"


def test_who_got_in_elsewhere_meanwhile_is_nobodys_second() -> None:
    door = Door(passback="hard")
    door.asks(who("ada"), PAIR)
    door.presence.take(Moved("ada", "lab", door.now, "other"))
    assert door.reason(who("bob"), PAIR) == "second_person"


def test_two_need_two_places() -> None:
    door = Door(most=2)
    door.passes(who("zoe"))
    assert door.reason(who("ada"), PAIR) == "second_person"
    assert door.reason(who("bob"), PAIR) == "area_full"
    assert door.reason(who("bob")) is None
    assert door.reason(who("ada"), PAIR) == "area_full"


def test_a_visitor_waits_for_an_escort_and_passes_with_them() -> None:
    door = Door()
    assert door.reason(who("gus"), GUEST) == "needs_escort"
    assert door.reason(who("pia", "cleaners")) is None
    assert door.passes(who("ada", "staff")) == ["gus", "ada"]


def test_an_escort_holds_the_door_for_those_who_follow_for_a_time() -> None:
    door = Door(within_s=10)
    assert door.passes(who("ada", "staff")) == ["ada"]
    assert door.passes(who("gus"), GUEST) == ["gus"]
    assert door.reason(who("eve"), GUEST, "out") == "needs_escort"
    door.t_s += 20
    assert door.reason(who("eve"), GUEST) == "needs_escort"


def test_an_escort_whose_door_was_not_opened_holds_it_for_nobody() -> None:
    door, ada = Door(within_s=30), who("ada", "staff")
    assert door.asks(ada) is None
    (going,) = door.grants(ada)
    assert door.asks(who("eve"), GUEST) is None  # as long as it may be
    door.threshold.withdrawn("eve")
    assert door.threshold.unused(going)
    assert door.reason(who("eve"), GUEST) == "needs_escort"


def test_an_escort_is_not_needed_by_one_and_comes_in_alone_where_there_is_no_room() -> None:
    door = Door(most=1)
    assert door.reason(who("gus"), GUEST) == "needs_escort"
    assert door.passes(who("ada", "staff"), GUEST) == ["ada"]
    assert door.reason(who("gus"), GUEST) == "area_full"


def test_two_visitors_of_a_rule_for_two_need_an_escort_all_the_same() -> None:
    both = Ruling(True, "permitted", rule="tour", two_people=True, escort=("staff",))
    door = Door()
    assert door.reason(who("gus"), both) == "second_person"
    assert door.reason(who("eve"), both) == "second_person"
    assert door.passes(who("ada", "staff")) == ["ada"]
    assert door.passes(who("gus"), both) == ["eve", "gus"]


def test_nobody_comes_before_the_keyholder_of_the_day() -> None:
    door = Door()
    assert door.reason(who("ada"), EARLY) == "nobody_in_yet"
    assert door.asks(who("ada"), EARLY, "out") is None
    assert door.passes(who("kim", "keyholders"), EARLY) == ["kim"]
    assert door.passes(who("ada"), EARLY) == ["ada"]


# --- order and days


def test_numbers_only_grow_whatever_the_clock_does_and_follow_what_was_heard() -> None:
    order, year = Order(), 365 * 86_400
    first = order.next(1000.0, 0.0, trusted=False)
    assert first == 1_000_001
    assert order.now(1000.0 + year, 1.0, trusted=False) == 1_001_001
    assert order.next(1000.0 - year, 2.0, trusted=True) == 1_002_002
    assert order.next(1000.0, 1.0, trusted=True) > 1_002_002
    order.heard(5_000_000)
    assert order.next(1003.0, 2.0, trusted=True) > 5_000_000
    assert order.now(9000.0, 2.0, trusted=True) == 9_000_000
    assert Order(77).next(1e9, 5.0, trusted=False) == 78


def test_garbage_ends_at_the_latest_number() -> None:
    order = Order()
    order.heard(10 * LATEST)
    assert order.next(1.0, 1.0, trusted=True) == LATEST
    assert Order().now(-5.0, 0.0, trusted=True) == 1


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-28T12:00:00+01:00", "2026-03-28T02:30:00+01:00"),
        ("2026-03-29T12:00:00+02:00", "2026-03-29T03:30:00+02:00"),  # there is no half past two
        ("2026-10-25T12:00:00+01:00", "2026-10-25T02:30:00+02:00"),  # the first of the two
        ("2026-10-25T02:29:00+02:00", "2026-10-24T02:30:00+02:00"),
    ],
)
def test_once_a_day_is_once_also_when_the_clock_is_set(at: str, expected: str) -> None:
    from datetime import datetime

    moment = datetime.fromisoformat(at).timestamp()
    found = last_time("02:30", moment, BERLIN)
    assert found == datetime.fromisoformat(expected).timestamp()


@given(st.integers(1_700_000_000, 1_900_000_000), st.integers(0, 23), st.integers(0, 59))
def test_there_is_one_such_time_a_day_and_it_is_never_more_than_a_day_ago(
    at: int, hour: int, minute: int
) -> None:
    found = last_time(f"{hour:02}:{minute:02}", at, BERLIN)
    assert 0 <= at - found <= 25 * 3600
    assert last_time(f"{hour:02}:{minute:02}", found, BERLIN) == found
    assert day_of(at, BERLIN) - day_of(found, BERLIN) in (0, 1)
    assert local(at, BERLIN).toordinal() == day_of(at, BERLIN)
