"""A relay that stops to obey, and obeys again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.service.kit import wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.kit import Door


def test_a_relay_that_does_not_obey_is_told_to_whoever_wanted_it(
    open_door: Callable[..., Door], tmp_path: Path
) -> None:
    """The record is a pipe: without a reader, writing to it fails as a broken relay would."""
    pipe = tmp_path / "door.jsonl"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        door = open_door()
    finally:
        os.close(reader)
    reply = door.site.command("door.unlock")
    assert reply["result"] == "failed"
    event = door.site.event("door.fault")
    assert event["data"]["command"] == reply["id"]
    wait(lambda: "door" in door.site.state["degraded"])
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        wait(lambda: door.site.state["degraded"] == {})
        assert door.site.command("door.unlock")["result"] == "ok"
        assert door.terminal.stop() == 0
        assert os.read(reader, 10_000).splitlines()[-1].count(b'"rest"') == 1
    finally:
        os.close(reader)
