from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edged.config.schema import SimulatedDoor
from edged.door import open_door
from edged.door.simulated import SimulatedLine
from edged.errors import DoorError
from tests.wait import until

PULSE_FOR_EVER = """
import sys, threading
from pathlib import Path
from edged.config.schema import SimulatedDoor
from edged.door import open_door
door = open_door(SimulatedDoor(driver="simulated", record=Path(sys.argv[1])))
door.pulse(60)
print("pulsing", flush=True)
threading.Event().wait()
"""


def relays(record: Path) -> list[str]:
    return [json.loads(line)["relay"] for line in record.read_text().splitlines()]


def settings(record: Path | None) -> SimulatedDoor:
    return SimulatedDoor(driver="simulated", record=record)


def test_the_record_begins_and_ends_with_rest(tmp_path: Path) -> None:
    record = tmp_path / "new" / "door.jsonl"
    door = open_door(settings(record))
    door.pulse(0.05)
    until(lambda: not door.relay)
    door.close()
    assert relays(record) == ["rest", "on", "off", "rest"]
    first = json.loads(record.read_text().splitlines()[0])
    assert first.keys() == {"t", "relay", "cause"}
    assert first["cause"] == "open"


def test_an_extended_pulse_switches_on_once(tmp_path: Path) -> None:
    record = tmp_path / "door.jsonl"
    door = open_door(settings(record))
    for _ in range(5):
        door.pulse(0.1)
    until(lambda: not door.relay)
    door.close()
    assert relays(record) == ["rest", "on", "off", "rest"]


def test_without_a_file_the_record_is_kept_in_memory() -> None:
    line = SimulatedLine()
    line.take()
    line.switch(on=True, cause="pulse")
    line.free()
    assert [entry["relay"] for entry in line.history] == ["rest", "on", "rest"]


def test_a_kill_in_mid_pulse_is_followed_by_rest_first(tmp_path: Path) -> None:
    record = tmp_path / "door.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", PULSE_FOR_EVER, str(record)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    with process.stdout:
        assert process.stdout.readline() == "pulsing\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    assert relays(record) == ["rest", "on"]
    open_door(settings(record)).close()
    assert relays(record) == ["rest", "on", "rest", "rest"]


def test_an_unwritable_record_is_told_at_open(tmp_path: Path) -> None:
    with pytest.raises(DoorError, match="cannot be written"):
        open_door(settings(tmp_path))


def swap(line: Any, path: Path) -> None:
    """Another file under the hands of a line, which another thread may be writing just now."""
    before, line._file = line._file, path.open("ab", buffering=0)
    before.close()


def test_a_full_disk_refuses_the_pulse_and_leaves_the_relay_at_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = open_door(settings(tmp_path / "door.jsonl"))
    line = door._line  # type: ignore[attr-defined]
    swap(line, Path("/dev/full"))
    with pytest.raises(DoorError, match="No space left"):
        door.pulse(1)
    with pytest.raises(DoorError, match="No space left"):
        door.pulse(1)
    swap(line, tmp_path / "door.jsonl")
    until(lambda: not door.relay and door.describe()["fault"] is None)
    door.pulse(0.05)
    until(lambda: not door.relay)
    door.close()
