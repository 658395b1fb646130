"""The gallery: who is enrolled, encrypted on the disk and ready to be searched."""

from __future__ import annotations

import ctypes
import logging
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edged.errors import GalleryError, StorageError
from edged.events.types import utc_now
from edged.gallery import wipe as wiping
from edged.gallery.book import SCHEMA, Book, Record, check_same, fused_row, read_erased, read_record
from edged.gallery.cards import find_card
from edged.gallery.choose import best_templates
from edged.gallery.files import (
    LAYOUT,
    PURPOSE,
    Contents,
    Lock,
    alone,
    current_generation,
    retire,
    rewrite,
)
from edged.gallery.keyring import Keyring
from edged.gallery.people import Enrolment, Erasure, Person, Stored, check_id
from edged.gallery.profile import Erased, Profile
from edged.gallery.sealed import Kept
from edged.gallery.search import Index
from edged.gallery.verify import examine
from edged.vault.database import Database
from edged.vault.secret import derive

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from edged.config import schema
    from edged.gallery.book import Entry
    from edged.gallery.keyring import Generation
    from edged.types import Floats
    from edged.vault.keys import Secret

log = logging.getLogger(__name__)

_MOST_AT_ONCE = 500  # are erased in one transaction, which others wait for


class Gallery:
    """People and their templates in one encrypted file, and the indexes made of it.

    Every change is on the disk when the call returns, and in the indexes. Any thread may call.
    Other processes may change the file; `changed` tells, `refresh` brings the indexes up.

    Args:
        path: the gallery's file; made if it is missing.
        key: the terminal's key.
        keys: the file of people's keys; None: beside `path`, ending in ``.keys``.
        retention_days: how long people stay stored after validity or consent ended.
        clock: the wall clock, Unix seconds.
    """

    def __init__(
        self,
        path: Path,
        key: Secret,
        keys: Path | None = None,
        *,
        retention_days: int = 30,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.keys_path = keys or path.with_suffix(".keys")
        self._key = key
        self._keyring = Keyring(self.keys_path, key)
        self._lock_file = Lock(path)
        self._wiped: wiping.Wiped | None = None
        self._retention_days = retention_days
        self._clock = clock
        self._lock = threading.RLock()  # a change and its way into the indexes are one
        self._generation: Generation | None = None
        self._database: Database | None = None
        self._indexes: dict[str, Index] = {}
        self._revisions: dict[str, int] = {}  # of the file, that an index holds at least
        self._ids: dict[int, str] = {}  # of everybody in an index
        self._seen = 0
        self._place: tuple[int, int] | None = None  # on the disk, of the file that is open
        self._due_s: float | None = None  # when the first one is due; None: to be looked up
        self._force_s = (0.0, float("inf"))  # while the clock is in here, who is in force stays

    def open(self) -> None:
        """Open both files, or make them; a gallery of older software is brought up to date.

        Raises:
            WrongKey: the key does not open them; nothing was changed.
            DiskFull, StorageError: as `Database.open`; also when one of the files is missing, or
                another command is rewriting them.
        """
        with self._lock:
            if self._database is not None:
                return
            try:
                wiped = wiping.read_wiped(self.path)
                if wiped is None:
                    self._lock_file.share()
                    wiped = wiping.read_wiped(self.path)  # again: it may have been this moment
                if wiped is not None:
                    self._become_nothing(wiped)
                    return
                self._generation, self._database = current_generation(
                    self.path, self._key, self._keyring, self._lock_file
                )
                self._place = self._found()
                self._finish_erasing()
                self._seen = self._database.data_version
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Close the files; indexes that were given out stay as they are."""
        with self._lock:
            self._indexes.clear()
            self._revisions.clear()
            self._ids.clear()
            if self._database is not None:
                self._database.close()
                self._database = None
            self._keyring.close()
            self._lock_file.release()

    # people in

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
        self._store([enrolment.checked()], limit, coherence, {})

    def add_many(
        self,
        enrolments: Iterable[Enrolment],
        *,
        limit: int,
        coherence: float | None = None,
        profiles: Mapping[str, Profile] | None = None,
    ) -> None:
        """Add all of these templates or none, in one transaction.

        Args:
            enrolments: in order of age, the newest last.
            limit: templates that a person may have of one model; `best_templates` stay.
            coherence: the least similarity (cosine) of each template of a person, kept or new,
                to their other ones fused; None only refuses templates that cancel out.
            profiles: replaces what is known of these people; a name that an enrolment gives
                and a profile does not is kept.

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
            self._store(checked, limit, coherence, profiles or {})

    def set_profile(self, person_id: str, profile: Profile) -> None:
        """Replace what is known of a person; see `change_profile`."""
        self.change_profile(person_id, lambda _: profile)

    def change_profile(self, person_id: str, change: Callable[[Profile], Profile]) -> Profile:
        """Make what is known of a person something else, with nobody in between.

        Raises:
            GalleryError: nobody is enrolled as this; whatever `change` raises changes nothing.
        """
        check_id(person_id)
        with self._lock:
            with self._write() as book:
                entry = self._known(book, person_id)
                record = book.read(entry)
                profile = change(record.profile)
                book.write(entry, replace(record, profile=profile))
                book.touch(entry.number, book.bump())
            self._follow()
        return profile

    def replace_templates(
        self, person_id: str, model: str, templates: Sequence[Kept], *, since: int | None = None
    ) -> None:
        """Give a person exactly these templates of a model, in the network's space; none: erase
        what they have of it.

        Args:
            since: the gallery's revision that they were worked out at.

        Raises:
            GalleryError: nobody is enrolled as this, or a template is none; or the person
                changed after `since`.
        """
        check_id(person_id)
        for one in templates:
            Enrolment(person_id, one.embedding, model, one.quality, one.source).checked()
        with self._lock:
            with self._write() as book:
                entry = self._known(book, person_id)
                if since is not None and book.changed_at(entry.number) > since:
                    raise GalleryError("the person was changed meanwhile")
                book.put(entry, person_id, model, templates)
                book.touch(entry.number, book.bump())
            self._follow()

    def apply(
        self,
        upserts: Sequence[Stored],
        drops: Sequence[tuple[str, int]],
        facts: Mapping[str, str | None],
        *,
        marker: str | None = None,
    ) -> list[Erased]:
        """Take over what the site says, in one transaction.

        Somebody is replaced, or erased, only by a revision of the site that is newer than the
        one that made them so.

        Args:
            upserts: whole people, each with its `origin`.
            drops: ids and the site's revision that removed them.
            facts: small texts to be kept with it; None forgets one.
            marker: put on everybody in `upserts`, also those that were newer here.

        Raises:
            GalleryError: one of them is no person; which, and why. Nothing was changed.
            DiskFull, StorageError: nothing was changed.
        """
        for one in upserts:
            _check_stored(one)
        erased: list[Erased] = []
        with self._lock:
            with self._write() as book:
                revision = book.bump()
                self._take_over(book, upserts, marker, revision)
                for person_id, origin in drops:
                    entry = book.find(person_id)
                    if entry is not None and (_origin(book, entry) or -1) < origin:
                        erased += self._erase(book, {entry.number: entry}, "site", revision)
                for name, value in facts.items():
                    book.set_fact(name, value)
            self._follow()
        return erased

    def sweep(self, marker: str, facts: Mapping[str, str | None]) -> list[Erased]:
        """Erase who came from the site and does not bear its snapshot's marker."""
        with self._lock:
            with self._write() as book:
                numbers = book.connection.execute(
                    "SELECT number FROM people WHERE origin IS NOT NULL AND marker IS NOT ?",
                    (marker,),
                ).fetchall()
                entries = book.some([number for (number,) in numbers])
                erased = self._erase(book, entries, "site", book.bump())
                for name, value in facts.items():
                    book.set_fact(name, value)
            self._follow()
        return erased

    # people out

    def remove(self, person_id: str, *, reason: str = "request") -> Erased | None:
        """Erase a person: their key first, then all that it sealed; None: there was nobody."""
        check_id(person_id)
        with self._lock:
            with self._write() as book:
                entry = book.find(person_id)
                if entry is None:
                    return None
                erased = self._erase(book, {entry.number: entry}, reason, book.bump())
            self._follow()
        return erased[0]

    def tick(self, now_s: float, *, erase: bool = True) -> list[Erased]:
        """Follow the clock: who begins or ceases to be in force, and whose time of keeping is
        over.

        Args:
            now_s: Unix seconds.
            erase: whether the clock is to be trusted with what cannot be undone.
        """
        self.keep(now_s)
        if not erase or now_s < self._next_due():
            return []
        with self._lock:
            with self._write() as book:
                due = book.due(now_s, self._retention_days, _MOST_AT_ONCE)
                erased = self._erase(book, book.some(due), "expired", book.bump())
            self._follow()
        return erased

    def _next_due(self) -> float:
        """When the first one's time of keeping is over; looked up after a change only."""
        due_s = self._due_s
        if due_s is None:
            with self._lock, self._read() as book:
                due_s = self._due_s = book.next_due(self._retention_days)
        return due_s

    def erasures(self, limit: int = _MOST_AT_ONCE) -> list[Erasure]:
        """Of whom it is not yet settled that they were erased, the first one first.

        There is one for each key that was destroyed, whoever did it and whatever ended him
        thereafter: what he left undone is done by this call.
        """
        with self._lock:
            notices = {
                number: Erasure(number, read_erased(notice), told)
                for number, (notice, told) in self._keyring.notices(limit).items()
            }
            if not notices:
                return []
            with self._read() as book:
                left = book.among(notices)
            if left:
                with self._lock:
                    with self._write() as book:
                        revision = book.bump()
                        for number in left:
                            one = notices[number].erased
                            book.bury(number, one.at, one.reason, revision)
                    self._follow()
        return list(notices.values())

    def note_told(self, erasure: Erasure) -> None:
        """The event about it is recorded."""
        self._opened()
        self._keyring.note_told(erasure.number)

    def settle(self, erasure: Erasure) -> None:
        """Nothing is left to be done about it."""
        self._opened()
        self._keyring.forget_notice(erasure.number)

    def keep(self, now_s: float) -> None:
        """Before a search: nobody is found who is not in force now. Nothing to do, as a rule.

        Where the file cannot be read just when somebody begins or ends, nobody is found until
        `refresh` has read it again.
        """
        from_s, to_s = self._force_s
        if from_s <= now_s < to_s or not self._indexes:
            return
        with self._lock:
            try:
                self._turn(now_s)
            except StorageError as fault:
                log.error("who is in force cannot be read, so nobody is found: %s", fault)
                self._find_nobody()

    def _turn(self, now_s: float) -> None:
        before_s = self._force_s[0]
        with self._read() as book:
            numbers = book.turning(min(before_s, now_s), max(before_s, now_s))
            for index in self._indexes.values():
                self._reload(book, index, numbers, now_s)
            self._force_s = now_s, book.next_turn(now_s)

    # what is known

    def people(self) -> list[Person]:
        """Everybody, in order of id."""
        with self._read() as book:
            models = book.models()
            entries = book.entries()
            rows = book.connection.execute("SELECT number, record, origin FROM people").fetchall()
            counted = book.connection.execute(
                "SELECT person, model, count(*) FROM templates GROUP BY person, model"
            ).fetchall()
        templates: dict[int, dict[str, int]] = {}
        for number, model, count in counted:
            templates.setdefault(number, {})[models[model]] = count
        found = []
        for number, sealed, origin in rows:
            if number in entries:
                record = read_record(entries[number], sealed)
                has = templates.get(number, {})
                found.append(Person(record.id, has, record.created, record.profile, origin))
        return sorted(found, key=lambda person: person.id)

    def person(self, person_id: str) -> Person | None:
        """One of them; None: nobody is enrolled as this."""
        check_id(person_id)
        with self._read() as book:
            entry = book.find(person_id)
            if entry is None:
                return None
            record, models = book.read(entry), book.models()
            counted = book.connection.execute(
                "SELECT model, count(*) FROM templates WHERE person = ? GROUP BY model",
                (entry.number,),
            ).fetchall()
            has = {models[model]: count for model, count in counted}
            return Person(record.id, has, record.created, record.profile, _origin(book, entry))

    def profile(self, person_id: str) -> Profile | None:
        """What is known of a person; None: nobody is enrolled as this."""
        check_id(person_id)
        with self._read() as book:
            entry = book.find(person_id)
            return None if entry is None else book.read(entry).profile

    def holder(self, card: str) -> tuple[str, Profile] | None:
        """Whose card this is, as `card_number` writes it; None: nobody's, or a gallery that is
        another one by now."""
        if self._wiped is None and (self._moved or wiping.marker(self.path).exists()):
            return None
        with self._read() as book:
            entry = find_card(book, card)
            if entry is None:
                return None
            record = book.read(entry)
        return (record.id, record.profile) if card in record.profile.cards else None

    def name_of(self, person_id: str) -> str | None:
        """The person's name; None without one, and for a stranger."""
        profile = self.profile(person_id)
        return None if profile is None else profile.name

    def count(self, model: str) -> int:
        """How many people have a template of this model."""
        with self._read() as book:
            row = book.connection.execute(
                "SELECT count(*) FROM fused WHERE model = ?", (book.model(model),)
            ).fetchone()
        return int(row[0])

    def kept(self, person_id: str, model: str) -> list[Kept]:
        """A person's templates of a model in the network's space, the oldest first."""
        check_id(person_id)
        with self._read() as book:
            entry, number = book.find(person_id), book.model(model)
            found = [] if entry is None or number is None else book.kept(entry, number)
            return [book.turned_back(one, model) for one in found]

    def templates(self, person_id: str, model: str) -> list[Floats]:
        """The embeddings alone: what the person's row in the model's index is made of."""
        return [one.embedding for one in self.kept(person_id, model)]

    def everything(self) -> Iterator[Stored]:
        """All people with all templates, one after the other, in one state of the file.

        Nobody else gets at this gallery meanwhile; for a backup open one of your own.
        """
        for _, _, stored in self.keyed():
            yield stored

    def set_lookalikes(
        self,
        found: Mapping[str, Mapping[str, float]],
        facts: Mapping[str, str | None] | None = None,
    ) -> None:
        """Whom each of these people resembles, and how much; replaces what was known of them.

        Args:
            facts: small texts to be kept with it; None forgets one.

        Raises:
            GalleryError: one of them is not enrolled.
        """
        with self._lock:
            with self._write() as book:
                people = {*found, *(other for others in found.values() for other in others)}
                entries = book.find_many(people)
                if entries.keys() < people:
                    raise GalleryError("nobody is enrolled as this; see `edged gallery list`")
                for person_id, others in found.items():
                    number = entries[person_id].number
                    book.connection.execute(
                        "DELETE FROM lookalikes WHERE a = ? OR b = ?", (number, number)
                    )
                    book.connection.executemany(
                        "INSERT OR REPLACE INTO lookalikes VALUES (?, ?, ?)",
                        [
                            (*sorted((number, entries[other].number)), float(similarity))
                            for other, similarity in others.items()
                        ],
                    )
                for name, value in (facts or {}).items():
                    book.set_fact(name, value)
            self._follow()

    def changed_after(self, revision: int) -> tuple[int, list[str]] | None:
        """The next revision after one in which people came or changed, and who did; None: none."""
        with self._read() as book:
            row = book.connection.execute(
                "SELECT min(revision) FROM people WHERE revision > ?", (revision,)
            ).fetchone()
            if row[0] is None:
                return None
            numbers = book.connection.execute(
                "SELECT number FROM people WHERE revision = ?", (row[0],)
            ).fetchall()
            entries = book.some([number for (number,) in numbers])
            return int(row[0]), [book.read(entry).id for entry in entries.values()]

    def lookalikes(self) -> dict[tuple[str, str], float]:
        """All pairs of people who resemble each other, and how much."""
        with self._read() as book:
            rows = book.connection.execute("SELECT a, b, similarity FROM lookalikes").fetchall()
            entries = book.some({number for a, b, _ in rows for number in (a, b)})
            ids = {number: book.read(entry).id for number, entry in entries.items()}
        return {(ids[a], ids[b]): s for a, b, s in rows if a in ids and b in ids}

    def fact(self, name: str) -> str | None:
        """A small text that is kept in the file under a name."""
        with self._read() as book:
            return book.fact(name)

    def set_fact(self, name: str, value: str | None) -> None:
        """Keep a small text in the file; None forgets it."""
        with self._lock, self._write() as book:
            book.set_fact(name, value)

    @property
    def revision(self) -> int:
        """Grows with every change, whoever made it."""
        with self._read() as book:
            return book.revision

    # indexes

    def changed(self) -> bool:
        """Whether another process changed the file since the last `refresh`; microseconds."""
        if self._wiped is None and (wiping.marker(self.path).exists() or self._moved):
            return True
        return self._opened().data_version != self._seen

    def refresh(self) -> None:
        """Bring the indexes to what the file holds now.

        Raises:
            StorageError: it cannot be read; where it is another file than was opened, nobody is
                found from here on.
        """
        with self._lock:
            if self._wiped is None and (wiped := wiping.read_wiped(self.path)):
                self._become_nothing(wiped)
                return
            if self._wiped is None and self._moved:  # wiped and made anew, for instance
                self._find_nobody()
                raise StorageError(
                    f"{self.path}: not the file that was opened any more; restart the terminal"
                )
            # read first: what comes in after it makes `changed` true once more
            seen = self._opened().data_version
            self._due_s = None
            self._follow()
            self._seen = seen

    def index(self, model: str, size: int) -> Index:
        """Who has templates of one model and is in force, kept in step from here on.

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
                with self._read() as book:
                    if book.model(model) is not None:
                        book.model(model, size)
                    turned_by = book.rotation(model, size).astype(np.float32)
                known = Index(model, size, turned_by)
                self._indexes[model] = known
                try:
                    self._follow()
                except BaseException:
                    del self._indexes[model]
                    raise
                self._opened().shrink()
                self._keyring.shrink()
                _give_back()
            elif known.size != size:
                raise GalleryError(f"templates of this model have {known.size} numbers, not {size}")
            return known

    def _follow(self) -> None:
        """Bring every index to what the file holds."""
        if not self._indexes:
            return
        now_s = self._clock()
        self.keep(now_s)
        with self._read() as book:
            revision = book.revision
            erased: set[int] = set()
            for index in self._indexes.values():
                since = self._revisions.get(index.model, -1)
                if since < 0:
                    self._load(book, index, now_s)
                elif since != revision:
                    changed, gone = book.changed(since)
                    # first of all: somebody may be back under the id by another number
                    index.remove([self._ids[n] for n in gone if n in self._ids])
                    self._reload(book, index, changed, now_s)
                    erased.update(gone)
                self._revisions[index.model] = revision
            for number in erased:
                self._ids.pop(number, None)
            pairs = book.connection.execute(
                "SELECT a FROM lookalikes UNION SELECT b FROM lookalikes"
            )
            marked = [self._ids[n] for (n,) in pairs if n in self._ids]
            self._force_s = now_s, book.next_turn(now_s)
        for index in self._indexes.values():
            index.mark(marked)

    def _load(self, book: Book, index: Index, now_s: float) -> None:
        index.remove(index.ids())  # of an attempt that failed half-way
        number = book.model(index.model)
        if number is not None:
            for owners, ids, matrix in book.rows(number, index.size, now_s):
                index.put_many(ids, matrix)
                self._ids.update(zip(owners, ids, strict=True))

    def _reload(self, book: Book, index: Index, numbers: Collection[int], now_s: float) -> None:
        """Take over some people's rows; who has none, or is not in force, is forgotten."""
        model = book.model(index.model)
        if model is None or not numbers:
            return
        owners, ids, matrix = book.rows_of(numbers, model, index.size, now_s)
        index.put_many(ids, matrix)
        self._ids.update(zip(owners, ids, strict=True))
        gone = set(numbers) - set(owners)
        index.remove([self._ids[n] for n in gone if n in self._ids])

    # parts of a change

    def _store(
        self,
        enrolments: Sequence[Enrolment],
        limit: int,
        coherence: float | None,
        profiles: Mapping[str, Profile],
    ) -> None:
        if limit < 1:
            raise GalleryError("a person may have at least one template; raise the limit")
        sizes = {(one.model, len(one.embedding)) for one in enrolments}
        if len(sizes) > len({model for model, _ in sizes}):
            raise GalleryError("embeddings of one model have different sizes")
        now = utc_now()
        with self._lock:
            for model, size in sizes:
                index = self._indexes.get(model)
                if index is not None and index.size != size:
                    raise GalleryError(
                        f"templates of this model have {index.size} numbers, not {size}"
                    )
            with self._write() as book:
                numbers = {model: book.model(model, size) for model, size in sizes}
                revision = book.bump()
                entries = book.enter([one.person_id for one in enrolments], now, revision)
                by_person: dict[str, list[Enrolment]] = {}
                for one in enrolments:
                    by_person.setdefault(one.person_id, []).append(one)
                for person_id, mine in by_person.items():
                    entry = entries[person_id]
                    self._describe(book, entry, mine, profiles.get(person_id))
                    book.touch(entry.number, revision)
                    for model in dict.fromkeys(one.model for one in mine):
                        new = [_kept(one, now) for one in mine if one.model == model]
                        number = numbers[model]
                        assert number is not None  # noqa: S101  # made above
                        self._gather(book, entry, (model, number), new, limit, coherence, person_id)
            self._follow()

    def _describe(
        self, book: Book, entry: Entry, enrolments: Sequence[Enrolment], profile: Profile | None
    ) -> None:
        record = book.read(entry)
        wanted = profile or record.profile
        names = [one.name for one in enrolments if one.name is not None]
        if wanted.name is None and record.profile.name is not None:
            wanted = wanted.model_copy(update={"name": record.profile.name})
        if names:
            wanted = wanted.model_copy(update={"name": names[-1]})
        if wanted != record.profile:
            book.write(entry, replace(record, profile=wanted))

    def _gather(
        self,
        book: Book,
        entry: Entry,
        model: tuple[str, int],
        new: Sequence[Kept],
        limit: int,
        coherence: float | None,
        person_id: str,
    ) -> None:
        """Add templates to those that a person has, and keep the best."""
        old = book.kept(entry, model[1])
        turned = [book.turned(one, model[0]) for one in new]
        if coherence is not None and old:
            check_same([one.embedding for one in old], [one.embedding for one in turned], coherence)
        everything = [*old, *turned]
        chosen = [everything[i] for i in sorted(best_templates(everything, limit))]
        row = fused_row([one.embedding for one in chosen], coherence)
        book.keep(entry, model[1], chosen, row, person_id)

    def _take_over(
        self, book: Book, upserts: Sequence[Stored], marker: str | None, revision: int
    ) -> None:
        before = book.find_many(one.person_id for one in upserts)
        newer = []
        for one in upserts:
            entry = before.get(one.person_id)
            known = None if entry is None else _origin(book, entry)
            assert one.origin is not None  # noqa: S101  # `_check_stored` saw to it
            if entry is None or known is None or known < one.origin:
                newer.append(one)
            elif marker is not None:
                book.connection.execute(
                    "UPDATE people SET marker = ? WHERE number = ?", (marker, entry.number)
                )
        entries = book.enter([one.person_id for one in newer], utc_now(), revision)
        for one in newer:
            entry = entries[one.person_id]
            book.write(entry, Record(one.person_id, one.created, one.profile), take=True)
            if one.person_id in before:
                for model in book.models().values():
                    if model not in one.templates:
                        book.put(entry, one.person_id, model, ())
            for model, templates in one.templates.items():
                book.put(entry, one.person_id, model, templates)
            book.connection.execute(
                "UPDATE people SET origin = ?, marker = coalesce(?, marker), revision = ? "
                "WHERE number = ?",
                (one.origin, marker, revision, entry.number),
            )

    def _erase(
        self, book: Book, entries: Mapping[int, Entry], reason: str, revision: int
    ) -> list[Erased]:
        at = utc_now()
        erased = {}
        for number, entry in entries.items():
            templates = book.connection.execute(
                "SELECT count(*) FROM templates WHERE person = ?", (number,)
            ).fetchone()[0]
            who, identity = book.read(entry).id, uuid.uuid4().hex
            erased[number] = Erased(who, reason, at, templates, revision, identity)
        book.erase(erased)
        return list(erased.values())

    def _finish_erasing(self) -> None:
        """What a power cut left of people whose keys were destroyed."""
        with self._read() as book:
            dead = book.without_key()
        if dead:
            self.erasures(limit=len(dead) + _MOST_AT_ONCE)
            with self._write() as book:
                revision = book.bump()
                for number in book.among(dead):  # in a file of keys that was put back, perhaps
                    book.bury(number, utc_now(), "no_key", revision)
            log.warning("%d people whose keys had been destroyed were erased for good", len(dead))
        assert self._generation is not None  # noqa: S101  # opened just now
        generation = self._generation.number
        if self._keyring.orphans(generation, self._numbers()):
            # whatever the clock says of their age: somebody may be just adding these people
            with suppress(StorageError), alone(self._lock_file):
                self._keyring.destroy_orphans(generation, self._numbers())

    def _numbers(self) -> list[int]:
        with self._read() as book:
            return [n for (n,) in book.connection.execute("SELECT number FROM people")]

    def _known(self, book: Book, person_id: str) -> Entry:
        entry = book.find(person_id)
        if entry is None:
            raise GalleryError("nobody is enrolled as this; see `edged gallery list`")
        return entry

    # everything at once

    @property
    def wiped(self) -> wiping.Wiped | None:
        """That it was destroyed; nobody is in it then, and nobody can be taken in."""
        return self._wiped

    def refuse_wiped(self) -> None:
        """Raises `EnrolmentRefused`, ``wiped``, where nobody can be taken in any more."""
        if wiped := self._wiped or wiping.read_wiped(self.path):
            wiping.refuse(wiped)

    def wipe(self, reason: str) -> wiping.Wiped:
        """Destroy the gallery, its keys first; nobody is found any more from the first moment.

        Whoever calls makes an end of it with `edged.gallery.wipe.finish`.

        Raises:
            StorageError: something is still there; nobody is found and nobody taken in
                all the same.
        """
        with self._lock:
            if self._wiped is not None:
                return self._wiped
            for index in self._indexes.values():
                index.remove(index.ids())
            wiped = wiping.new_wipe(reason, self._headcount())
            try:
                wiping.wipe(self.path, self.keys_path, wiped)
            finally:
                self._become_nothing(wiped)
            return wiped

    def rekey(self) -> None:
        """Give the gallery new keys: its file, the turn of its templates, every person's.

        Nobody else may have it open. Indexes made before are of no use after it.

        Raises:
            DiskFull, StorageError: the old state is in force.
        """
        with self._lock:
            self.replace_everything(self.contents())

    def replace_everything(self, contents: Contents) -> None:
        """Put other contents, with new keys, in the place of these; else as `rekey`."""
        with self._lock:
            self.refuse_wiped()
            database = self._opened()
            with alone(self._lock_file):
                assert self._generation is not None  # noqa: S101  # a database is open
                before = self._generation.number
                rewrite(self.path, self._keyring, contents, lambda: retire(database), before)
            self.close()
            self.open()

    def contents(self) -> Contents:
        """All that the file holds; its people can be read once, as long as nothing changes."""
        with self._read() as book:
            facts = book.connection.execute("SELECT name, value FROM facts").fetchall()
            erased = book.connection.execute(
                "SELECT number, tag, at, reason, revision FROM erased"
            ).fetchall()
            revision = book.revision
        pairs = self.lookalikes()
        return Contents(self.everything(), revision, dict(facts), erased, pairs)

    def keyed(self) -> Iterator[tuple[int, bytes, Stored]]:
        """As `everything`, each with the person's number and key."""
        with self._read() as book:
            models = book.models()
            rows = book.connection.execute("SELECT number, origin, marker FROM people").fetchall()
            site = {number: (origin, marker) for number, origin, marker in rows}
            for number, entry in book.entries().items():
                record = book.read(entry)
                templates = {
                    identity: [book.turned_back(one, identity) for one in kept]
                    for model, identity in models.items()
                    if (kept := book.kept(entry, model))
                }
                stored = Stored(record.id, record.profile, templates, record.created, *site[number])
                yield number, entry.key, stored

    def surviving(self, numbers: Collection[int]) -> dict[int, bytes]:
        """Of these people's keys, those that are not destroyed."""
        self._opened()
        return self._keyring.keys(numbers)

    def verify(self) -> list[str]:
        """What is wrong with the gallery, one line each; nothing is changed."""
        with self._lock:
            found = [f"{self.path}: {text}" for text in self._opened().integrity()]
            found += [f"{self.keys_path}: {text}" for text in self._keyring.integrity()]
            if found:  # what is in damaged pages need not be looked at
                return found
            assert self._generation is not None  # noqa: S101  # a database is open
            with self._read() as book:
                found = examine(book)
            orphans = self._keyring.orphans(self._generation.number, self._numbers())
        if orphans:
            found.append(f"{len(orphans)} keys of nobody")
        return found

    @property
    def lineage(self) -> str:
        """16 hex digits that this gallery keeps through every rekey, and no other has."""
        assert self._generation is not None  # noqa: S101  # whoever asks has opened it
        return derive(self._generation.tag, "lineage").reveal()[:8].hex()

    def tag(self, person_id: str) -> bytes:
        """What an id is found by in `Contents.erased`."""
        with self._read() as book:
            return book.tag(person_id)

    def _headcount(self) -> int | None:
        try:
            with self._read() as book:
                return int(book.connection.execute("SELECT count(*) FROM people").fetchone()[0])
        except StorageError:
            return None

    def _find_nobody(self) -> None:
        """Empty the indexes until `refresh` has read everybody again."""
        for index in self._indexes.values():
            index.remove(index.ids())
        self._revisions.clear()
        self._seen = -1

    def _found(self) -> tuple[int, int] | None:
        """Which file lies at the path."""
        try:
            facts = self.path.stat()
        except OSError:
            return None
        return facts.st_dev, facts.st_ino

    @property
    def _moved(self) -> bool:
        """Whether the file that is open is not the one at the path any more."""
        return self._place is not None and self._found() != self._place

    def _become_nothing(self, wiped: wiping.Wiped) -> None:
        """Let go of the files; nobody is in what stands for them."""
        self._find_nobody()
        self._ids.clear()
        self._due_s = None
        if self._database is not None:
            self._database.close()
        self._keyring.close()
        self._lock_file.release()
        self._wiped = wiped
        self._keyring, self._generation, self._database = wiping.nothing(
            self.path, self.keys_path, SCHEMA
        )
        self._seen = self._database.data_version
        log.warning("the gallery is wiped: nobody is enrolled here")

    # the files

    def _opened(self) -> Database:
        return self._database or Database(self.path, self._key, PURPOSE, SCHEMA, layout=LAYOUT)

    @contextmanager
    def _read(self) -> Iterator[Book]:
        database = self._opened()
        with database.snapshot() as connection:
            assert self._generation is not None  # noqa: S101  # a database is open
            yield Book(connection, self._keyring, self._generation)

    @contextmanager
    def _write(self) -> Iterator[Book]:
        self.refuse_wiped()
        database = self._opened()
        made: list[int] = []
        gone: list[int] = []
        try:
            with database.transaction() as connection:
                assert self._generation is not None  # noqa: S101  # a database is open
                book = Book(connection, self._keyring, self._generation)
                book.new, book.gone = made, gone
                yield book
        except BaseException:
            # whose key is gone is never found again, whatever became of the rest
            dead = [self._ids[n] for n in self._destroyed(gone) if n in self._ids]
            for index in self._indexes.values():
                index.remove(dead)
            if made:
                self._keyring.destroy(made)
            raise
        finally:
            self._due_s = None

    def _destroyed(self, numbers: Collection[int]) -> set[int]:
        """Those of these people whose key is gone, as far as can be known."""
        with suppress(StorageError):
            return set(numbers) - self._keyring.keys(numbers).keys()
        return set(numbers)


def _give_back() -> None:
    """Have the C library return what was needed to read everybody, where it can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _kept(one: Enrolment, created: str) -> Kept:
    return Kept(one.embedding, one.quality, one.source, created)


def _origin(book: Book, entry: Entry) -> int | None:
    row = book.connection.execute(
        "SELECT origin FROM people WHERE number = ?", (entry.number,)
    ).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def _check_stored(one: Stored) -> None:
    check_id(one.person_id)
    if one.origin is None:
        raise GalleryError("somebody from the site has a revision of the site")
    for model, templates in one.templates.items():
        if not templates:
            raise GalleryError("a model without templates")
        if len({len(kept.embedding) for kept in templates}) > 1:
            raise GalleryError("embeddings of one model have different sizes")
        for kept in templates:
            Enrolment(one.person_id, kept.embedding, model, kept.quality, kept.source).checked()


def make_gallery(
    settings: schema.Gallery, key: Secret, clock: Callable[[], float] = time.time
) -> Gallery:
    """The gallery that a configuration names; not open yet."""
    return Gallery(
        settings.path,
        key,
        settings.keys_path,
        retention_days=settings.retention_days,
        clock=clock,
    )
