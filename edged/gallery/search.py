"""Exact nearest neighbours, at the speed at which the memory can be read."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from edged.gallery.vectors import unit
from edged.types import Candidate, Match

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from edged.types import Floats

_FIRST_ROWS = 64
_GROWTH = 1.5


class Index:
    """One row of one float32 matrix for each person: a search is as many comparisons as people.

    That is what the threshold is derived from: a second row would be a second chance to be
    taken for somebody.

    Searching and changing may go on in different threads. A search holds `_rows` while it
    reads the matrix (a fraction of a millisecond for 10,000 people), a change only while it
    shows its work: new rows, and a whole new matrix when it has grown, are written before.
    Copies of the rows for each search, the other way, would double what memory must deliver.

    Args:
        model: whose templates these are.
        size: numbers in an embedding.

    Attributes:
        revision: grows with every change; in memory only.
    """

    def __init__(self, model: str, size: int) -> None:
        self.model = model
        self.size = size
        self._changes = threading.Lock()  # one change at a time; taken before _rows
        self._rows = threading.Lock()
        self._matrix: Floats = np.zeros((_FIRST_ROWS, size), np.float32)
        self._ids: list[str] = []  # whose each row is
        self._row_of: dict[str, int] = {}
        self._since: NDArray[np.int64] = np.zeros(_FIRST_ROWS, np.int64)  # revision of each row
        self.revision = 0

    def __len__(self) -> int:
        """How many people, which is how many rows."""
        return len(self._ids)

    @property
    def people(self) -> int:
        """How many people."""
        return len(self._ids)

    def ids(self) -> set[str]:
        """Everybody here."""
        with self._changes:
            return set(self._ids)

    def row(self, person_id: str) -> tuple[int, Floats] | None:
        """A person's row, float32 (size,), and the revision since which it is theirs."""
        with self._rows:
            row = self._row_of.get(person_id)
            return None if row is None else (int(self._since[row]), self._matrix[row].copy())

    def put(self, person_id: str, embedding: Floats) -> None:
        """Set a person's row: unit-length float32 (size,).

        Raises:
            GalleryError: it is no embedding of this size.
        """
        self.put_many([person_id], unit(embedding, self.size)[np.newaxis])

    def put_many(self, people: Sequence[str], embeddings: Floats) -> None:
        """Set the rows of many, each named once.

        Args:
            people: whose, (n,).
            embeddings: unit-length float32 (n, size); not checked again.
        """
        with self._changes:
            known = [i for i, who in enumerate(people) if who in self._row_of]
            new = [i for i, who in enumerate(people) if who not in self._row_of]
            start, end = len(self._ids), len(self._ids) + len(new)
            self._reserve(end)
            # no search looks beyond the last of _ids
            self._matrix[start:end] = embeddings[new] if known else embeddings
            revision = self.revision + 1
            self._since[start:end] = revision
            with self._rows:
                for i in known:
                    self._matrix[self._row_of[people[i]]] = embeddings[i]
                    self._since[self._row_of[people[i]]] = revision
                for row, i in enumerate(new, start):
                    self._row_of[people[i]] = row
                    self._ids.append(people[i])
                self.revision = revision

    def remove(self, people: Iterable[str]) -> None:
        """Forget people; unknown ones do no harm. The last row moves into the gap."""
        with self._changes:
            for who in people:
                row = self._row_of.pop(who, None)
                if row is None:
                    continue
                with self._rows:
                    last = len(self._ids) - 1
                    moved = self._ids.pop()
                    if row != last:
                        self._matrix[row] = self._matrix[last]
                        self._ids[row] = moved
                        self._row_of[moved] = row
                        self._since[row] = self._since[last]
                    self._matrix[last] = 0  # nothing of the person stays in memory
                    self.revision += 1

    def search(self, probe: Floats, k: int) -> Match:
        """The `k` people most similar to a probe.

        Args:
            probe: unit-length float32 (size,).
            k: how many at most.

        Returns:
            Candidates, most similar first, out of all people here.

        Raises:
            GalleryError: the probe is no embedding of this size.
        """
        probe = unit(probe, self.size)
        with self._rows:
            people = len(self._ids)
            k = min(k, people)
            if k < 1:
                return Match((), people)
            similarity = self._matrix[:people] @ probe
            top = np.argpartition(similarity, people - k)[people - k :]
            top = top[np.argsort(-similarity[top])]
            # rounding may carry a cosine past 1
            cosines = np.clip(similarity[top], -1, 1).tolist()
            best = zip(top.tolist(), cosines, strict=True)
            return Match(tuple(Candidate(self._ids[row], value) for row, value in best), people)

    def _reserve(self, rows: int) -> None:
        if rows <= len(self._matrix):
            return
        # zeros that were never touched take no memory
        matrix = np.zeros((max(rows, int(len(self._matrix) * _GROWTH)), self.size), np.float32)
        matrix[: len(self._ids)] = self._matrix[: len(self._ids)]
        since = np.zeros(len(matrix), np.int64)
        since[: len(self._ids)] = self._since[: len(self._ids)]
        with self._rows:
            self._matrix, self._since = matrix, since
