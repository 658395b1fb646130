"""What the networks said of views, kept so that a second run need not ask again.

The file holds embeddings, which are biometric templates, without a key. So nothing is kept
unless a folder is named, and that folder must be closed to everybody else. It holds no image and
no name: rows are found by a digest over the image's bytes and the way it was measured.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from edged.errors import DiskFull, EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edged.types import Floats

NAME = "views.sqlite"
_VERSION = 1
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Reading:
    """What a view gave, or why it gave nothing.

    Attributes:
        failure: "" or "no_face", "unreadable", "no_numbers"; with one, nothing else holds.
        embedding: as the network gave it, not normalised, float32 (d,).
        sharpness: variance of the chip's Laplacian.
        detector: the detector's score; NaN for a chip that came aligned.
        faces: how many were found in the image.
        several: whether another face is about as prominent.
    """

    failure: str
    embedding: Floats
    log_variance: float = float("nan")
    sharpness: float = float("nan")
    detector: float = float("nan")
    faces: int = 0
    several: bool = False

    @property
    def numbers(self) -> tuple[float, float, float]:
        """Log variance, sharpness, detector's score."""
        return self.log_variance, self.sharpness, self.detector


def failed(why: str) -> Reading:
    """A view that gave nothing."""
    return Reading(why, np.empty(0, np.float32))


class Cache:
    """One file of readings; `get` and `put` by key.

    Raises on `open` EvaluationError: others may read the folder, or the file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._pending: dict[str, Reading] = {}
        self._file: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Make folder and file where they are missing."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            about = self._folder.stat()
            if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
                raise EvaluationError(
                    f"{self._folder}: others can reach this folder, and a cache holds biometric "
                    f"templates; chmod 700 it, and own it, or name another"
                )
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
        except OSError as fault:
            raise EvaluationError(f"{self._path}: cannot be used: {fault.strerror}") from fault
        with self._guarded():
            self._file = sqlite3.connect(self._path, timeout=30)
            self._prepare(self._file)

    def _prepare(self, file: sqlite3.Connection) -> None:
        (version,) = file.execute("PRAGMA user_version").fetchone()
        tables = file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version != _VERSION and tables:
            self.close()
            raise EvaluationError(
                f"{self._path}: not a cache of this version of edged; name another folder, or "
                "delete the file"
            )
        file.execute(
            "CREATE TABLE IF NOT EXISTS views (key TEXT PRIMARY KEY, failure TEXT NOT NULL, "
            "embedding BLOB NOT NULL, log_variance REAL, sharpness REAL, detector REAL, "
            "faces INTEGER NOT NULL, several INTEGER NOT NULL) WITHOUT ROWID"
        )
        file.execute(f"PRAGMA user_version = {_VERSION}")
        file.commit()

    def get(self, key: str) -> Reading | None:
        """The reading of this key, if there is one."""
        if key in self._pending:
            return self._pending[key]
        assert self._file is not None, "the cache is not open"  # noqa: S101
        with self._guarded():
            row = self._file.execute(
                "SELECT failure, embedding, log_variance, sharpness, detector, faces, several "
                "FROM views WHERE key = ?",
                (key,),
            ).fetchone()
        if row is None:
            return None
        try:
            embedding = np.frombuffer(row[1], np.float32)
            a, b, c = (float("nan") if value is None else float(value) for value in row[2:5])
            return Reading(row[0], embedding, a, b, c, int(row[5]), bool(row[6]))
        except (TypeError, ValueError) as fault:
            raise self._damaged() from fault

    def put(self, key: str, reading: Reading) -> None:
        """Keep a reading; it is on the disk after a few more, or after `flush`."""
        self._pending[key] = reading
        if len(self._pending) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what is pending.

        Raises:
            DiskFull: there is no room.
        """
        if self._file is None or not self._pending:
            return
        rows = [
            (key, r.failure, r.embedding.tobytes(), *r.numbers, r.faces, r.several)
            for key, r in self._pending.items()
        ]
        with self._guarded(), self._file:
            self._file.executemany("INSERT OR REPLACE INTO views VALUES (?,?,?,?,?,?,?,?)", rows)
        self._pending.clear()

    def close(self) -> None:
        """Write what is pending and let go; safe after a failed `open`, and twice."""
        file = self._file
        if file is None:
            return
        try:
            self.flush()
        finally:
            self._file = None
            file.close()

    def _damaged(self) -> EvaluationError:
        return EvaluationError(
            f"{self._path}: the cache is damaged; delete the file, or name another folder"
        )

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as fault:
            self._pending.clear()
            file, self._file = self._file, None
            if file is not None:
                file.close()
            if fault.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise DiskFull(f"{self._path}: no room left on the disk") from fault
            if isinstance(fault, sqlite3.OperationalError):
                raise EvaluationError(f"{self._path}: cannot be used: {fault}") from fault
            raise self._damaged() from fault
