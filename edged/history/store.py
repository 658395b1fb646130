"""The encrypted file of how presentations went: numbers only, nobody can be found in it."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING

from edged.decision.drift import BUCKET_MIN, DAYS, Bucket, Drift, trouble
from edged.errors import StorageError
from edged.types import Defect
from edged.vault.database import Database

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path

    from edged.config.schema import Config
    from edged.decision.presentation import Summary
    from edged.vault.database import Connection
    from edged.vault.secret import Secret

MOST_WAITING = 1000
MOST_KEPT = 1_000_000
DAY_S = 86_400.0

_PATIENCE_S = 0.1  # whoever writes it also feeds the watchdog, and tries again
_LATEST_S = 4e9  # no clock of a terminal at work is past the year 2096
_SCHEMA = (
    """
    CREATE TABLE presentations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time REAL NOT NULL,       -- Unix seconds
        day INTEGER NOT NULL,     -- of the local calendar then, ordinal
        minute INTEGER NOT NULL,  -- of that day by the wall clock
        ended TEXT NOT NULL,
        duration_s REAL NOT NULL,
        frames INTEGER NOT NULL,
        views INTEGER NOT NULL,
        quality REAL,
        defects TEXT NOT NULL,    -- shares of the frames
        trouble TEXT              -- the defect of most of them
    ) STRICT;
    CREATE INDEX presentations_by_time ON presentations (time);
    CREATE INDEX presentations_by_day ON presentations (day);
    CREATE TABLE hints (
        presentation INTEGER NOT NULL REFERENCES presentations ON DELETE CASCADE,
        code TEXT NOT NULL,
        after_s REAL NOT NULL,
        before REAL NOT NULL,
        gain REAL,                -- NULL where no frame came any more
        rose INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX hints_by_presentation ON hints (presentation);
    CREATE TABLE drifts (
        what TEXT NOT NULL, defect TEXT, minute INTEGER, days INTEGER NOT NULL,
        share REAL NOT NULL, presentations INTEGER NOT NULL, since INTEGER NOT NULL,
        level REAL NOT NULL
    ) STRICT;
    """,
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """How busy the door is, by what was measured.

    Attributes:
        days: how long it was measured, at most `DAYS`.
        presentations, not_granted: a day.
    """

    days: float
    presentations: float
    not_granted: float


@dataclass(frozen=True, slots=True)
class Shown:
    """One hint of a presentation, as it is kept; `gain` None: nobody knows what followed."""

    code: str
    gain: float | None
    rose: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """One presentation, as it is kept."""

    ended: str
    hints: tuple[Shown, ...]


def history_path(config: Config) -> Path:
    """Where this terminal keeps it: beside the events, unless the configuration says where."""
    return config.history.path or beside(config.events.path)


def beside(events: Path) -> Path:
    """Where it is, unless somebody says where."""
    return events.with_name("history.db")


class History:
    """`note` belongs to the vision thread, everything else to another one.

    All methods but `note` and `close` raise StorageError.

    Args:
        path: the encrypted file; made if it is missing.
        key: the terminal's key.
        keep_days: what is older is removed by `prune`.
        zone: of the wall clock; None: the machine's.
    """

    def __init__(self, path: Path, key: Secret, keep_days: int, zone: tzinfo | None = None) -> None:
        self._database = Database(path, key, "history", _SCHEMA, _PATIENCE_S)
        self._keep_s = keep_days * DAY_S
        self._zone = zone
        self._waiting: deque[tuple[Summary, float]] = deque(maxlen=MOST_WAITING)
        self._batch: list[tuple[Summary, float]] = []

    def open(self) -> None:
        """Open the file; for the errors see `Database.open`. Safe when it is open."""
        self._database.open()

    def close(self) -> None:
        """Let go of the file; what was not flushed is lost."""
        self._database.close()

    def note(self, summary: Summary, now: float) -> None:
        """Keep this in mind until the next `flush`; the oldest gives way to the thousandth.

        Args:
            summary: of a presentation that has ended.
            now: Unix seconds.
        """
        self._waiting.append((summary, now))

    def flush(self) -> int:
        """Write what was noted; returns how many. What cannot be written waits."""
        while self._waiting and len(self._batch) < MOST_WAITING:
            summary, now = self._waiting.popleft()
            if 0 <= now < _LATEST_S:  # neither is a number that is none
                self._batch.append((summary, now))
        if self._batch:
            with self._database.transaction() as connection:
                for summary, now in self._batch:
                    self._insert(connection, summary, now)
        done, self._batch = len(self._batch), []
        return done

    def prune(self, now: float) -> None:
        """Remove what is older than `keep_days`, or too much."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM presentations WHERE time < ?", (now - self._keep_s,))
            connection.execute(
                "DELETE FROM presentations WHERE id <= (SELECT max(id) FROM presentations) - ?",
                (MOST_KEPT,),
            )

    def traffic(self, now: float) -> Traffic | None:
        """Presentations a day, over four weeks or what there is; None under a day.

        Counted from the first presentation of that time: a quiet time before it does not make
        the door look less busy than it is.
        """
        with self._database.snapshot() as connection:
            number, granted, first = connection.execute(
                "SELECT count(*), total(ended = 'granted'), min(time) FROM presentations "
                "WHERE time > ? AND time <= ?",
                (now - DAYS * DAY_S, now),
            ).fetchone()
        days = (now - first) / DAY_S if number else 0.0
        if days < 1:
            return None
        return Traffic(days, number / days, (number - granted) / days)

    def today(self, now: float) -> int:
        """The number of the local day."""
        return self._local(now).toordinal()

    def buckets(self, today: int) -> list[Bucket]:
        """The last `DAYS` days in buckets, for `edged.decision.drift`."""
        with self._database.snapshot() as connection:
            rows = connection.execute(
                "SELECT day, minute / ? * ? AS start, trouble, count(*), count(quality), "
                "total(quality) FROM presentations WHERE day > ? AND day <= ? "
                "GROUP BY day, start, trouble",
                (BUCKET_MIN, BUCKET_MIN, today - DAYS, today),
            ).fetchall()
        return [
            Bucket(day, minute, _defect(what), seen, measured, quality)
            for day, minute, what, seen, measured, quality in rows
        ]

    def drifts(self) -> tuple[Drift, ...]:
        """What was active when it was last kept."""
        with self._database.snapshot() as connection:
            rows = connection.execute("SELECT * FROM drifts").fetchall()
        return tuple(Drift(what, _defect(defect), *rest) for what, defect, *rest in rows)

    def keep_drifts(self, active: tuple[Drift, ...]) -> None:
        """Remember what is active, across restarts."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM drifts")
            connection.executemany(
                "INSERT INTO drifts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (d.what, d.defect, d.minute, d.days, d.share, d.presentations, d.since, d.level)
                    for d in active
                ],
            )

    def presentations(self, since: float, until: float) -> list[Kept]:
        """Every presentation of a time (Unix seconds), oldest first, with its hints."""
        span = (since, until)
        with self._database.snapshot() as connection:
            rows = connection.execute(
                "SELECT id, ended FROM presentations WHERE time > ? AND time <= ? ORDER BY id", span
            ).fetchall()
            hints: dict[int, list[Shown]] = {}
            for owner, code, gain, rose in connection.execute(
                "SELECT presentation, code, gain, rose FROM hints JOIN presentations "
                "ON presentation = id WHERE time > ? AND time <= ? ORDER BY after_s",
                span,
            ):
                hints.setdefault(owner, []).append(Shown(code, gain, bool(rose)))
        return [Kept(ended, tuple(hints.get(number, ()))) for number, ended in rows]

    def _insert(self, connection: Connection, summary: Summary, now: float) -> None:
        local = self._local(now)
        frames = max(1, summary.frames)
        shares = {d.value: round(n / frames, 3) for d, n in summary.defects.items()}
        owner = connection.execute(
            "INSERT INTO presentations (time, day, minute, ended, duration_s, frames, views, "
            "quality, defects, trouble) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                now,
                local.toordinal(),
                local.hour * 60 + local.minute,
                summary.ended,
                _number(summary.duration_s) or 0.0,
                summary.frames,
                summary.views,
                _number(summary.best_quality),
                json.dumps(shares, separators=(",", ":")),
                trouble(summary.defects, summary.frames),
            ),
        ).lastrowid
        connection.executemany(
            "INSERT INTO hints VALUES (?, ?, ?, ?, ?, ?)",
            [
                (owner, h.instruction, h.after_s, h.before, _number(h.gain), int(h.helped))
                for h in summary.hints
            ],
        )

    def _local(self, now: float) -> datetime:
        return datetime.fromtimestamp(now, UTC).astimezone(self._zone)


def _number(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _defect(value: str | None) -> Defect | None:
    try:
        return None if value is None else Defect(value)
    except ValueError as fault:
        raise StorageError(f"the history names an unknown defect {value!r}") from fault
