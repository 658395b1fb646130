"""Cards, PINs, codes and faces at a real terminal: every combination, and what goes wrong."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edged.gallery.people import Enrolment
from tests.mosquitto import PROGRAM, Mosquitto
from tests.service.crowd import Crowd, draw_crowd
from tests.service.kit import Door, Site, Stage, Terminal, Views, running, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.service.engine import Engine
    from edged.types import Floats

WAIT_S = 2.5
CROWD = 100  # so many strangers in the gallery have a doubtful face be doubtful
# who is in which group; the five with a face in `crowd` can come before the camera, Dora only
# resembles one of them
PEOPLE = {
    "ann": "face",
    "bob": "card",
    "dee": "pin",
    "eve": "either",
    "dora": "face",
    "fay": "faceless",
    "gus": "pair",
    "hal": "pair",
    "ida": "nobody",
}
CARDS = {name: f"A{number}01" for number, name in enumerate(PEOPLE)}
PINS = {"dee": "2469", "eve": "1358", "fay": "9753"}
FORCED_PIN, FORCED_CARD = "8643", "A199"
RULES: list[dict[str, Any]] = [
    {"name": "by-face", "groups": ["face"], "factors": [["face"]]},
    {"name": "by-card", "groups": ["card"], "factors": [["card", "face"]]},
    {"name": "by-pin", "groups": ["pin"], "factors": [["pin", "face"]]},
    {"name": "faceless", "groups": ["faceless"], "factors": [["card", "pin"]]},
    {"name": "either", "groups": ["either"], "factors": [["card", "face"], ["card", "pin"]]},
    {"name": "pair", "groups": ["pair"], "factors": [["card"]], "two_people": True},
]
SETTINGS: dict[str, Any] = {
    "decision": {
        "denial_after_s": 0.5,
        "gone_after_s": 0.2,
        "cool_down_s": 1,
        "doubtful": "second_factor",
    },
    "access": {
        "rules": RULES,
        "wait_s": WAIT_S,
        "two_people_within_s": 2.5,
        "pins": {"tries": 3, "rest_s": 120, "longest_rest_s": 600},
    },
    "readers": {"keypad": {"driver": "simulated", "pipe": "keypad"}},
    "door": {
        "driver": "simulated",
        "record": "door.jsonl",
        "pulse_s": 0.3,
        "extended_pulse_s": 1.5,
        "minimum_pulse_s": 0.1,
    },
}


class Place:
    """A door with a keypad, whoever stands there, and what the site hears."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.terminal, self.site = door.terminal, door.site
        self.seq = self.opened = 0
        self.faced = False

    def leave(self) -> None:
        if self.faced:
            self.door.stage.show("empty")
            wait(lambda: self.terminal.phase == "idle")
            self.faced = False
        self.seq = self.site.seq
        self.opened = self.terminal.relay.count("on")

    def come(self, who: str) -> None:
        self.faced = True
        self.door.stage.show(who)

    def show(self, *lines: str) -> None:
        path = self.terminal.folder / "keypad"
        pipe = wait(lambda: opened(path))
        os.write(pipe, "".join(f"{line}\n" for line in lines).encode())
        os.close(pipe)

    def card(self, who: str) -> None:
        self.show(f"card {CARDS[who]}")

    def pin(self, digits: str) -> None:
        self.show(f"pin {digits}")

    def asked(self, phase: str = "second_factor") -> None:
        wait(lambda: self.terminal.phase == phase)

    def granted(self, who: str) -> dict[str, Any]:
        event = self.site.event("access.granted", after=self.seq)
        assert event["data"]["person_id"] == who
        wait(lambda: self.terminal.relay.count("on") > self.opened)
        self.door.at_rest()
        return dict(event["data"])

    def denied(self, reason: str, who: str | None = None) -> dict[str, Any]:
        event = self.site.event("access.denied", after=self.seq)
        self.seq = event["seq"]
        assert (event["data"]["reason"], event["data"].get("person_id")) == (reason, who)
        return dict(event["data"])


