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
    """The templates of one model as rows of one float32 matrix.

    Searching and changing may go on in different threads. A search holds `_rows` while it
    reads the matrix (a fraction of a millisecond for 10,000 templates), a change only while it
    shows its work: new rows, and a whole new matrix when it has grown, are written before.
    Copies of the rows for each search, the other way, would double what memory must deliver.

    Args:
        model: whose templates these are.
        size: numbers in an embedding.
        capacity: rows to make room for at once.
    """

    def __init__(self, model: str, size: int, capacity: int = 0) -> None:
        self.model = model
        self.size = size
        self._changes = threading.Lock()  # one change at a time; taken before _rows
        self._rows = threading.Lock()
        self._used = 0
        self._matrix: Floats = np.zeros((max(capacity, _FIRST_ROWS), size), np.float32)
        self._numbers: NDArray[np.int64] = np.zeros(len(self._matrix), np.int64)
        self._owners: NDArray[np.int64] = np.zeros(len(self._matrix), np.int64)
        self._row_of: dict[int, int] = {}
        self._people: dict[int, tuple[str, int]] = {}  # owner: id and number of templates
        self._owner_of: dict[str, int] = {}
        self._next_owner = 0

    def __len__(self) -> int:
        """How many templates."""
        return self._used

    @property
    def people(self) -> int:
        """How many persons have a template here."""
        return len(self._owner_of)

    def numbers(self) -> set[int]:
        """The numbers of all templates."""
        with self._changes:
            return set(self._row_of)

    def add(self, number: int, person_id: str, embedding: Floats) -> None:
        """Add one template; see `extend`."""
        self.extend([number], [person_id], unit(embedding, self.size)[np.newaxis])

    def extend(self, numbers: Sequence[int], people: Sequence[str], embeddings: Floats) -> None:
        """Add templates under their numbers; those that are known already are left alone.

        Args:
            numbers: each template's own, (n,).
            people: whose template it is, (n,).
            embeddings: unit-length float32 (n, size); not checked again.
        """
        with self._changes:
            fresh = [i for i, number in enumerate(numbers) if number not in self._row_of]
            self._reserve(self._used + len(fresh))
            start, end = self._used, self._used + len(fresh)
            # no search looks beyond _used
            self._matrix[start:end] = embeddings[fresh] if len(fresh) < len(numbers) else embeddings
            with self._rows:
                for row, i in enumerate(fresh, start):
                    self._numbers[row] = numbers[i]
                    self._owners[row] = self._owner(people[i])
                    self._row_of[numbers[i]] = row
                self._used = end

    def remove(self, numbers: Iterable[int]) -> None:
        """Forget templates; unknown numbers do no harm. The last row moves into the gap."""
        with self._changes:
            for number in numbers:
                row = self._row_of.pop(number, None)
                if row is None:
                    continue
                last = self._used - 1
                with self._rows:
                    self._release(int(self._owners[row]))
                    if row != last:
                        self._matrix[row] = self._matrix[last]
                        self._owners[row] = self._owners[last]
                        self._numbers[row] = self._numbers[last]
                        self._row_of[int(self._numbers[last])] = row
                    self._matrix[last] = 0  # nothing of the person stays in memory
                    self._used = last

    def search(self, probe: Floats, k: int) -> Match:
        """The `k` persons most similar to a probe, by each one's best template.

        Args:
            probe: unit-length float32 (size,).
            k: how many at most.

        Returns:
            Candidates, most similar first, out of all persons here.

        Raises:
            GalleryError: the probe is no embedding of this size.
        """
        probe = unit(probe, self.size)
        with self._rows:
            people = len(self._people)
            if k < 1 or not people:
                return Match((), people)
            similarity = self._matrix[: self._used] @ probe
            best = self._best(similarity, min(k, people))
            found = [(self._people[owner][0], value) for owner, value in best]
        # rounding may carry a cosine past 1
        return Match(tuple(Candidate(who, min(1.0, max(-1.0, s))) for who, s in found), people)

    def _best(self, similarity: Floats, k: int) -> list[tuple[int, float]]:
        """Owner and similarity of the best template of each of the best `k` owners."""
        rows = len(similarity)
        wanted = k
        while True:
            # the top rows may belong to few persons: look further until k of them are there
            wanted = min(rows, 4 * wanted)
            top = np.argpartition(similarity, rows - wanted)[rows - wanted :]
            top = top[np.argsort(-similarity[top], kind="stable")]
            _, first = np.unique(self._owners[top], return_index=True)
            if len(first) >= k or wanted == rows:
                rows_found = top[np.sort(first)[:k]]
                return [(int(self._owners[row]), float(similarity[row])) for row in rows_found]

    def _reserve(self, rows: int) -> None:
        if rows <= len(self._matrix):
            return
        capacity = max(rows, int(len(self._matrix) * _GROWTH))
        # zeros that were never touched take no memory
        matrix = np.zeros((capacity, self.size), np.float32)
        numbers, owners = np.zeros(capacity, np.int64), np.zeros(capacity, np.int64)
        matrix[: self._used] = self._matrix[: self._used]
        numbers[: self._used] = self._numbers[: self._used]
        owners[: self._used] = self._owners[: self._used]
        with self._rows:
            self._matrix, self._numbers, self._owners = matrix, numbers, owners

    def _owner(self, person_id: str) -> int:
        owner = self._owner_of.get(person_id)
        if owner is None:
            owner = self._owner_of[person_id] = self._next_owner
            self._next_owner += 1
            self._people[owner] = (person_id, 0)
        self._people[owner] = (person_id, self._people[owner][1] + 1)
        return owner

    def _release(self, owner: int) -> None:
        person_id, templates = self._people[owner]
        if templates > 1:
            self._people[owner] = (person_id, templates - 1)
        else:
            del self._people[owner], self._owner_of[person_id]
