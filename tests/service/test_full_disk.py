"""No room for events: the door does what the installer chose, and says that it does."""

from __future__ import annotations

import os
import resource
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.service.kit import PERSON, wait
from tests.service.manager import allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.service.kit import Door, Terminal, Views


class SmallDisk:
    """A disk of its own for the events; root only."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self, terminal: Terminal) -> None:
        with self._ballast.open("wb", buffering=0) as file:
            for size in (4096, 1):
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError:
                    continue

    def free(self, terminal: Terminal) -> None:
        self._ballast.unlink()


class FileLimit:
    """Where no disk can be mounted: files of the process may not grow any more."""

    def _limit(self, terminal: Terminal, size: int) -> None:
        assert terminal.process
        hard = resource.prlimit(terminal.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(terminal.process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def fill(self, terminal: Terminal) -> None:
        self._limit(terminal, 4096)

    def free(self, terminal: Terminal) -> None:
        self._limit(terminal, resource.RLIM_INFINITY)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk | FileLimit]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    mounted = (
        os.geteuid() == 0 and not subprocess.run(mount, check=False, capture_output=True).returncode
    )
    yield SmallDisk(folder) if mounted else FileLimit()
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_keeps_the_door_shut_until_there_is_room(
    disk: SmallDisk | FileLimit, open_door: Callable[..., Door], views: Views
) -> None:
    decision = {"cool_down_s": 1}
    door = open_door(
        lambda terminal: terminal.enrol(views), events={"path": "disk/e.db"}, decision=decision
    )
    disk.fill(door.terminal)
    door.stage.show("near")
    wait(lambda: "door kept shut" in door.terminal.log)
    wait(lambda: "events" in door.site.state["degraded"])
    door.leave()
    assert door.terminal.relay == ["rest"]
    disk.free(door.terminal)
    door.stage.show("near")
    door.site.event("access.granted", person_id=PERSON)
    wait(lambda: "on" in door.terminal.relay)
    wait(lambda: door.site.state["degraded"] == {})
    assert door.terminal.log.count("events cannot be recorded") == 1
    assert door.terminal.log.count("events are recorded again") == 1


def test_a_full_disk_opens_the_door_where_the_installer_wants_that(
    disk: SmallDisk | FileLimit, open_door: Callable[..., Door], views: Views
) -> None:
    events = {"path": "disk/e.db", "on_write_failure": "grant"}
    door = open_door(lambda terminal: terminal.enrol(views), events=events)
    disk.fill(door.terminal)
    door.stage.show("near")
    wait(lambda: door.terminal.relay == ["rest", "on", "off"])
    wait(lambda: "events" in door.site.state["degraded"])
    assert door.site.events("access.granted") == []


def test_on_a_full_disk_a_lockdown_is_in_force_at_once_and_nothing_that_opens(
    disk: SmallDisk | FileLimit, open_door: Callable[..., Door], views: Views
) -> None:
    door = open_door(
        lambda terminal: terminal.enrol(views), events={"path": "disk/e.db"}, mqtt=allowed()
    )
    disk.fill(door.terminal)
    unlock = door.site.command("door.unlock")
    assert (unlock["result"], unlock["reason"]) == ("refused", "storage")
    order = door.site.signed("door.mode", {"mode": "locked_down"})
    seen = len(door.site.replies("door.mode"))
    door.site.publish("door.mode", order)
    door.site.publish("door.mode", order)
    wait(lambda: len(door.site.replies("door.mode")) == seen + 2)
    told = door.site.replies("door.mode")[seen:]
    assert [(one["result"], one["reason"]) for one in told] == [
        ("failed", "not_recorded"),
        ("refused", "replayed"),
    ]
    wait(lambda: door.site.state["door"]["mode"] == "locked_down")
    assert door.site.command("door.mode", mode="normal")["result"] == "refused"
    assert door.site.state["door"]["mode"] == "locked_down"
    disk.free(door.terminal)
    assert door.site.command("door.mode", mode="normal")["result"] == "ok"