@pytest.fixture(scope="module")
def crowd(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Crowd:
    return draw_crowd(tmp_path_factory.mktemp("crowd"), engine)


@pytest.fixture(scope="module")
def running_place(tmp_path_factory: pytest.TempPathFactory, crowd: Crowd) -> Iterator[Place]:
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    terminals = running([])
    try:
        broker.start()
        folder = tmp_path_factory.mktemp("place")
        with Site(broker.port) as site:
            terminal = made(folder, crowd, next(terminals), broker.port)
            stage = Stage(folder / "stage", Views(crowd.scenes, [], crowd.model))
            terminal.start().ready()
            site.status("online")
            yield Place(Door(terminal, stage, site))
    finally:
        terminals.close()
        broker.kill()


def made(
    folder: Path, crowd: Crowd, make: Callable[..., Terminal], port: int, **changes: Any
) -> Terminal:
    """A terminal that knows these people, and a hundred others."""
    os.mkfifo(folder / "keypad")
    camera = {"driver": "replay", "source": "stage", "rate_hz": 30, "loop": True}
    terminal = make(folder, port, camera=camera, **SETTINGS | changes)
    chance = np.random.default_rng(1)
    cy = crowd.embeddings["cy"][0]
    with terminal.gallery() as gallery:
        for name, group in PEOPLE.items():
            like = 0.55 if name == "dora" else 0.0
            add(gallery, crowd, name, crowd.embeddings.get(name) or [apart(cy, like, chance)])
            given: dict[str, Any] = {"groups": [group], "cards": [CARDS[name]]}
            given |= {"pin": PINS.get(name), "extended": name == "ann"}
            if name == "fay":
                given["duress_pin"] = FORCED_PIN
            if name == "bob":
                given |= {"cards": [CARDS[name], FORCED_CARD], "duress_cards": [FORCED_CARD]}
            gallery.set_profile(name, type(gallery.profile(name)).model_validate(given))
        others = [
            Enrolment(f"other-{number}", apart(cy, 0, chance), crowd.model, 0.99, "photo")
            for number in range(CROWD)
        ]
        gallery.add_many(others, limit=5)
    return terminal


def add(gallery: Any, crowd: Crowd, name: str, embeddings: list[Floats]) -> None:
    for one in embeddings:
        gallery.add(name, one, model=crowd.model, quality=0.99, source="photo", limit=5)


def opened(pipe: Path) -> int | None:
    """The pipe, once the terminal reads from it."""
    with suppress(OSError):
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    return None


def apart(face: Floats, cosine: float, chance: np.random.Generator) -> Floats:
    """Somebody this similar to a face."""
    other = chance.normal(size=len(face))
    other -= (other @ face) * face
    mixed = cosine * face + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)
    return (mixed / np.linalg.norm(mixed)).astype(np.float32)


@pytest.fixture
def place(running_place: Place) -> Iterator[Place]:
    running_place.leave()
    yield running_place
    running_place.leave()
    running_place.door.at_rest()
    running_place.site.check_contract()


def test_a_face_alone_names_the_rule_and_its_line(place: Place) -> None:
    before = len(place.terminal.door_record())
    place.come("ann")
    told = place.granted("ann")
    written = place.terminal.config.read_text().splitlines()
    assert told["by"]["rule"] == "by-face"
    assert "name: by-face" in written[told["by"]["line"] - 1]
    assert (told["factors"], told["reader"], told["direction"]) == (["face"], None, "in")
    assert told["reason"] == "matched"
    on, off = place.terminal.door_record()[before:]
    assert off["t"] - on["t"] > 1  # who needs longer is given longer


def test_a_card_and_then_the_face_that_is_compared_with_its_holder_alone(place: Place) -> None:
    place.card("bob")
    place.asked()
    place.come("bob")
    told = place.granted("bob")
    assert (told["factors"], told["people"]) == (["card", "face"], 1)
    assert (told["reader"], told["by"]["rule"]) == ("keypad", "by-card")
    assert told["runner_up"] is None


def test_a_face_and_then_the_card(place: Place) -> None:
    place.come("bob")
    place.asked()
    place.card("bob")
    told = place.granted("bob")
    assert told["factors"] == ["card", "face"]
    assert told["people"] > CROWD


def test_somebody_elses_face_with_a_card(place: Place) -> None:
    relay = place.terminal.relay
    place.card("bob")
    place.asked()
    place.come("ann")
    told = place.denied("not_the_holder", "bob")
    assert told["people"] == 1
    assert told["similarity"] < told["threshold"]
    assert place.terminal.relay == relay


def test_a_card_after_somebody_elses_face_and_then_the_right_one(place: Place) -> None:
    place.come("bob")
    place.asked()
    place.card("eve")
    place.denied("not_the_holder", "bob")
    place.card("bob")
    assert place.granted("bob")["people"] == 1


def test_who_is_not_recognised_is_compared_once_more_when_they_show_a_card(place: Place) -> None:
    place.come("stranger")
    place.denied("not_enrolled")
    place.card("bob")
    assert place.denied("not_the_holder", "bob")["people"] == 1


@pytest.mark.parametrize("first", ["face", "pin"])
def test_a_pin_and_a_face_in_either_order(place: Place, first: str) -> None:
    if first == "pin":
        place.pin(PINS["dee"])
        place.asked()
        place.come("dee")
    else:
        place.come("dee")
        place.asked()
        place.pin(PINS["dee"])
    assert place.granted("dee")["factors"] == ["face", "pin"]


def test_card_and_pin_without_a_face(place: Place) -> None:
    place.card("fay")
    place.asked()
    place.pin(PINS["fay"])
    told = place.granted("fay")
    assert (told["factors"], told["reason"]) == (["card", "pin"], "permitted")
    assert (told["similarity"], told["people"], told["frames"]) == (None, None, 0)
    place.asked("granted")


def test_a_card_and_then_nothing(place: Place) -> None:
    place.card("bob")
    place.denied("factor_missing", "bob")


