"""The gallery's file: its tables, and the people in it through one transaction.

All vectors in here are turned (see `edged.gallery.rotation`), and everything personal is sealed
with the person's own key.
"""

from __future__ import annotations

import hmac
import json
import logging
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.errors import GalleryError, StorageError
from edged.events.types import utc_now
from edged.gallery.cards import keep_cards
from edged.gallery.profile import Erased, Profile
from edged.gallery.rotation import rotation, turn, turn_back
from edged.gallery.sealed import (
    Kept,
    read_document,
    read_kept,
    seal,
    unseal,
    write_document,
    write_kept,
)
from edged.gallery.vectors import agreement, fused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from edged.gallery.keyring import Generation, Keyring
    from edged.gallery.rotation import Turn
    from edged.types import Floats
    from edged.vault.database import Connection

    Rows = tuple[list[int], list[str], Floats]

log = logging.getLogger(__name__)

SCHEMA = (
    """
    CREATE TABLE meta (revision INTEGER NOT NULL) STRICT;
    INSERT INTO meta VALUES (0);
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE models (
        number INTEGER PRIMARY KEY,
        identity TEXT NOT NULL UNIQUE,
        size INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE people (
        number INTEGER PRIMARY KEY,  -- whose key it is, in the file of keys
        tag BLOB NOT NULL UNIQUE,    -- keyed hash of the id
        record BLOB NOT NULL,        -- sealed: id, when they came, profile
        begins REAL,                 -- when they are recognised, Unix seconds
        ends REAL,
        retention INTEGER,           -- days
        origin INTEGER,              -- the site's revision; NULL: enrolled here
        marker TEXT,                 -- of the last snapshot of the site that named them
        revision INTEGER NOT NULL    -- of the last change of the person or their templates
    ) STRICT;
    CREATE INDEX people_by_revision ON people (revision);
    CREATE INDEX people_by_begin ON people (begins) WHERE begins IS NOT NULL;
    CREATE INDEX people_by_end ON people (ends, retention) WHERE ends IS NOT NULL;
    CREATE TABLE templates (
        number INTEGER PRIMARY KEY AUTOINCREMENT,  -- in order of age
        person INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
        model INTEGER NOT NULL REFERENCES models,
        sealed BLOB NOT NULL
    ) STRICT;
    CREATE INDEX templates_of_person ON templates (person, model);
    CREATE TABLE fused (  -- what a search compares with: all that opening has to read
        number INTEGER PRIMARY KEY,
        person INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
        model INTEGER NOT NULL REFERENCES models,
        sealed BLOB NOT NULL,  -- float32, little-endian, then the id
        UNIQUE (person, model)
    ) STRICT;
    CREATE TABLE lookalikes (
        a INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
        b INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
        similarity REAL NOT NULL,
        PRIMARY KEY (a, b)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX lookalikes_of_b ON lookalikes (b);
    CREATE TABLE erased (
        number INTEGER PRIMARY KEY,
        tag BLOB NOT NULL,
        at TEXT NOT NULL,
        reason TEXT NOT NULL,
        revision INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX erased_by_revision ON erased (revision);
    """,
    """
    CREATE TABLE cards (
        tag BLOB PRIMARY KEY,  -- keyed hash of the number
        person INTEGER NOT NULL REFERENCES people ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX cards_of_person ON cards (person);
    """,
)
_RECORD, _TEMPLATE, FUSED = "record", "template", "fused row"
_MANY = 500
_ROWS_AT_ONCE = 8192


@dataclass(frozen=True, slots=True)
class Entry:
    """A person's place in the file, and their key."""

    number: int
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Record:
    """What is sealed about a person beside templates."""

    id: str
    created: str
    profile: Profile = field(repr=False)


