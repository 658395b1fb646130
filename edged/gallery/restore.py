"""Backups read again: into a gallery, or to see that they can be."""

from __future__ import annotations

import hashlib
import json
import struct
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.errors import GalleryError, KeyUnavailable, StorageError
from edged.gallery.backup import (
    ABOUT,
    KEYS,
    LENGTH,
    NUMBER,
    PAIRS,
    PEOPLE,
    PERSON,
    SIGNED,
    TYP,
    WHAT,
    told,
)
from edged.gallery.files import Contents
from edged.gallery.people import Enrolment, Stored, check_id
from edged.gallery.profile import read_profile
from edged.gallery.sealed import read_kept, unseal
from edged.vault.identity import read_signed, signing_id
from edged.vault.parcel import Parcel
from edged.vault.secret import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    from edged.gallery.store import Gallery


@dataclass(frozen=True, slots=True)
class Backup:
    """Two files, opened by one identity, of which everybody was read.

    Attributes:
        made: RFC 3339, UTC.
        signed_by: the id of the terminal's signing key.
        people: how many can be read.
        unreadable: how many cannot, because their key is gone.
        refused: how many were left out because they were erased here since.
    """

    made: str
    signed_by: str
    people: int
    unreadable: int
    refused: int = 0


def restore(
    gallery: Gallery,
    out: Path,
    keys_in: Path,
    identity: X25519PrivateKey,
    *,
    replace: bool = False,
    made_by: str | None = None,
) -> Backup:
    """Put a backup's people, with new keys, into a gallery; all of them or nothing.

    Args:
        gallery: open, and by nobody else.
        replace: also where there are people already; they are not kept.
        made_by: the signing key of the terminal that must have made it, in PEM form.

    Raises:
        KeyUnavailable: the identity is not one of those that it is sealed to.
        GalleryError: there are people in the gallery.
        DiskFull, StorageError: what is wrong with the files; the gallery is as it was.
    """
    here = gallery.contents()
    if not replace and gallery.people():
        raise GalleryError(
            "there are people in this gallery; --replace puts the backup in their place"
        )
    with reading(out, keys_in, identity, made_by) as found:
        gone = _Gone(gallery, here, found)
        contents = Contents(
            gone.but(found.people()),
            max(here.revision, found.revision),
            found.facts,
            here.erased,
            found.lookalikes,
        )
        gallery.replace_everything(contents)
        return found.result(refused=gone.count)


def check(
    out: Path, keys_in: Path, identity: X25519PrivateKey, made_by: str | None = None
) -> Backup:
    """Read everybody, to no purpose but to see that it can be done; errors as `restore`."""
    with reading(out, keys_in, identity, made_by) as found:
        for _ in found.people():
            pass
        return found.result()


class _Gone:
    """Who was erased from this gallery since a backup was made."""

    def __init__(self, gallery: Gallery, here: Contents, found: Reading) -> None:
        self._gallery = gallery
        # its own revisions are in order whatever the clock was; of another gallery's time it
        # alone tells
        ours = found.gallery == gallery.lineage
        self._numbers = {e[0] for e in here.erased} if ours else set()
        self._tags = {
            e[1] for e in here.erased if (e[4] > found.revision if ours else e[2] >= found.made)
        }
        self.count = 0

    def but(self, people: Iterator[tuple[int, Stored]]) -> Iterator[Stored]:
        for number, one in people:
            if number in self._numbers or self._gallery.tag(one.person_id) in self._tags:
                self.count += 1
            else:
                yield one


