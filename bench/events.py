"""The log of a million events: how large it is, and how fast one finds what one looks for.

    python -m bench.events [--events 1000000] [--times 200] [--folder /var/tmp]

Nine in ten are granted accesses of a site of 800 people over 30 days, the others punches. Each
query runs on a log that was opened once, as `edged events query` opens it; opening and the start
of the command itself are measured beside. The last line reports a month of 5,000 people
(`edged attendance report`), who punch four times a day.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from bench.outbox import AT_ONCE, DAY_MS, DAYS, PEOPLE, appends, dice_of, size, told, visit
from edged.attendance.punch import PUNCHED
from edged.events import rows
from edged.events.outbox import Outbox
from edged.events.query import Wanted
from edged.vault.secret import Secret

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

KEY = bytes(range(32))
MONTH_BEGINS = datetime(2026, 3, 1, tzinfo=UTC)
STATES = ("in", "break", "return", "out")
GRANTED, OTHER = 1, 2


def punch(state: str, person: str) -> dict[str, Any]:
    return {
        "person_id": person, "state": state, "by": "role", "reader": "camera", "count": 1,
    }  # fmt: skip


def open_log(folder: Path) -> Outbox:
    outbox = Outbox(
        folder / "events.db", Secret(KEY), 10_000_000, keep_days=3650, largest_mb=100_000
    )
    outbox.open()
    with outbox._database.transaction() as connection:  # noqa: SLF001
        connection.execute(
            "INSERT OR IGNORE INTO kinds (id, name) VALUES (1, 'access.granted'), (2, ?)",
            (PUNCHED,),
        )
    return outbox


def write(outbox: Outbox, table: list[tuple[int, int, int, bytes, str]]) -> None:
    """Rows of number, kind, time, body and person, without the time that hashing takes."""
    with outbox._database.transaction(durable=False) as connection:  # noqa: SLF001
        connection.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?, 1, ?, ?)",
            [
                (seq, os.urandom(16), kind, ms, data, os.urandom(32))
                for seq, kind, ms, data, _ in table
            ],
        )
        connection.executemany(
            "INSERT INTO mentions VALUES (?, ?, ?)",
            [(who, ms, seq) for seq, _, ms, _, who in table],
        )
        connection.execute(
            "UPDATE log SET seq = ?, hash = ?, time = ?",
            (table[-1][0], os.urandom(32), table[-1][2]),
        )


def fill(outbox: Outbox, number: int) -> None:
    dice = dice_of(1)
    visits = [visit(dice) for _ in range(4 * PEOPLE)]
    bodies = [(GRANTED, rows.pack(rows.body(one)), one["person_id"]) for one in visits]
    punches = [punch(dice.choice(STATES), one["person_id"]) for one in visits]
    punched = [(OTHER, rows.pack(rows.body(one)), one["person_id"]) for one in punches]
    start_ms = int(time.time() * 1000) - DAYS * DAY_MS
    for begin in range(1, 1 + number, AT_ONCE):
        table = []
        for seq in range(begin, min(begin + AT_ONCE, 1 + number)):
            kind, body, who = dice.choice(bodies if seq % 10 else punched)
            table.append((seq, kind, start_ms + seq * DAYS * DAY_MS // number, body, who))
        write(outbox, table)


def timed(times: int, ask: Callable[[random.Random, float], object]) -> Iterator[float]:
    """Milliseconds, for another person and day each time."""
    dice, now_s = dice_of(2), time.time()
    for _ in range(times):
        since_s = now_s - dice.randrange(1, DAYS) * 86_400
        began = time.perf_counter()
        ask(dice, since_s)
        yield 1000 * (time.perf_counter() - began)


def queries(outbox: Outbox, times: int) -> None:
    def wanted(since_s: float, person: str | None, *types: str) -> Wanted:
        since_ms = int(since_s * 1000)
        return Wanted(person, types, since_ms, since_ms + DAY_MS)

    def who(dice: random.Random) -> str:
        return f"E{dice.randrange(PEOPLE):05d}"

    asks: dict[str, Callable[[random.Random, float], object]] = {
        "a person and a day": lambda dice, s: list(outbox.find(wanted(s, who(dice)))),
        "a person, a day, access.*": lambda dice, s: list(
            outbox.find(wanted(s, who(dice), "access.*"))
        ),
        "the last 100 punches": lambda _, __: list(
            outbox.find(Wanted(types=("attendance.*",)), 100)
        ),
        "the last 100 events": lambda _, __: list(outbox.find(Wanted(), 100)),
        "a person's last 10": lambda dice, _: list(outbox.find(Wanted(who(dice)), 10)),
    }
    for name, ask in asks.items():
        told(name, timed(times, ask))
    began = time.perf_counter()
    count = sum(1 for _ in outbox.records(wanted(time.time() - 5 * 86_400, None, PUNCHED)))
    print(f"all {count} punches of a day: {1000 * (time.perf_counter() - began):.0f} ms")


def command(folder: Path) -> None:
    """The same through the command line, start of the process and all."""
    settings = {
        "site": "hq", "terminal": "door-1", "camera": {"driver": "replay", "source": "."},
        "key": {"file": "secret.key"}, "gallery": {"path": "gallery.db"},
        "events": {"path": "events.db"}, "door": {"driver": "simulated"},
        "time_zone": "Europe/Berlin", "attendance": {},
    }  # fmt: skip
    key = folder / "secret.key"
    key.touch(mode=0o600)
    key.write_text(KEY.hex())
    (folder / "edged.yaml").write_text(yaml.safe_dump(settings))
    day = datetime.now(UTC).date() - timedelta(days=3)
    argv = [sys.executable, "-m", "edged", "events", "query", "-c", str(folder / "edged.yaml")]
    argv += ["--person", "E00042", "--from", str(day), "--to", str(day)]
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(argv, check=True, capture_output=True)
        spent.append(time.perf_counter() - began)
    print(f"edged events query, the whole command: {1000 * min(spent):.0f} ms")


def report(folder: Path, people: int = 5000, days: int = 31) -> None:
    from edged.cli.main import main

    outbox = open_log(folder)
    dice, seq = dice_of(4), 0
    bodies = {
        (who, state): rows.pack(rows.body(punch(state, f"E{who:05d}")))
        for who in range(people)
        for state in STATES
    }
    for day in range(days):
        begin_ms = int(MONTH_BEGINS.timestamp() * 1000) + day * DAY_MS
        table = []
        for at, state in zip((7, 12, 13, 17), STATES, strict=True):
            moments = sorted(dice.randrange(1_800_000) for _ in range(people))
            for who, ms in enumerate(moments):
                seq += 1
                body = bodies[who, state]
                table.append((seq, OTHER, begin_ms + at * 3_600_000 + ms, body, f"E{who:05d}"))
        write(outbox, table)
    outbox.close()
    last = date(2026, 3, 1) + timedelta(days=days - 1)
    out = folder / "report.csv"
    argv = ["attendance", "report", "-c", str(folder / "edged.yaml"), "--from", "2026-03-01"]
    argv += ["--to", str(last), "--format", "csv", "--out", str(out)]
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began, cpu_s = time.perf_counter(), time.process_time()
    sys.stdout, kept = io.StringIO(), sys.stdout
    try:
        code = main(argv)
    finally:
        sys.stdout = kept
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    grew_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb
    assert code == 0
    lines = out.read_bytes().count(b"\n") - 1
    print(
        f"a report of {people} people, {days} days, {seq} punches: {took_s:.1f} s "
        f"({cpu_s:.1f} s of a core), {lines} lines, "
        f"{out.stat().st_size / 1e6:.0f} MB; memory grew by {grew_mb:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as place:
        folder = Path(place) / "log"
        folder.mkdir()
        outbox = open_log(folder)
        fill(outbox, args.events)
        held = size(folder, outbox)
        print(f"{args.events} events: {held / 1e6:.0f} MB, {held / args.events:.0f} bytes each")
        outbox.close()
        began = time.perf_counter()
        outbox.open()
        print(f"opened in {1000 * (time.perf_counter() - began):.0f} ms")
        queries(outbox, args.times)
        told("append", appends(outbox, 300))
        outbox.close()
        command(folder)
        month = Path(place) / "month"
        month.mkdir()
        for name in ("edged.yaml", "secret.key"):
            (month / name).write_bytes((folder / name).read_bytes())
            (month / name).chmod(0o600)
        report(month)


if __name__ == "__main__":
    main()
