"""kill -9 while people are enrolled, brought in by the batch, and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.gallery.keeping import MODEL, clean, copied, enrolments, fill_folder
from tests.gallery.killing import contents, kill_often, opened

if TYPE_CHECKING:
    from pathlib import Path

BATCH = 5


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_folder(tmp_path_factory.mktemp("filled"))


def enrol_some(folder: Path) -> None:
    """One after the other, as at the terminal: three views each."""
    with opened(folder) as gallery:
        for number in range(8, 14):
            gallery.add_many(enrolments(number, 1) * 3, limit=5)


def import_some(folder: Path) -> None:
    """As an import does: a batch is there or is not."""
    with opened(folder) as gallery:
        for batch in range(6):
            gallery.add_many(enrolments(8 + BATCH * batch, BATCH), limit=5)


def remove_some(folder: Path) -> None:
    with opened(folder) as gallery:
        for number in range(1, 8):
            gallery.remove(f"p{number}")


def new_people(folder: Path) -> list[int]:
    """Who came, in order; they are all that changed, and are found."""
    with opened(folder) as gallery:
        people = contents(gallery)["people"]
        assert gallery.index(MODEL, 16).people == len(people)
        clean(gallery)
    return sorted(int(person[1:]) for person in people)[8:]


@pytest.mark.slow
def test_whoever_is_being_enrolled_is_there_whole_or_not(tmp_path: Path, filled: Path) -> None:
    def judge(folder: Path, finished: bool) -> None:
        new = new_people(folder)
        assert new == list(range(8, 8 + len(new)))
        assert not finished or len(new) == 6
        with opened(folder) as gallery:
            assert all(len(gallery.kept(f"p{number}", MODEL)) == 3 for number in new)

    kill_often(20, enrol_some, copied(filled), judge, tmp_path)


@pytest.mark.slow
def test_an_import_leaves_whole_batches_in_their_order(tmp_path: Path, filled: Path) -> None:
    def judge(folder: Path, finished: bool) -> None:
        new = new_people(folder)
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
