"""The gallery is wiped by order, by a switch at the case, or by wrong keys; the door lives on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Self

import pytest

from edged.config.load import load
from edged.errors import EnrolmentRefused, StorageError, WrongKey
from edged.events.outbox import Outbox
from edged.gallery import wipe
from edged.gallery.store import make_gallery
from edged.mqtt.catalogue import CATALOGUE, Context, WipeGallery
from edged.service.state import State
from edged.service.wiping import Wiping, begin_anew, wipe_from_outside
from edged.vault.keys import load_key
from edged.vault.note import note_of
from edged.vault.rekeying import Held, rekey_files
from edged.vault.secret import Secret
from tests.gallery.keeping import FACES, MODEL, enrolments, fill
from tests.gallery.killing import kill_often
from tests.service.kit import PUBLIC_PEM, SECRET, wait, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.events.types import Event
    from edged.gallery.store import Gallery
    from tests.service.kit import Door, Views

WRONG = "deadbeef" * 8
CONTEXT = Context("gallery.wipe", "command-1", "site")


def filled(folder: Path, **wishes: Any) -> Path:
    """A terminal's folder with people and a recording; its configuration."""
    config = written(
        folder, gallery={"path": "gallery.db", "wipe": wishes}, recording={"path": "recording.db"}
    )
    with Parts(config) as parts:
        fill(parts.gallery)
        (folder / "recording.db").write_bytes(b"templates" * 1000)
    return config


class Parts:
    """A terminal as far as it concerns a wipe, from its start to its end."""

    def __init__(self, path: Path) -> None:
        self.config = load(path)
        self.state = State()
        self.recordings_ended = 0

    def __enter__(self) -> Self:
        key = load_key(self.config.key)
        self.gallery: Gallery = make_gallery(self.config.gallery, key)
        self.outbox = Outbox(self.config.events.path, key, 1000)
        self.wiping = Wiping(
            self.config, self.gallery, self.outbox, self.state, self._end_recording
        )
        try:
            self.wiping.open_gallery()
            self.outbox.open()
            self.wiping.tick()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.gallery.close()
        self.outbox.close()

    def _end_recording(self) -> None:
        self.recordings_ended += 1

    def events(self) -> list[Event]:
        return [event for event in self.outbox.pending() if event.type == "gallery.wiped"]


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith(("gallery", "rec"))}


def test_the_order_names_the_terminal_and_belongs_to_maintainers(tmp_path: Path) -> None:
    assert CATALOGUE["gallery.wipe"].role == "maintainer"
    with Parts(filled(tmp_path)) as parts:
        index = parts.gallery.index(MODEL, 16)
        order = parts.wiping.handlers()["gallery.wipe"]
        for confirm in ("door-1", "hq/door-2", "HQ/DOOR-1", "yes"):
            reply = order(WipeGallery(confirm=confirm), CONTEXT)
            assert (reply.result, reply.reason) == ("refused", "not_confirmed")
        assert index.people == 8
        reply = order(WipeGallery(confirm="hq/door-1"), CONTEXT)
        assert (reply.result, reply.data) == ("ok", {"people": 8})
        assert index.search(FACES[1], 1).people == 0
        assert left(tmp_path) == {"gallery.db.wiped"}
        assert parts.recordings_ended
        (event,) = parts.events()
        assert {**event.data, "at": ""} == {"reason": "command", "at": "", "people": 8}
        assert parts.state.degraded["gallery"].startswith("wiped at ")
        assert order(WipeGallery(confirm="hq/door-1"), CONTEXT).data == {"people": 0}
        parts.wiping.tick()
        assert len(parts.events()) == 1


def test_after_a_wipe_the_terminal_starts_with_nobody_and_tells_once(tmp_path: Path) -> None:
    config = filled(tmp_path)
    with Parts(config) as parts:
        parts.wiping.wipe("command")
        (event,) = parts.events()
        parts.outbox.acknowledge([event.seq])
    for _ in range(3):
        with Parts(config) as parts:
            assert parts.gallery.people() == []
            assert parts.events() == []
            assert "gallery" in parts.state.degraded
            with pytest.raises(EnrolmentRefused):
                parts.gallery.add_many(enrolments(0, 1), limit=5)
    assert left(tmp_path) == {"gallery.db.wiped"}


