"""`edged model move`, and what `edged check` says of people a bundle would not find."""

from __future__ import annotations

import numpy as np
import pytest

from edged.bundle.load import find_bundle, load_bundle
from edged.config.load import load
from edged.gallery.people import Enrolment
from edged.gallery.store import make_gallery
from edged.service import move_record
from edged.service.move_record import Record
from edged.service.moving import Tally
from edged.vault.keys import load_key
from tests.cli.conftest import PORTRAIT
from tests.service.bundles import derived

OLD = load_bundle(find_bundle("mobilefacenet-rts")).identity
UNIT = np.eye(1, 192, dtype=np.float32)[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return derived(tmp_path_factory.mktemp("move") / "next")


@pytest.fixture
def new(folder):
    return load_bundle(folder).identity


def gallery_of(site):
    config = load(site.config)
    gallery = make_gallery(config.gallery, load_key(config.key))
    gallery.open()
    return gallery


def enrolled(site, **people):
    """So many templates of each identity, by person."""
    gallery = gallery_of(site)
    for who, templates in people.items():
        for model, number in templates.items():
            rows = [Enrolment(who, UNIT, model, 0.9, "photo") for _ in range(number)]
            gallery.add_many(rows, limit=5)
    gallery.close()


@pytest.fixture
def moving(site, folder):
    """The configuration names the next bundle."""
    site.configure(model={"next": str(folder), "allow_unsigned": ["next-rts"]})
    edged_key = load(site.config).key.file
    if edged_key is not None and not edged_key.exists():
        from edged.vault.keys import create_key_file

        create_key_file(edged_key)
    return site


def test_who_has_not_moved_is_listed(edged, moving, new):
    enrolled(moving, ann={OLD: 3, new: 2}, ben={OLD: 3, new: 1}, zoe={OLD: 1})
    told = edged("model", "move", "status", "-c", moving.config, "--json").json
    assert (told["from"], told["to"], told["status"]) == (OLD, new, "not begun")
    assert (told["people"], told["moved"], told["waiting"]) == (3, 1, ["ben", "zoe"])
    shown = edged("model", "move", "status", "-c", moving.config).out
    assert "1 of 3 people have moved" in shown
    assert "waiting: ben, zoe" in shown


def test_when_everybody_has_moved_it_says_what_to_do(edged, moving, new):
    enrolled(moving, ann={OLD: 3, new: 2})
    assert "set model.bundle to" in edged("model", "move", "status", "-c", moving.config).out


def test_a_move_that_was_rolled_back_says_why_and_can_be_tried_again(edged, moving, new):
    enrolled(moving, ann={OLD: 3, new: 2})
    gallery = gallery_of(moving)
    record = Record(origin=OLD, since="2026-01-01T00:00:00Z", status="rolled_back")
    record = record.changed(tally=Tally(missed=14), reason="refused")
    move_record.write(gallery, new, record)
    gallery.close()
    told = edged("model", "move", "status", "-c", moving.config, "--json").json
    assert (told["status"], told["reason"]) == ("rolled_back", "refused")
    assert told["waiting"] == ["ann"]
    assert told["figures"]["granted"]["missed"] == 14
    assert "rolled back: refused" in edged("model", "move", "status", "-c", moving.config).out
    ran = edged("model", "move", "retry", "-c", moving.config, "--json")
    assert (ran.code, ran.json["erased"]) == (0, 1)
    told = edged("model", "move", "status", "-c", moving.config, "--json").json
    assert (told["status"], told["waiting"]) == ("not begun", ["ann"])


@pytest.mark.parametrize("name", [None, "next-rts"])
def test_templates_of_a_bundle_are_forgotten(edged, moving, new, name):
    enrolled(moving, ann={OLD: 3, new: 2}, ben={OLD: 3})
    ran = edged("model", "move", "forget", *([name] if name else []), "-c", moving.config, "--json")
    assert ran.json == {"bundle": new, "people": 1}
    gallery = gallery_of(moving)
    assert all(set(one.templates) == {OLD} for one in gallery.people())
    gallery.close()


def test_templates_that_somebody_cannot_do_without_are_not_forgotten(edged, moving, new):
    enrolled(moving, ann={OLD: 3, new: 2}, ben={new: 1})
    ran = edged("model", "move", "forget", "-c", moving.config)
    assert ran.code == 1
    assert "ben" in ran.err
    ran = edged("model", "move", "forget", "mobilefacenet-rts", "-c", moving.config)
    assert ran.code == 2
    assert "in use" in ran.err


@pytest.mark.parametrize("action", ["status", "retry", "forget"])
def test_without_a_next_bundle_nobody_moves(edged, site, action):
    ran = edged("model", "move", action, "-c", site.config)
    assert ran.code == 2
    assert "model.next" in ran.err


def test_the_bundle_in_use_is_nobodys_next(edged, moving):
    moving.configure(model={"next": "mobilefacenet-rts"})
    ran = edged("model", "move", "status", "-c", moving.config)
    assert ran.code == 2
    assert "in use" in ran.err


def test_a_bundle_that_nobody_knows_cannot_be_forgotten(edged, moving):
    enrolled(moving, ann={OLD: 1})
    ran = edged("model", "move", "forget", "another", "-c", moving.config)
    assert ran.code == 1
    assert "another" in ran.err


def test_check_says_who_would_be_lost(edged, moving, new):
    enrolled(moving, ann={OLD: 3, new: 2}, ben={new: 1})
    ran = edged("check", "-c", moving.config, "--json")
    assert (ran.code, ran.json["not_found_by_model"]) == (0, ["ben"])
    assert "1 people have no template" in edged("check", "-c", moving.config).out


def test_check_complains_of_a_next_bundle_that_cannot_be_used(edged, moving):
    moving.configure(model={"next": "nowhere", "allow_unsigned": ["next-rts"]})
    ran = edged("check", "-c", moving.config)
    assert ran.code == 2
    assert "model.next: " in ran.err


def test_who_is_enrolled_from_photos_meanwhile_has_moved(edged, moving, new, tmp_path):
    ran = edged("enrol", "ann", PORTRAIT, "-c", moving.config)
    assert ran.code == 0, ran.err
    folder = tmp_path / "people" / "ben"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes(PORTRAIT.read_bytes())
    moving.configure(
        gallery={"path": "gallery.db", "duplicates": "allow"},
        model=load(moving.config).model.model_dump(mode="json", include={"next", "allow_unsigned"}),
    )
    assert load(moving.config).gallery.path.parent == moving.config.parent
    ran = edged("gallery", "import", folder.parent, "-c", moving.config)
    assert ran.code == 0, ran.err
    gallery = gallery_of(moving)
    for person in gallery.people():
        assert person.templates == {OLD: 1, new: 1}
    gallery.close()
    edged("model", "move", "retry", "-c", moving.config)
    gallery = gallery_of(moving)
    undone = Record(origin=OLD, since="2026-01-01T00:00:00Z", status="rolled_back")
    move_record.write(gallery, new, undone)
    gallery.close()
    assert edged("enrol", "eve", PORTRAIT, "-c", moving.config).code == 0
    gallery = gallery_of(moving)
    assert all(person.templates == {OLD: 1} for person in gallery.people())
    gallery.close()
