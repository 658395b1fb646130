"""kill -9 while people move to the next network, and while their move is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edged.service.merge import Roll, Side
from edged.service.movers import drop, keep, roll_call
from edged.service.moving import ENOUGH
from edged.types import RiskPoint
from tests.gallery.keeping import MODEL, clean, copied, enrolments
from tests.gallery.killing import kill_often, opened

if TYPE_CHECKING:
    from pathlib import Path

    from edged.gallery.store import Gallery

PEOPLE = 8
NEXT = "next@1.0.0#0123456789cd"
CURVE = (RiskPoint(1e-2, 0.3), RiskPoint(1e-4, 0.5), RiskPoint(1e-8, 0.7))
SEEN = np.eye(24, dtype=np.float32)[:PEOPLE]


def side(gallery: Gallery, identity: str, size: int) -> Side:
    return Side(identity, CURVE, float, gallery.index(identity, size))


def move_some(folder: Path) -> None:
    """As a `Mover` does, one visit after the other."""
    with opened(folder) as gallery:
        new = side(gallery, NEXT, 24)
        for _ in range(ENOUGH):
            for number in range(PEOPLE):
                assert keep(gallery, f"p{number}", new, SEEN[number], 0.9)


def undo(folder: Path) -> None:
    with opened(folder) as gallery:
        assert drop(gallery, NEXT) == PEOPLE


def counts(folder: Path) -> list[int]:
    """How many templates of the next network each has; everything else is as it was."""
    with opened(folder) as gallery:
        clean(gallery)
        old, new = side(gallery, MODEL, 16), side(gallery, NEXT, 24)
        assert old.index.ids() == {f"p{number}" for number in range(PEOPLE)}
        found = []
        for number in range(PEOPLE):
            (kept,) = gallery.kept(f"p{number}", MODEL)
            np.testing.assert_allclose(
                kept.embedding, enrolments(number, 1)[0].embedding, atol=1e-6
            )
            moved = gallery.templates(f"p{number}", NEXT)
            for one in moved:
                np.testing.assert_allclose(one, SEEN[number], atol=1e-6)
            found.append(len(moved))
        roll = roll_call(gallery, old, new, Roll())
        assert roll.moved == {f"p{n}" for n, has in enumerate(found) if has >= ENOUGH}
        assert roll.people == PEOPLE
    return found


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("waiting")
    with opened(folder) as gallery:
        gallery.add_many(enrolments(0, PEOPLE), limit=5)
    return folder


@pytest.mark.slow
def test_a_move_that_is_killed_has_whole_visits_in_their_order(
    tmp_path: Path, waiting: Path
) -> None:
    def judge(folder: Path, finished: bool) -> None:
        found = counts(folder)
        assert found == sorted(found, reverse=True)
        assert max(found) - min(found) <= 1
        assert not finished or found == [ENOUGH] * PEOPLE

    kill_often(25, move_some, copied(waiting), judge, tmp_path)


@pytest.mark.slow
def test_a_move_that_is_undone_and_killed_leaves_each_with_all_or_nothing_of_it(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, waiting: Path
) -> None:
    moved = tmp_path_factory.mktemp("moved")
    copied(waiting)(moved)
    move_some(moved)

    def judge(folder: Path, finished: bool) -> None:
        found = counts(folder)
        assert set(found) <= {0, ENOUGH}
        assert not finished or not any(found)

    kill_often(15, undo, copied(moved), judge, tmp_path)
