"""Commands from the site, obeyed by the running daemon."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jwt
import pytest

from tests.service.kit import wait

if TYPE_CHECKING:
    from tests.service.kit import Door


def nonce_of(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["jti"])


def test_a_signed_unlock_pulses_the_relay_and_is_answered_once(door: Door) -> None:
    before, seq = len(door.terminal.relay), door.site.seq
    reply = door.site.command("door.unlock", cause="parcel")
    assert reply["result"] == "ok"
    event = door.site.event("door.unlocked", after=seq)
    assert event["data"] == {"command": reply["id"], "key": "site", "cause": "parcel"}
    wait(lambda: door.terminal.relay[before:] == ["on", "off"])
    door.site.command("door.unlock")  # replies keep their order
    assert len(door.site.replies("door.unlock", reply["id"])) == 1


def test_the_state_says_that_the_relay_is_driven_and_that_it_rests_again(door: Door) -> None:
    wait(lambda: door.site.state["door"]["relay"] == "rest")
    door.site.command("door.unlock", duration_s=1.5)
    wait(lambda: door.site.state["door"]["relay"] == "on")
    wait(lambda: door.site.state["door"]["relay"] == "rest")


def test_an_unsigned_unlock_is_refused(door: Door) -> None:
    before, seq = door.terminal.relay, door.site.seq
    number = len(door.site.replies("door.unlock"))
    door.site.publish("door.unlock", json.dumps({"cmd": "door.unlock", "args": {}}))
    door.site.event("command.refused", after=seq, command="door.unlock")
    reply = wait(lambda: door.site.replies("door.unlock")[number:])[0]
    assert reply["result"] == "refused"
    assert door.terminal.relay == before


def test_a_retained_unlock_is_refused_although_it_is_signed(door: Door) -> None:
    before, seq = door.terminal.relay, door.site.seq
    door.site.publish("door.unlock", door.site.signed("door.unlock", {}), retain=True)
    try:
        event = door.site.event("command.refused", after=seq, command="door.unlock")
    finally:
        door.site.forget("door.unlock")
    assert event["data"]["reason"] == "retained"
    assert door.terminal.relay == before


def test_a_command_is_obeyed_once_however_often_it_is_sent(door: Door) -> None:
    seq = door.site.seq
    token = door.site.signed("door.unlock", {})
    door.site.publish("door.unlock", token)
    door.site.publish("door.unlock", token)
    replies = wait(
        lambda: (found := door.site.replies("door.unlock", nonce_of(token)))[1:] and found
    )
    assert [reply["result"] for reply in replies] == ["ok", "refused"]
    door.site.event("command.refused", after=seq, reason="replayed")
    unlocked = [event for event in door.site.events("door.unlocked") if event["seq"] > seq]
    assert len(unlocked) == 1


@pytest.mark.parametrize(
    "payload", [b"\x00" * 1_000_000, b"[" * 4000, b"\xff\xfe"], ids=["huge", "deep", "binary"]
)
def test_a_monstrous_command_does_not_disturb_recognition(door: Door, payload: bytes) -> None:
    seq, before = door.site.seq, door.terminal.relay
    door.stage.show("near")
    door.site.publish("door.unlock", payload)
    door.site.event("command.refused", after=seq, command="door.unlock")
    door.site.event("access.denied", after=seq)
    assert door.terminal.relay == before
    assert door.site.state["degraded"] == {}
