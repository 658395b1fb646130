"""Exact nearest neighbours, at the speed at which memory can be read."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edged.gallery.blocks import ROWS, Block
from edged.gallery.rotation import turn_back
from edged.gallery.vectors import unit, units
from edged.gallery.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edged.types import Floats, Match


class Index:
    """One row for each person, looked through from the first to the last.

    One row a person is what the threshold is derived from: a second would be a second chance to
    be taken for somebody.

    A search reads everybody in a byte a number. How far such a score can be from the similarity
    is known, so whoever can be among the best is compared once more, exactly: the outcome is
    that of comparing everybody in double precision.

    Searching and changing may go on in different threads. A search waits for nothing: it takes
    the view that holds when it begins. A change makes the blocks that it touches anew and then
    shows them all at once. `row` waits while that is done, a moment.

    Args:
        model: whose templates these are.
        size: numbers in an embedding.
        rotation: orthogonal float32 (size, size): the rows here are those of the network turned
            by it. Probes and what `row` gives are as the network makes them.

    Attributes:
        revision: grows with every change of rows; in memory only.
    """

    def __init__(self, model: str, size: int, rotation: Floats | None = None) -> None:
        self.model = model
        self.size = size
        self.revision = 0
        self._rotation = rotation
        self._changes = threading.Lock()  # one change at a time; taken before _rows
        self._rows = threading.Lock()  # while a change is shown
        self._blocks: list[Block] = []
        self._slots: dict[str, int] = {}  # block and position of each person
        self._view = View.of((), frozenset())

    def __len__(self) -> int:
        """How many people, which is how many rows."""
        return self._view.people

    @property
    def people(self) -> int:
        """How many people."""
        return self._view.people

    @property
    def nbytes(self) -> int:
        """Bytes of all rows and what belongs to each, ids aside."""
        return sum(block.nbytes for block in self._view.blocks)

    @property
    def compact_nbytes(self) -> int:
        """Bytes that a search reads of everybody."""
        return sum(block.compact_nbytes for block in self._view.blocks)

    def ids(self) -> set[str]:
        """Everybody here."""
        return {who for block in self._view.blocks for who in block.ids}

    def row(self, person_id: str) -> tuple[int, Floats] | None:
        """The revision since which a row is theirs, and the row, float32 (size,)."""
        with self._rows:
            slot = self._slots.get(person_id)
            if slot is None:
                return None
            since, row = self._blocks[slot // ROWS].row(slot % ROWS)
        return since, row if self._rotation is None else turn_back(row, self._rotation)

    @property
    def marked(self) -> frozenset[str]:
        """Who resembles somebody else."""
        return self._view.marked

    def mark(self, ids: Iterable[str]) -> None:
        """Who resembles somebody else here; replaces who did before. Ends when they leave."""
        with self._changes:
            self._view = replace(self._view, marked=frozenset(ids))

    def put(self, person_id: str, embedding: Floats) -> None:
        """Set a person's row: unit-length float32 (size,), in the space of the rows here.

        Raises:
            GalleryError: it is no embedding of this size.
        """
        self.put_many([person_id], unit(embedding, self.size)[np.newaxis])

    def put_many(self, people: Sequence[str], embeddings: Floats) -> None:
        """Set the rows of many at once; of one who is named twice the last.

        Args:
            people: whose, (n,).
            embeddings: unit-length float32 (n, size), in the space of the rows here.

        Raises:
            GalleryError: they are no embeddings of this size, or not as many.
        """
        units(embeddings, len(people), self.size)
        chosen = {who: n for n, who in enumerate(people)}
        if not chosen:
            return
        with self._changes:
            leaving: dict[int, list[int]] = defaultdict(list)
            coming: dict[int, list[int]] = defaultdict(list)
            new: list[int] = []
            for who, n in chosen.items():
                slot = self._slots.get(who)
                if slot is None:
                    new.append(n)
                else:
                    leaving[slot // ROWS].append(slot % ROWS)
                    coming[slot // ROWS].append(n)
            self._find_room(new, coming)
            revision = self.revision + 1
            changed = {
                number: self._block(number).changed(
                    leaving.get(number, []), [people[n] for n in rows], embeddings[rows], revision
                )
                for number, rows in coming.items()
            }
            self._show(changed, ())

    def remove(self, people: Iterable[str]) -> None:
        """Forget people, and that they were marked; unknown ones do no harm."""
        with self._changes:
            gone = [who for who in dict.fromkeys(people) if who in self._slots]
            leaving: dict[int, list[int]] = defaultdict(list)
            for who in gone:
                slot = self._slots[who]
                leaving[slot // ROWS].append(slot % ROWS)
            nobody: Floats = np.empty((0, self.size), np.float32)
            changed = {
                number: self._blocks[number].changed(positions, (), nobody, 0)
                for number, positions in leaving.items()
            }
            if changed:
                self._show(changed, gone)

    def search(self, probe: Floats, k: int) -> Match:
        """The `k` people most similar to a probe.

        Args:
            probe: unit-length float32 (size,), as the network makes it.
            k: how many at most.

        Returns:
            Candidates, most similar first, out of all people here.

        Raises:
            GalleryError: the probe is no embedding of this size.
        """
        probe = unit(probe, self.size)
        if self._rotation is not None:
            probe = self._rotation @ probe
        return self._view.search(probe.astype(np.float64), k)

    def _block(self, number: int) -> Block:
        return self._blocks[number] if number < len(self._blocks) else Block(self.size, 0)

    def _find_room(self, new: list[int], coming: dict[int, list[int]]) -> None:
        """Who is new fills the blocks from the first on, then new ones."""
        number = 0
        while new:
            room = ROWS - len(self._block(number))
            if room:
                coming[number] += new[:room]
                new = new[room:]
            number += 1

    def _show(self, changed: Mapping[int, Block], gone: Iterable[str]) -> None:
        blocks = self._blocks + [Block(self.size, 0)] * (max(changed) + 1 - len(self._blocks))
        for number, block in changed.items():
            blocks[number] = block
        marked = self._view.marked.difference(gone)
        view = View.of((block for block in blocks if len(block)), marked)
        slots = {
            who: number * ROWS + position
            for number, block in changed.items()
            for position, who in enumerate(block.ids)
        }
        before = self._view, self._blocks  # given back when nobody waits
        with self._rows:
            for who in gone:
                del self._slots[who]
            self._slots.update(slots)
            self._blocks, self._view = blocks, view
            self.revision += 1
        del before
