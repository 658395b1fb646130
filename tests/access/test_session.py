"""What comes of faces, cards, PINs and codes in any order; time is passed in."""

from __future__ import annotations

from typing import Any

import pytest

from edged.access.request import Factor
from edged.access.session import CheckPin, Decide, Deny, Face, Place, Session

FACE, CARD, PIN, QR = Factor.FACE, Factor.CARD, Factor.PIN, Factor.QR
ALL = frozenset(Factor)
INSIDE = Place("inside", "out")
KEYPAD = Place("keypad")


class Door:
    """A session with rules: who is missing a factor is asked for it, others are let in."""

    def __init__(self, *sets: set[Factor], possible: frozenset[Factor] = ALL, **more: Any) -> None:
        self.sets = [frozenset(one) for one in sets]
        self.possible = possible
        second = more.get("second_factor", (CARD, PIN))
        self.session = Session(15, second, lambda similarity: similarity >= 0.5)
        self.said: list[str] = []
        self.pins = {"ada": "2468", "bob": "1357"}
        self.forced = {"ada": "8642"}

    def run(self, actions: list[Any]) -> list[str]:
        """What came of it: "ada in by card+face", "ada out: doubtful"."""
        said, waiting = [], list(actions)
        while waiting:
            action = waiting.pop(0)
            match action:
                case CheckPin(person, digits):
                    result = "wrong"
                    if digits == self.pins.get(person):
                        result = "right"
                    elif digits == self.forced.get(person):
                        result = "duress"
                    waiting[:0] = self.session.pin_checked(person, result)  # type: ignore[arg-type]
                case Decide(person, factors, _, duress):
                    missing = [one - factors for one in self.sets]
                    if frozenset() in missing:
                        self.session.over()
                        by = "+".join(sorted(factors))
                        said.append(f"{person} in by {by}{' under duress' if duress else ''}")
                    else:
                        waiting[:0] = self.session.lacks(missing, self.possible)
                case Deny(person_id=person, reason=reason):
                    said.append(f"{person} out: {reason}")
        return said

    def face(self, person: str | None, now_s: float = 0, **more: Any) -> list[str]:
        return self.run(self.session.face(Face(person, **{"sure": True, **more}), now_s))

    def doubtful(self, person: str, similarity: float, now_s: float = 0) -> list[str]:
        return self.face(person, now_s, sure=False, similarity=similarity)

    def card(self, person: str, now_s: float = 0, place: Place = KEYPAD, **more: Any) -> list[str]:
        return self.run(self.session.named(CARD, person, place, now_s, **more))

    def code(self, person: str, now_s: float = 0) -> list[str]:
        return self.run(self.session.named(QR, person, Place("camera"), now_s))

    def pin(self, digits: str, now_s: float = 0, place: Place = KEYPAD) -> list[str]:
        return self.run(self.session.pin(digits, place, now_s))


# alone and together


def test_a_face_alone_is_enough_where_the_rules_say_so() -> None:
    assert Door({FACE}).face("ada") == ["ada in by face"]


def test_a_card_asks_for_the_face_of_its_holder_alone() -> None:
    door = Door({CARD, FACE})
    assert door.card("ada") == []
    assert (door.session.asked, door.session.claimed) == ((FACE,), "ada")
    assert door.face("ada", 3, claimed="ada") == ["ada in by card+face"]
    assert door.session.claimed is None


def test_a_face_asks_for_the_card() -> None:
    door = Door({CARD, FACE})
    assert door.face("ada") == []
    assert (door.session.asked, door.session.claimed) == ((CARD,), None)
    assert door.card("ada", 3) == ["ada in by card+face"]


def test_a_face_asks_for_the_pin_of_that_person() -> None:
    door = Door({PIN, FACE})
    assert door.face("ada") == []
    assert door.session.asked == (PIN,)
    assert door.pin("1357", 1) == ["ada out: wrong_pin"]
    assert door.pin("2468", 2) == ["ada in by face+pin"]