def test_no_rule_for_somebody(place: Place) -> None:
    place.card("ida")
    told = place.denied("no_rule", "ida")
    assert (told["by"], told["factors"]) == (None, ["card"])
    place.asked("denied")


def test_a_doubtful_face_and_the_card_of_that_person(place: Place) -> None:
    place.come("cy")
    told = place.site.event("access.second_factor", after=place.seq)["data"]
    assert (told["reason"], told["person_id"]) == ("doubtful", "dora")
    place.asked()
    place.card("dora")
    told = place.granted("dora")
    assert told["factors"] == ["card", "face"]
    assert told["similarity"] < told["threshold"]  # of everybody; for one person it is lower


def test_a_doubtful_face_and_the_card_of_somebody_else_and_then_nothing(place: Place) -> None:
    place.come("cy")
    place.site.event("access.second_factor", after=place.seq)
    place.card("ann")
    place.denied("not_the_holder", "dora")
    place.site.event("access.second_factor", after=place.seq)  # they stand there still
    place.denied("doubtful", "dora")


def test_a_pin_under_duress_opens_as_ever_and_the_site_is_told(place: Place) -> None:
    place.card("fay")
    place.pin(FORCED_PIN)
    forced = place.granted("fay")
    told = place.site.event("access.duress", after=place.seq)["data"]
    assert told == {"person_id": "fay", "reader": "keypad", "direction": "in", "opened": True}
    place.leave()
    place.card("fay")
    place.pin(PINS["fay"])
    assert place.granted("fay") == forced
    assert place.site.events("access.duress")[-1]["seq"] <= place.seq


def test_a_marked_card_raises_the_silent_alarm_too(place: Place) -> None:
    place.show(f"card {FORCED_CARD}")
    place.come("bob")
    place.granted("bob")
    assert place.site.event("access.duress", after=place.seq)["data"]["opened"] is True


def test_two_people_pass_together_and_one_does_not(place: Place) -> None:
    place.card("gus")
    place.asked()
    place.card("hal")
    wait(lambda: [e for e in place.site.events("access.granted") if e["seq"] > place.seq][1:])
    who = {event["data"]["person_id"] for event in place.site.events("access.granted")[-2:]}
    assert who == {"gus", "hal"}
    place.leave()
    place.card("hal")
    place.denied("second_person", "hal")


def test_an_unknown_card_is_told_by_a_digest(place: Place) -> None:
    place.show("card 5E5E5E")
    one = place.denied("unknown_card")["card"]
    place.show("card 5E5E5E")
    assert place.denied("unknown_card")["card"] == one
    assert "5E5E5E" not in place.terminal.log
    for _ in range(2):  # whoever is known eases what that began
        place.card("fay")
        place.pin(PINS["fay"])
        place.granted("fay")
        place.leave()


def test_without_a_camera_card_and_pin_open_and_the_state_says_so(place: Place) -> None:
    place.door.stage.unplug()
    wait(lambda: "camera" in place.site.state.get("degraded", {}))
    assert "card and pin" in place.site.state["degraded"]["camera"]
    place.card("eve")
    place.pin(PINS["eve"])
    assert place.granted("eve")["factors"] == ["card", "pin"]
    place.leave()
    place.card("bob")
    place.denied("factor_unavailable", "bob")
    place.door.stage.show("empty")
    wait(lambda: "camera" not in place.site.state["degraded"])


def test_guessing_is_locked_out_over_a_restart_and_nobody_learns_from_going_on(
    place: Place,
) -> None:
    """The last test here: it leaves the reader at rest."""
    for _ in range(3):  # whoever is right eases what the tests before left at the reader
        place.card("fay")
        place.pin(PINS["fay"])
        place.granted("fay")
        place.leave()
    for _ in range(3):
        place.card("fay")
        place.pin("0000")
        # what was left of the test before may end meanwhile
        found = place.site.event(
            "access.denied", after=place.seq, reason="wrong_pin", person_id="fay"
        )
        place.seq = found["seq"]
    wait(lambda: place.site.events("access.locked_out")[1:])
    told = [event["data"] for event in place.site.events("access.locked_out")]
    assert {one["what"] for one in told} == {"person", "reader"}
    assert {one["rest_s"] for one in told} == {120.0}
    assert place.terminal.stop() == 0
    place.terminal.start().ready()
    seq = place.site.event("terminal.started", after=told_last(place))["seq"]
    opened, said = place.terminal.relay.count("on"), place.terminal.log.count("phase=denied")
    place.card("fay")  # neither the card is looked at, nor the PIN, which is right
    place.pin(PINS["fay"])
    wait(lambda: place.terminal.log.count("phase=denied") > said)
    assert place.terminal.relay.count("on") == opened
    place.come("ann")  # a face is no guess
    place.site.event("access.granted", after=seq, person_id="ann")
    events = [event for event in place.site.events() if event["seq"] > seq]
    assert {event["data"].get("person_id") for event in events} == {"ann"}
    place.leave()


def told_last(place: Place) -> int:
    return int(place.site.events("access.locked_out")[-1]["seq"])