class Book:
    """People, read and written within one transaction of the gallery's file."""

    def __init__(self, connection: Connection, keyring: Keyring, generation: Generation) -> None:
        self.connection = connection
        self._keyring = keyring
        self._generation = generation
        self.new: list[int] = []
        """Numbers whose keys were made in this transaction."""
        self.gone: list[int] = []
        """Numbers whose keys were to be destroyed in it: no rollback brings those back."""

    # revisions and facts

    def bump(self) -> int:
        """Count a change; the revision that it makes."""
        self.connection.execute("UPDATE meta SET revision = revision + 1")
        return self.revision

    @property
    def revision(self) -> int:
        """How many changes there were."""
        return int(self._one("SELECT revision FROM meta"))

    def fact(self, name: str) -> str | None:
        """A small text kept under a name."""
        row = self.connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str | None) -> None:
        """Keep a small text; None forgets it."""
        if value is None:
            self.connection.execute("DELETE FROM facts WHERE name = ?", (name,))
        else:
            self.connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # models

    def model(self, identity: str, size: int | None = None) -> int | None:
        """A model's number; with a size it is made if it is new.

        Raises:
            GalleryError: its templates have another size.
        """
        row = self.connection.execute(
            "SELECT number, size FROM models WHERE identity = ?", (identity,)
        ).fetchone()
        if row is not None:
            if size is not None and row[1] != size:
                raise GalleryError(
                    f"templates of this model have {row[1]} numbers here, not {size}; "
                    "a changed network needs a version of its own"
                )
            return int(row[0])
        if size is None:
            return None
        return int(
            self.connection.execute(
                "INSERT INTO models (identity, size) VALUES (?, ?)", (identity, size)
            ).lastrowid
        )

    def models(self) -> dict[int, str]:
        """Identity by number."""
        return dict(self.connection.execute("SELECT number, identity FROM models").fetchall())

    # people

    def tag(self, person_id: str) -> bytes:
        """What an id is found by: its keyed hash."""
        return hmac.digest(self._generation.tag.reveal(), person_id.encode(), "sha256")

    def find(self, person_id: str) -> Entry | None:
        """A person by id; None also for one whose key is gone."""
        return self.find_many([person_id]).get(person_id)

    def find_many(self, ids: Iterable[str]) -> dict[str, Entry]:
        """Those of these people who are here."""
        wanted = {self.tag(person_id): person_id for person_id in ids}
        tags = list(wanted)
        numbers: dict[int, str] = {}
        for start in range(0, len(tags), _MANY):
            some = tags[start : start + _MANY]
            marks = ",".join("?" * len(some))
            rows = self.connection.execute(
                f"SELECT number, tag FROM people WHERE tag IN ({marks})",  # noqa: S608
                some,
            )
            numbers.update((number, wanted[tag]) for number, tag in rows)
        keys = self._keyring.keys(numbers) if numbers else {}
        return {numbers[number]: Entry(number, key) for number, key in keys.items()}

    def enter(self, ids: Iterable[str], created: str, revision: int) -> dict[str, Entry]:
        """These people, the new ones made."""
        wanted = list(dict.fromkeys(ids))
        found = self.find_many(wanted)
        new = [person_id for person_id in wanted if person_id not in found]
        if new:
            made = self._keyring.new(self._generation.number, len(new))
            self.new += [number for number, _ in made]
            for person_id, (number, key) in zip(new, made, strict=True):
                self._clear_dead(person_id, revision)
                entry = found[person_id] = Entry(number, key)
                self.connection.execute(
                    "INSERT INTO people (number, tag, record, revision) VALUES (?, ?, x'', ?)",
                    (number, self.tag(person_id), revision),
                )
                self.write(entry, Record(person_id, created, Profile()))
        return found

    def _clear_dead(self, person_id: str, revision: int) -> None:
        """Bury what is left of somebody of this id whose key is gone."""
        tag = self.tag(person_id)
        for (number,) in self.connection.execute(
            "SELECT number FROM people WHERE tag = ?", (tag,)
        ).fetchall():
            self.bury(number, utc_now(), "no_key", revision)

    def read(self, entry: Entry) -> Record:
        """What is known of a person."""
        (sealed,) = self.connection.execute(
            "SELECT record FROM people WHERE number = ?", (entry.number,)
        ).fetchone()
        return read_record(entry, sealed)

    def write(self, entry: Entry, record: Record, *, take: bool = False) -> None:
        """Replace what is known of a person.

        Args:
            take: their cards are theirs, whoever else had one of them.

        Raises:
            EnrolmentRefused: ``card_taken``, without `take`.
        """
        profile = record.profile
        keep_cards(self, entry, record, take=take)
        document = {
            "id": record.id,
            "created": record.created,
            "profile": profile.model_dump(mode="json", exclude_defaults=True),
        }
        sealed = seal(entry.key, entry.number, _RECORD, write_document(document))
        self.connection.execute(
            "UPDATE people SET record = ?, begins = ?, ends = ?, retention = ? WHERE number = ?",
            (sealed, profile.valid_from, profile.end, profile.retention_days, entry.number),
        )

    def touch(self, number: int, revision: int) -> None:
        """This person changed."""
        self.connection.execute(
            "UPDATE people SET revision = ? WHERE number = ?", (revision, number)
        )

    def changed_at(self, number: int) -> int:
        """The revision of a person's last change."""
        return int(self._one("SELECT revision FROM people WHERE number = ?", number))

    def erase(self, erased: Mapping[int, Erased]) -> None:
        """Destroy people's keys, by number, then what they sealed."""
        notices = {number: write_erased(one) for number, one in erased.items()}
        self.gone += erased
        self._keyring.destroy(erased.keys(), notices)
        for number, one in erased.items():
            self.bury(number, one.at, one.reason, one.revision)

    def bury(self, number: int, at: str, reason: str, revision: int) -> None:
        """Delete what somebody had sealed whose key is gone."""
        self.connection.execute(
            "INSERT OR REPLACE INTO erased SELECT number, tag, ?, ?, ? FROM people "
            "WHERE number = ?",
            (at, reason, revision, number),
        )
        self.connection.execute("DELETE FROM people WHERE number = ?", (number,))

    def among(self, numbers: Collection[int]) -> list[int]:
        """Those of these numbers that people still have."""
        return [
            number
            for number in numbers
            if self.connection.execute(
                "SELECT 1 FROM people WHERE number = ?", (number,)
            ).fetchone()
        ]

    def entries(self) -> dict[int, Entry]:
        """Everybody, by number."""
        keys = self._keyring.all(self._generation.number)
        numbers = self.connection.execute("SELECT number FROM people").fetchall()
        return {number: Entry(number, keys[number]) for (number,) in numbers if number in keys}

    def some(self, numbers: Collection[int]) -> dict[int, Entry]:
        """Some people, by number; those without a key are left out."""
        return {n: Entry(n, key) for n, key in self._keyring.keys(numbers).items()}

    def without_key(self) -> list[int]:
        """Whose key is gone and whose rows are not yet."""
        numbers = {n for (n,) in self.connection.execute("SELECT number FROM people")}
        return sorted(numbers - self._keyring.all(self._generation.number).keys())

    # templates

    def rotation(self, model: str, size: int) -> Turn:
        """What turns this model's embeddings into what is kept."""
        return rotation(self._generation.seed, model, size)

    def turned(self, one: Kept, model: str) -> Kept:
        """A template out of the network's space as it is kept."""
        by = self.rotation(model, len(one.embedding))
        return replace(one, embedding=turn(one.embedding, by))

    def turned_back(self, one: Kept, model: str) -> Kept:
        """A kept template in the network's space."""
        by = self.rotation(model, len(one.embedding))
        return replace(one, embedding=turn_back(one.embedding, by))

    def put(self, entry: Entry, who: str, model: str, templates: Sequence[Kept]) -> None:
        """Give a person exactly these templates of a model, in the network's space."""
        number = self.model(model, len(templates[0].embedding) if templates else None)
        if number is not None:
            turned = [self.turned(one, model) for one in templates]
            self.keep(entry, number, turned, _row(turned), who)

    def kept(self, entry: Entry, model: int) -> list[Kept]:
        """A person's templates of a model, the oldest first."""
        rows = self.connection.execute(
            "SELECT sealed FROM templates WHERE person = ? AND model = ? ORDER BY number",
            (entry.number, model),
        ).fetchall()
        return [read_kept(unseal(entry.key, entry.number, _TEMPLATE, s)) for (s,) in rows]

    def keep(
        self, entry: Entry, model: int, templates: Sequence[Kept], row: Floats | None, who: str
    ) -> None:
        """Replace a person's templates of a model, and the one row made of them."""
        place = (entry.number, model)
        self.connection.execute("DELETE FROM templates WHERE person = ? AND model = ?", place)
        self.connection.execute("DELETE FROM fused WHERE person = ? AND model = ?", place)
        self.connection.executemany(
            "INSERT INTO templates (person, model, sealed) VALUES (?, ?, ?)",
            [
                (*place, seal(entry.key, entry.number, _TEMPLATE, write_kept(one)))
                for one in templates
            ],
        )
        if row is not None:
            content = row.astype("<f4", copy=False).tobytes() + who.encode()
            self.connection.execute(
                "INSERT INTO fused (person, model, sealed) VALUES (?, ?, ?)",
                (*place, seal(entry.key, entry.number, FUSED, content)),
            )

    def rows(self, model: int, size: int, now_s: float) -> Iterator[Rows]:
        """Of everybody in force: number, id and fused row (n, size), some at a time."""
        keys = self._keyring.all(self._generation.number)
        bounds = self.connection.execute(
            "SELECT number, begins, ends FROM people WHERE begins IS NOT NULL OR ends IS NOT NULL"
        )
        absent = {
            number
            for number, begins, ends in bounds
            if (begins is not None and begins > now_s) or (ends is not None and ends <= now_s)
        }
        # in the order of the file: by an index each row would be looked up on its own
        cursor = self.connection.execute(
            "SELECT person, sealed FROM fused NOT INDEXED WHERE model = ?", (model,)
        )
        while some := cursor.fetchmany(_ROWS_AT_ONCE):
            yield _opened([row for row in some if row[0] not in absent], keys, size)

    def rows_of(self, numbers: Collection[int], model: int, size: int, now_s: float) -> Rows:
        """The same of some people."""
        some = [
            row
            for number in numbers
            for row in self.connection.execute(
                "SELECT person, sealed FROM fused JOIN people ON person = people.number "
                "WHERE person = ? AND model = ? AND (begins IS NULL OR begins <= ?) "
                "AND (ends IS NULL OR ends > ?)",
                (number, model, now_s, now_s),
            ).fetchall()
        ]
        return _opened(some, self._keyring.keys(numbers), size)

    def changed(self, since: int) -> tuple[list[int], list[int]]:
        """Numbers of who changed after a revision, and of who was erased."""
        parameters = (since,)
        changed = self.connection.execute(
            "SELECT number FROM people WHERE revision > ?", parameters
        ).fetchall()
        gone = self.connection.execute(
            "SELECT number FROM erased WHERE revision > ?", parameters
        ).fetchall()
        return [n for (n,) in changed], [n for (n,) in gone]

    # validity

    def turning(self, from_s: float, to_s: float) -> list[int]:
        """Who begins or ends to be in force after one moment and up to another."""
        bounds = (from_s, to_s)
        rows = self.connection.execute(
            "SELECT number FROM people WHERE begins > ? AND begins <= ? UNION "
            "SELECT number FROM people WHERE ends > ? AND ends <= ?",
            (*bounds, *bounds),
        )
        return [number for (number,) in rows]

    def next_turn(self, after_s: float) -> float:
        """When the next one begins or ends to be in force; infinity: never."""
        moments = [
            self._one(f"SELECT min({column}) FROM people WHERE {column} > ?", after_s)  # noqa: S608
            for column in ("begins", "ends")
        ]
        return min((m for m in moments if m is not None), default=float("inf"))

    def due(self, now_s: float, retention_days: int, limit: int) -> list[int]:
        """Whose time of keeping is over; not more than so many at once."""
        rows = self.connection.execute(
            "SELECT number FROM people WHERE ends IS NOT NULL "
            "AND ends + coalesce(retention, ?) * 86400.0 <= ? ORDER BY ends LIMIT ?",
            (retention_days, now_s, limit),
        )
        return [number for (number,) in rows]

    def next_due(self, retention_days: int) -> float:
        """When the first one's time of keeping is over; infinity: never."""
        moment = self._one(
            "SELECT min(ends + coalesce(retention, ?) * 86400.0) FROM people "
            "WHERE ends IS NOT NULL",
            retention_days,
        )
        return float("inf") if moment is None else float(moment)

    def _one(self, statement: str, *parameters: Any) -> Any:
        return self.connection.execute(statement, parameters).fetchone()[0]


