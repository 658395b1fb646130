"""What a decision at the door takes beyond the search: gallery, rules, areas, mode, relay, record.

    python -m bench.access [--people 50000] [--rules 500] [--rounds 1000] [--processor]
        [--folder /var/tmp]

Everything is real but camera and network: an encrypted gallery of so many people, a section
`access` whose last rule is the one that fits, an area with anti-passback, the desk, a simulated
relay, the log on the disk of the folder. Everybody comes once, so nothing of them is in a cache.
*decision* is what a call of the desk takes until it begins to record: the person's profile out of
the gallery, the rules, the area, the door's mode. *in all* has the event with its fsync and the
relay in it. *a card* is read and asks for the face; *its face* is compared with its holder alone.
One process, one round of each kind after the other, so that a drifting machine moves all of them.
With --processor the clock is the thread's own: time put aside for other programs, or for the disk,
does not count.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from bench.credentials import MODEL, SIZE, card, fill
from edged.access.request import Reading
from edged.config.load import lines_of, load
from edged.decision.outcome import Kind, Outcome, Rule
from edged.door.table import make_door
from edged.events.outbox import make_outbox
from edged.events.trusted import TrustedTime
from edged.gallery.store import make_gallery
from edged.service.access import AccessParts, House
from edged.service.door_mode import DoorMode
from edged.service.doorway import Doorway
from edged.service.journal import Journal
from edged.service.metrics import Metrics
from edged.service.state import State
from edged.testing.builders import policy
from edged.vault.identity import Identity
from edged.vault.keys import load_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.events.types import Event
    from edged.service.access_desk import AccessDesk

LIMIT_MS = 2.0


class TimedJournal(Journal):
    """Knows when the main thread began to record."""

    began_s: float | None = None
    clock = staticmethod(time.perf_counter)

    def record(self, type: str, **data: Any) -> Event | None:  # noqa: A002
        if self.began_s is None and threading.current_thread() is threading.main_thread():
            self.began_s = self.clock()
        return super().record(type, **data)


def written(folder: Path, rules: int) -> Path:
    others: list[dict[str, Any]] = [
        {"name": f"rule-{n}", "groups": [f"group-{n}"], "when": "office"} for n in range(rules - 1)
    ]
    last = {"name": "staff", "groups": ["staff"], "when": "office"}
    last["factors"] = [["face"], ["card", "face"]]
    settings = {
        "site": "hq",
        "terminal": "bench",
        "camera": {"driver": "replay", "source": "none"},
        "key": {"file": "key"},
        "gallery": {"path": "gallery.db"},
        "events": {"path": "events.db"},
        "door": {"driver": "simulated"},
        "schedules": {"office": {"days": {"daily": ["00:00-24:00"], "holidays": ["06:00-24:00"]}}},
        "access": {
            "rules": [*others, last],
            "area": {"name": "lab", "most": 1_000_000, "passback": {"mode": "soft"}},
        },
        "readers": {"keypad": {"driver": "simulated", "pipe": "keypad"}},
    }
    (folder / "key").touch(mode=0o600)
    (folder / "key").write_text(os.urandom(32).hex())
    path = folder / "edged.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return path


def opened(path: Path, people: int, stack: ExitStack) -> tuple[AccessDesk, TimedJournal]:
    """The desk with everything around it."""
    config = load(path)
    key = load_key(config.key)
    outbox = make_outbox(config.events, key)
    clock = TrustedTime(outbox)
    gallery = make_gallery(config.gallery, key, clock.now)
    door = make_door(config.door)
    for part in (door, outbox, gallery, clock):
        stack.callback(part.close)
        part.open()
    fill(gallery, people, cards=True)
    state = State()
    journal = TimedJournal(outbox, state)
    mode = DoorMode(outbox, door, journal, state, clock, may_forget=False, settings=config.door)
    stack.callback(mode.close)
    mode.open()
    parts = AccessParts(
        House(
            config=config,
            lines=lines_of(path),
            key=key,
            identity=Identity(key),
            outbox=outbox,
            time=clock,
            gallery=gallery,
            index=gallery.index(MODEL, SIZE),
            policy=policy(),
            mode=mode,
            journal=journal,
            state=state,
            doorway=Doorway(
                config, digest="0" * 12, model=lambda: MODEL, gallery=gallery, journal=journal,
                metrics=Metrics(),
            ),
        )
    )  # fmt: skip
    stack.callback(parts.close)
    parts.open()
    return parts.desk, journal


def face(person: str, claim: str | None = None) -> Outcome:
    people = 50_000 if claim is None else 1
    return Outcome(
        Kind.GRANTED, "matched", person, 0.9, 0.1, 0.6, 0.003, people, 0.9, 3, 0.4, (),
        rule=Rule.CLEAR_MATCH,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--rules", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))  # noqa: S108
    parser.add_argument("--processor", action="store_true")
    args = parser.parse_args()
    if args.processor:
        TimedJournal.clock = staticmethod(time.thread_time)
    picks = np.random.default_rng(1).permutation(args.people)[: args.rounds].tolist()
    alone: dict[str, list[float]] = defaultdict(list)
    whole: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder, ExitStack() as stack:
        desk, journal = opened(written(Path(folder), args.rules), args.people, stack)

        def shown(value: str) -> None:
            desk.read(Reading(f"reader-{time.monotonic_ns()}", "card", value))

        def timed(name: str, call: Callable[[], Any]) -> None:
            journal.began_s, began_s = None, journal.clock()
            call()
            ended_s = journal.clock()
            whole[name].append(1e3 * (ended_s - began_s))
            alone[name].append(1e3 * ((journal.began_s or ended_s) - began_s))

        for number in picks:
            who = f"p{number}"
            timed("a face", lambda who=who: desk.judged(face(who)))  # type: ignore[misc]
            timed("a card", lambda number=number: shown(card(number)))  # type: ignore[misc]
            timed("its face", lambda who=who: desk.judged(face(who, who), who))  # type: ignore[misc]
    print(f"{args.people:,} people, {args.rules} rules, {args.rounds} rounds; ms least p50 p99")
    for name, spans in alone.items():
        found = "  ".join(f"{one:6.3f}" for one in (min(spans), *np.percentile(spans, [50, 99])))
        both = "  ".join(f"{one:6.3f}" for one in np.percentile(whole[name], [50, 99]))
        over = sum(one > LIMIT_MS for one in spans)
        print(f"{name:9} decision {found}, {over} over {LIMIT_MS:g} ms; in all p50, p99 {both}")


if __name__ == "__main__":
    main()
