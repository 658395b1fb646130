"""Enrolment at the terminal, begun by the site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.service.kit import PERSON, wait

if TYPE_CHECKING:
    from tests.service.kit import Door


def a_while(door: Door) -> None:
    """Let some frames pass: each WATCHDOG=1 stands for at least one more in every thread."""
    told = door.terminal.told
    number = told.count("WATCHDOG=1")
    wait(lambda: told.count("WATCHDOG=1") >= number + 3)


def test_who_was_enrolled_is_let_in_only_after_leaving_and_coming_back(door: Door) -> None:
    seq = door.site.seq
    reply = door.site.command("enrol.start", person_id=PERSON, name="Eileen Canary", views=2)
    assert reply["result"] == "ok"
    started = door.site.event("enrol.started", after=seq, person_id=PERSON)
    assert started["data"]["command"] == reply["id"]
    door.stage.show("near")
    completed = door.site.event("enrol.completed", after=seq, person_id=PERSON)
    assert completed["data"]["views"] == 2
    assert completed["data"]["command"] == reply["id"]
    a_while(door)
    assert door.terminal.phase == "held"
    assert not [e for e in door.site.events("access.granted") if e["seq"] > seq]
    door.leave()
    door.stage.show("near")
    door.site.event("access.granted", after=completed["seq"], person_id=PERSON)


def test_a_second_enrolment_waits_for_the_first_which_ends_in_time(door: Door) -> None:
    """Its time runs out without a camera too: who comes later is not who was meant."""
    seq = door.site.seq
    door.stage.unplug()
    first = door.site.command("enrol.start", person_id="first", timeout_s=5)
    assert first["result"] == "ok"
    second = door.site.command("enrol.start", person_id="second", timeout_s=5)
    assert (second["result"], second["reason"]) == ("refused", "enrolment_running")
    failed = door.site.event("enrol.failed", after=seq)
    assert failed["data"]["person_id"] == "first"
    assert failed["data"]["command"] == first["id"]
    started = [e["data"]["person_id"] for e in door.site.events("enrol.started") if e["seq"] > seq]
    assert started == ["first"]
    assert door.site.state["gallery"]["people"] == 1
