"""A gallery destroys itself: keys first, whatever comes in between, and it stays so."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from edged.errors import EnrolmentRefused, StorageError
from edged.gallery import wipe
from edged.gallery.people import Stored
from edged.gallery.profile import Profile
from edged.gallery.store import Gallery
from tests.gallery.keeping import FACES, MODEL, copied, enrolments, fill_folder
from tests.gallery.killing import KEY, contents, kill_often, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EMPTY = {"people": {}, "facts": {}, "erased": [], "lookalikes": {}}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_folder(tmp_path_factory.mktemp("filled"))


@pytest.fixture
def folder(tmp_path: Path, filled: Path) -> Path:
    copied(filled)(tmp_path)
    return tmp_path


def finish(folder: Path, *also: Path) -> wipe.Wiped | None:
    return wipe.finish(folder / "gallery.db", folder / "gallery.keys", also)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nobody_is_found_in_any_index_and_no_file_is_left(folder: Path) -> None:
    recording = folder / "recording.db"
    recording.write_bytes(b"templates")
    with opened(folder) as gallery:
        index, other = gallery.index(MODEL, 16), gallery.index("net@1.1.0#ba9876543210", 16)
        assert (index.people, other.people) == (8, 2)
        wiped = gallery.wipe("command")
        assert (index.people, other.people) == (0, 0)
        assert index.search(FACES[0], 2).candidates == ()
        assert left(folder) == ["gallery.db.wiped", "recording.db"]
    assert (wiped.reason, wiped.people, wiped.done) == ("command", 8, False)
    done = finish(folder, recording)
    assert done is not None
    assert (done.id, done.done) == (wiped.id, True)
    assert left(folder) == ["gallery.db.wiped"]


def test_a_wiped_gallery_lives_on_with_nobody_in_it(folder: Path) -> None:
    stranger = Stored("x", Profile(), {}, "now", origin=1)
    with opened(folder) as gallery:
        index = gallery.index(MODEL, 16)
        gallery.wipe("tamper")
        for again in range(2):
            assert gallery.wiped is not None
            assert gallery.people() == []
            assert gallery.person("p1") is None
            assert gallery.name_of("p0") is None
            assert (gallery.revision, gallery.count(MODEL)) == (0, 0)
            assert contents(gallery) == EMPTY
            assert gallery.index(MODEL, 16).search(FACES[0], 2).people == 0
            assert gallery.tick(1e12) == []
            assert gallery.erasures() == []
            gallery.keep(1e12)
            assert not gallery.changed()
            gallery.refresh()
            assert gallery.verify() == []
            for take_in in (
                lambda: gallery.add_many(enrolments(1, 1), limit=5),
                lambda: gallery.apply([stranger], [], {}),
                lambda: gallery.set_fact("a", "b"),
                lambda: gallery.remove("p1"),
                gallery.refuse_wiped,
                gallery.rekey,
            ):
                with pytest.raises(EnrolmentRefused) as refused:
                    take_in()
                assert refused.value.reason == "wiped"
            if not again:
                gallery.close()
                gallery.open()
        assert index.people == 0
    assert left(folder) == ["gallery.db.wiped"]


def test_whoever_else_has_it_open_follows(folder: Path) -> None:
    with opened(folder) as daemon, opened(folder) as gallery:
        index = daemon.index(MODEL, 16)
        gallery.wipe("local")
        with pytest.raises(EnrolmentRefused):
            daemon.add_many(enrolments(20, 1), limit=5)
        assert daemon.changed()
        daemon.refresh()
        assert index.people == 0
        assert daemon.wiped is not None
        assert daemon.wiped.people == 8
        assert not daemon.changed()
    assert left(folder) == ["gallery.db.wiped"]


def test_a_second_wipe_is_the_first_one(folder: Path) -> None:
    with opened(folder) as gallery:
        first = gallery.wipe("tamper")
        assert gallery.wipe("command") == first
        finish(folder)
    with opened(folder) as gallery:
        assert gallery.wipe("command").id == first.id
    done = finish(folder)
    assert done is not None
    assert done.reason == "tamper"


def test_the_keys_are_overwritten_before_they_are_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[tuple[str, bytes]] = []
    unlink = type(folder).unlink

    def see(path: Path, missing_ok: bool = False) -> None:
        if path.is_file() and not path.name.endswith((".lock", "-shm")):
            removed.append((path.name, path.read_bytes()))
        unlink(path, missing_ok)

    before = {name: (folder / name).read_bytes() for name in ("gallery.keys", "gallery.db")}
    with opened(folder) as gallery:
        monkeypatch.setattr(type(folder), "unlink", see)
        gallery.wipe("command")
    assert [name for name, _ in removed if not name.endswith("-wal")] == list(before)
    for name, content in removed:
        if name in before:
            assert len(content) == len(before[name])
            assert not set(blocks(content)) & set(blocks(before[name]))


def blocks(content: bytes) -> list[bytes]:
    return [content[n : n + 16] for n in range(0, len(content), 16)]


def test_without_room_for_the_note_the_keys_go_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = wipe.note

    def full(path: Path, wiped: wipe.Wiped) -> None:
        if (folder / "gallery.keys").exists():
            raise OSError(28, "No space left on device")
        note(path, wiped)

    monkeypatch.setattr(wipe, "note", full)
    with opened(folder) as gallery:
        gallery.wipe("command")
    assert left(folder) == ["gallery.db.wiped"]


def test_what_cannot_be_destroyed_is_told_and_nobody_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> None:
        raise OSError(30, "Read-only file system")

    with opened(folder) as gallery:
        index = gallery.index(MODEL, 16)
        with monkeypatch.context() as patch:
            patch.setattr(wipe, "shred", broken)
            with pytest.raises(StorageError, match=r"gallery\.keys: Read-only.*destroy the disk"):
                gallery.wipe("command")
            assert index.people == 0
            assert gallery.wiped is not None
            with pytest.raises(StorageError, match="destroy the disk"):
                finish(folder)
        done = finish(folder)
    assert done is not None
    assert done.done
    assert left(folder) == ["gallery.db.wiped"]


def test_drafts_of_a_rewrite_and_links_go_too(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "real.keys"
    (folder / "gallery.keys").rename(elsewhere)
    (folder / "gallery.keys").symlink_to(elsewhere)
    elsewhere.with_name("real.keys.newkey").write_bytes(b"x" * 100)
    for name in ("gallery.db.new", "gallery.db.new-wal"):
        (folder / name).write_bytes(b"x" * 100)
    (folder / ".gallery.db.abc").mkdir()
    (folder / ".gallery.db.abc" / "gallery.db").write_bytes(b"x")
    wipe.wipe(folder / "gallery.db", folder / "gallery.keys", wipe.new_wipe("local", None))
    assert left(folder) == ["gallery.db.wiped"]
    assert not list(elsewhere.parent.iterdir())


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"state": "wiped"}', "\xff", '{"people": "many"}', "[" * 9999]
)
def test_a_note_without_sense_opens_nothing(folder: Path, text: str) -> None:
    (folder / "gallery.db.wiped").write_text(text, encoding="latin-1")
    with opened(folder) as gallery:
        assert gallery.people() == []
        assert gallery.wiped is not None
        assert gallery.wiped.reason == "unknown"
    assert finish(folder) is not None
    assert left(folder) == ["gallery.db.wiped"]


def test_a_note_that_cannot_be_read_opens_nothing(folder: Path) -> None:
    (folder / "gallery.db.wiped").mkdir()
    with opened(folder) as gallery:
        assert gallery.people() == []


def test_only_taking_the_note_away_makes_room_for_a_new_one(folder: Path) -> None:
    with opened(folder) as gallery:
        lineage = gallery.lineage
        gallery.wipe("command")
    finish(folder)
    wipe.forget_wipe(folder / "gallery.db")
    with opened(folder) as gallery:
        assert gallery.wiped is None
        assert gallery.lineage != lineage
        gallery.add_many(enrolments(0, 1), limit=5)
        assert gallery.index(MODEL, 16).search(FACES[0], 1).candidates[0].person_id == "p0"


def test_what_a_rewrite_put_there_after_all_is_in_nobodys_way(folder: Path) -> None:
    leftover, recording = folder / "gallery.db", folder / "recording.db"
    with opened(folder) as gallery:
        gallery.wipe("local")
    finish(folder, recording)
    leftover.write_bytes(b"x" * 16_384)
    recording.write_bytes(b"of a terminal that went on without anybody")
    finish(folder, recording)
    assert left(folder) == ["gallery.db.wiped", "recording.db"]
    wipe.forget_wipe(folder / "gallery.db")
    with opened(folder) as gallery:
        assert gallery.people() == []


def test_nothing_was_wiped_where_there_is_no_note(folder: Path) -> None:
    assert finish(folder) is None
    assert wipe.read_wiped(folder / "gallery.db") is None


def destroy(folder: Path) -> None:
    recording = folder / "recording.db"
    with opened(folder) as gallery:
        gallery.wipe("command")
    wipe.finish(folder / "gallery.db", folder / "gallery.keys", [recording])


def with_recording(filled: Path) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        copied(filled)(folder)
        (folder / "recording.db").write_bytes(os.urandom(3 << 20))

    return prepare


@pytest.mark.slow
def test_no_moment_to_be_killed_saves_a_gallery_or_half_of_it(tmp_path: Path, filled: Path) -> None:
    with opened(filled) as gallery:
        whole = contents(gallery)

    def judge(folder: Path, finished: bool) -> None:
        note = folder / "gallery.db.wiped"
        begun = note.exists()
        with opened(folder) as gallery:
            assert contents(gallery) == (EMPTY if begun else whole)
        assert begun or not finished
        if begun:
            done = wipe.finish(
                folder / "gallery.db", folder / "gallery.keys", [folder / "recording.db"]
            )
            assert done is not None
            assert (done.people, done.done) == (8, True)
            assert left(folder) == ["gallery.db.wiped"]

    kill_often(30, destroy, with_recording(filled), judge, tmp_path)


def test_a_gallery_object_of_one_that_was_wiped_closes_twice(folder: Path) -> None:
    gallery = Gallery(folder / "gallery.db", KEY)
    gallery.open()
    gallery.wipe("command")
    gallery.close()
    gallery.close()
