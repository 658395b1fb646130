"""`edged gallery import`: who comes in from a folder or a table, and how it goes on."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import zlib
from functools import cache

import cv2
import numpy as np
import pytest

from edged.cli.gallery import opened
from edged.cli.gallery_import import Progress
from edged.config.load import load
from edged.service.bulk import Told
from tests.cli.conftest import PORTRAIT
from tests.faces import somebody_else
from tests.wait import until


@cache
def faces():
    """JPEG bytes: views of one person, and of two who do not exist."""
    portrait = cv2.imread(str(PORTRAIT))
    bob, cy = somebody_else(portrait), somebody_else(portrait, pinched=True)
    drawn = {
        "ann": portrait,
        "ann2": cv2.flip(portrait, 1),
        "ann3": cv2.convertScaleAbs(portrait, alpha=0.7),
        "bob": bob,
        "bob2": cv2.flip(bob, 1),
        "cy": cy,
        "blurred": cv2.GaussianBlur(portrait, (0, 0), 4),
        "wall": np.full((300, 300, 3), 128, np.uint8),
    }
    return {name: cv2.imencode(".jpg", image)[1].tobytes() for name, image in drawn.items()}


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


def bring(edged, site, source, *more):
    return edged("gallery", "import", source, "-c", site.config, "--workers", 1, *more)


def report_of(source):
    path = source.with_name(f"{source.name}.import.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def outcomes(source):
    return {
        line["image"]: line.get("reason", line["outcome"])
        for line in report_of(source)
        if "image" in line
    }


def held(site):
    with opened(load(site.config)) as gallery:
        return {person.id: sum(person.templates.values()) for person in gallery.people()}


def revision(site):
    with opened(load(site.config)) as gallery:
        return gallery.revision


def test_everybody_comes_in_and_every_image_is_told(edged, site, source):
    put(source, ann=["ann", "ann2", "bob2", "blurred"], bob=["bob", "wall"])
    (source / "bob" / "torn.jpg").write_bytes(faces()["bob"][:9000])
    (source / "bob" / "none.jpg").touch()
    (source / "bob" / "notes.txt").write_text("junk")
    ran = bring(edged, site, source)
    assert ran.code == 0
    assert "9 images of 2 people: 3 enrolled, 0 known, 6 refused" in ran.out
    assert held(site) == {"ann": 2, "bob": 1}
    assert outcomes(source) == {
        "ann/ann.jpg": "enrolled",
        "ann/ann2.jpg": "enrolled",
        "ann/blurred.jpg": "low_quality",
        "ann/bob2.jpg": "incoherent",
        "bob/bob.jpg": "enrolled",
        "bob/none.jpg": "unreadable",
        "bob/notes.txt": "not_an_image",
        "bob/torn.jpg": "unreadable",
        "bob/wall.jpg": "no_face",
    }
    (line,) = [line for line in report_of(source) if line.get("image") == "ann/ann.jpg"]
    assert line["id"] == "ann"
    assert 0.9 < line["quality"] <= 1
    assert len(line["sha256"]) == 64
    assert (source.parent / "photos.import.jsonl").stat().st_mode & 0o777 == 0o600


def test_again_looks_at_nothing_and_changes_nothing(edged, site, source):
    put(source, ann=["ann", "ann2", "bob"], bob=["blurred"])
    assert bring(edged, site, source).code == 0
    before, lines = revision(site), outcomes(source)
    told = bring(edged, site, source, "--json").json
    assert (told["enrolled"], told["refused"]) == (2, 2)
    assert revision(site) == before
    assert outcomes(source) == lines


def test_what_is_new_is_added(edged, site, source):
    put(source, ann=["ann"])
    assert bring(edged, site, source).code == 0
    put(source, ann=["ann2"], bob=["bob"])
    assert bring(edged, site, source).code == 0
    assert held(site) == {"ann": 2, "bob": 1}


def test_the_report_is_not_believed_over_the_gallery(edged, site, source):
    put(source, ann=["ann", "ann2"], bob=["bob"])
    assert bring(edged, site, source).code == 0
    assert edged("gallery", "remove", "-c", site.config, "ann").code == 0
    assert bring(edged, site, source).code == 0
    assert held(site) == {"ann": 2, "bob": 1}


def test_a_batch_that_the_gallery_lost_is_done_again(edged, site, source, tmp_path):
    """As after a power cut, or with an older backup of the gallery."""
    put(source, ann=["ann"])
    assert bring(edged, site, source).code == 0
    saved = {path: path.read_bytes() for path in site.folder.glob("gallery.*")}
    put(source, ann=["ann2"], bob=["bob"])
    assert bring(edged, site, source).code == 0
    for path in site.folder.glob("gallery.*"):
        path.unlink()
    for path, data in saved.items():
        path.write_bytes(data)
    assert held(site) == {"ann": 1}
    assert bring(edged, site, source).code == 0
    assert held(site) == {"ann": 2, "bob": 1}


def test_a_torn_report_goes_on(edged, site, source):
    put(source, ann=["ann"], bob=["bob"])
    assert bring(edged, site, source).code == 0
    path = source.with_name("photos.import.jsonl")
    path.write_bytes(path.read_bytes()[:-30] + b"\0\0")
    assert bring(edged, site, source).code == 0
    assert held(site) == {"ann": 1, "bob": 1}
    assert json.loads(path.read_bytes().splitlines()[-1])["outcome"] in {"enrolled", "known"}


@pytest.mark.parametrize("kind", ["other", "garbage", "folder", "link", "busy", "pipe", "nowhere"])
def test_a_report_that_cannot_be_one_stops_before_anything_is_done(edged, site, source, kind):
    put(source, ann=["ann"])
    report = site.folder / "report"
    lock = None
    if kind == "other":
        report.write_text('{"precious": true}\n')
    elif kind == "garbage":
        report.write_bytes(os.urandom(3000))
    elif kind == "folder":
        report.mkdir()
    elif kind == "link":
        report.symlink_to(site.config)
    elif kind == "pipe":
        os.mkfifo(report)
    elif kind == "busy":
        lock = report.open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    else:
        report = site.folder / "no" / "report"
    before = report.read_bytes() if report.is_file() else None
    ran = bring(edged, site, source, "--report", report)
    if lock:
        lock.close()
    assert ran.code == 2
    assert "report" in ran.err
    assert held(site) == {}
    assert before is None or report.read_bytes() == before


def test_a_report_that_others_could_read_is_closed_to_them(edged, site, source):
    put(source, ann=["ann"])
    report = site.folder / "report"
    report.touch(mode=0o644)
    assert bring(edged, site, source, "--report", report).code == 0
    assert report.stat().st_mode & 0o777 == 0o600


def test_a_trial_writes_nothing(edged, site, source):
    put(source, ann=["ann", "wall"])
    ran = bring(edged, site, source, "--dry-run")
    assert ran.code == 0
    assert "1 enrolled, 0 known, 1 refused (a trial" in ran.out
    assert held(site) == {}
    assert not source.with_name("photos.import.jsonl").exists()


def test_a_table_says_what_is_known_of_each(edged, site, source):
    put(source, all=["ann", "ann2", "bob"])
    table = source / "people.csv"
    table.write_text(
        "person_id,image,name,groups,valid_until,consent_basis\n"
        "E1,all/ann.jpg,Ann,staff;lab,2030-01-01,contract\n"
        "E1,all/ann2.jpg,,,,\n"
        "E2,all/bob.jpg,,,,\n"
    )
    assert bring(edged, site, table, "--group", "guests").code == 0
    assert held(site) == {"E1": 2, "E2": 1}
    with opened(load(site.config)) as gallery:
        first, second = gallery.profile("E1"), gallery.profile("E2")
    assert (first.name, first.groups, first.consent.basis) == ("Ann", ("staff", "lab"), "contract")
    assert (second.name, second.groups) == (None, ("guests",))
    table.write_text("person_id,image,groups\nE1,all/ann.jpg,night\n")
    assert bring(edged, site, table).code == 0
    with opened(load(site.config)) as gallery:
        profile = gallery.profile("E1")
    assert (profile.name, profile.groups) == ("Ann", ("night",))


def test_one_bad_line_and_nobody_of_the_table_comes_in(edged, site, source):
    put(source, all=["ann"])
    table = source / "people.csv"
    table.write_bytes("person_id,image\nE1,all/ann.jpg\nE2,all/é.jpg\n".encode("latin-1"))
    ran = bring(edged, site, table)
    assert ran.code == 2
    assert f"{table}:3: is not UTF-8" in ran.err
    assert held(site) == {}
    assert bring(edged, site, table, "--json").json["error"] == "bad_input"


def test_a_face_under_a_second_id_is_refused_and_the_others_come_in(edged, site, source):
    put(source, ann=["ann", "ann2"], anna=["ann3"], bob=["bob"])
    told = bring(edged, site, source, "--json").json
    assert held(site) == {"ann": 2, "bob": 1}
    assert told["reasons"] == {"duplicate": 1}
    assert outcomes(source)["anna/ann3.jpg"] == "duplicate"


def test_the_same_image_for_two_people_and_for_one_who_is_enrolled(edged, site, source):
    put(source, ann=["ann"], bob=["bob", "ann"])
    assert bring(edged, site, source).code == 0
    assert held(site) == {"bob": 1}
    assert outcomes(source)["ann/ann.jpg"] == outcomes(source)["bob/ann.jpg"] == "same_image"
    (source / "bob" / "ann.jpg").unlink()
    assert bring(edged, site, source).code == 0
    put(source, cy=["cy", "bob"])
    (source / "bob" / "bob.jpg").unlink()
    (source / "bob").rmdir()
    assert bring(edged, site, source).code == 0
    assert outcomes(source)["cy/bob.jpg"] == "same_image"
    assert held(site) == {"ann": 1, "bob": 1, "cy": 1}


def test_where_consent_is_wanted_it_is_missed_by_a_code(edged, site, source):
    site.configure(gallery={"path": "gallery.db", "require_consent": True})
    put(source, ann=["ann"])
    ran = bring(edged, site, source)
    assert (ran.code, outcomes(source)) == (3, {"ann/ann.jpg": "consent_missing"})
    assert bring(edged, site, source, "--consent-basis", "contract").code == 0
    assert held(site) == {"ann": 1}


def bomb():
    """A PNG of 30,000 × 30,000 px in a few bytes."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_a_folder_of_junk_only_is_told_and_exits_as_no_face_does(edged, site, source):
    put(source, ann=["wall"])
    (source / "ann" / "bomb.png").write_bytes(bomb())
    (source / "ann" / "zero.jpg").touch()
    (source / "ann" / "noise.jpg").write_bytes(os.urandom(5000))
    (source / "ann" / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(source / "ann" / "pipe.jpg")
    (source / "a+b").mkdir()
    (source / "a+b" / "1.jpg").write_bytes(faces()["ann"])
    (source / ("x" * 100)).mkdir()
    (source / ("x" * 100) / "new\nline.jpg").write_bytes(faces()["bob"])
    ran = bring(edged, site, source)
    assert ran.code == 3
    assert held(site) == {}
    found = outcomes(source)
    assert found.pop("ann/wall.jpg") == "no_face"
    assert {name for name, why in found.items() if why == "unreadable"} == {
        f"ann/{name}" for name in ("bomb.png", "zero.jpg", "noise.jpg", "loop.jpg", "pipe.jpg")
    }
    assert {why for why in found.values() if why != "unreadable"} == {"bad_id"}


def test_an_empty_folder_is_bad_input(edged, site, source):
    ran = bring(edged, site, source)
    assert ran.code == 2
    assert "holds no photos" in ran.err


def test_an_end_in_the_middle_goes_on(site, source, edged):
    """kill -9 at whatever point; what is told afterwards is what is there."""
    put(source, ann=["ann", "ann2", "ann3"], bob=["bob", "bob2"], cy=["cy"])
    argv = [sys.executable, "-m", "edged", "gallery", "import", str(source)]
    report = source.with_name("photos.import.jsonl")
    process = subprocess.Popen([*argv, "-c", str(site.config)], stdout=subprocess.DEVNULL)
    until(report.exists, 60)
    process.kill()
    process.wait()
    assert bring(edged, site, source).code == 0
    assert held(site) == {"ann": 3, "bob": 2, "cy": 1}
    assert set(outcomes(source).values()) <= {"enrolled", "known"}


def test_ctrl_c_ends_at_once_and_quietly(site, source, edged):
    put(source, ann=["ann", "ann2", "ann3"], bob=["bob", "bob2"], cy=["cy"])
    argv = [sys.executable, "-m", "edged", "gallery", "import", str(source)]
    report = source.with_name("photos.import.jsonl")
    process = subprocess.Popen(
        [*argv, "-c", str(site.config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until(report.exists, 60)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in {0, 130}
    assert "Traceback" not in err
    assert bring(edged, site, source).code == 0
    assert held(site) == {"ann": 3, "bob": 2, "cy": 1}


class Screen:
    def __init__(self, *, terminal):
        self.text, self._terminal = "", terminal

    def isatty(self):
        return self._terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_on_a_terminal_one_line_is_rewritten():
    screen = Screen(terminal=True)
    progress = Progress(screen, now_and_then_s=0.0)
    told = Told(10, 2, done=5)
    progress.show(told)
    progress.show(told)
    progress.end()
    assert screen.text.count("\r5/10 images, 0 enrolled, 0 known, 0 refused") == 2
    assert screen.text.count("\n") == 1
    assert screen.text.endswith("\n")


def test_elsewhere_there_are_whole_lines_and_not_many():
    screen = Screen(terminal=False)
    progress = Progress(screen, now_and_then_s=0.0)
    progress.show(Told(10, 2, done=5))
    assert screen.text.startswith("5/10 images")
    assert "\r" not in screen.text
    seldom = Screen(terminal=False)
    progress = Progress(seldom)
    progress.show(Told(10, 2, done=5))
    progress.end()
    assert seldom.text == ""
