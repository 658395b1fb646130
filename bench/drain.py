"""How fast events get from the terminal to the broker, and what signing and the topics cost.

    python -m bench.drain [--events 5000] [--folder /var/tmp]

Needs Mosquitto. Rates are from append to PUBACK, QoS 1, on loopback: *sustained* while another
thread appends as fast as the disk lets it, *backlog* when everything waits already. The folder
should lie on the disk in question: an append waits for it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from edged.config.schema import Mqtt
from edged.events.outbox import Outbox
from edged.events.types import EVENT_TYP
from edged.mqtt import Link, Topics
from edged.mqtt import connection as wire
from edged.mqtt.message import Message, as_json
from edged.vault.identity import Identity
from edged.vault.secret import Secret
from tests.mosquitto import Mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPICS = Topics("edged", "hq", "door-1")
KEY = Secret(os.urandom(32))
ALIAS_BYTES = 3  # the property that stands for the topic
GRANTED = {
    "reason": "matched",
    "similarity": 0.912,
    "runner_up": 0.311,
    "threshold": 0.6503,
    "implied_fpir": 0.003,
    "people": 812,
    "margin": 0.03,
    "lookalike": False,
    "quality": 0.981,
    "fused_quality": 0.992,
    "frames": 3,
    "duration_s": 0.41,
    "instructions": [],
    "profile": "access",
    "model": "mobilefacenet-rts@1.1.0#30ae6c34721e",
    "person_id": "4711",
}


@dataclass(frozen=True)
class Case:
    name: str
    signed: bool
    window: int


@contextmanager
def opened(folder: Path) -> Iterator[Outbox]:
    outbox = Outbox(folder / "events.db", KEY, 1_000_000)
    outbox.open()
    try:
        yield outbox
    finally:
        outbox.close()


def wait_until_sent(outbox: Outbox) -> None:
    while outbox.depth:
        time.sleep(0.02)


def linked(port: int, outbox: Outbox, signed: bool) -> Link:
    settings = Mqtt(host="127.0.0.1", port=port, backlog_hz=100_000)
    identity = Identity(KEY) if signed else None
    link = Link(settings, TOPICS, outbox, lambda _: None, signer=identity)
    link.open()
    while not link.status().connected:
        time.sleep(0.005)
    return link


def sustained(folder: Path, port: int, events: int, case: Case) -> tuple[float, float]:
    """Events a second that were appended, and from the first append to the last PUBACK."""
    with opened(folder) as outbox, patch.object(wire, "_WINDOW", case.window):
        link = linked(port, outbox, case.signed)
        took: list[float] = []

        def write() -> None:
            for _ in range(events):
                outbox.append("access.granted", GRANTED)
            took.append(time.perf_counter() - began)

        began = time.perf_counter()
        writer = threading.Thread(target=write)
        writer.start()
        writer.join()
        wait_until_sent(outbox)
        whole_s = time.perf_counter() - began
        link.close()
    return events / took[0], events / whole_s


def backlog(folder: Path, port: int, events: int, case: Case) -> float:
    with opened(folder) as outbox, patch.object(wire, "_WINDOW", case.window):
        for _ in range(events):
            outbox.append("access.granted", GRANTED)
        began = time.perf_counter()
        link = linked(port, outbox, case.signed)
        wait_until_sent(outbox)
        whole_s = time.perf_counter() - began
        link.close()
    return events / whole_s


def costs(folder: Path) -> None:
    """What one event costs, step by step, and what an alias of its topic would win."""
    with opened(folder) as outbox:
        event = outbox.append("access.granted", GRANTED)
    identity = Identity(KEY)
    sig = identity.sign_detached(event.canonical(), EVENT_TYP)
    topic = TOPICS.event(event.type)
    user = (
        ("id", event.id),
        ("log", event.log),
        ("seq", str(event.seq)),
        ("historical", "false"),
    )
    message = Message(topic, as_json(event.to_message(False, sig)), user=user)
    for name, step in (
        ("canonical form", event.canonical),
        ("signature", lambda: identity.sign_detached(b"x" * 600, EVENT_TYP)),
        ("JSON", lambda: as_json(event.to_message(False, sig))),
        ("properties", lambda: message.properties().pack()),
    ):
        print(f"{name}: {1e6 * timed(step):.0f} us")
    size = message.size(modern=True)
    won = len(topic) - ALIAS_BYTES
    print(f"packet of an access event: {size} bytes, {len(message.payload)} of them JSON")
    print(f"an alias of its topic would save {won} bytes, {100 * won / size:.1f} %")


def timed(step: Any, times: int = 500) -> float:
    took = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(times):
            step()
        took.append((time.perf_counter() - began) / times)
    return min(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        (folder / "costs").mkdir()
        costs(folder / "costs")
        # its own limit is 20 messages; the windows here shall be the terminal's
        (folder / "broker").mkdir()
        broker = Mosquitto(folder / "broker", extra="max_inflight_messages 0")
        broker.start()
        try:
            for case in (
                Case("signed, window 20", signed=True, window=20),
                Case("unsigned, window 20", signed=False, window=20),
                Case("signed, window 5", signed=True, window=5),
                Case("signed, window 100", signed=True, window=100),
            ):
                place = folder / case.name.replace(" ", "-")
                (place / "a").mkdir(parents=True)
                (place / "b").mkdir()
                appended, arrived = sustained(place / "a", broker.port, args.events, case)
                drained = backlog(place / "b", broker.port, args.events, case)
                print(
                    f"{case.name}: sustained {arrived:.0f}/s (appended at {appended:.0f}/s), "
                    f"backlog {drained:.0f}/s"
                )
        finally:
            broker.kill()


if __name__ == "__main__":
    main()