def _opened(sealed: list[tuple[int, bytes]], keys: Mapping[int, bytes], size: int) -> Rows:
    """Fused rows, unsealed; without those whose key another process destroyed this moment."""
    end = 4 * size
    owners = [number for number, _ in sealed if number in keys]
    contents = [unseal(keys[n], n, FUSED, content) for n, content in sealed if n in keys]
    matrix = np.frombuffer(b"".join([content[:end] for content in contents]), "<f4")
    ids = [content[end:].decode() for content in contents]
    return owners, ids, matrix.reshape(len(owners), size)


def read_record(entry: Entry, sealed: bytes) -> Record:
    """What `Book.write` sealed.

    Raises:
        StorageError: it is damaged.
    """
    document = read_document(unseal(entry.key, entry.number, _RECORD, sealed))
    try:
        profile = Profile.model_validate(document["profile"])
        return Record(document["id"], document["created"], profile)
    except (KeyError, ValueError) as fault:
        raise StorageError(
            f"the gallery's record of person number {entry.number} was written by other software; "
            "update edged"
        ) from fault


def write_erased(one: Erased) -> str:
    """What is kept of an erasure until it has been told."""
    return json.dumps(asdict(one), separators=(",", ":"))


def read_erased(notice: str) -> Erased:
    """What `write_erased` wrote."""
    return Erased(**json.loads(notice))


def _row(templates: Sequence[Kept]) -> Floats | None:
    """The one row of templates that nobody refuses any more; None where there is none."""
    try:
        return fused_row([one.embedding for one in templates], None) if templates else None
    except GalleryError:
        log.warning(
            "a person cannot be recognised: their templates contradict each other; remove and "
            "enrol them again"
        )
        return None


def fused_row(templates: list[Floats], coherence: float | None) -> Floats:
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


def check_same(old: list[Floats], new: list[Floats], coherence: float) -> None:
    """Refuse new views of somebody else than who a person's older ones are of: by the two sides
    as a whole, since as many views of two people vouch each for their own.

    Raises:
        GalleryError: the two sides, or one view and all others, are less similar than this.
    """
    fused_row([*old, *new], coherence)
    found = float(fused_row(old, None) @ fused_row(new, None))
    if not found >= coherence:
        raise GalleryError(
            "the new views of a person do not show the same one as the older views: their "
            f"similarity is {found:.2f}, {coherence:.2f} is needed; enrol again with that person "
            "in view, or remove the person first if the older views are not theirs"
        )
