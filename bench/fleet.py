"""A fleet of virtual terminals against one broker: ``python -m bench.fleet``.

    python -m bench.fleet [--terminals 500] [--rate 0.2] [--seconds 60]
                          [--broker mosquitto|rabbitmq]
                          [--host BROKER --port 1883] [--only join,rush,…] [--json FILE]

The terminals are real but for the camera: their own log on the disk, link and commands. They live
in a few processes, because five hundred of them have fifteen hundred threads. One site listens with
a lasting session. The scenarios, one after the other:

- ``join``: all connect at the same moment.
- ``rush``: every terminal records ``--rate`` events a second for ``--seconds``.
- ``restart``: the broker ends in an orderly way under that load, and comes back.
- ``crash``: the same with kill -9; what the broker had acknowledged and lost is asked for again.
- ``partition``: the broker is frozen for ``--freeze`` seconds, under the same load.
- ``commands``: the site opens every door at once.

With ``--host`` the broker is somebody else's: what would stop it is left out.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bench.fleet_site import FleetSite
from bench.fleet_worker import Load, Share, work
from bench.processes import Usage, usage
from tests.brokers import RabbitMQ
from tests.conformance.documented import mosquitto_settings
from tests.conformance.parties import CONTROLLER_PUBLIC, Manner
from tests.mosquitto import Mosquitto
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from multiprocessing.connection import Connection

_SCENARIOS = ("join", "rush", "restart", "crash", "partition", "commands")
_STOPPING = ("restart", "crash", "partition")
_PATIENCE_S = 600.0
_LEAD_S = 0.5


class Fleet:
    """The processes that hold the terminals; a context."""

    def __init__(self, shares: Sequence[Share]) -> None:
        self._shares = shares
        self._lines: list[Connection] = []
        self._processes: list[Any] = []

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        for share in self._shares:
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(share, theirs), daemon=True)
            process.start()
            self._lines.append(ours)
            self._processes.append(process)
        return self

    def __exit__(self, *_: object) -> None:
        for line in self._lines:
            with suppress(BrokenPipeError):  # it failed, and said why on stderr
                line.send(None)
        for process in self._processes:
            process.join(60)
            process.kill()

    def tell(self, method: str, *arguments: Any) -> list[Any]:
        """To all processes at once; their answers."""
        for line in self._lines:
            line.send((method, arguments))
        return [line.recv() for line in self._lines]

    def usage(self) -> tuple[Usage, Usage]:
        """Of all together: without terminals, and now."""
        pairs = self.tell("usage")
        return _sum(bare for bare, _ in pairs), _sum(now for _, now in pairs)


def _sum(usages: Iterable[Usage]) -> Usage:
    each = list(usages)
    return Usage(
        sum(one.cpu_s for one in each),
        sum(one.memory_mb for one in each),
        sum(one.threads for one in each),
    )


class Trial:
    """The scenarios; each returns what was measured."""

    def __init__(self, options: argparse.Namespace, fleet: Fleet, site: FleetSite, broker: Any):
        self._options = options
        self._fleet = fleet
        self._site = site
        self._broker = broker
        self._logs: dict[str, int] = {}

    def join(self) -> dict[str, Any]:
        self._site.tally()
        began = time.time()
        self._fleet.tell("connect")
        self._all_online()
        return {"all_online_s": _spread(self._arrivals(began))}

    def rush(self) -> dict[str, Any]:
        options = self._options
        return self._under_load(options.rate, options.seconds, lambda: None)

    def restart(self) -> dict[str, Any]:
        return self._interrupted(self._broker.stop)

    def crash(self) -> dict[str, Any]:
        return self._interrupted(self._broker.kill)

    def partition(self) -> dict[str, Any]:
        def freeze() -> None:
            self._broker.freeze()
            time.sleep(self._options.freeze)
            self._broker.thaw()

        seconds = self._options.freeze + 2 * self._options.pause
        return self._under_load(self._options.rate, seconds, freeze)

    def commands(self) -> dict[str, Any]:
        names = self._names()
        self._site.tally()
        began = self._site.ask(names, "door.unlock", {})
        until(lambda: len(self._site.peek().replies) >= len(names), _PATIENCE_S)
        took = [at - began for at in self._site.tally().replies.values()]
        return {"replies": len(took), "reply_s": _spread(took)}

    def _interrupted(self, end: Any) -> dict[str, Any]:
        back = 0.0

        def disturb() -> None:
            nonlocal back
            end()
            time.sleep(self._options.pause)
            self._broker.start()
            back = time.time()
            self._all_online()

        told = self._under_load(self._options.rate, 3 * self._options.pause, disturb)
        return told | {"back_online_s": _spread(at - back for at in self._online.values())}

    def _under_load(self, rate: float, seconds: float, disturb: Any) -> dict[str, Any]:
        self._site.tally()
        before = self._measure()
        began = time.time()
        self._fleet.tell("load", Load(rate, seconds, began + _LEAD_S))
        time.sleep(_LEAD_S + (self._options.pause if seconds > self._options.pause else 0))
        disturb()
        logs = {name: head for share in self._fleet.tell("loaded") for name, head in share.items()}
        recorded = sum(logs.values()) - sum(self._logs.values())
        loaded_s = time.time() - began - _LEAD_S
        until(lambda: sum(self._fleet.tell("waiting")) == 0, _PATIENCE_S)
        self._all_heard(logs)
        drained_s = time.time() - began - _LEAD_S
        after = self._measure()
        self._logs = logs
        lost = self._heal(logs)
        tally = self._site.tally()
        self._online = tally.online
        wall_s = time.time() - began
        return {
            "recorded": recorded,
            "events_per_s": round(recorded / loaded_s, 1),
            "heard": tally.events,
            "lost": sum(len(s) for s in self._site.missing(logs).values()),
            "asked_for_again": lost,
            "duplicates": tally.duplicates,
            "duplicates_of": dict(tally.again),
            "others": dict(tally.others),
            "unordered": tally.unordered if not lost else None,
            "live": len(tally.live_s),
            "backlog": tally.backlog,
            "live_delay_s": _spread(tally.live_s),
            "drained_after_s": round(drained_s - loaded_s, 2),
            "cpu": {part: round(_spent(before, after, part) / wall_s, 2) for part in after},
        }

    def _all_heard(self, logs: dict[str, int]) -> None:
        """What the broker holds has come, or will not: nothing new for two seconds."""
        seen, since = -1, time.monotonic()
        while time.monotonic() - since < 2 and self._site.missing(logs):
            now = sum(len(seqs) for seqs in self._site.seen.values())
            if now != seen:
                seen, since = now, time.monotonic()
            time.sleep(0.05)

    def _heal(self, logs: dict[str, int]) -> int:
        """Ask for what is missing; how much that was."""
        missing = self._site.missing(logs)
        for name, ranges in missing.items():  # one order each: what lies between comes twice
            reach = {"from_seq": ranges[0][0], "to_seq": ranges[-1][1]}
            self._site.ask([name], "events.replay", reach)
        until(lambda: not self._site.missing(logs), _PATIENCE_S)
        return sum(last - first + 1 for ranges in missing.values() for first, last in ranges)

    def _all_online(self) -> None:
        until(
            lambda: (
                sum(self._fleet.tell("online")) == self._options.terminals
                and len(self._site.peek().online) == self._options.terminals
            ),
            _PATIENCE_S,
        )

    def _arrivals(self, since: float) -> list[float]:
        return [at - since for at in self._site.tally().online.values()]

    def _names(self) -> list[str]:
        return [f"t{number:04}" for number in range(self._options.terminals)]

    def _measure(self) -> dict[str, Usage]:
        told = {"terminals": self._fleet.usage()[1]}
        if self._broker is not None:
            told["broker"] = usage(self._broker.pid)
        return told


def _spent(before: dict[str, Usage], after: dict[str, Usage], part: str) -> float:
    """Processor seconds; of a broker that began anew, since then."""
    spent = after[part].cpu_s - before[part].cpu_s
    return spent if spent >= 0 else after[part].cpu_s


def _spread(values: Iterable[float]) -> dict[str, float] | None:
    """In seconds, rounded to milliseconds."""
    ranked = sorted(values)
    if not ranked:
        return None
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {
        name: round(ranked[min(len(ranked) - 1, int(share * len(ranked)))], 3)
        for name, share in shares.items()
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All scenarios that were asked for; what was measured, by scenario."""
    manner = Manner("3.1.1", dash=True) if options.broker == "rabbitmq" else Manner("5")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        broker = None if options.host else _broker(options.broker, folder, stack)
        host, port = options.host or "127.0.0.1", broker.port if broker else options.port
        names = [f"t{number:04}" for number in range(options.terminals)]
        shares = [
            Share(
                folder, host, port, manner, tuple(names[n :: options.processes]), CONTROLLER_PUBLIC
            )
            for n in range(options.processes)
        ]
        site = stack.enter_context(FleetSite(host, port, manner))
        fleet = stack.enter_context(Fleet(shares))
        fleet.tell("prepare")
        trial = Trial(options, fleet, site, broker)
        told: dict[str, Any] = {"terminals": options.terminals, "load_average": os.getloadavg()[0]}
        for name in options.only:
            if broker is None and name in _STOPPING:
                continue
            told[name] = getattr(trial, name)()
            print(name, json.dumps(told[name]), flush=True)
        told["each_terminal"] = _each(fleet, options.terminals)
        if broker is not None:
            told["broker_memory_mb"] = round(usage(broker.pid).memory_mb, 1)
        return told


