"""Attendance through the real daemon: a face before the camera, keys, corrections, reports."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.service.kit import PERSON, PRIVATE_PEM, wait
from tests.service.test_kill import DECISION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.events.types import Event
    from tests.service.kit import Door, Stage, Terminal, Views

KILLS = int(os.environ.get("EDGED_KILLS", "3"))


def edged(terminal: Terminal, *argv: object, code: int = 0) -> Any:
    """A command beside the daemon, in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-m", "edged", *map(str, argv), "--json"],
        capture_output=True,
        cwd=terminal.folder,
        check=False,
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def days() -> tuple[str, str, str, str]:
    today = datetime.now(UTC).date()
    day = timedelta(days=1)
    return "--from", str(today - day), "--to", str(today + day)


def press(pipe: Path, line: str) -> None:
    with pipe.open("w") as file:
        file.write(f"{line}\n")


def test_a_day_at_a_terminal_that_does_nothing_but_attendance(
    open_door: Callable[..., Door], views: Views, tmp_path: Path
) -> None:
    door = open_door(
        lambda terminal: terminal.enrol(views),
        decision=DECISION | {"profile": "attendance"},
        attendance={"keys": ["break", "return"], "fold_within_s": 3600},
        readers={"keys": {"driver": "simulated", "pipe": "keys"}},
        time_zone="Asia/Kathmandu",
    )
    config = door.terminal.config
    door.stage.show("near")
    first = door.site.event("attendance.punched")
    assert first["data"] == {
        "person_id": PERSON,
        "state": "in",
        "by": "role",
        "reader": "camera",
        "count": 1,
    }
    granted = door.site.event("access.granted")
    assert granted["seq"] < first["seq"]
    seq = door.leave()
    door.stage.show("near")
    again = door.site.event("attendance.punched", after=seq)
    assert (again["data"]["folds"], again["data"]["count"]) == (first["id"], 2)
    seq = door.leave()
    press(tmp_path / "keys", "key break")
    wait(lambda: "reader" not in door.site.state.get("degraded", {}))
    door.stage.show("near")
    paused = door.site.event("attendance.punched", after=seq)
    assert (paused["data"]["state"], paused["data"]["by"]) == ("break", "key")
    door.leave()

    early = (datetime.fromisoformat(first["time"]) - timedelta(minutes=30)).isoformat()
    reply = door.site.command(
        "attendance.correct",
        person_id=PERSON,
        action="replace",
        punch=first["id"],
        time=early,
        why="stood before a dark camera",
        who="hr-7",
    )
    assert (reply["result"], reply["data"]["state"]) == ("ok", "in")
    corrected = door.site.event("attendance.corrected")
    assert corrected["data"]["key"] == "site"
    for args, reason in (
        ({"person_id": PERSON, "action": "void", "punch": "0" * 32, "why": "x"}, "no_such_punch"),
        ({"person_id": PERSON, "action": "void", "why": "x"}, "bad_correction"),
        ({"person_id": PERSON, "action": "erase", "why": "x"}, "bad_args"),
    ):
        refused = door.site.command("attendance.correct", **args)
        assert (refused["result"], refused["reason"]) == ("refused", reason)

    office = tmp_path / "office"
    office.mkdir()
    key = office / "key.pem"
    key.touch(mode=0o600)
    key.write_bytes(PRIVATE_PEM)
    settings = {
        "broker": {"host": "127.0.0.1", "port": door.site.port},
        "site": "hq",
        "key_id": "site",
        "key_file": "key.pem",
    }
    (office / "ctl.yaml").write_text(yaml.safe_dump(settings))
    ctl = "ctl", "attendance", "correct", "--site-config", office / "ctl.yaml", "-t", "door-1"
    told = edged(
        door.terminal, *ctl, "void", PERSON, "--punch", paused["id"], "--why", "by mistake"
    )
    assert told["replies"]["door-1"]["data"]["id"] == paused["id"]
    edged(door.terminal, *ctl, "void", PERSON, "--why", "nothing named", code=1)

    report = edged(door.terminal, "attendance", "report", "-c", config, *days())
    (day,) = report["days"]
    assert (day["person_id"], day["presentations"]) == (PERSON, 2)
    assert [punch["count"] for punch in day["punches"]] == [2]
    assert [one["by"] for one in day["corrections"]] == ["hr-7, site", "site"]
    assert report["zone"] == "Asia/Kathmandu"
    found = edged(
        door.terminal, "events", "query", "-c", config, "--person", PERSON, "--type", "att*.*"
    )
    assert len(found["events"]) == 5
    assert door.terminal.stop() == 0
    assert PERSON not in door.terminal.log


def presentations(events: list[Event]) -> tuple[Counter[str], Counter[str]]:
    """Who was let in, and who punched or was said to have."""
    let_in = [event for event in events if event.type == "access.granted"]
    punched = [event for event in events if event.type.startswith("attendance.")]
    return (
        Counter(str(event.data["person_id"]) for event in let_in),
        Counter(str(event.data["person_id"]) for event in punched),
    )


@pytest.mark.slow
def test_no_moment_to_be_killed_loses_a_punch(
    tmp_path: Path, views: Views, stage: Stage, make_terminal: Callable[..., Terminal]
) -> None:
    dice = random.Random(8)
    terminal = make_terminal(tmp_path, decision=DECISION, attendance={"fold_within_s": 1})
    terminal.enrol(views)
    for _ in range(KILLS):
        before = len(terminal.door_record())
        stage.show("near")
        terminal.start()
        # from when it lets somebody in: the punch comes a moment later
        wait(
            lambda before=before: any(
                entry["relay"] == "on" for entry in terminal.door_record()[before:]
            )
        )
        for _ in range(dice.randrange(3)):
            stage.show("empty")
            stage.show("near")
        assert terminal.process
        try:
            terminal.process.wait(dice.uniform(0, 0.05))
        except subprocess.TimeoutExpired:
            terminal.kill()
    stage.show("empty")
    terminal.start().ready()
    assert terminal.stop() == 0
    with terminal.outbox() as outbox:
        let_in, punched = presentations(list(outbox.events()))
    assert let_in == punched
    assert let_in[PERSON] >= KILLS
    told = edged(terminal, "attendance", "report", "-c", terminal.config, *days())
    assert sum(day["presentations"] for day in told["days"]) == let_in[PERSON]
