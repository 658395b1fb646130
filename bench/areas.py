"""How long an area of many people takes to open, and a decision in it: ``python bench/areas.py``.

Run from the repository's root; it writes into a temporary folder only.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from edged.access.presence import Moved, Presence
from edged.access.request import Ruling, Subject
from edged.config.load import parse
from edged.events.outbox import make_outbox
from edged.events.trusted import TrustedTime
from edged.service.areas import Areas
from edged.service.areas_store import AreasStore, areas_path, page_of
from edged.service.journal import Journal
from edged.service.state import State
from edged.vault.secret import Secret

PEOPLE = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
ROUNDS = 2000
CONFIG = """
site: hq
terminal: lobby-1
camera: {driver: replay, source: none}
key: {env: NONE}
door: {driver: simulated}
events: {path: events.db}
access: {area: {name: lab, most: 100000, passback: {mode: hard}}}
"""
ANYBODY = Ruling(allowed=True, reason="permitted", rule="staff")


def main() -> None:
    """Fill the file, open it, ask."""
    with tempfile.TemporaryDirectory() as folder:
        config = parse(CONFIG, "bench", Path(folder))
        key, now = Secret(bytes(range(32))), int(time.time() * 1000)
        outbox = make_outbox(config.events, key)
        outbox.open()
        presence = Presence()
        for number in range(PEOPLE):
            presence.take(Moved(f"p{number}", "lab", now - PEOPLE + number, "lobby-2"))
        store = AreasStore(areas_path(config), key)
        store.open()
        everybody = [person for person, _ in presence.people()]
        store.keep(page_of(presence, everybody), {"log": outbox.head.log, "seq": "0"}, durable=True)
        store.close()

        state, clock = State(), TrustedTime(outbox)
        clock.open()
        areas = Areas(config, key, outbox, Journal(outbox, state), state, clock)
        began_s = time.perf_counter()
        areas.open()
        print(f"open with {PEOPLE:,} people inside: {time.perf_counter() - began_s:.2f} s")
        spans = []
        for number in range(ROUNDS):
            subject = Subject(f"q{number % 50}" if number % 2 else f"p{number}")
            began_s = time.perf_counter()
            areas.objection(subject, ANYBODY, "in", clock.now())
            spans.append(1e6 * (time.perf_counter() - began_s))
        spans.sort()
        print(
            f"decision: median {statistics.median(spans):.0f} us, "
            f"99 of 100 within {spans[-ROUNDS // 100]:.0f} us"
        )
        areas.close()
        clock.close()
        outbox.close()


if __name__ == "__main__":
    main()
