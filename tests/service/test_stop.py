"""The end of the daemon, asked for."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.service.kit import film, wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.mosquitto import Mosquitto
    from tests.service.kit import Door, Terminal, Views


def test_sigterm_during_a_pulse_ends_cleanly_with_the_relay_at_rest(
    open_door: Callable[..., Door],
) -> None:
    door = open_door()
    door.site.command("door.unlock", duration_s=60)
    assert door.terminal.relay == ["rest", "on"]
    assert "STOPPING=1" not in door.terminal.told
    assert door.terminal.stop() == 0
    assert door.terminal.relay == ["rest", "on", "rest"]
    wait(lambda: "STOPPING=1" in door.terminal.told)
    door.site.status("offline")
    assert [m["status"] for m in door.site.on("status")] == ["online", "stopping", "offline"]
    stopped = door.site.event("terminal.stopped")
    assert stopped["data"] == {"crashed": False}
    assert stopped["historical"] is False
    with door.terminal.outbox() as outbox:
        assert outbox.depth == 0


def test_a_second_sigterm_cuts_what_takes_too_long(
    open_door: Callable[..., Door], mosquitto: Mosquitto
) -> None:
    door = open_door()
    broker = mosquitto._process
    assert broker
    broker.send_signal(signal.SIGSTOP)  # the goodbye waits for an answer that does not come
    try:
        door.terminal.send(signal.SIGTERM)
        wait(lambda: "STOPPING=1" in door.terminal.told)
        door.terminal.send(signal.SIGTERM)
        assert door.terminal.ended() == 1
    finally:
        broker.send_signal(signal.SIGCONT)


def test_a_recording_that_ends_is_a_clean_end(
    tmp_path: Path, views: Views, make_terminal: Callable[..., Terminal]
) -> None:
    film(tmp_path / "film", views, ("empty", 5), ("near", 15), ("empty", 5))
    camera = {"driver": "replay", "source": "film", "pace": "fast"}
    terminal = make_terminal(tmp_path, camera=camera)
    terminal.enrol(views)
    assert terminal.start().ended() == 0
    with terminal.outbox() as outbox:
        types = [event.type for event in outbox.pending()]
    assert types == ["terminal.started", "access.granted", "terminal.stopped"]
    assert terminal.relay == ["rest", "on", "rest"]