class Reading:
    """A backup that is being read.

    Attributes:
        made: RFC 3339, UTC.
        gallery: its lineage.
        revision, facts: as in `Contents`.
        lookalikes: filled when all people have been read.

    Raises:
        KeyUnavailable, StorageError: as `restore`.
    """

    def __init__(
        self, people: Parcel, keys: Parcel, identity: X25519PrivateKey, made_by: str | None
    ) -> None:
        self._path = people.path
        self._made_by = made_by
        self._signed_by = ""
        self._read = self._unreadable = 0
        self.lookalikes: dict[tuple[str, str], float] = {}
        with _well_formed(keys.path):
            self._keys = dict(_key(record) for record in keys.records(identity))
        self._records = people.records(identity)
        first = next(self._records, b"")
        self._digest = hashlib.sha256()
        self._take_in(first)
        with _well_formed(self._path):
            if first[:1] != ABOUT:
                raise ValueError
            about = json.loads(first[1:])
            self.made = str(people.about["made"])
            self.gallery = str(people.about["gallery"])
            self.revision = int(about["revision"])
            self.facts = {str(name): str(value) for name, value in about["facts"].items()}

    def result(self, refused: int = 0) -> Backup:
        """What was found, once everybody was read."""
        people = self._read - refused
        return Backup(self.made, self._signed_by, people, self._unreadable, refused)

    def people(self) -> Iterator[tuple[int, Stored]]:
        """Everybody whose key is there, with their number in the gallery that was; once.

        Raises:
            StorageError: as `Parcel.records`, or it was not signed by whom it should.
        """
        ids: dict[int, str] = {}
        for record in self._records:
            kind, content = record[:1], record[1:]
            if kind == SIGNED:
                self._check_signature(content)
                break
            self._take_in(record)
            if kind == PERSON:
                number, one = self._person(content)
                if one is None:
                    self._unreadable += 1
                    continue
                self._read += 1
                ids[number] = one.person_id
                yield number, one
            elif kind == PAIRS:
                self._pairs(content, ids)
        if not self._signed_by or next(self._records, None) is not None:
            raise _strange(self._path)

    def _take_in(self, record: bytes) -> None:
        self._digest.update(LENGTH.pack(len(record)) + record)

    def _person(self, content: bytes) -> tuple[int, Stored | None]:
        with _well_formed(self._path):
            (number,) = NUMBER.unpack_from(content)
            key = self._keys.get(number)
            if key is None:
                return number, None
            return number, _read_person(unseal(key, number, WHAT, content[NUMBER.size :]))

    def _pairs(self, content: bytes, ids: dict[int, str]) -> None:
        with _well_formed(self._path):
            for a, b, similarity in json.loads(content)["pairs"]:
                if a in ids and b in ids:
                    self.lookalikes[ids[a], ids[b]] = float(similarity)

    def _check_signature(self, content: bytes) -> None:
        with _well_formed(self._path):
            signed = json.loads(content)
            public = self._made_by or str(signed["public_key"])
            token = str(signed["signature"])
        expected = {"digest": self._digest.hexdigest(), "gallery": self.gallery}
        if read_signed(token, public, TYP) != expected:
            raise StorageError(
                f"{self._path}: not signed by the terminal that is said to have made it; do not "
                "use it"
            )
        self._signed_by = signing_id(public)


@contextmanager
def reading(
    out: Path, keys_in: Path, identity: X25519PrivateKey, made_by: str | None
) -> Iterator[Reading]:
    """A backup's two files, opened; errors as `restore`."""
    with told(out), out.open("rb") as file, keys_in.open("rb") as keys_file:
        people, keys = Parcel(file, out), Parcel(keys_file, keys_in)
        _check_kind(people, PEOPLE)
        _check_kind(keys, KEYS)
        if people.about.get("gallery") != keys.about.get("gallery"):
            raise StorageError(
                f"{keys_in}: the keys of another gallery than {out}; give the file that was "
                "written with the last backup of this one"
            )
        yield Reading(people, keys, identity, made_by)


def measure(path: Path) -> list[str]:
    """Whether one of the two files is whole as far as can be seen without opening it; to whom
    it is sealed.

    Raises:
        StorageError: what is wrong with it.
    """
    with told(path), path.open("rb") as file:
        parcel = Parcel(file, path)
        parcel.measure()
        return parcel.recipients


def _key(record: bytes) -> tuple[int, bytes]:
    (number,) = NUMBER.unpack_from(record)
    key = record[NUMBER.size :]
    if len(key) != KEY_BYTES:
        raise ValueError
    return number, key


def _check_kind(parcel: Parcel, kind: str) -> None:
    found = parcel.about.get("kind")
    if found == kind:
        return
    if {found, kind} == {PEOPLE, KEYS}:
        wanted = "people" if kind == PEOPLE else "keys"
        raise StorageError(
            f"{parcel.path}: this is the other one of a backup's two files; the file of {wanted} "
            "belongs here"
        )
    raise StorageError(f"{parcel.path}: no backup of a gallery")


@contextmanager
def _well_formed(path: Path) -> Iterator[None]:
    """What opened and still makes no sense was made by somebody else."""
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError, struct.error, StopIteration) as fault:
        raise _strange(path) from fault


def _strange(path: Path) -> StorageError:
    return StorageError(f"{path}: not what edged writes; use another copy of it")


def _read_person(content: bytes) -> Stored:
    parts = []
    place = 0
    while place < len(content):
        (length,) = LENGTH.unpack_from(content, place)
        place += LENGTH.size
        parts.append(content[place : place + length])
        place += length
    about = json.loads(parts[0])
    kept = iter(parts[1:])
    templates = {
        str(model): [read_kept(next(kept)) for _ in range(int(count))]
        for model, count in about["templates"].items()
    }
    check_id(about["id"])
    for model, several in templates.items():
        for one in several:
            Enrolment(about["id"], one.embedding, model, one.quality, one.source).checked()
    origin, marker = about["origin"], about["marker"]
    return Stored(
        about["id"],
        read_profile(about["profile"]),
        templates,
        str(about["created"]),
        None if origin is None else int(origin),
        None if marker is None else str(marker),
    )


def read_identity(content: bytes, what: str) -> X25519PrivateKey:
    """An X25519 private key out of its PEM form.

    Raises:
        KeyUnavailable: it is none.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey as Private
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(content, None)
    except TypeError as fault:
        raise KeyUnavailable(
            f"{what} is protected by a passphrase; give it without, for instance from "
            "`openssl pkey` through a file in memory"
        ) from fault
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Private):
        raise KeyUnavailable(
            f"{what} holds no X25519 private key in PEM form; `openssl genpkey -algorithm X25519` "
            "makes one"
        )
    return key
