"""All readers of a terminal: what is lost is told, and the others go on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.schema import Config
from edged.events.outbox import Outbox
from edged.service.journal import Journal
from edged.service.readers import Readers
from edged.service.state import State
from edged.vault.secret import Secret
from tests.service.kit import wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.access.request import Reading
    from tests.service.kit import Door


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "events.db", Secret(bytes(range(32))), 1000)
    outbox.open()
    yield outbox
    outbox.close()


def config(readers: dict[str, Any], **access: Any) -> Config:
    return Config.model_validate(
        {
            "site": "hq",
            "terminal": "door-1",
            "camera": {"driver": "replay", "source": "stage"},
            "key": {"file": "key"},
            "door": {"driver": "simulated"},
            "access": access,
            "readers": readers,
        }
    )


def write(path: Path, line: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, line.encode())
    os.close(fd)


def test_each_reader_is_read_and_one_that_is_lost_leaves_the_others_alone(
    tmp_path: Path, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    state, readings = State(), list[Any]()
    paths = {name: tmp_path / name for name in ("desk", "gate")}
    pipes = {name: {"driver": "simulated", "pipe": path} for name, path in paths.items()}
    pipes["gate"]["direction"] = "in"
    readers = Readers(
        config(pipes, direction="out"), readings.append, Journal(outbox, state), state
    )
    try:
        readers.open()
        wait(lambda: set(readers.document().values()) == {"ok"})
        assert outbox.pending() == []  # that it works is no news at the start
        paths["desk"].unlink()
        paths["desk"].mkdir()
        wait(lambda: "desk: pipe" in state.degraded.get("readers", ""))
        write(paths["gate"], "card 4711\n")
        wait(lambda: readings)
        assert (readings[0].reader, readings[0].direction) == ("gate", "in")
        assert state.document()["readers"]["gate"] == "ok"
        paths["desk"].rmdir()
        wait(lambda: "readers" not in state.degraded)
        write(paths["desk"], "card 4712\n")
        wait(lambda: len(readings) == 2)
        assert readings[1].direction == "out"
        readers.cue("desk", "granted")
        readers.cue("page", "denied")  # no reader of ours
        assert (readers.tick(), readers.handlers()) == (None, {})
    finally:
        readers.close()
        readers.close()
    told = [(event.type, event.data["reader"]) for event in outbox.pending()]
    assert told == [("reader.lost", "desk"), ("reader.back", "desk")]
    assert "471" not in caplog.text
    assert caplog.text.count("reader desk") == 2


def test_a_reader_that_can_never_work_is_told_and_the_terminal_goes_on(
    tmp_path: Path, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "serial", None)
    state, readings = State(), list["Reading"]()
    settings = {
        "line": {"driver": "serial", "device": tmp_path / "line"},
        "desk": {"driver": "simulated", "pipe": tmp_path / "desk"},
    }
    readers = Readers(config(settings), readings.append, Journal(outbox, state), state)
    try:
        readers.open()
        wait(lambda: readers.document()["desk"] == "ok")
        assert "pip install" in state.degraded["readers"]
    finally:
        readers.close()
    assert [event.type for event in outbox.pending()] == ["reader.lost"]


def test_the_state_of_a_terminal_says_how_its_readers_are(open_door: Callable[..., Door]) -> None:
    door = open_door(readers={"desk": {"driver": "simulated", "pipe": "desk"}})
    pipe = door.terminal.folder / "desk"
    wait(lambda: door.site.state.get("readers") == {"desk": "ok"})
    pipe.unlink()
    pipe.mkdir()
    lost = door.site.event("reader.lost", reader="desk")
    assert str(pipe) in lost["data"]["reason"]
    wait(lambda: str(pipe) in door.site.state["degraded"].get("readers", ""))
    pipe.rmdir()
    door.site.event("reader.back", reader="desk")
    wait(lambda: door.site.state["degraded"] == {})
    wait(lambda: door.site.state["readers"] == {"desk": "ok"})