def test_a_pin_waits_for_the_face() -> None:
    door = Door({PIN, FACE})
    assert door.pin("2468") == []
    assert door.session.person_id is None
    assert door.face("ada", 3) == ["ada in by face+pin"]


def test_card_and_pin_need_no_face() -> None:
    door = Door({CARD, PIN})
    assert door.card("ada") == []
    assert door.pin("2468", 3) == ["ada in by card+pin"]
    assert door.pin("2468", 4) == []
    assert door.card("ada", 5) == ["ada in by card+pin"]


def test_a_code_alone_and_a_code_with_a_face() -> None:
    assert Door({QR}).code("visitor-1") == ["visitor-1 in by qr"]
    door = Door({QR, FACE})
    assert door.code("ada") == []
    assert door.face("ada", 1, claimed="ada") == ["ada in by face+qr"]


def test_a_card_and_a_code_of_one_person_add_up() -> None:
    door = Door({QR, CARD})
    assert door.code("ada") == []
    assert door.card("ada", 1) == ["ada in by card+qr"]


def test_what_is_asked_for_first_can_be_shown_where_they_stand() -> None:
    door = Door({CARD, FACE, PIN})
    assert door.card("ada") == []
    assert door.session.asked == (PIN, FACE)
    assert door.pin("2468", 1) == []
    assert door.session.asked == (FACE,)
    assert door.face("ada", 2, claimed="ada") == ["ada in by card+face+pin"]


def test_another_alternative_than_the_one_asked_for_will_do() -> None:
    door = Door({CARD, PIN}, {CARD, FACE})
    assert door.card("ada") == []
    assert (door.session.asked, door.session.claimed) == ((PIN,), "ada")
    assert door.face("ada", 1, claimed="ada") == ["ada in by card+face"]


def test_what_cannot_be_shown_here_is_not_asked_for() -> None:
    door = Door({CARD, FACE}, {CARD, PIN}, possible=frozenset({CARD, PIN}))
    assert door.card("ada") == []
    assert door.session.asked == (PIN,)
    door = Door({CARD, FACE}, possible=frozenset({CARD, PIN}))
    assert door.card("ada") == ["ada out: factor_unavailable"]
    assert door.session.until_s is None


# somebody else's


def test_somebody_elses_face_with_a_card() -> None:
    door = Door({CARD, FACE})
    door.card("ada")
    assert door.face(None, 1, sure=False, claimed="ada") == ["ada out: not_the_holder"]
    assert door.card("bob", 2) == []


def test_a_face_that_is_only_doubtful_with_a_card() -> None:
    door = Door({CARD, FACE})
    door.card("ada")
    assert door.face("ada", 1, sure=False, claimed="ada") == ["ada out: doubtful"]


def test_a_card_after_somebody_elses_face() -> None:
    door = Door({CARD, FACE})
    door.face("ada")
    assert door.card("bob", 1) == ["ada out: not_the_holder"]
    assert door.card("ada", 2) == []
    assert door.session.claimed == "ada"


def test_a_second_card_takes_the_place_of_the_first() -> None:
    door = Door({CARD, FACE})
    door.card("ada")
    assert door.card("bob", 1) == ["ada out: factor_missing"]
    assert door.session.claimed == "bob"
    assert door.face("bob", 2, claimed="bob") == ["bob in by card+face"]


def test_a_face_that_answers_an_earlier_claim_is_worth_nothing() -> None:
    door = Door({CARD, FACE}, {FACE})
    door.sets = [frozenset({CARD, FACE})]
    door.card("ada")
    door.card("bob", 1)
    door.sets = [frozenset({FACE})]
    assert door.face("ada", 2, claimed="ada") == []
    assert door.session.claimed == "bob"
    assert door.face("bob", 3, claimed="bob") == ["bob in by card+face"]