def test_what_another_process_wipes_is_followed(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with Parts(path) as parts:
        index = parts.gallery.index(MODEL, 16)
        assert wipe_from_outside(load(path), "local").people == 8
        assert parts.gallery.changed()
        parts.gallery.refresh()
        parts.wiping.tick()
        assert index.people == 0
        assert parts.recordings_ended
        assert [event.data["reason"] for event in parts.events()] == ["local"]
        assert "gallery" in parts.state.degraded


def test_a_new_gallery_is_made_only_when_all_is_told(tmp_path: Path) -> None:
    path = filled(tmp_path)
    config = load(path)
    assert begin_anew(config) is False
    wipe.wipe(config.gallery.path, config.gallery.keys_path, wipe.new_wipe("tamper", 8))
    assert begin_anew(config) is True
    with Parts(path) as parts:
        assert parts.gallery.wiped is None
        assert [event.data["reason"] for event in parts.events()] == ["tamper"]
        parts.gallery.add_many(enrolments(0, 1), limit=5)
    assert "recording.db" not in left(tmp_path)


def test_what_cannot_be_destroyed_at_once_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> None:
        raise OSError(5, "Input/output error")

    with Parts(filled(tmp_path)) as parts:
        index = parts.gallery.index(MODEL, 16)
        with monkeypatch.context() as patch:
            patch.setattr(wipe, "shred", broken)
            with pytest.raises(StorageError, match="destroy the disk"):
                parts.wiping.wipe("command")
            parts.wiping.tick()
            assert "destroy the disk" in parts.state.degraded["wipe"]
            assert parts.events() == []
            assert index.people == 0
        parts.wiping.tick()
        assert "wipe" not in parts.state.degraded
        assert len(parts.events()) == 1
    assert left(tmp_path) == {"gallery.db.wiped"}


# wrong keys


def start(path: Path, key: str) -> str | None:
    """Start with a key; what the gallery says to it."""
    (path.parent / "secret.key").write_text(key)
    try:
        with Parts(path):
            return None
    except WrongKey as fault:
        return str(fault)


def test_so_many_starts_in_a_row_with_a_wrong_key_wipe_it(tmp_path: Path) -> None:
    path = filled(tmp_path, wrong_keys=3)
    for _ in range(2):
        assert "was wiped" not in (start(path, WRONG) or "")
    assert (tmp_path / "gallery.keys").exists()
    assert "the last of 3 starts in a row with a wrong key, so the gallery was wiped" in (
        start(path, WRONG) or ""
    )
    assert left(tmp_path) == {"gallery.db.wiped"}
    (tmp_path / "secret.key").write_text(SECRET)
    with Parts(path) as parts:
        assert parts.gallery.people() == []
        (event,) = parts.events()
        assert {**event.data, "at": ""} == {"reason": "wrong_keys", "at": "", "people": None}


def test_the_right_key_begins_to_count_anew(tmp_path: Path) -> None:
    path = filled(tmp_path, wrong_keys=3)
    for key in (WRONG, WRONG, SECRET, WRONG, WRONG, SECRET):
        start(path, key)
    with Parts(path) as parts:
        assert len(parts.gallery.people()) == 8


def test_by_default_nobody_counts(tmp_path: Path) -> None:
    path = filled(tmp_path)
    for _ in range(20):
        assert start(path, WRONG)
    assert start(path, SECRET) is None


def test_commands_with_a_wrong_key_are_not_counted(tmp_path: Path) -> None:
    path = filled(tmp_path, wrong_keys=3)
    for _ in range(5):
        gallery = make_gallery(load(path).gallery, Secret(bytes.fromhex(WRONG)))
        with pytest.raises(WrongKey):
            gallery.open()
    start(path, WRONG)
    start(path, WRONG)
    assert start(path, SECRET) is None


def test_a_key_that_is_being_changed_is_not_counted(tmp_path: Path) -> None:
    path = filled(tmp_path, wrong_keys=3)
    keys = Held(tmp_path / "gallery.keys", "gallery keys")
    rekey_files([keys], Secret(bytes.fromhex(SECRET)), Secret(bytes.fromhex(WRONG)))
    assert note_of(keys.path).exists()
    for _ in range(5):
        assert "was interrupted" in (start(path, SECRET) or "")
    assert keys.path.exists()


@pytest.mark.parametrize("text", ["", "many", "-5", "9" * 400])
def test_a_count_without_sense_wipes_nothing_at_once(tmp_path: Path, text: str) -> None:
    path = filled(tmp_path, wrong_keys=3)
    (tmp_path / "gallery.db.wrong-keys").write_text(text)
    start(path, WRONG)
    assert (tmp_path / "gallery.keys").exists()


# killed


def wipe_it(folder: Path) -> None:
    with Parts(folder / "edged.yaml") as parts:
        parts.wiping.wipe("command")


@pytest.mark.slow
def test_no_moment_to_be_killed_makes_two_events_or_none(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = tmp_path_factory.mktemp("before")
    filled(before)

    def judge(folder: Path, finished: bool) -> None:
        begun = (folder / "gallery.db.wiped").exists()
        assert begun or not finished
        for _ in range(2):
            with Parts(folder / "edged.yaml") as parts:
                assert len(parts.gallery.people()) == (0 if begun else 8)
                assert len(parts.events()) == (1 if begun else 0)
        if begun:
            assert left(folder) == {"gallery.db.wiped"}

    kill_often(
        20,
        wipe_it,
        lambda folder: shutil.copytree(before, folder, dirs_exist_ok=True),
        judge,
        tmp_path,
    )


# a whole terminal

COMMANDS = {
    "commands": {
        "unsynced_clock": "accept",
        "rate_hz": 100,
        "keys": [
            {
                "id": "site",
                "roles": ["operator", "enroller", "maintainer"],
                "public_key": PUBLIC_PEM,
            }
        ],
    }
}


def test_an_order_ends_recognition_and_the_site_still_opens_the_door(
    open_door: Callable[..., Door], views: Views
) -> None:
    door = open_door(before=lambda terminal: terminal.enrol(views), mqtt=COMMANDS)
    door.people(1)
    assert door.site.command("gallery.wipe", confirm="elsewhere")["reason"] == "not_confirmed"
    reply = door.site.command("gallery.wipe", confirm="hq/door-1")
    assert (reply["result"], reply["data"]) == ("ok", {"people": 1})
    seq = door.site.event("gallery.wiped", reason="command", people=1)["seq"]
    door.people(0)
    assert "wiped at" in door.site.state["degraded"]["gallery"]
    door.stage.show("near")
    door.site.event("access.denied", after=seq)
    assert door.site.command("enrol.start", person_id="somebody")["reason"] == "wiped"
    assert door.site.command("door.unlock")["result"] == "ok"
    wait(lambda: "on" in door.terminal.relay)
    assert door.terminal.stop() == 0
    door.terminal.start().ready()
    wait(lambda: "gallery" in door.site.state["degraded"])
    assert len(door.site.events("gallery.wiped")) == 1


def test_a_case_that_is_opened_wipes_and_so_does_one_that_is_open(
    open_door: Callable[..., Door], views: Views, tmp_path: Path
) -> None:
    switch = {"driver": "simulated", "file": "case-is-open"}
    door = open_door(
        before=lambda terminal: terminal.enrol(views),
        gallery={"wipe": {"tamper": switch}},
        recording={"path": "recording.db"},
    )
    door.people(1)
    (tmp_path / "case-is-open").touch()
    door.site.event("gallery.wiped", reason="tamper", people=1)
    door.people(0)
    assert left(tmp_path) == {"gallery.db.wiped"}
    assert set(door.site.state["degraded"]) >= {"gallery", "recording"}
    assert door.terminal.stop() == 0
    (tmp_path / "gallery.db.wiped").unlink()
    door.terminal.enrol(views)
    door.terminal.start()
    wait(lambda: len(door.site.events("gallery.wiped")) == 2)
    door.people(0)


def test_the_command_line_wipes_under_a_running_terminal(
    open_door: Callable[..., Door], views: Views
) -> None:
    door = open_door(before=lambda terminal: terminal.enrol(views))
    door.people(1)
    wipe_from_outside(load(door.terminal.config), "local")
    door.people(0)
    door.site.event("gallery.wiped", reason="local", people=1)
    assert left(door.terminal.folder) == {"gallery.db.wiped"}
