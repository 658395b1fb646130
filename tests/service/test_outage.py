"""The broker is away: the door goes on, and nothing is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.service.kit import Site, wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.mosquitto import Mosquitto
    from tests.service.kit import Door, Stage, Terminal, Views


def test_a_door_without_a_broker_works_and_tells_later_what_happened(
    tmp_path: Path,
    views: Views,
    stage: Stage,
    mosquitto: Mosquitto,
    make_terminal: Callable[..., Terminal],
) -> None:
    with Site(mosquitto.port) as site:
        mosquitto.save()  # the site's session waits at the broker
        mosquitto.kill()
        terminal = make_terminal(tmp_path, mosquitto.port)
        terminal.enrol(views)
        terminal.start().ready()
        stage.show("near")
        wait(lambda: "on" in terminal.relay)
        stage.show("empty")
        wait(lambda: terminal.relay == ["rest", "on", "off"])
        assert terminal.log.count("no link to the site") == 1
        mosquitto.start()
        site.event("access.granted")
        site.status("online")
        told = [m for m in site.heard if m.topic.startswith(("event/", "backlog/"))]
        assert [m.topic for m in told] == ["backlog/terminal.started", "backlog/access.granted"]
        assert [m.content["historical"] for m in told] == [True, True]
        assert [m.content["seq"] for m in told] == [1, 2]
        wait(lambda: site.state.get("waiting_events") == 0)


def test_a_broker_that_dies_and_comes_back_misses_nothing(
    open_door: Callable[..., Door], mosquitto: Mosquitto, views: Views
) -> None:
    door = open_door(lambda terminal: terminal.enrol(views))
    door.site.command("door.unlock", cause="before")
    door.site.event("door.unlocked", cause="before")
    mosquitto.save()
    mosquitto.kill()
    wait(lambda: "no link to the site" in door.terminal.log)
    door.stage.show("near")
    wait(lambda: "outcome=access.granted" in door.terminal.log)
    door.stage.show("empty")
    wait(lambda: door.terminal.phase == "idle")
    mosquitto.start()
    wait(lambda: door.site.connected)
    granted = door.site.event("access.granted")
    assert granted["historical"] is True
    door.site.status("online")
    door.site.command("door.unlock", cause="after")
    after = door.site.event("door.unlocked", cause="after")
    assert after["historical"] is False
    came = {event["id"]: event["seq"] for event in door.site.events()}  # at least once
    numbers = list(came.values())
    assert numbers == list(range(1, len(numbers) + 1))
    assert door.site.state["degraded"] == {}
