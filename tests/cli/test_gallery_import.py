"""`edged gallery import`: who comes in from a folder or a table, and how it goes on."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import zlib

import pytest

from edged.cli.gallery import opened
from edged.cli.gallery_import import Progress, workers_for
from edged.config.load import load
from edged.service.bulk import Told
from tests.faces import faces
from tests.wait import until


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


def test_a_report_that_is_none_stops_before_anything_is_done(edged, site, source):
    put(source, ann=["ann"])
    before = site.config.read_bytes()
    ran = bring(edged, site, source, "--report", site.config)
    assert ran.code == 2
    assert "is no report of an import" in ran.err
    assert held(site) == {}
    assert site.config.read_bytes() == before


def test_a_trial_writes_nothing(edged, site, source):
    put(source, ann=["ann", "wall"])
    ran = bring(edged, site, source, "--dry-run")
    assert ran.code == 0
    assert "1 enrolled, 0 known, 1 refused (a trial" in ran.out
    assert held(site) == {}
    assert not source.with_name("photos.import.jsonl").exists()


def test_one_bad_line_and_nobody_of_the_table_comes_in(edged, site, source):
    put(source, all=["ann"])
    table = source / "people.csv"
    table.write_bytes("person_id,image\nE1,all/ann.jpg\nE2,all/é.jpg\n".encode("latin-1"))
    ran = bring(edged, site, table)
    assert ran.code == 2
    assert f"{table}:3: is not UTF-8" in ran.err
    assert held(site) == {}
    assert bring(edged, site, table, "--json").json["error"] == "bad_input"


def test_an_empty_folder_is_bad_input(edged, site, source):
    ran = bring(edged, site, source)
    assert ran.code == 2
    assert "holds no photos" in ran.err


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


@pytest.mark.parametrize("wanted", [None, 1, 1000])
def test_there_are_never_more_workers_than_cores_or_images(wanted):
    cores = len(os.sched_getaffinity(0))
    assert workers_for(10_000, wanted) == min(wanted or cores, cores)
    assert workers_for(1, wanted) == 1
