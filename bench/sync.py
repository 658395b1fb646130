"""A terminal that takes over a site of 50,000 people: ``python -m bench.sync``.

A site's log, a real Mosquitto and a terminal's whole way in one process, on loopback: how long it
takes, how much travels, and how long a search takes meanwhile, against the same terminal at rest in
the same run, before and after.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from edged.gallery.profile import Profile
from edged.gallery.sealed import Kept
from edged.sync.entries import Entry
from tests.mosquitto import Mosquitto
from tests.sync.broker import Door, linked
from tests.sync.parties import MODEL, Site

AT_ONCE = 1000
REST_S = 10.0


def fill(site: Site, people: int, templates: int, size: int) -> None:
    """A log that names so many people."""
    random = np.random.default_rng(1)
    for start in range(0, people, AT_ONCE):
        entries = []
        for number in range(start, min(start + AT_ONCE, people)):
            rows = random.standard_normal((templates, size))
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            kept = [
                Kept(row.astype(np.float32), 0.9, "photo", "2026-01-02T03:04:05Z") for row in rows
            ]
            entries.append(Entry(0, f"p{number:06}", Profile(groups=("staff",)), {MODEL: kept}))
        site.append(entries)


class Searcher(threading.Thread):
    """Searches ten times a second, as a busy door does."""

    def __init__(self, door: Door, size: int) -> None:
        super().__init__(daemon=True)
        self._door = door
        self._probe = np.eye(1, size, dtype=np.float32)[0]
        self.ended = threading.Event()
        self._took_ms: list[float] = []

    def times(self) -> list[float]:
        """What was measured since the last call, in ms."""
        took, self._took_ms = self._took_ms, []
        return took

    def rest(self) -> list[float]:
        """What is measured while nothing else goes on."""
        self.times()
        time.sleep(REST_S)
        return self.times()

    def run(self) -> None:
        while not self.ended.wait(0.1):
            began = time.perf_counter()
            self._door.gallery.keep(time.time())
            self._door.index.search(self._probe, 2)
            self._took_ms.append(1000 * (time.perf_counter() - began))


def measure(
    people: int, templates: int, size: int, chunk: int, *, snapshot: bool
) -> dict[str, Any]:
    """One run in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Mosquitto(folder)
        broker.start()
        site = Site(folder / "site.db", "door-1")
        try:
            fill(site, people, templates, size)
            began = time.perf_counter()
            if snapshot:
                site.make_snapshot(chunk)
                site.compact(keep=0)
            made_s = time.perf_counter() - began
            door = Door(folder / "door-1", "door-1", broker.port, size=size)
            searcher = Searcher(door, size)
            searcher.start()
            before = searcher.rest()
            began = time.perf_counter()
            with linked(site, broker) as link:
                while len(door.index) < people or door.site.get("behind") != 0:
                    time.sleep(0.05)
                took_s = time.perf_counter() - began
                sent = link.sent_bytes
                meanwhile = searcher.times()
            after = searcher.rest()
            searcher.ended.set()
            searcher.join()
            door.close()
        finally:
            site.close()
            broker.kill()
    return {
        "way": "snapshot" if snapshot else "log",
        "people": people,
        "templates": templates,
        "size": size,
        "snapshot made in s": round(made_s, 1),
        "taken over in s": round(took_s, 1),
        "people a second": round(people / took_s),
        "MB": round(sent / 1e6, 1),
        "search ms, nobody enrolled, at rest": told(before),
        "search ms, meanwhile": told(meanwhile),
        "search ms, everybody enrolled, at rest": told(after),
    }


def told(took_ms: list[float]) -> dict[str, float]:
    took = np.array(took_ms)
    p50, p99 = np.percentile(took, [50, 99])
    return {
        "searches": len(took),
        "p50": round(float(p50), 2),
        "p99": round(float(p99), 2),
        "most": round(float(took.max()), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--templates", type=int, default=1)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--chunk", type=int, default=200, help="people a chunk")
    parser.add_argument("--log", action="store_true", help="by the log instead of a snapshot")
    given = parser.parse_args()
    result = measure(given.people, given.templates, given.size, given.chunk, snapshot=not given.log)
    json.dump(result, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