def _each(fleet: Fleet, terminals: int) -> dict[str, float]:
    bare, now = fleet.usage()
    return {
        "memory_mb": round((now.memory_mb - bare.memory_mb) / terminals, 2),
        "threads": round((now.threads - bare.threads) / terminals, 1),
    }


def _broker(kind: str, folder: Path, stack: ExitStack) -> Any:
    place = folder / "broker"
    place.mkdir()
    if kind == "rabbitmq":
        node = RabbitMQ(place, extra="mqtt.tcp_listen_options.backlog = 4096")
        stack.callback(node.close)
        node.start()
        return node
    broker = Mosquitto(place, extra=mosquitto_settings())
    stack.callback(broker.kill)
    broker.start()
    return broker


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--terminals", type=int, default=500)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0.2, help="events a second a terminal")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the rush")
    parser.add_argument("--pause", type=float, default=5.0, help="seconds without the broker")
    parser.add_argument("--freeze", type=float, default=60.0, help="seconds of the partition")
    parser.add_argument("--broker", choices=("mosquitto", "rabbitmq"), default="mosquitto")
    parser.add_argument("--host", help="a broker that runs already, without access rules")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--folder", type=Path, help="where the terminals' logs lie")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(_SCENARIOS))
    parser.add_argument("--json", type=Path, help="write what was measured there")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.only) - set(_SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    return chosen


def main() -> None:
    chosen = options()
    told = run(chosen)
    text = json.dumps(told, indent=1)
    print(text)
    if chosen.json:
        chosen.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
