"""The log of events: how fast it is written and drained, how large it gets, how fast one finds.

    python -m bench.outbox [--events 1000000] [--appends 4000] [--folder /var/tmp]

The folder should lie on the disk in question: an append waits for it. The large log is filled with
rows as `append` writes them, a few thousand a transaction; hashes in it are random, which is as
large. Events are granted accesses of a site of 800 people over 30 days.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.events import rows
from edged.events.outbox import Outbox
from edged.vault.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

PEOPLE = 800
DAYS = 30
DAY_MS = 86_400_000
AT_ONCE = 5000
DEFECTS = ("too_far", "off_centre", "turned", "too_dark", "backlit", "blurred", "covered")


def dice_of(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  # nothing secret


def visit(dice: random.Random) -> dict[str, Any]:
    similarity = round(dice.uniform(0.66, 0.97), 4)
    return {
        "reason": "matched",
        "similarity": similarity,
        "runner_up": round(dice.uniform(0.1, 0.5), 4),
        "threshold": 0.6503,
        "implied_fpir": 0.003,
        "people": PEOPLE,
        "margin": 0.03,
        "lookalike": dice.random() < 0.02,
        "quality": round(dice.uniform(0.9, 1), 4),
        "fused_quality": round(dice.uniform(0.95, 1), 4),
        "minimum_quality": 0.35,
        "frames": dice.randrange(2, 9),
        "seen": dice.randrange(5, 40),
        "defects": {name: dice.randrange(1, 9) for name in dice.sample(DEFECTS, dice.randrange(3))},
        "duration_s": round(dice.uniform(0.2, 3), 2),
        "instructions": dice.choice(([], [], [], ["come_closer"], ["face_camera"])),
        "profile": "access",
        "policy": "5b0f4e9a1c7d",
        "model": "mobilefacenet-rts@1.1.0#30ae6c34721e",
        "person_id": f"E{dice.randrange(PEOPLE):05d}",
    }


def appended(outbox: Outbox, number: int, threads: int) -> float:
    """Events a second."""

    def work(seed: int) -> None:
        dice = dice_of(seed)
        for _ in range(number // threads):
            outbox.append("access.granted", visit(dice))

    workers = [Thread(target=work, args=(seed,)) for seed in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return number / (time.perf_counter() - began)


def drained(outbox: Outbox) -> float:
    """Events a second, read by a hundred and acknowledged by sixteen, as the link does."""
    count, began = outbox.depth, time.perf_counter()
    while events := outbox.pending():
        for at in range(0, len(events), 16):
            outbox.acknowledge(event.seq for event in events[at : at + 16])
    return count / (time.perf_counter() - began)


def fill(outbox: Outbox, number: int, *, waiting: bool) -> None:
    """Rows as they are written, without the time that hashing and the disk take."""
    dice = dice_of(1)
    some = [rows.body(visit(dice)) for _ in range(4 * PEOPLE)]
    bodies = [(rows.pack(text), rows.loads(text)["person_id"]) for text in some]
    first = outbox.head.seq + 1
    start_ms = int(time.time() * 1000) - DAYS * DAY_MS
    for begin in range(first, first + number, AT_ONCE):
        end = min(begin + AT_ONCE, first + number)
        with outbox._database.transaction(durable=False) as connection:  # noqa: SLF001
            table = [
                (seq, start_ms + (seq - first) * DAYS * DAY_MS // number, *dice.choice(bodies))
                for seq in range(begin, end)
            ]
            write(connection, table, waiting=waiting)


def write(connection: Any, table: list[tuple[int, int, bytes, str]], *, waiting: bool) -> None:
    connection.execute("INSERT OR IGNORE INTO kinds (id, name) VALUES (1, 'access.granted')")
    connection.executemany(
        "INSERT INTO events VALUES (?, ?, 1, ?, 1, ?, ?)",
        [(seq, os.urandom(16), ms, data, os.urandom(32)) for seq, ms, data, _ in table],
    )
    connection.executemany(
        "INSERT INTO mentions VALUES (?, ?, ?)", [(who, ms, seq) for seq, ms, _, who in table]
    )
    if waiting:
        connection.executemany("INSERT INTO waiting (seq) VALUES (?)", [row[:1] for row in table])
        connection.execute("UPDATE log SET waiting = waiting + ?", (len(table),))
    connection.execute("UPDATE log SET seq = ?, hash = ?", (table[-1][0], os.urandom(32)))


def queries(outbox: Outbox, times: int = 200) -> Iterator[float]:
    """Milliseconds that one person's day takes, read from the disk."""
    dice, now_s = dice_of(2), time.time()
    for _ in range(times):
        since = now_s - dice.randrange(1, DAYS) * 86_400
        began = time.perf_counter()
        list(outbox.naming(f"E{dice.randrange(PEOPLE):05d}", since, since + 86_400))
        yield 1000 * (time.perf_counter() - began)


def appends(outbox: Outbox, times: int) -> Iterator[float]:
    dice = dice_of(3)
    for _ in range(times):
        data = visit(dice)
        began = time.perf_counter()
        outbox.append("access.granted", data)
        yield 1000 * (time.perf_counter() - began)


def told(name: str, took_ms: Iterator[float]) -> None:
    values = list(took_ms)
    p50, p95, p99 = np.percentile(values, [50, 95, 99])
    print(
        f"{name}: p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, most {max(values):.1f} ms"
    )


def size(folder: Path, outbox: Outbox) -> int:
    outbox._database.checkpoint()  # noqa: SLF001
    return sum(file.stat().st_size for file in folder.glob("*.db"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--appends", type=int, default=4000)
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    key = Secret(os.urandom(32))
    with tempfile.TemporaryDirectory(dir=args.folder) as place:
        folder = Path(place) / "small"
        outbox = Outbox(folder / "events.db", key, 10_000_000)
        outbox.open()
        for threads in (1, 4):
            rate = appended(outbox, args.appends, threads)
            print(f"appended by {threads} thread(s): {rate:.0f} events/s")
        print(f"drained: {drained(outbox):.0f} events/s")
        outbox.close()

        folder = Path(place) / "large"
        outbox = Outbox(folder / "events.db", key, 10_000_000, keep_days=3650, largest_mb=100_000)
        outbox.open()
        fill(outbox, args.events // 10, waiting=True)
        print(f"{args.events // 10} events that wait: {size(folder, outbox) / 1e6:.1f} MB")
        outbox.acknowledge(range(1, args.events // 10 + 1))
        fill(outbox, args.events - args.events // 10, waiting=False)
        held = size(folder, outbox)
        print(f"{args.events} events: {held / 1e6:.0f} MB, {held / args.events:.0f} bytes each")
        outbox.close()
        outbox.open()
        told("a person's day", queries(outbox))
        told("append", appends(outbox, 500))
        outbox.close()
        full = Outbox(folder / "events.db", key, 10_000_000, keep_days=3650, largest_mb=held >> 20)
        full.open()
        told("append where the oldest give way", appends(full, 2000))
        full.close()


if __name__ == "__main__":
    main()
