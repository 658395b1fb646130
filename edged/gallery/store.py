"""The gallery: who is enrolled, encrypted on the disk and ready to be searched."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from edged.errors import GalleryError
from edged.gallery import rows
from edged.gallery.people import Enrolment, Person, check_id
from edged.gallery.search import Index
from edged.gallery.vectors import agreement, fused
from edged.vault.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from edged.types import Floats
    from edged.vault.database import Connection
    from edged.vault.keys import Secret


class Gallery:
    """People and their templates in one encrypted file, and the indexes made of it.

    Every change is on the disk when the call returns, and in the indexes. Any thread may call.
    Other processes may change the file; `changed` tells, `refresh` brings the indexes up.
    """

    def __init__(self, path: Path, key: Secret) -> None:
        self._database = Database(path, key, "gallery", rows.SCHEMA)
        self._lock = threading.RLock()  # a change and its way into the indexes are one
        self._indexes: dict[str, Index] = {}
        self._revisions: dict[str, int] = {}  # of the file, that an index holds at least
        self._seen = 0

    def open(self) -> None:
        """Open the file, or make it; for the errors see `Database.open`."""
        with self._lock:
            self._database.open()
            self._seen = self._database.data_version

    def close(self) -> None:
        """Close the file; indexes that were given out stay as they are."""
        with self._lock:
            self._indexes.clear()
            self._revisions.clear()
            self._database.close()

    def add(
        self,
        person_id: str,
        embedding: Floats,
        *,
        model: str,
        quality: float,
        source: str,
        limit: int,
        name: str | None = None,
        coherence: float | None = None,
    ) -> None:
        """Add one template; see `Enrolment` for the values and `add_many` for the rest."""
        enrolment = Enrolment(person_id, embedding, model, quality, source, name)
        self._store([enrolment.checked()], limit, coherence)

    def add_many(
        self, enrolments: Iterable[Enrolment], *, limit: int, coherence: float | None = None
    ) -> None:
        """Add all of these templates or none, in one transaction.

        Args:
            enrolments: in order of age, the newest last.
            limit: templates that a person may have of one model; the oldest give way.
            coherence: the least similarity (cosine) of each template of a person, kept or new,
                to their other ones fused; None only refuses templates that cancel out.

        Raises:
            GalleryError: one of them is refused; which, and why.
            DiskFull, StorageError: nothing was changed.
        """
        checked = []
        for place, enrolment in enumerate(enrolments, 1):
            try:
                checked.append(enrolment.checked())
            except GalleryError as fault:
                raise GalleryError(f"enrolment {place}: {fault}") from fault
        if checked:
            self._store(checked, limit, coherence)

    def remove(self, person_id: str) -> bool:
        """Delete a person and all templates; whether there was one."""
        check_id(person_id)
        with self._lock:
            with self._database.transaction() as connection:
                person = connection.execute(
                    "SELECT number FROM people WHERE id = ?", (person_id,)
                ).fetchone()
                if person is None:
                    return False
                connection.execute("DELETE FROM people WHERE number = ?", person)
                rows.bump(connection)
            for index in self._indexes.values():
                index.remove([person_id])
            return True

    def people(self) -> list[Person]:
        """Everybody, in order of id."""
        with self._database.snapshot() as connection:
            persons = connection.execute(
                "SELECT number, id, name, created FROM people ORDER BY id"
            ).fetchall()
            counted = connection.execute(
                "SELECT person, model, count(*) FROM templates GROUP BY person, model"
            ).fetchall()
        templates: dict[int, dict[str, int]] = {}
        for person, model, number in counted:
            templates.setdefault(person, {})[model] = number
        return [
            Person(person_id, name, templates.get(number, {}), created)
            for number, person_id, name, created in persons
        ]

    def count(self, model: str) -> int:
        """How many people have a template of this model."""
        with self._database.snapshot() as connection:
            row = connection.execute(
                "SELECT count(DISTINCT person) FROM templates WHERE model = ?", (model,)
            ).fetchone()
        return int(row[0])

    def name_of(self, person_id: str) -> str | None:
        """The person's name; None without one, and for a stranger."""
        check_id(person_id)
        with self._database.snapshot() as connection:
            row = connection.execute(
                "SELECT name FROM people WHERE id = ?", (person_id,)
            ).fetchone()
        return row[0] if row else None

    def templates(self, person_id: str, model: str) -> list[Floats]:
        """What the person's row in the model's index is made of: each (d,), the oldest first."""
        check_id(person_id)
        with self._database.snapshot() as connection:
            return rows.templates(connection, person_id, model)

    @property
    def revision(self) -> int:
        """Grows with every change, whoever made it."""
        with self._database.snapshot() as connection:
            return rows.revision(connection)

    def changed(self) -> bool:
        """Whether another process changed the file since the last `refresh`; microseconds."""
        return self._database.data_version != self._seen

    def refresh(self) -> None:
        """Bring the indexes to what the file holds now."""
        with self._lock:
            # read first: what comes in after it makes `changed` true once more
            seen = self._database.data_version
            with self._database.snapshot() as connection:
                for index in self._indexes.values():
                    self._bring_up(connection, index)
            self._seen = seen

    def index(self, model: str, size: int) -> Index:
        """Who has templates of one model, kept in step with the gallery from here on.

        A person's row is the mean of their templates, put to length 1.

        Args:
            model: only templates with exactly this identity are ever read.
            size: numbers in its embeddings.

        Raises:
            GalleryError: the gallery's templates of this model have another size.
        """
        with self._lock:
            known = self._indexes.get(model)
            if known is None:
                with self._database.snapshot() as connection:
                    rows.check_size(connection, model, size)
                    known = Index(model, size)
                    self._bring_up(connection, known)
                self._indexes[model] = known
            elif known.size != size:
                raise GalleryError(f"templates of this model have {known.size} numbers, not {size}")
            return known

    def _bring_up(self, connection: Connection, index: Index) -> None:
        revision = rows.revision(connection)
        rows.bring_up(connection, index, self._revisions.get(index.model, -1))
        self._revisions[index.model] = revision

    def _store(self, enrolments: Sequence[Enrolment], limit: int, coherence: float | None) -> None:
        if limit < 1:
            raise GalleryError("a person may have at least one template; raise the limit")
        sizes = {(one.model, len(one.embedding)) for one in enrolments}
        if len(sizes) > len({model for model, _ in sizes}):
            raise GalleryError("embeddings of one model have different sizes")
        changed: dict[str, dict[str, Floats]] = {model: {} for model, _ in sizes}
        with self._lock:
            for model, size in sizes:
                index = self._indexes.get(model)
                if index is not None and index.size != size:
                    raise GalleryError(
                        f"templates of this model have {index.size} numbers, not {size}"
                    )
            with self._database.transaction() as connection:
                for model, size in sizes:
                    rows.check_size(connection, model, size)
                revision = rows.bump(connection)
                for one in enrolments:
                    rows.insert(connection, one, revision)
                for person_id, model in dict.fromkeys((e.person_id, e.model) for e in enrolments):
                    rows.drop_oldest(connection, person_id, model, limit)
                    templates = rows.templates(connection, person_id, model)
                    changed[model][person_id] = _one(templates, coherence)
            for model, people in changed.items():
                index = self._indexes.get(model)
                if index is not None:
                    index.put_many(list(people), np.stack(list(people.values())))


def _one(templates: list[Floats], coherence: float | None) -> Floats:
    """A person's templates as the one row of an index."""
    matrix = np.stack(templates)
    embeddings, usable = fused(matrix.sum(axis=0, keepdims=True), len(matrix))
    if not usable[0]:
        raise GalleryError(
            "the views of a person have nothing in common; enrol again, with one person in view"
        )
    if coherence is not None and not (found := agreement(matrix)) >= coherence:
        raise GalleryError(
            "the views of a person do not show the same one: one of them has a similarity of "
            f"{found:.2f} to the others, {coherence:.2f} is needed; enrol again with one person "
            "in view, or remove the person first if the older views are not theirs"
        )
    row: Floats = embeddings[0]
    return row
