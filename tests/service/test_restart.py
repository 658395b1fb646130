"""``restart``: another life of the same process."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edged.errors import StorageError
from edged.mqtt.catalogue import Context
from edged.mqtt.catalogue import Restart as Args
from edged.service.restart import NOTE, Restart
from tests.service.kit import wait
from tests.service.manager import allowed, lives

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from edged.mqtt.catalogue import Reply
    from tests.service.kit import Door, Terminal


def test_the_terminal_answers_rests_and_begins_anew_in_the_same_process(
    open_door: Callable[..., Door],
) -> None:
    door = open_door(mqtt=allowed())
    assert door.terminal.process
    door.site.command("door.unlock", duration_s=60)
    reply = door.site.command("restart", cause="new certificate")
    assert (reply["result"], reply["reason"]) == ("ok", "done")
    event = door.site.event("terminal.restarting")
    assert event["data"] == {
        "by": "command",
        "command": reply["id"],
        "key": "site",
        "cause": "new certificate",
    }
    wait(lambda: lives(door) == 2)
    assert door.terminal.process.poll() is None
    assert door.terminal.relay == ["rest", "on", "rest", "rest"]
    wait(lambda: [m["status"] for m in door.site.on("status")][-3:] == _LIVES)
    # systemd must not hear of an end, or it would make one
    assert "STOPPING=1" not in door.terminal.told
    again = door.terminal.told
    assert any(told.startswith("RELOADING=1\n") for told in again)
    assert again.index("WATCHDOG_USEC=90000000") < len(again) - 1 - again[::-1].index("READY=1")
    wait(lambda: again[-1] in {"WATCHDOG_USEC=10000000", "WATCHDOG=1"})

    assert door.site.command("door.unlock", duration_s=0.5)["result"] == "ok"
    refused = door.site.command("restart")
    assert (refused["result"], refused["reason"]) == ("refused", "too_often")
    assert 0 < refused["data"]["wait_s"] <= 60
    assert lives(door) == 2

    assert door.terminal.stop() == 0
    wait(lambda: "STOPPING=1" in door.terminal.told)


_LIVES = ["stopping", "offline", "online"]


def test_who_asks_for_the_end_while_the_installed_script_restarts_gets_the_end(
    open_door: Callable[..., Door],
) -> None:
    script = shutil.which("edged", path=str(Path(sys.executable).parent))

    def as_systemd_does(terminal: Terminal) -> None:
        if script is not None:
            terminal.program = [script]

    door = open_door(as_systemd_does, mqtt=allowed())
    door.site.command("restart")
    wait(lambda: any(told.startswith("RELOADING=1") for told in door.terminal.told))
    door.terminal.send(signal.SIGTERM)  # the handler of the life before has gone
    assert door.terminal.ended() == 0
    assert door.terminal.relay == ["rest", "rest", "rest", "rest"]


class Bench:
    """Notes, a journal and a counter, for a `Restart` without a daemon."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.full = False
        self.up_s = 1000.0
        self.boot = "one"
        self.recorded: list[str] = []

    def note(self, name: str) -> str | None:
        if self.full:
            raise StorageError("no room")
        return self.kept.get(name)

    def keep_note(self, name: str, value: str | None) -> None:
        if self.full:
            raise StorageError("no room")
        assert value is not None
        self.kept[name] = value

    def record(self, type: str, **data: Any) -> None:  # noqa: A002
        self.recorded.append(type)

    def life(self, *, possible: bool = True) -> Restart:
        return Restart(
            self,
            self,  # type: ignore[arg-type]
            possible=possible,
            boot=lambda: self.boot,
            up=lambda: self.up_s,
        )


def ask(restart: Restart) -> Reply:
    context = Context("restart", "12345678", "site")
    return restart.handlers()["restart"](Args(), context)


def test_it_is_due_after_the_reply_and_ordered_once() -> None:
    bench = Bench()
    restart = bench.life()
    assert not restart.due
    assert ask(restart).result == "ok"
    assert not restart.due
    assert ask(restart).result == "ok"
    bench.up_s += 1
    assert restart.due
    assert bench.recorded == ["terminal.restarting"]


def test_at_most_one_a_minute_whoever_restarts_it_meanwhile() -> None:
    bench = Bench()
    assert ask(bench.life()).result == "ok"
    for seconds in (1, 30, 28.9):
        bench.up_s += seconds
        assert ask(bench.life()).reason == "too_often"
    bench.up_s += 0.2
    assert ask(bench.life()).result == "ok"


def test_after_a_power_cut_nobody_waits() -> None:
    bench = Bench()
    ask(bench.life())
    bench.boot, bench.up_s = "two", 5.0
    assert ask(bench.life()).result == "ok"


def test_a_full_disk_may_be_why_somebody_restarts_it_but_not_all_the_time() -> None:
    bench = Bench()
    bench.full = True
    restart = bench.life()
    assert ask(restart).reason == "too_often"
    bench.up_s += 61
    assert ask(restart).result == "ok"


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '{"boot": "one"}', '{"boot": "one", "up_s": NaN}', '{"up_s": 1}']
)
def test_a_damaged_note_stands_in_nobodys_way(note: str) -> None:
    bench = Bench()
    bench.kept[NOTE] = note
    assert ask(bench.life()).result == "ok"


def test_a_note_from_later_than_now_does_not_put_it_off_for_ever() -> None:
    bench = Bench()
    bench.kept[NOTE] = '{"boot": "one", "up_s": 1e9}'
    assert bench.life().wait_s() == 0


def test_a_terminal_that_records_or_installs_goes_on() -> None:
    bench = Bench()
    assert ask(bench.life(possible=False)).reason == "not_allowed"
    restart = bench.life()
    restart.busy = lambda: True
    assert ask(restart).reason == "busy"
