"""Backups: one file of people, each sealed with their own key, and a small one of those keys.

Both are sealed to the public keys of whoever may restore them. The small one is replaced by each
backup: whoever was erased is unreadable from then on in every older file of people, wherever a
copy of it lies (docs/decisions/0019-two-files.md).
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import struct
import time
from contextlib import contextmanager
from glob import escape
from typing import TYPE_CHECKING

from edged.errors import DiskFull, StorageError
from edged.events.types import utc_now
from edged.gallery.sealed import seal, write_document, write_kept
from edged.vault.files import replaced
from edged.vault.parcel import MAGIC, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    from edged.gallery.people import Stored
    from edged.gallery.store import Gallery
    from edged.vault.identity import Identity

PEOPLE, KEYS = "gallery people", "gallery keys"
WHAT = "backup"
TYP = "edged-backup"
NUMBER = struct.Struct(">Q")
LENGTH = struct.Struct(">I")
_STALE_S = 86_400.0

# the first byte of a record
ABOUT, PERSON, PAIRS, SIGNED = b"A", b"P", b"L", b"S"


def keys_of(out: Path) -> Path:
    """Where the keys of a backup are if nothing else is said."""
    return out.with_name(out.name + ".keys")


def backup(
    gallery: Gallery,
    out: Path,
    keys_out: Path,
    to: Sequence[X25519PublicKey],
    identity: Identity,
) -> int:
    """Write everybody to `out` and their keys to `keys_out`; how many.

    What was there is replaced in one step each, the keys first. Templates leave this process
    sealed only.

    Args:
        gallery: opened for this alone: nobody else gets at it meanwhile.
        identity: signs what is written.

    Raises:
        DiskFull, StorageError: it could not be written; what was there is left.
    """
    about = {"made": utc_now(), "gallery": gallery.lineage}
    for place in (out, keys_out):
        _check_place(place)
    with told(out), replaced(out) as draft, replaced(keys_out) as keys_draft:
        with draft.open("wb") as file:
            numbers = _write_people(Writer(file, to, about | {"kind": PEOPLE}), gallery, identity)
        keys = gallery.surviving(numbers)  # not of whom was erased in the meantime
        with keys_draft.open("wb") as file:
            writer = Writer(file, to, about | {"kind": KEYS})
            for number, key in keys.items():
                writer.write(NUMBER.pack(number) + key)
            writer.end()
    return len(keys)


def _write_people(writer: Writer, gallery: Gallery, identity: Identity) -> list[int]:
    # facts first: what follows the site may be told twice, and never too little
    contents = gallery.contents()
    digest = hashlib.sha256()

    def write(kind: bytes, content: bytes) -> None:
        record = kind + content
        digest.update(LENGTH.pack(len(record)) + record)
        writer.write(record)

    write(ABOUT, write_document({"revision": contents.revision, "facts": dict(contents.facts)}))
    numbers: dict[str, int] = {}
    for number, key, one in gallery.keyed():
        write(PERSON, NUMBER.pack(number) + seal(key, number, WHAT, _write_person(one)))
        numbers[one.person_id] = number
    pairs = [
        [numbers[a], numbers[b], similarity]
        for (a, b), similarity in contents.lookalikes.items()
        if a in numbers and b in numbers
    ]
    write(PAIRS, write_document({"pairs": pairs}))
    token = identity.sign({"digest": digest.hexdigest(), "gallery": gallery.lineage}, TYP)
    writer.write(
        SIGNED + write_document({"public_key": identity.signing_public, "signature": token})
    )
    writer.end()
    return list(numbers.values())


@contextmanager
def told(path: Path) -> Iterator[None]:
    """What the system refuses, in this project's errors."""
    try:
        yield
    except OSError as fault:
        where = fault.filename or path
        if fault.errno == errno.ENOSPC:
            raise DiskFull(
                f"{where}: no room left on its disk; nothing was half-written; free some"
            ) from fault
        raise StorageError(f"{where}: {fault.strerror}; check the place and its rights") from fault


def _check_place(path: Path) -> None:
    """Nothing but a backup is ever replaced; what a killed one left is cleared away."""
    with told(path):
        for stale in path.parent.glob(f".{escape(path.name)}.*"):
            if (
                stale.is_dir()
                and stale.stat().st_mtime < time.time() - _STALE_S
                and {one.name for one in stale.iterdir()} <= {path.name}  # else not ours
            ):
                shutil.rmtree(stale, ignore_errors=True)
        if not path.exists():
            return
        if path.is_file():
            with path.open("rb") as file:
                if file.read(len(MAGIC)) == MAGIC:
                    return
    raise StorageError(f"{path}: not a backup, so it is not replaced; choose another name")


def _write_person(one: Stored) -> bytes:
    kept = [write_kept(template) for templates in one.templates.values() for template in templates]
    about = {
        "id": one.person_id,
        "created": one.created,
        "origin": one.origin,
        "marker": one.marker,
        "profile": one.profile.model_dump(mode="json", exclude_defaults=True),
        "templates": {model: len(templates) for model, templates in one.templates.items()},
    }
    parts = [write_document(about), *kept]
    return b"".join(LENGTH.pack(len(part)) + part for part in parts)