def test_a_face_that_answers_a_claim_that_is_over_is_worth_nothing_even_where_a_face_would_do() -> (
    None
):
    door = Door({FACE})
    assert door.face("ada", 2, claimed="ada") == ["ada out: timed_out"]


def test_a_face_that_was_recognised_among_all_just_as_its_card_came() -> None:
    door = Door({CARD, FACE})
    door.card("ada")
    assert door.face("ada", 1) == ["ada in by card+face"]
    door.card("ada", 2)
    assert door.doubtful("ada", 0.5, 3) == ["ada in by card+face"]
    door.card("ada", 4)
    assert door.doubtful("ada", 0.4, 5) == []  # looked at again, with the claim
    assert door.face(None, 6, sure=False) == []  # likewise
    assert door.face("bob", 7) == ["ada out: not_the_holder"]


def test_the_next_one_before_the_camera_takes_nothing_over_from_the_one_before() -> None:
    door = Door({CARD, FACE})
    door.face("ada")
    assert door.face("bob", 1) == ["ada out: factor_missing"]
    assert door.card("ada", 2) == ["bob out: not_the_holder"]
    door.face("ada", 3)
    assert door.face(None, 4, sure=False) == ["ada out: factor_missing"]


def test_whoever_is_recognised_again_goes_on() -> None:
    door = Door({CARD, FACE})
    door.face("ada")
    assert door.face("ada", 10) == []
    assert door.card("ada", 20) == ["ada in by card+face"]
    door.face("ada", 30)
    assert door.doubtful("ada", 0.3, 31) == []  # was recognised a moment ago
    assert door.card("ada", 32) == ["ada in by card+face"]


def test_a_pin_of_whoever_was_there_before_is_not_taken_for_a_strangers() -> None:
    door = Door({PIN, FACE})
    door.pin("2468")
    assert door.face(None, 1, sure=False) == []
    assert door.face("ada", 2) == []
    assert door.session.asked == (PIN,)


def test_a_wrong_pin_before_a_face_that_is_enough() -> None:
    door = Door({FACE})
    door.pin("0000")
    assert door.face("ada", 1) == ["ada out: wrong_pin", "ada in by face"]


def test_the_answer_about_a_pin_that_nobody_waits_for() -> None:
    door = Door({PIN, FACE})
    assert door.session.pin_checked("ada", "right") == []
    door.face("ada")
    door.session.pin("2468", KEYPAD, 1)
    assert door.session.pin_checked("bob", "right") == []
    assert door.pin("2468", 2) == ["ada in by face+pin"]


def test_the_way_out_takes_nothing_over_from_the_way_in() -> None:
    door = Door({CARD, PIN})
    door.card("ada")
    assert door.pin("2468", 1, INSIDE) == ["ada out: factor_missing"]
    assert door.card("ada", 2) == []
    assert door.session.asked == (PIN,)
    door = Door({CARD, FACE})
    door.face("ada")
    assert door.card("ada", 1, INSIDE) == ["ada in by card+face"]


# doubt


@pytest.mark.parametrize(
    ("similarity", "said"), [(0.5, ["ada in by card+face"]), (0.49, ["ada out: doubtful"])]
)
def test_a_doubtful_face_and_the_card_of_that_person(similarity: float, said: list[str]) -> None:
    door = Door({FACE})
    assert door.doubtful("ada", similarity) == []
    assert (door.session.asked, door.session.claimed) == ((CARD, PIN), None)
    assert door.card("ada", 1) == said


@pytest.mark.parametrize(
    ("similarity", "said"), [(0.5, ["ada in by face+pin"]), (0.49, ["ada out: doubtful"])]
)
def test_a_doubtful_face_and_the_pin_of_that_person(similarity: float, said: list[str]) -> None:
    door = Door({FACE})
    door.doubtful("ada", similarity)
    assert door.pin("1357", 1) == ["ada out: wrong_pin"]
    assert door.pin("2468", 2) == said
    door.pin("2468", 3)
    assert door.doubtful("ada", similarity, 4) == said


