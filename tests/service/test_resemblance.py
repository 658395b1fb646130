"""Whoever is enrolled already, and whoever resembles somebody, on the way into the gallery."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from edged.config.schema import Gallery as Settings
from edged.errors import EnrolmentRefused
from edged.gallery.people import Enrolment
from edged.gallery.store import Gallery
from edged.service.enrolling import enrol, reason_of
from edged.testing.builders import policy
from edged.vault.secret import Secret
from tests.gallery.faces import embeddings
from tests.gallery.test_neighbours import near
from tests.service.kit import PERSON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edged.service.enrolling import Enrolled
    from edged.types import Floats
    from tests.service.kit import Door, Views

MODEL, SIZE = "net@1.0.0#0123456789ab", 64
FACES = embeddings(10, SIZE)
POLICY = policy(floor_same=0.2)
LEVELS = POLICY.nearness(3)
BETWEEN = (LEVELS.duplicate + LEVELS.lookalike) / 2


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    gallery = Gallery(tmp_path / "gallery.db", Secret(bytes(32)))
    gallery.open()
    yield gallery
    gallery.close()


def put(gallery: Gallery, settings: Settings | None = None, **people: Floats) -> Enrolled:
    return enrol(
        gallery,
        gallery.index(MODEL, SIZE),
        [Enrolment(who, face, MODEL, 0.9, "photo") for who, face in people.items()],
        limit=5,
        coherence=None,
        profiles={},
        settings=settings or Settings(),
        nearness=POLICY.nearness,
    )


def test_a_face_under_another_id_is_refused_and_nothing_is_stored(gallery: Gallery) -> None:
    put(gallery, alice=FACES[0])
    with pytest.raises(EnrolmentRefused, match="'again' is enrolled already, as 'alice'") as told:
        put(gallery, carol=FACES[1], again=near(FACES[0], 0.9))
    assert reason_of(told.value) == "duplicate"
    assert told.value.people == {"again": "alice"}
    assert [person.id for person in gallery.people()] == ["alice"]


def test_where_the_site_allows_it_both_are_enrolled_marked_and_told(gallery: Gallery) -> None:
    put(gallery, alice=FACES[0])
    told = put(gallery, Settings(duplicates="allow"), again=near(FACES[0], 0.9)).warnings
    assert [one["warning"] for one in told] == ["duplicate", "lookalikes"]
    assert told[0] == {
        "warning": "duplicate",
        "person_id": "again",
        "other": "alice",
        "similarity": pytest.approx(0.9, abs=1e-3),
    }
    assert gallery.index(MODEL, SIZE).search(FACES[0], 1).candidates[0].lookalike


def test_a_lookalike_is_enrolled_and_both_are_marked(gallery: Gallery) -> None:
    put(gallery, alice=FACES[0], bob=FACES[1])
    enrolled = put(gallery, carol=near(FACES[0], BETWEEN))
    assert enrolled.people == ("carol",)
    (told,) = enrolled.warnings
    assert (told["warning"], told["person_id"]) == ("lookalikes", "carol")
    assert [one["person_id"] for one in told["lookalikes"]] == ["alice"]
    index = gallery.index(MODEL, SIZE)
    marked = {i: index.search(FACES[i], 1).candidates[0].lookalike for i in (0, 1)}
    assert marked == {0: True, 1: False}


def test_where_lookalikes_are_off_nobody_is_marked(gallery: Gallery) -> None:
    put(gallery, alice=FACES[0])
    enrolled = put(gallery, Settings(lookalikes="off"), carol=near(FACES[0], BETWEEN))
    assert enrolled.warnings == ()
    assert gallery.lookalikes() == {}


def test_people_who_resemble_nobody_are_told_nothing(gallery: Gallery) -> None:
    assert put(gallery, alice=FACES[0], bob=FACES[1]).warnings == ()


def test_what_is_said_of_people_is_not_in_the_log(
    gallery: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    put(gallery, alice=FACES[0])
    put(gallery, carol=near(FACES[0], BETWEEN))
    with pytest.raises(EnrolmentRefused):
        put(gallery, again=near(FACES[0], 0.9))
    assert not [r for r in caplog.records if "alice" in r.getMessage()]


def test_who_is_enrolled_is_not_enrolled_again_at_the_terminal(door: Door, views: Views) -> None:
    door.terminal.enrol(views)
    door.people(2)
    seq = door.site.seq
    door.site.command("enrol.start", person_id="again", views=2, timeout_s=20)
    door.stage.show("near")
    failed = door.site.event("enrol.failed", after=seq, person_id="again")["data"]
    assert (failed["reason"], failed["other"]) == ("duplicate", PERSON)
    assert door.site.state["gallery"]["people"] == 2
    assert PERSON not in door.terminal.log
