"""kill -9 while people are enrolled, brought in by the batch, and removed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from edged.gallery.people import Enrolment
from edged.gallery.profile import Profile
from tests.gallery.faces import embeddings
from tests.gallery.killing import contents, kill_often, opened

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from edged.gallery.store import Gallery

MODEL = "net@1.0.0#0123456789ab"
FACES = embeddings(64)
BATCH = 5


def enrolments(first: int, people: int) -> list[Enrolment]:
    return [
        Enrolment(f"p{first + n}", FACES[first + n], MODEL, 0.9, "photo") for n in range(people)
    ]


def fill(gallery: Gallery, people: int = 8) -> None:
    gallery.add_many(
        enrolments(0, people), limit=5, profiles={"p0": Profile(name="Zoë", groups=("staff",))}
    )
    gallery.set_lookalikes("p1", {"p2": 0.7})
    gallery.set_fact("note", "kept")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    with opened(folder) as gallery:
        fill(gallery)
    return folder


def import_some(folder: Path) -> None:
    """As an import does: a batch is there or is not."""
    with opened(folder) as gallery:
        for batch in range(6):
            gallery.add_many(enrolments(8 + BATCH * batch, BATCH), limit=5)


def remove_some(folder: Path) -> None:
    with opened(folder) as gallery:
        for number in range(1, 8):
            gallery.remove(f"p{number}")


@pytest.mark.slow
def test_an_import_leaves_whole_batches_in_their_order(tmp_path: Path, filled: Path) -> None:
    def judge(folder: Path, finished: bool) -> None:
        with opened(folder) as gallery:
            people = contents(gallery)["people"]
            assert gallery.index(MODEL, 16).people == len(people)
            clean(gallery)
        new = sorted(int(person[1:]) for person in people)[8:]
        assert new == list(range(8, 8 + len(new)))
        assert len(new) % BATCH == 0
        assert not finished or len(new) == 6 * BATCH

    kill_often(25, import_some, copied(filled), judge, tmp_path)


@pytest.mark.slow
def test_who_is_being_removed_is_there_whole_or_gone_with_the_key(
    tmp_path: Path, filled: Path
) -> None:
    with opened(filled) as gallery:
        before = contents(gallery)["people"]

    def judge(folder: Path, finished: bool) -> None:
        with opened(folder) as gallery:
            left = contents(gallery)["people"]
            clean(gallery)
        assert left == {who: before[who] for who in left}
        gone = sorted(int(person[1:]) for person in before.keys() - left.keys())
        assert gone == list(range(1, 1 + len(gone)))
        assert not finished or len(gone) == 7

    kill_often(25, remove_some, copied(filled), judge, tmp_path)


def copied(folder: Path) -> Any:
    """A `prepare` that copies a folder."""
    return lambda place: shutil.copytree(folder, place, dirs_exist_ok=True)


def clean(gallery: Gallery) -> None:
    """Everybody has a key and rows; a key without a person may only be a young one."""
    with gallery._read() as book:
        assert book.without_key() == []
        broken = book.connection.execute("PRAGMA foreign_key_check").fetchall()
    assert broken == []
