"""`edged record` and `edged replay`: a lobby recorded by the real daemon and decided again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import cv2
import pytest

from edged.config.load import load
from edged.demo import scenes
from edged.recording.file import RecordingFile
from edged.vault.keys import load_key
from tests.cli.conftest import PORTRAIT, Ran, Site


def film(folder):
    """Two people's worth of the portrait: near, then far and near, with an empty lobby between."""
    lobby, number = scenes.Lobby(), 0
    folder.mkdir()
    for scene, frames in (
        (scenes.EMPTY, 5),
        (scenes.NEAR, 12),
        (scenes.EMPTY, 20),
        (scenes.FAR, 10),
        (scenes.NEAR, 12),
        (scenes.EMPTY, 20),
    ):
        for _ in range(frames):
            cv2.imwrite(str(folder / f"{number:04}.jpg"), lobby.draw(scene, number / 15))
            number += 1


def edged_in_process(*argv, rc=0):
    ran = subprocess.run(
        [sys.executable, "-m", "edged", *map(str, argv)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == rc, ran.stderr
    return Ran(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A site with one person enrolled, and the recording of a short day."""
    folder = tmp_path_factory.mktemp("recorded")
    site = Site(folder)
    film(folder / "film")
    site.configure(
        camera={"driver": "replay", "source": "film", "pace": "fast"},
        model={"runtime": "onnxruntime", "threads": 1},
        history={"path": "history.db"},
    )
    edged_in_process("gallery", "init", "-c", site.config)
    edged_in_process("enrol", "-c", site.config, "eileen-17", PORTRAIT)
    ran = edged_in_process("record", folder / "day.rec", "-c", site.config, "--json")
    site.told = ran.json
    return site


@pytest.fixture
def day(recorded, tmp_path):
    """A copy of the recording, to be harmed."""
    shutil.copy(recorded.folder / "day.rec", tmp_path / "day.rec")
    return tmp_path / "day.rec"


def test_recording_tells_what_was_written(recorded):
    assert recorded.told["visits"] == 2
    assert recorded.told["people"] == 1
    assert 50 <= recorded.told["frames"] <= 74
    assert recorded.told["bytes"] < 400_000
    assert "on" in recorded.door_record


def test_what_is_added_to_a_file_is_told_although_older_visits_leave_it(recorded, day):
    file = RecordingFile(day, load_key(load(recorded.config).key))
    file.open(make=False)
    with file._database.transaction() as connection:
        connection.execute("UPDATE visits SET started = started - 30 * 86400")
    file.close()
    ran = edged_in_process("record", day, "-c", recorded.config, "--json")
    assert (ran.json["visits"], ran.json["frames"]) == (2, pytest.approx(62, abs=12))


def test_a_day_comes_out_as_recorded(edged, recorded, day):
    ran = edged("replay", day, "-c", recorded.config)
    assert (ran.code, ran.err) == (0, "")
    assert "as recorded: 2 of 2\n" in ran.out
    assert "eileen" not in ran.out


def test_another_policy_shows_what_would_have_changed(edged, recorded, day):
    strict = ("--set", "decision.similarity=0.99", "--set", "decision.evidence_frames=3")
    ran = edged("replay", day, "-c", recorded.config, *strict, "--json")
    assert ran.code == 0
    assert ran.json["as_recorded"]["same"] == 2
    again = edged("replay", day, "-c", recorded.config, *strict, "--json")
    assert again.out == ran.out
    for profile in ("attendance", "high_security"):
        assert edged("replay", day, "-c", recorded.config, "--profile", profile).code == 0
    assert edged("replay", day, "-c", recorded.config, "--configured").code == 0
    larger = edged("replay", day, "-c", recorded.config, "--people", 10**6, "--json").json
    assert larger["now"]["access.granted"] + len(larger["changes"]) >= 2


def test_ids_are_shown_only_when_asked_for(edged, recorded, day):
    argv = ("replay", day, "-c", recorded.config, "--set", "decision.minimum_quality=1")
    assert "p1" in edged(*argv).out
    assert "eileen-17" not in edged(*argv).out
    assert "eileen-17" in edged(*argv, "--ids").out


def test_the_present_gallery_can_be_searched_instead(edged, recorded, day):
    ran = edged("replay", day, "-c", recorded.config, "--gallery", "--json")
    assert ran.json["moves"] == {}


def test_a_gallery_of_another_model_is_told(edged, recorded, day, tmp_path):
    other = recorded.config.with_name("other.yaml")
    text = recorded.config.read_text().replace("gallery.db", str(tmp_path / "other.db"))
    other.write_text(text)
    missing = edged("replay", day, "-c", other, "--gallery")
    assert (missing.code, "there is no gallery" in missing.err) == (1, True)
    assert not (tmp_path / "other.db").exists()
    assert edged("gallery", "init", "-c", other).code == 0
    empty = edged("replay", day, "-c", other, "--gallery")
    assert empty.code == 1
    assert "nobody in the gallery has a template of mobilefacenet-rts@" in empty.err


def test_a_part_of_the_day(edged, recorded, day):
    before = edged("replay", day, "-c", recorded.config, "--to", "2001-01-01T00:00")
    assert "0 visits, 0 frames\n" in before.out
    after = edged("replay", day, "-c", recorded.config, "--from", "2001-01-01T00:00")
    assert "as recorded: 2 of 2\n" in after.out


def test_another_key_is_told(edged, recorded, day, tmp_path):
    key = tmp_path / "other.key"
    key.touch(mode=0o600)
    key.write_text("12" * 31 + "34")
    other = recorded.config.with_name("otherkey.yaml")
    other.write_text(recorded.config.read_text().replace("secret.key", str(key)))
    ran = edged("replay", day, "-c", other)
    assert (ran.code, "the key does not open it" in ran.err) == (2, True)


def test_files_that_are_no_recording_are_told(edged, recorded, tmp_path, day):
    missing = edged("replay", tmp_path / "none.rec", "-c", recorded.config)
    assert (missing.code, "there is no such recording" in missing.err) == (1, True)
    foreign = tmp_path / "foreign.rec"
    foreign.write_text("hello")
    ran = edged("replay", foreign, "-c", recorded.config, "--json")
    assert (ran.code, "no database of ours" in ran.json["text"]) == (1, True)
    day.write_bytes(day.read_bytes()[:8192])
    short = edged("replay", day, "-c", recorded.config)
    assert (short.code, "day.rec" in short.err) == (1, True)


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (("--set", "decision.lenience=1"), "no setting decision.lenience; known: profile"),
        (("--set", "evidence_frames=1"), "expected decision.KEY=VALUE"),
        (("--set", "decision.evidence_frames"), "expected decision.KEY=VALUE"),
        (("--set", "decision.evidence_frames=["), "is no value of YAML"),
        (("--set", "decision.similarity=!!timestamp x"), "is no value of YAML"),
        (("--set", "decision.evidence_frames=many"), "decision.evidence_frames"),
        (("--people", "0"), "expected a whole number from 1"),
        (("--people", "9" * 400), "expected a whole number from 1"),
        (("--profile", "lax"), "invalid choice"),
        (("--from", "yesterday"), "expected a time such as"),
        (("--from", "2026-01-02", "--to", "2026-01-01"), "--from must be before --to"),
    ],
)
def test_what_cannot_be_is_refused(edged, recorded, day, argv, problem):
    ran = edged("replay", day, "-c", recorded.config, *argv)
    assert ran.code == 2
    assert problem in ran.err


@pytest.mark.parametrize("time", ["8", "h", "0h", "-1h", "1w", "1e9s", "9999999d"])
def test_a_duration_that_is_none_is_refused(edged, recorded, time):
    ran = edged("record", "x.rec", "-c", recorded.config, f"--for={time}")
    assert ran.code == 2
    assert "expected a time such as 90s, 30m, 8h or 2d" in ran.err


def test_recording_ends_after_its_time(recorded, tmp_path):
    looped = recorded.config.with_name("looped.yaml")
    text = recorded.config.read_text().replace("pace: fast", "pace: real\n  loop: true")
    looped.write_text(text.replace("events.db", "looped-events.db"))
    ran = edged_in_process("record", tmp_path / "a.rec", "-c", looped, "--for", "3s", "--json")
    assert ran.json["visits"] >= 1
    assert "stopped" in ran.err


def test_what_cannot_be_written_is_said_before_anybody_comes(edged, recorded, tmp_path):
    foreign = tmp_path / "foreign.rec"
    foreign.write_text("hello")
    ran = edged("record", foreign, "-c", recorded.config)
    assert (ran.code, "no database of ours" in ran.err) == (1, True)
    assert foreign.read_text() == "hello"


def test_the_configuration_can_record_for_good_and_removal_reaches_it(edged, recorded, tmp_path):
    site = Site(tmp_path)
    for name in ("film", "secret.key", "gallery.db", "gallery.keys"):
        source = recorded.folder / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    site.configure(
        camera={"driver": "replay", "source": "film", "pace": "fast"},
        model={"runtime": "onnxruntime", "threads": 1},
        history={"path": "history.db"},
        recording={"path": "kept.rec", "keep_days": 2},
    )
    edged_in_process("run", "-c", site.config)
    told = edged("replay", tmp_path / "kept.rec", "-c", site.config, "--json").json
    assert told["as_recorded"]["same"] == 2
    removed = edged("gallery", "remove", "-c", site.config, "eileen-17", "--json")
    assert (removed.json["removed"], removed.json["recorded_visits"]) == ("eileen-17", 2)
    left = edged("replay", tmp_path / "kept.rec", "-c", site.config, "--json").json
    assert left["recording"]["visits"] == 0
    assert json.dumps(left).count("eileen") == 0


def test_a_door_whose_recording_cannot_be_opened_is_still_a_door(recorded, tmp_path):
    site = Site(tmp_path)
    for name in ("film", "secret.key", "gallery.db", "gallery.keys"):
        source = recorded.folder / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    (tmp_path / "kept.rec").write_text("hello")
    site.configure(
        camera={"driver": "replay", "source": "film", "pace": "fast"},
        model={"runtime": "onnxruntime", "threads": 1},
        history={"path": "history.db"},
        recording={"path": "kept.rec"},
    )
    ran = edged_in_process("run", "-c", site.config)
    assert "nothing is recorded: " in ran.err
    assert "on" in site.door_record
