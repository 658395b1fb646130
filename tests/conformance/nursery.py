"""Terminals in processes of their own, begun in milliseconds and killed at any moment.

    python -m tests.conformance.nursery FOLDER PORT PROTOCOL DASH PUBLIC-KEY-FILE

For each ``<name> <records>`` on standard input a process is forked, its id is printed, and it lives
as a terminal until it is killed: with ``records`` 1 it records events as fast as it can, with some
pauses, and after each was recorded writes ``seq id`` to ``<FOLDER>/<name>/oracle``.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from edged.mqtt import client
from tests.conformance.parties import Manner, Terminal
from tests.wait import until

if TYPE_CHECKING:
    from edged.events.types import Event

_LONGEST_PAUSE_S = 0.01


def live(terminal: Terminal, oracle: Path, *, records: bool) -> None:
    """Until killed."""
    told = os.open(oracle, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    dice = random.Random(os.getpid())
    with terminal:
        while records:
            event = terminal.outbox.append("access.granted", {"pad": "x" * dice.randrange(400)})
            os.write(told, _line(event))
            time.sleep(dice.random() * _LONGEST_PAUSE_S)
        while True:
            signal.pause()


def _line(event: Event) -> bytes:
    return f"{event.seq} {event.id}\n".encode()


class Nursery:
    """Starts and kills terminals; a context.

    Args:
        folder: one folder a terminal is made in it.
        public_key: of the site's controller, in PEM form.
    """

    def __init__(self, folder: Path, port: int, manner: Manner, public_key: str) -> None:
        self._folder = folder
        key = folder / "controller.pem"
        key.write_text(public_key)
        more = [str(folder), str(port), manner.protocol, str(int(manner.dash)), str(key)]
        self._argv = [sys.executable, "-m", "tests.conformance.nursery", *more]
        self._pids: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._pids):
            self.kill(name)
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def start(self, name: str, *, records: bool = True) -> None:
        """Without `records` it only sends and answers."""
        (self._folder / name).mkdir(exist_ok=True)
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{name} {int(records)}\n")
        self._process.stdin.flush()
        self._pids[name] = int(self._process.stdout.readline())

    def kill(self, name: str) -> None:
        """kill -9, and wait until it is gone."""
        pid = self._pids.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{pid}").exists())

    def oracle(self, name: str) -> dict[int, str]:
        """What it promised: ids by number."""
        path = self._folder / name / "oracle"
        lines = path.read_text().splitlines() if path.exists() else []
        return {int(seq): identity for seq, identity in (line.split(" ") for line in lines)}


def main() -> None:
    folder, port, protocol, dash, key = sys.argv[1:]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead need no burial
    client._FIRST_DELAY_S = 0.05  # most of the time shall pass with a connection
    manner = Manner("5" if protocol == "5" else "3.1.1", bool(int(dash)))
    for line in sys.stdin:
        name, records = line.split()
        if child := os.fork():
            print(child, flush=True)
            continue
        place = Path(folder, name)
        public_key = Path(key).read_text()
        terminal = Terminal(place, int(port), manner, name, public_key=public_key)
        try:
            live(terminal, place / "oracle", records=records == "1")
        finally:
            os._exit(1)


if __name__ == "__main__":
    main()