def test_a_doubtful_face_and_the_card_of_somebody_else() -> None:
    door = Door({FACE})
    door.doubtful("ada", 0.6)
    assert door.card("bob", 1) == ["ada out: not_the_holder"]


def test_a_doubtful_face_and_nothing_more() -> None:
    door = Door({FACE})
    door.doubtful("ada", 0.6)
    assert door.session.doubted == "ada"
    assert door.doubtful("ada", 0.6, 8) == []  # they stand there still
    assert door.run(door.session.tick(14.9)) == []
    assert door.run(door.session.tick(15)) == ["ada out: doubtful"]
    assert door.session.doubted is None


def test_the_best_of_what_a_doubtful_face_showed_counts() -> None:
    door = Door({FACE})
    door.doubtful("ada", 0.6)
    door.doubtful("ada", 0.3, 8)
    assert door.card("ada", 9) == ["ada in by card+face"]


def test_a_doubtful_face_that_becomes_clear() -> None:
    door = Door({CARD, FACE})
    door.doubtful("ada", 0.6)
    assert door.face("ada", 8) == []
    assert door.session.asked == (CARD,)
    assert door.card("ada", 9) == ["ada in by card+face"]


def test_without_a_second_factor_a_doubtful_face_leads_nowhere() -> None:
    door = Door({FACE}, second_factor=())
    assert door.doubtful("ada", 0.6) == []
    assert (door.session.asked, door.session.until_s) == ((), None)


# time, and an end


@pytest.mark.parametrize(
    ("now_s", "said"), [(14.9, "in by card+face"), (15, "out: factor_missing")]
)
def test_a_factor_counts_for_a_while(now_s: float, said: str) -> None:
    door = Door({CARD, FACE})
    door.face("ada")
    assert door.card("ada", now_s)[:1] == [f"ada {said}"]


def test_all_factors_count_at_the_same_time_or_none_does() -> None:
    door = Door({CARD, FACE, PIN})
    door.card("ada")
    door.pin("2468", 14)
    assert door.face("ada", 15.5, claimed="ada") == [
        "ada out: factor_missing",
        "ada out: timed_out",
    ]


def test_digits_that_nobody_claims_are_forgotten_without_a_word() -> None:
    door = Door({PIN, FACE})
    door.pin("2468")
    assert door.session.until_s == 15
    assert door.run(door.session.tick(15)) == []
    assert door.face("ada", 16) == []
    assert door.session.asked == (PIN,)


def test_cancelling() -> None:
    door = Door({CARD, FACE})
    assert door.run(door.session.cancel()) == []
    door.card("ada")
    assert door.run(door.session.cancel()) == ["ada out: cancelled"]
    assert door.session.until_s is None


# duress


def test_duress_goes_with_the_attempt_whatever_comes_of_it() -> None:
    door = Door({CARD, PIN})
    door.card("ada")
    assert door.pin("8642", 1) == ["ada in by card+pin under duress"]
    assert door.card("ada", 2) == []
    assert door.pin("2468", 3) == ["ada in by card+pin"]
    door.card("ada", 4, duress=True)
    assert door.pin("2468", 5) == ["ada in by card+pin under duress"]
    door.doubtful("ada", 0.6, 6)
    actions = door.session.named(CARD, "ada", KEYPAD, 7, duress=True)
    assert [one.duress for one in actions if isinstance(one, Decide)] == [True]
    door.session.over()
    door.session.named(CARD, "ada", KEYPAD, 8, duress=True)
    (denied,) = door.session.tick(30)
    assert isinstance(denied, Deny)
    assert denied.duress


def test_no_digits_stand_in_what_may_be_printed() -> None:
    door = Door({PIN, FACE})
    door.pin("2468")
    (check,) = door.session.face(Face("ada", sure=True), 1)
    assert "2468" not in repr(check)
    assert "2468" not in repr(vars(door.session))
