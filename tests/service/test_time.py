"""A real terminal whose clock is behind what it is known to be."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edged.cli.main import main
from edged.events.trusted import MARK, Mark, read_mark, rfc3339, write_mark
from edged.gallery.profile import read_profile
from tests.service.kit import PERSON, wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.kit import Door, Terminal, Views

DAY = 86_400.0


def remembers_a_year_more(terminal: Terminal) -> None:
    """As after a year, a reboot, and a clock that a dead battery set back."""
    with terminal.outbox() as outbox:
        mark = Mark(time.time() + 365 * DAY, 10.0, "the boot before")
        outbox.keep_note(MARK, write_mark(mark))


def test_a_clock_set_back_revives_no_order_and_nobody_whose_time_is_over(
    open_door: Callable[..., Door], views: Views
) -> None:
    def before(terminal: Terminal) -> None:
        terminal.enrol(views)
        with terminal.gallery() as gallery:
            tomorrow = rfc3339(time.time() + DAY)
            gallery.set_profile(PERSON, read_profile({"valid_until": tomorrow}))
        remembers_a_year_more(terminal)

    door = open_door(before=before)
    door.people(0)
    reply = door.site.command("door.unlock")
    assert (reply["result"], reply["reason"]) == ("refused", "expired")
    refused = door.site.event("command.refused")
    assert (refused["data"]["reason"], refused["clock"]) == ("expired", "unsynced")
    assert door.terminal.relay[-1] == "rest"
    state = door.site.state
    assert state["timekeeping"]["source"] == "unknown"
    assert state["timekeeping"]["high_water"] > rfc3339(time.time() + 300 * DAY)
    assert "edged clock reset" in state["degraded"]["clock"]

    assert main(["clock", "reset", "-c", str(door.terminal.config)]) == 0
    wait(lambda: "clock" not in door.site.state["degraded"])
    door.people(1)
    assert door.site.command("door.unlock")["result"] == "ok"
    told = door.site.event("clock.reset")["data"]
    assert told["from"] > told["to"]


def test_how_late_it_was_outlasts_the_terminal(
    open_door: Callable[..., Door],
) -> None:
    door = open_door(before=remembers_a_year_more)
    assert door.terminal.stop() == 0
    with door.terminal.outbox() as outbox:
        mark = read_mark(outbox.note(MARK) or "")
    assert mark is not None
    assert mark.wall_s > time.time() + 364 * DAY
