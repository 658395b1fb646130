"""What several people, or a turn of events between two of them, might get past the door with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edged.access.calendar import Calendar
from edged.access.request import Reading
from edged.access.token import Visit, write_token
from edged.config.door import ModeSpan
from edged.door.acts import Ordered
from edged.mqtt.keys import pem
from edged.service.door_mode import DoorMode
from tests.service.test_access_desk import CARD, Bench
from tests.service.test_access_desk import bench as bench  # noqa: PLC0414  # a fixture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.access.request import Direction

PAIR = [{"name": "pair", "groups": ["pair"], "factors": [["card"]], "two_people": True}]
SECOND, FORCED_CARD = "B1B2", "A1FF"


def two(it: Bench, *groups: str) -> None:
    """A second person, with a card only."""
    profile = it.gallery.profile("eileen")
    row = it.house.index.row("eileen")
    assert profile is not None
    assert row is not None
    model = it.house.doorway._model()
    it.gallery.add("frank", -row[1], model=model, quality=0.99, source="photo", limit=5)
    given = {"groups": groups, "cards": [SECOND]}
    it.gallery.set_profile("frank", type(profile).model_validate(given))


def lock_down(it: Bench) -> None:
    it.mode._control.happen(lambda t_s: Ordered(t_s, "locked_down"))
    assert it.mode.mode == "locked_down"


def test_who_waits_for_a_second_person_is_not_let_in_beside_them_in_a_lockdown(
    bench: Callable[..., Bench],
) -> None:
    door = {"driver": "simulated", "lockdown_groups": ["guard"]}
    it = bench(("pair",), access={"rules": PAIR}, door=door)
    two(it, "pair", "guard")
    it.read("card", CARD)
    lock_down(it)
    it.read("card", SECOND)
    assert it.told("access.granted") == []
    assert ("eileen", "locked_down") in [(d["person_id"], d["reason"]) for d in it.told()]
    assert not it.door.relay


def test_who_waits_and_is_taken_out_of_force_meanwhile_is_not_let_in(
    bench: Callable[..., Bench],
) -> None:
    it = bench(("pair",), access={"rules": PAIR})
    two(it, "pair")
    it.read("card", CARD)
    profile = it.gallery.profile("eileen")
    assert profile is not None
    it.gallery.set_profile("eileen", profile.model_copy(update={"groups": ("other",)}))
    it.read("card", SECOND)
    assert it.told("access.granted") == []
    assert ("eileen", "no_rule") in [(d["person_id"], d["reason"]) for d in it.told()]


def test_a_silent_alarm_is_not_lost_by_coming_again_while_somebody_is_waited_for(
    bench: Callable[..., Bench],
) -> None:
    it = bench(("pair",), access={"rules": PAIR})
    profile = it.gallery.profile("eileen")
    assert profile is not None
    given = {"groups": ["pair"], "cards": [CARD, FORCED_CARD], "duress_cards": [FORCED_CARD]}
    it.gallery.set_profile("eileen", type(profile).model_validate(given))
    it.read("card", FORCED_CARD)
    it.read("card", CARD)
    two(it, "pair")
    it.read("card", SECOND)
    assert len(it.told("access.granted")) == 2
    assert [told["person_id"] for told in it.told("access.duress")] == ["eileen"]


def test_whoever_leaves_is_not_the_first_one_in(bench: Callable[..., Bench]) -> None:
    it = bench(("card",))
    span = ModeSpan(mode="open", when="always", first_in=("card",))
    settings = it.config.door.model_copy(update={"timetable": (span,)})
    it.mode.close()
    mode = DoorMode(
        it.outbox, it.door, it.journal, it.state, it.time, may_forget=False, settings=settings,
        schedules=Calendar.of(it.config), sure=lambda: True,
    )  # fmt: skip
    mode.open()
    try:
        object.__setattr__(it.house, "mode", mode)
        modes = []
        ways: list[Direction] = ["out", "in"]
        for direction in ways:
            it.now_s += 1
            it.desk.read(Reading("keypad", "card", CARD, direction, it.now_s))
            mode.tick()
            modes.append(mode.mode)
        assert len(it.told("access.granted")) == 2
        assert modes == ["normal", "open"]
    finally:
        mode.close()


def test_a_code_that_was_used_elsewhere_while_its_visitor_waited_keeps_no_escort_out(
    bench: Callable[..., Bench], tmp_path: Path
) -> None:
    it, visit, code = with_codes(bench, tmp_path)
    visitors = it.parts.visitors
    assert visitors is not None
    it.read("qr", code)
    assert it.shown.ask == "escort"
    visitors.mark_used({"digest": visit.digest})
    it.read("card", CARD)
    assert [told["person_id"] for told in it.told("access.granted")] == ["eileen"]
    (told,) = it.told()
    assert (told["person_id"], told["reason"]) == ("guest-17", "code_used")
    assert it.door.relay


def test_a_code_that_was_used_elsewhere_while_more_was_asked_for_opens_nothing(
    bench: Callable[..., Bench], tmp_path: Path
) -> None:
    it, visit, code = with_codes(bench, tmp_path, "eileen", ["qr", "card"])
    visitors = it.parts.visitors
    assert visitors is not None
    it.read("qr", code)
    visitors.mark_used({"digest": visit.digest})
    it.read("card", CARD)
    assert it.reasons == ["code_used"]
    assert not it.door.relay


def with_codes(
    bench: Callable[..., Bench], folder: Path, who: str = "guest-17", *factors: list[str]
) -> tuple[Bench, Visit, str]:
    """A door that reads codes, and a code of somebody."""
    key = Ed25519PrivateKey.generate()
    (folder / "site.pem").write_text(pem(key.public_key()))
    guests = {"name": "guests", "groups": ["visitor"], "factors": [["qr"]], "escort": ["card"]}
    card: dict[str, Any] = {"name": "card", "groups": ["card"], "factors": [["card"]]}
    card["factors"] = [*factors] or card["factors"]
    access = {"rules": [guests, card], "qr": {"keys": [str(folder / "site.pem")]}}
    it = bench(("card",), access=access)
    assert it.parts.visitors is not None
    it.parts.visitors._unsynced = True  # where the tests run, nobody need keep the clock
    now = int(it.time.now())
    visit = Visit(who, it.config.site, now - 60, now + 3600)
    return it, visit, write_token(visit, key)


def test_a_clean_end_ends_every_attempt_and_raises_the_silent_alarm_of_who_is_asked_for_more(
    bench: Callable[..., Bench],
) -> None:
    rules = [*PAIR, {"name": "two", "groups": ["two"], "factors": [["card", "pin"]]}]
    it = bench(("pair",), access={"rules": rules})
    two(it, "two")
    profile = it.gallery.profile("frank")
    assert profile is not None
    given = {"groups": ["two"], "cards": [SECOND], "duress_cards": [SECOND]}
    it.gallery.set_profile("frank", type(profile).model_validate(given))
    it.read("card", CARD)
    it.read("card", SECOND)
    it.desk.close()
    it.desk.close()
    ended = {(told["person_id"], told["reason"]) for told in it.told()}
    assert ended == {("eileen", "second_person"), ("frank", "cancelled")}
    assert [told["person_id"] for told in it.told("access.duress")] == ["frank"]
