"""A process with a share of the fleet: real logs, links and commands, and no camera."""

from __future__ import annotations

import heapq
import logging
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.processes import Usage, usage
from tests.conformance.parties import Manner, Terminal

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path

_GENERATORS = 4


@dataclass(frozen=True)
class Share:
    """What one process of the fleet is told; everything in it can be sent to it."""

    folder: Path
    host: str
    port: int
    manner: Manner
    names: tuple[str, ...]
    public_key: str


@dataclass(frozen=True)
class Load:
    """So many events a second for each terminal, for so long, from `begin` (Unix seconds)."""

    rate_hz: float
    seconds: float
    begin: float


def work(share: Share, orders: Connection) -> None:
    """Obey ``(method, arguments)`` until ``None`` comes; each is answered."""
    logging.disable(logging.WARNING)  # five hundred lost links are what is looked for
    fleet = Fleet(share)
    while (order := orders.recv()) is not None:
        method, arguments = order
        orders.send(getattr(fleet, method)(*arguments))
    fleet.close()
    orders.send(None)


class Fleet:
    """The terminals of this process."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._bare = usage()
        self._terminals: dict[str, Terminal] = {}
        self._runs: list[threading.Thread] = []

    def prepare(self) -> int:
        """Open the logs and the commands, as if all had booted; nobody connects yet."""
        share = self._share
        for name in share.names:
            folder = share.folder / name
            folder.mkdir(parents=True, exist_ok=True)
            terminal = Terminal(
                folder,
                share.port,
                share.manner,
                name,
                public_key=share.public_key,
                host=share.host,
                reconnect_max_s=30,
                backlog_hz=200,
            )
            terminal.outbox.open()
            terminal.commands.open()
            terminal.link.set_state({"door": {"mode": "normal", "relay": "rest"}, "degraded": {}})
            self._terminals[name] = terminal
        return len(self._terminals)

    def connect(self) -> None:
        """All at once."""
        for terminal in self._terminals.values():
            terminal.link.open()

    def online(self) -> int:
        return sum(terminal.link.status().connected for terminal in self._terminals.values())

    def load(self, load: Load) -> None:
        """Begin to record events; `loaded` waits for the end of it."""
        names = list(self._terminals)
        for number in range(_GENERATORS):
            mine = names[number::_GENERATORS]
            run = threading.Thread(target=self._generate, args=(mine, load), daemon=True)
            run.start()
            self._runs.append(run)

    def loaded(self) -> dict[str, int]:
        """How far each terminal's log is, when the load is over."""
        for run in self._runs:
            run.join()
        self._runs.clear()
        return self.heads()

    def heads(self) -> dict[str, int]:
        return {name: one.outbox.head.seq for name, one in self._terminals.items()}

    def waiting(self) -> int:
        return sum(terminal.outbox.depth for terminal in self._terminals.values())

    def usage(self) -> tuple[Usage, Usage]:
        """Before there were terminals, and now."""
        return self._bare, usage()

    def close(self) -> None:
        closing = [
            threading.Thread(target=terminal.__exit__) for terminal in self._terminals.values()
        ]
        for one in closing:
            one.start()
        for one in closing:
            one.join()

    def _generate(self, names: list[str], load: Load) -> None:
        dice = random.Random(",".join(names))  # noqa: S311  # made-up faces
        due = [(load.begin + dice.random() / load.rate_hz, name) for name in names]
        heapq.heapify(due)
        while due and due[0][0] < load.begin + load.seconds:
            at, name = heapq.heappop(due)
            if (pause := at - time.time()) > 0:
                time.sleep(pause)
            self._terminals[name].outbox.append("access.granted", _granted(dice, at))
            heapq.heappush(due, (at + 1 / load.rate_hz, name))


def _granted(dice: random.Random, at: float) -> dict[str, Any]:
    """About what a terminal says of a grant; `due` is when it happened to the person."""
    return {
        "due": at,
        "person_id": f"p{dice.randrange(100_000):06}",
        "profile": "access",
        "similarity": round(dice.uniform(0.6, 0.9), 4),
        "runner_up": round(dice.uniform(0.1, 0.4), 4),
        "threshold": 0.6503,
        "margin": 0.03,
        "implied_fpir": 0.003,
        "quality": round(dice.uniform(0.3, 0.9), 4),
        "frames": dice.randrange(3, 12),
        "seconds": round(dice.uniform(0.3, 2.0), 3),
        "model": "mobilefacenet-rts@1.1.0#30ae6c34721e",
        "instructions": ["closer", "hold_still"][: dice.randrange(3)],
        "rule": "threshold",
    }
