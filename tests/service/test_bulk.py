"""An import that is interrupted, lied to and repeated; with one set of networks for all of it."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.schema import Config
from edged.gallery.store import make_gallery
from edged.service.bulk import Import
from edged.service.ledger import Ledger
from edged.service.sources import read_source
from edged.service.workers import Workers
from edged.vault.secret import Secret
from tests.faces import faces

if TYPE_CHECKING:
    from pathlib import Path


KEY = Secret(bytes(range(32)))


def configured(folder: Path, **gallery: Any) -> Config:
    return Config.model_validate(
        {
            "site": "hq",
            "terminal": "t",
            "camera": {"driver": "replay", "source": "none"},
            "model": {"runtime": "onnxruntime"},
            "door": {"driver": "simulated"},
            "key": {"file": "/nonexistent/key"},
            "gallery": {"path": folder / "gallery.db", **gallery},
        }
    )


@dataclass
class Site:
    folder: Path
    workers: Workers
    settings: dict[str, Any] = field(default_factory=dict)

    def with_gallery(self, **settings: Any) -> Site:
        return replace(self, settings=settings)

    @property
    def config(self) -> Config:
        return configured(self.folder, **self.settings)

    @contextmanager
    def gallery(self):
        gallery = make_gallery(self.config.gallery, KEY)
        gallery.open()
        try:
            yield gallery
        finally:
            gallery.close()

    def bring(self, source, progress=lambda _: None, **given):
        report = source.with_name(f"{source.name}.import.jsonl")
        ledger = Ledger(report, self.workers.engine.identity)
        ledger.open()
        try:
            with self.gallery() as gallery:
                return Import(
                    self.config, gallery, self.workers, ledger, given=given, progress=progress
                ).run(read_source(source))
        finally:
            ledger.close()

    def held(self):
        with self.gallery() as gallery:
            return {person.id: sum(person.templates.values()) for person in gallery.people()}

    def revision(self):
        with self.gallery() as gallery:
            return gallery.revision


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory):
    with Workers(configured(tmp_path_factory.mktemp("none")), 1) as workers:
        yield workers


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory):
    with Workers(configured(tmp_path_factory.mktemp("none")), 2) as workers:
        yield workers


@pytest.fixture
def site(tmp_path, one_worker):
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder, one_worker)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def put(folder, **views):
    """`put(folder, ann=["ann", "ann2"])`: a sub-folder a person."""
    for who, names in views.items():
        (folder / who).mkdir(exist_ok=True)
        for name in names:
            (folder / who / f"{name}.jpg").write_bytes(faces()[name])


def report_of(source):
    path = source.with_name(f"{source.name}.import.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def outcomes(source):
    return {
        line["image"]: line.get("reason", line["outcome"])
        for line in report_of(source)
        if "image" in line
    }


def test_again_looks_at_nothing_and_changes_nothing(site, source):
    put(source, ann=["ann", "ann2", "bob"], bob=["blurred"])
    assert site.bring(source)
    before, lines = site.revision(), outcomes(source)
    told = site.bring(source)
    assert told.outcomes == {"enrolled": 2, "refused": 2}
    assert site.revision() == before
    assert outcomes(source) == lines


def test_what_is_new_is_added(site, source):
    put(source, ann=["ann"])
    assert site.bring(source)
    put(source, ann=["ann2"], bob=["bob"])
    assert site.bring(source)
    assert site.held() == {"ann": 2, "bob": 1}


def test_the_report_is_not_believed_over_the_gallery(site, source):
    put(source, ann=["ann", "ann2"], bob=["bob"])
    assert site.bring(source)
    with site.gallery() as gallery:
        gallery.remove("ann")
    assert site.bring(source)
    assert site.held() == {"ann": 2, "bob": 1}


def test_a_batch_that_the_gallery_lost_is_done_again(site, source):
    """As after a power cut, or with an older backup of the gallery."""
    put(source, ann=["ann"])
    assert site.bring(source)
    saved = {path: path.read_bytes() for path in site.folder.glob("gallery.*")}
    put(source, ann=["ann2"], bob=["bob"])
    assert site.bring(source)
    for path in site.folder.glob("gallery.*"):
        path.unlink()
    for path, data in saved.items():
        path.write_bytes(data)
    assert site.held() == {"ann": 1}
    assert site.bring(source)
    assert site.held() == {"ann": 2, "bob": 1}


def test_a_torn_report_goes_on(site, source):
    put(source, ann=["ann"], bob=["bob"])
    assert site.bring(source)
    path = source.with_name("photos.import.jsonl")
    path.write_bytes(path.read_bytes()[:-30] + b"\0\0")
    assert site.bring(source)
    assert site.held() == {"ann": 1, "bob": 1}
    assert json.loads(path.read_bytes().splitlines()[-1])["outcome"] in {"enrolled", "known"}


def test_a_table_says_what_is_known_of_each(site, source):
    put(source, all=["ann", "ann2", "bob"])
    table = source / "people.csv"
    table.write_text(
        "person_id,image,name,groups,valid_until,consent_basis\n"
        "E1,all/ann.jpg,Ann,staff;lab,2030-01-01,contract\n"
        "E1,all/ann2.jpg,,,,\n"
        "E2,all/bob.jpg,,,,\n"
    )
    assert site.bring(table, groups=("guests",))
    assert site.held() == {"E1": 2, "E2": 1}
    with site.gallery() as gallery:
        first, second = gallery.profile("E1"), gallery.profile("E2")
    assert (first.name, first.groups, first.consent.basis) == ("Ann", ("staff", "lab"), "contract")
    assert (second.name, second.groups) == (None, ("guests",))
    table.write_text("person_id,image,groups\nE1,all/ann.jpg,night\n")
    assert site.bring(table)
    with site.gallery() as gallery:
        profile = gallery.profile("E1")
    assert (profile.name, profile.groups) == ("Ann", ("night",))


def test_a_face_under_a_second_id_is_refused_and_the_others_come_in(site, source):
    put(source, ann=["ann", "ann2"], anna=["ann3"], bob=["bob"])
    told = site.bring(source)
    assert site.held() == {"ann": 2, "bob": 1}
    assert told.reasons == {"duplicate": 1}
    assert outcomes(source)["anna/ann3.jpg"] == "duplicate"


def test_the_same_image_for_two_people_and_for_one_who_is_enrolled(site, source):
    put(source, ann=["ann"], bob=["bob", "ann"])
    assert site.bring(source)
    assert site.held() == {"bob": 1}
    assert outcomes(source)["ann/ann.jpg"] == outcomes(source)["bob/ann.jpg"] == "same_image"
    (source / "bob" / "ann.jpg").unlink()
    assert site.bring(source)
    put(source, cy=["cy", "bob"])
    (source / "bob" / "bob.jpg").unlink()
    (source / "bob").rmdir()
    assert site.bring(source)
    assert outcomes(source)["cy/bob.jpg"] == "same_image"
    assert site.held() == {"ann": 1, "bob": 1, "cy": 1}


def test_where_consent_is_wanted_it_is_missed_by_a_code(site, source):
    put(source, ann=["ann"])
    wanting = site.with_gallery(require_consent=True)
    assert not wanting.bring(source).held
    assert outcomes(source) == {"ann/ann.jpg": "consent_missing"}
    assert wanting.bring(source, consent={"basis": "contract"}).held
    assert site.held() == {"ann": 1}


def test_one_refused_person_does_not_keep_the_batch_out(site, source):
    put(source, ann=["ann", "ann2"], bob=["bob"], anna=["ann3"], cy=["cy"])
    assert site.bring(source).reasons == {"duplicate": 1}
    assert site.held() == {"ann": 2, "bob": 1, "cy": 1}


def test_no_more_templates_are_kept_than_the_site_wants_and_that_is_no_loss(site, source):
    put(source, ann=["ann", "ann2", "ann3"])
    small = site.with_gallery(templates_per_person=2)
    assert small.bring(source).outcomes == {"enrolled": 3}
    assert site.held() == {"ann": 2}
    before = site.revision()
    assert small.bring(source).outcomes == {"enrolled": 3}
    assert site.revision() == before


def test_two_workers_tell_the_same_in_the_same_order(site, source, two_workers):
    put(source, ann=["ann", "wall", "ann2"], bob=["bob", "blurred"], cy=["cy", "bob2"])
    site.bring(source)
    first = [line for line in report_of(source) if "image" in line]
    again = replace(site, folder=site.folder / "again", workers=two_workers)
    again.folder.mkdir()
    source.with_name("photos.import.jsonl").unlink()
    again.bring(source)
    assert [line for line in report_of(source) if "image" in line] == first


def test_what_an_interruption_leaves_is_whole_people(site, source):
    put(source, ann=["ann", "ann2"], bob=["bob", "bob2"], cy=["cy"])

    class Cut(Exception):
        pass

    for stop in range(1, 4):

        def cut(told, stop=stop):
            if len(told.held) + sum(told.reasons.values()) >= stop:
                raise Cut

        with suppress(Cut):
            site.bring(source, progress=cut)
        assert set(site.held().items()) <= {("ann", 2), ("bob", 2), ("cy", 1)}
    site.bring(source)
    assert site.held() == {"ann": 2, "bob": 2, "cy": 1}


def test_a_card_of_somebody_else_refuses_that_person_alone(site, tmp_path):
    folder = tmp_path / "table"
    folder.mkdir()
    for name in ("ann", "bob"):
        (folder / f"{name}.jpg").write_bytes(faces()[name])
    table = folder / "people.csv"
    table.write_text("person_id,image,cards\nann,ann.jpg,12;0x34\nbob,bob.jpg,34\n")
    told = site.bring(table)
    assert told.reasons == {"card_taken": 1}
    assert site.held() == {"ann": 1}
    table.write_text("person_id,image,cards\nann,ann.jpg,12\nbob,bob.jpg,34\n")
    assert site.bring(table).outcomes == {"enrolled": 2}
    assert site.held() == {"ann": 1, "bob": 1}
    table.write_text("person_id,image,cards\nann,ann.jpg,34\nbob,bob.jpg,34\n")
    assert site.bring(table).reasons == {"card_taken": 1}
    with site.gallery() as gallery:
        assert gallery.profile("ann").cards == ("12",)
