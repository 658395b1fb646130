"""The camera goes and comes; systemd is told the truth meanwhile."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from edged.demo.scenes import NEAR
from edged.demo.stream import CameraStream
from tests.service.kit import wait
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.kit import Door, Stage, Terminal


def watchdogs(terminal: Terminal) -> int:
    return terminal.told.count("WATCHDOG=1")


def test_a_camera_that_vanishes_is_told_once_and_once_when_it_is_back(
    door: Door,
) -> None:
    seq = door.leave()
    door.stage.unplug()
    lost = door.site.event("camera.lost", after=seq)
    assert lost["data"]["reason"]
    wait(lambda: "camera" in door.site.state["degraded"])
    alive = watchdogs(door.terminal)
    wait(lambda: watchdogs(door.terminal) > alive + 1)  # fed by the attempts to get it back
    door.stage.show("near")
    door.site.event("access.denied", after=seq)
    wait(lambda: door.site.state["degraded"] == {})
    kinds = [event["type"] for event in door.site.events() if event["seq"] > seq]
    assert kinds[:3] == ["camera.lost", "camera.back", "access.denied"]
    assert set(kinds[3:]) <= {"access.denied"}  # who goes on standing there is told again


def test_a_door_whose_camera_is_absent_at_the_start_can_be_opened_by_the_site(
    open_door: Callable[..., Door], stage: Stage
) -> None:
    stage.unplug()
    door = open_door()
    wait(lambda: "camera" in door.site.state["degraded"])
    assert door.site.command("door.unlock")["result"] == "ok"
    stage.show("near")
    door.site.event("access.denied", reason="gallery_empty")
    wait(lambda: door.site.state["degraded"] == {})
    kinds = [event["type"] for event in door.site.events()]
    assert (kinds.count("camera.lost"), kinds.count("camera.back")) == (1, 1)


def test_a_network_camera_that_goes_off_and_on(open_door: Callable[..., Door]) -> None:
    with CameraStream() as camera:
        settings = {"driver": "opencv", "source": camera.url, "timeout_s": 1}
        door = open_door(camera=settings, mqtt={})
        camera.show(NEAR)
        door.site.event("access.denied")
    door.site.event("camera.lost")
    wait(lambda: "camera" in door.site.state["degraded"])
    assert door.terminal.stop() == 0


def test_ready_is_told_after_the_first_frame_and_only_once(
    open_door: Callable[..., Door],
) -> None:
    door = open_door()
    told = door.terminal.told
    wait(lambda: "ready after" in door.terminal.log)
    assert door.terminal.log.index("camera live") < door.terminal.log.index("ready after")
    assert door.terminal.stop() == 0
    wait(lambda: "STOPPING=1" in told)
    assert told.count("READY=1") == told.count("STOPPING=1") == 1
    assert told[-1] == "STOPPING=1"
    assert set(told) == {"READY=1", "WATCHDOG=1", "WATCHDOG_USEC=10000000", "STOPPING=1"}


def test_a_terminal_that_stands_still_feeds_no_watchdog(door: Door) -> None:
    terminal = door.terminal
    alive = watchdogs(terminal)
    wait(lambda: watchdogs(terminal) > alive)
    terminal.send(signal.SIGSTOP)
    try:
        stopped = watchdogs(terminal)
        with pytest.raises(AssertionError, match="in vain"):  # two would come in this time
            until(lambda: watchdogs(terminal) > stopped + 1, within_s=1.5)
    finally:
        terminal.send(signal.SIGCONT)
    wait(lambda: watchdogs(terminal) > stopped + 1)
