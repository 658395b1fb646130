"""A gallery with a few people, for tests of keys and copies."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from edged.gallery.people import Enrolment
from edged.gallery.profile import Consent, Profile
from tests.gallery.faces import embeddings
from tests.gallery.killing import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.gallery.store import Gallery

MODEL, OTHER_MODEL = "net@1.0.0#0123456789ab", "net@1.1.0#ba9876543210"
FACES = embeddings(64)
NAME = "Zoë Canary"


def enrolments(first: int, people: int, model: str = MODEL) -> list[Enrolment]:
    return [
        Enrolment(f"p{first + n}", FACES[first + n], model, 0.9, "photo") for n in range(people)
    ]


def fill(gallery: Gallery, people: int = 8) -> None:
    profile = Profile(name=NAME, groups=("staff",), consent=Consent(basis="contract", given=1e9))
    gallery.add_many(
        [*enrolments(0, people), *enrolments(0, 2, OTHER_MODEL)], limit=5, profiles={"p0": profile}
    )
    gallery.set_profile("p3", Profile(valid_from=0.0, valid_until=4e9, retention_days=3))
    gallery.set_lookalikes({"p1": {"p2": 0.7}})
    gallery.set_fact("note", "kept")
    gallery.add_many(enrolments(people, 1), limit=5)
    gallery.remove(f"p{people}")


def fill_folder(folder: Path) -> Path:
    with opened(folder) as gallery:
        fill(gallery)
    return folder


def copied(folder: Path) -> Callable[[Path], object]:
    """A `prepare` that copies a folder."""
    return lambda place: shutil.copytree(folder, place, dirs_exist_ok=True)


def files(folder: Path) -> dict[str, bytes]:
    """Every file, without the lock, what SQLite shares between processes, and empty WALs."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith((".lock", "-shm"))
        if path.stat().st_size or not path.name.endswith("-wal")
    }


def clean(gallery: Gallery) -> None:
    found = gallery.verify()
    assert not found, found
