"""What happens at the door, as the site and the relay see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.service.kit import PERSON, wait

if TYPE_CHECKING:
    from tests.service.kit import Door, Views


def test_an_enrolled_person_is_let_in_once_and_the_site_is_told_why(
    door: Door, views: Views
) -> None:
    door.terminal.enrol(views)
    door.people(2)
    before, seq = len(door.terminal.relay), door.site.seq
    door.stage.show("near")
    event = door.site.event("access.granted", after=seq)
    door.leave()
    door.at_rest()
    assert door.terminal.relay[before:] == ["on", "off"]
    assert event["historical"] is False
    told = event["data"]
    assert told["person_id"] == PERSON
    assert told["model"] == views.model
    assert told["similarity"] >= told["threshold"] > 0.3
    assert 0 < told["implied_fpir"] <= 0.003
    assert told["quality"] > 0.5
    assert told["fused_quality"] >= 0.5
    assert told["margin"] == 0.03
    assert told["frames"] >= 3
    assert told["people"] == 2
    assert told["instructions"] == []
    assert "name" not in told


def test_a_stranger_is_refused_and_the_relay_rests(door: Door) -> None:
    before, seq = door.terminal.relay, door.site.seq
    door.stage.show("near")
    event = door.site.event("access.denied", after=seq)
    assert event["data"]["reason"] == "not_enrolled"
    assert "person_id" not in event["data"]
    door.leave()
    assert door.terminal.relay == before


@pytest.mark.parametrize(
    ("scene", "instruction"),
    [("far", "come_closer"), ("dark", "more_light"), ("blurred", "hold_still")],
)
def test_a_view_that_cannot_be_trusted_is_taken_again_even_of_an_enrolled_person(
    door: Door, views: Views, scene: str, instruction: str
) -> None:
    door.terminal.enrol(views)
    door.people(2)
    before, seq = door.terminal.relay, door.site.seq
    door.stage.show(scene)
    event = door.site.event("capture.retake", after=seq)
    assert event["data"]["reason"] == instruction
    assert instruction in event["data"]["instructions"]
    door.leave()
    after = [e["type"] for e in door.site.events() if e["seq"] > seq]
    assert after == ["capture.retake"]
    assert door.terminal.relay == before


def test_who_follows_the_instruction_is_let_in(door: Door, views: Views) -> None:
    door.terminal.enrol(views)
    door.people(2)
    seq = door.site.seq
    door.stage.show("far")
    door.site.event("capture.retake", after=seq, reason="come_closer")
    door.stage.show("near")
    event = door.site.event("access.granted", after=seq)
    assert "come_closer" in event["data"]["instructions"] or event["data"]["frames"] >= 3
    wait(lambda: door.terminal.relay[-1] == "off")
