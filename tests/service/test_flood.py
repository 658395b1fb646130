"""10,000 messages a second on ``cmd/door.unlock``: the door works on, and commands come back."""

from __future__ import annotations

import os
import re
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edged.mqtt.sign import sign_command
from tests.mosquitto import free_port
from tests.mqtt.conftest import STRANGER
from tests.service.flooding import start
from tests.service.kit import AUDIENCE, Door, Site, wait
from tests.service.test_commands import nonce_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.mosquitto import Mosquitto
    from tests.service.kit import Stage, Terminal, Views

SECONDS = float(os.environ.get("EDGED_FLOOD", "6"))
RATE_HZ = 3400
MOST_MB = 80
QUIET = ("status", "state", "event/#", "backlog/#", "cmd/+/result")  # not the flood itself


@pytest.fixture
def door(
    tmp_path: Path,
    mosquitto: Mosquitto,
    stage: Stage,
    views: Views,
    make_terminal: Callable[..., Terminal],
) -> Iterator[Door]:
    decision = {"retake_after_s": 0.7, "gone_after_s": 0.3, "cool_down_s": 0.5}
    web = {"port": free_port()}
    terminal = make_terminal(tmp_path, mosquitto.port, decision=decision, web=web)
    terminal.enrol(views)
    with Site(mosquitto.port, listens=QUIET) as site:
        terminal.start().ready()
        site.status("online")
        yield Door(terminal, stage, site)


def resident_mb(door: Door) -> float:
    assert door.terminal.process
    return int(Path(f"/proc/{door.terminal.process.pid}/statm").read_text().split()[1]) * 4 / 1024


def frames(door: Door) -> int:
    """How many the vision thread has looked at."""
    port = int(re.findall(r"web:\n  port: (\d+)", door.terminal.config.read_text())[0])
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return int(re.findall(r"frames\S* (\d+)", answer.read().decode())[0])


def somebody_comes(door: Door) -> None:
    before = door.terminal.relay.count("on")
    door.stage.show("near")
    wait(lambda: door.terminal.relay.count("on") > before)
    door.stage.show("empty")
    wait(lambda: door.terminal.relay[-1] == "off" and door.terminal.phase == "idle")


def flood(door: Door, *kinds: tuple[str, float, int, list[str]]) -> int:
    """How often somebody came in while it lasted."""
    came = 0
    with ExitStack() as stack:
        processes = [
            stack.enter_context(start(door.site.port, kind, rate_hz, SECONDS, qos, tokens))
            for kind, rate_hz, qos, tokens in kinds
        ]
        while any(process.poll() is None for process in processes):
            somebody_comes(door)
            came += 1
    return came


def obeyed(door: Door) -> None:
    """Commands work again; one that is sent in a pause is lost, and sent anew."""
    sent: list[str] = []
    last_s = 0.0

    def answered() -> bool:
        nonlocal last_s
        if time.monotonic() - last_s > 1:
            token, last_s = door.site.signed("door.unlock", {}), time.monotonic()
            door.site.publish("door.unlock", token)
            sent.append(nonce_of(token))
        replies = [r for nonce in sent for r in door.site.replies("door.unlock", nonce)]
        return any(reply["result"] == "ok" for reply in replies)

    wait(answered)


def refused(door: Door) -> list[dict[str, Any]]:
    return [event["data"] for event in door.site.events("command.refused")]


def test_in_a_flood_the_door_opens_memory_and_events_stay_bounded_and_commands_come_back(
    door: Door,
) -> None:
    somebody_comes(door)
    forged = [
        sign_command(STRANGER.private, "site", AUDIENCE, "door.unlock", {}) for _ in range(50)
    ]
    replayed = door.site.signed("door.unlock", {})
    door.site.publish("door.unlock", replayed)
    door.site.event("door.unlocked")
    door.at_rest()
    memory_mb, seen = resident_mb(door), frames(door)
    came = flood(
        door,
        ("random", RATE_HZ, 0, []),
        ("tokens", RATE_HZ, 1, forged),
        ("tokens", RATE_HZ, 0, [replayed]),
    )
    assert came >= 2
    assert frames(door) - seen > 3 * came
    assert resident_mb(door) - memory_mb < MOST_MB
    door.site.event("command.flood", pause_s=5)
    wait(lambda: any("commands" in state["degraded"] for state in door.site.on("state")))
    wait(lambda: "commands" not in door.site.state["degraded"])
    wait(lambda: any(event["unrecorded"] > 300 for event in refused(door)))
    told = refused(door)
    assert len(told) < 40
    assert {"malformed", "not_text", "bad_signature", "replayed"} & {e["reason"] for e in told}
    assert len(door.site.events("door.unlocked")) == 1
    obeyed(door)


def test_a_flood_of_a_megabyte_each_fills_no_memory(door: Door) -> None:
    somebody_comes(door)
    memory_mb = resident_mb(door)
    assert flood(door, *[("huge", 100, qos, []) for qos in (0, 1, 1)]) >= 2
    assert resident_mb(door) - memory_mb < MOST_MB
    wait(lambda: "commands" not in door.site.state["degraded"])
    wait(lambda: any(event["reason"] == "oversized" for event in refused(door)))
    obeyed(door)
