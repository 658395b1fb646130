"""Enrolment at the terminal, begun by the site."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from edged.web.texts import load_texts
from tests.service.kit import PERSON, wait
from tests.service.test_screen import HEADLINE, PAGE, free_port
from tests.web.browser import Browser
from tests.web.test_enrolment import press

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chromium import Chromium
    from tests.service.kit import Door

ENGLISH = load_texts().known["en"]


def a_while(door: Door) -> None:
    """Let some frames pass: each WATCHDOG=1 stands for at least one more in every thread."""
    told = door.terminal.told
    number = told.count("WATCHDOG=1")
    wait(lambda: told.count("WATCHDOG=1") >= number + 3)


def test_who_was_enrolled_is_let_in_only_after_leaving_and_coming_back(door: Door) -> None:
    seq = door.site.seq
    reply = door.site.command(
        "enrol.start", person_id=PERSON, name="Eileen Canary", views=2, timeout_s=20
    )
    assert (reply["result"], reply["data"]) == ("ok", {"confirm": "none"})
    started = door.site.event("enrol.started", after=seq, person_id=PERSON)
    assert started["data"]["command"] == reply["id"]
    door.stage.show("near")
    completed = door.site.event("enrol.completed", after=seq, person_id=PERSON)
    assert completed["data"]["views"] == 2
    assert completed["data"]["kinds"] == ["frontal", "frontal"]
    assert completed["data"]["confirmed"] == "none"
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
    assert failed["data"]["reason"] == "camera"
    started = [e["data"]["person_id"] for e in door.site.events("enrol.started") if e["seq"] > seq]
    assert started == ["first"]
    assert door.site.state["gallery"]["people"] == 1


def test_an_enrolment_can_be_cancelled(door: Door) -> None:
    seq = door.site.seq
    nothing = door.site.command("enrol.cancel")
    assert (nothing["result"], nothing["reason"]) == ("refused", "no_enrolment")
    started = door.site.command("enrol.start", person_id="first")
    other = door.site.command("enrol.cancel", person_id="second")
    assert (other["result"], other["reason"]) == ("refused", "no_enrolment")
    assert door.site.command("enrol.cancel", person_id="first")["result"] == "ok"
    failed = door.site.event("enrol.failed", after=seq, person_id="first")
    assert (failed["data"]["reason"], failed["data"]["command"]) == ("cancelled", started["id"])


@pytest.mark.parametrize(
    ("args", "reason", "where"),
    [
        ({"valid_from": "tomorrow"}, "bad_profile", "valid_from"),
        ({"valid_until": "2027-01-31T18:00"}, "bad_profile", "zone"),
        ({"consent": {"basis": "contract", "expires": "31.1.2027"}}, "bad_profile", "expires"),
        ({"groups": [" staff "]}, "bad_profile", "groups"),
        ({"consent": {"given": "2027-01-31"}}, "bad_args", "basis"),
        ({"consent": {"basis": "x", "confirmed": "turn"}}, "bad_args", "confirmed"),
        ({"retention_days": 4000}, "bad_args", "retention_days"),
        ({"groups": "staff"}, "bad_args", "groups"),
    ],
)
def test_a_profile_that_makes_no_sense_begins_nothing(
    door: Door, args: dict[str, Any], reason: str, where: str
) -> None:
    seq = door.site.seq
    reply = door.site.command("enrol.start", person_id="new", **args)
    assert (reply["result"], reply["reason"]) == ("refused", reason)
    assert where in reply["text"]
    assert not [e for e in door.site.events("enrol.started") if e["seq"] > seq]


@pytest.mark.parametrize(("button", "kind"), [("agree", "completed"), ("decline", "failed")])
def test_the_person_agrees_or_declines_on_the_page(
    open_door: Callable[..., Door], chrome: Chromium, button: str, kind: str
) -> None:
    port = free_port()
    door = open_door(web={"port": port}, gallery={"enrolment_confirm": "page"})
    chrome.page(f"http://127.0.0.1:{port}/", (480, 800))
    try:
        chrome.until(f"{PAGE}phase === 'idle'")
        reply = door.site.command(
            "enrol.start",
            person_id=PERSON,
            name="Eileen Canary",
            views=1,
            groups=["staff"],
            valid_until="2099-01-31T18:00+01:00",
            consent={"basis": "contract"},
        )
        assert reply["data"] == {"confirm": "page"}
        door.stage.show("near")
        chrome.until(f"{HEADLINE} === arguments[0]", ENGLISH.enrolment["page"])
        above = chrome.run("return document.getElementById('above').textContent")
        assert above == ENGLISH.enrolment["ask"].format(person=PERSON)
        press(chrome, button)
        event = door.site.event(f"enrol.{kind}", person_id=PERSON)
        if button == "agree":
            assert event["data"]["confirmed"] == "page"
            chrome.until(f"{HEADLINE} === arguments[0]", ENGLISH.enrolment["enrolled"])
            with door.terminal.gallery() as gallery:
                kept = gallery.profile(PERSON)
            assert (kept.groups, kept.consent.confirmed) == (("staff",), "page")
        else:
            assert event["data"]["reason"] == "declined"
            chrome.until(f"{HEADLINE} === arguments[0]", ENGLISH.enrolment["not_enrolled"])
    finally:
        chrome.blank()
    assert "Canary" not in json.dumps(door.site.events()) + door.terminal.log


def test_no_page_of_a_terminal_without_buttons_takes_an_answer(
    open_door: Callable[..., Door],
) -> None:
    port = free_port()
    open_door(web={"port": port}, gallery={"enrolment_confirm": "turn"})
    assert Browser(port).post("/enrolment", b"{}").status == 404
