"""`edged gallery rekey | backup | restore | verify | wipe` as an installer runs them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from edged.config.load import load
from edged.config.schema import Key
from edged.events.outbox import Outbox
from edged.gallery.people import Enrolment
from edged.gallery.store import make_gallery
from edged.history.store import History, history_path
from edged.recording.file import RecordingFile
from edged.service.newkey import hanging_on_the_key
from edged.vault.database import Database
from edged.vault.keys import create_key_file, load_key
from edged.vault.rekeying import rekey_files
from tests.gallery.faces import embeddings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.events.types import Event
    from edged.vault.secret import Secret
    from tests.cli.conftest import Ran, Site

MODEL = "net@1.0.0#0123456789ab"
FACES = embeddings(20)


def enrol(site: Site, *numbers: int) -> None:
    config = load(site.config)
    gallery = make_gallery(config.gallery, load_key(config.key))
    gallery.open()
    try:
        gallery.add_many(
            [Enrolment(f"p{n}", FACES[n], MODEL, 0.9, "photo") for n in numbers], limit=5
        )
    finally:
        gallery.close()


def people(edged: Callable[..., Ran], site: Site) -> list[str]:
    listed = edged("gallery", "list", "-c", site.config, "--json").json["people"]
    return [one["person_id"] for one in listed]


def events(site: Site) -> list[Event]:
    config = load(site.config)
    outbox = Outbox(config.events.path, load_key(config.key), 1000)
    outbox.open()
    try:
        return outbox.pending()
    finally:
        outbox.close()


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A key pair as openssl writes it: the private and the public one."""
    key = X25519PrivateKey.generate()
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


def all_files(site: Site) -> None:
    """What a terminal with a recording has written."""
    site.configure(recording={"path": "recording.db"})
    config = load(site.config)
    key = load_key(config.key)
    for file in (
        Outbox(config.events.path, key, 1000),
        History(history_path(config), key, 90),
    ):
        file.open()
        file.close()
    recording = RecordingFile(site.folder / "recording.db", key)
    recording.open(make=True)
    recording.close()


def opens(site: Site, key: Secret) -> list[str]:
    found = []
    for file in hanging_on_the_key(load(site.config)):
        Database(file.path, key, file.purpose, ()).check_key()
        found.append(file.path.name)
    return found


def test_rekey_renews_the_gallery_and_says_that_backups_are_of_no_use(
    site: Site, edged: Callable[..., Ran]
) -> None:
    enrol(site, 1, 2)
    ran = edged("gallery", "rekey", "-c", site.config)
    assert ran.code == 0
    assert "2 people as before" in ran.out
    assert "make a new one now" in ran.out
    assert people(edged, site) == ["p1", "p2"]


def test_a_new_key_takes_its_place_and_everything_opens_with_it(
    site: Site, edged: Callable[..., Ran], tmp_path: Path
) -> None:
    all_files(site)
    enrol(site, 1, 2)
    identity = edged("gallery", "identity", "-c", site.config, "--json").json
    create_key_file(tmp_path / "new.key")
    new = load_key(Key(file=tmp_path / "new.key"))
    ran = edged("gallery", "rekey", "-c", site.config, "--new-key", tmp_path / "new.key", "--json")
    assert ran.code == 0, ran.out
    assert ran.json["in_place"] is True
    assert ran.json["finished"] is False
    assert load_key(load(site.config).key) == new
    assert site.key.stat().st_mode & 0o777 == 0o600
    assert opens(site, new) == ["gallery.keys", "events.db", "history.db", "recording.db"]
    assert people(edged, site) == ["p1", "p2"]
    after = edged("gallery", "identity", "-c", site.config, "--json").json
    assert after["sealing"] == ran.json["identity"]["sealing"] != identity["sealing"]
    assert not list(site.folder.glob("*.rekeying"))
    again = edged("gallery", "rekey", "-c", site.config, "--new-key", tmp_path / "new.key")
    assert again.code == 2
    assert "the new key is the present one" in again.err


def test_a_change_that_was_interrupted_is_told_and_finished_by_its_own_key_only(
    site: Site, edged: Callable[..., Ran], tmp_path: Path
) -> None:
    all_files(site)
    enrol(site, 1)
    config = load(site.config)
    for name in ("new.key", "third.key"):
        create_key_file(tmp_path / name)
    new = load_key(Key(file=tmp_path / "new.key"))
    rekey_files(hanging_on_the_key(config)[:2], load_key(config.key), new)
    ran = edged("gallery", "list", "-c", site.config)
    assert ran.code == 2
    assert "gallery.keys: the key does not open it" in ran.err
    assert "needs the new key; run `edged gallery rekey --new-key FILE` again" in ran.err
    other = edged("gallery", "rekey", "-c", site.config, "--new-key", tmp_path / "third.key")
    assert other.code == 2
    assert "make an end of the first with its own key" in other.err
    ran = edged("gallery", "rekey", "-c", site.config, "--new-key", tmp_path / "new.key")
    assert ran.code == 0, ran.err
    assert "made an end of a change that was interrupted" in ran.out
    assert len(opens(site, new)) == 4
    assert people(edged, site) == ["p1"]


def test_where_the_new_key_belongs_is_told_if_it_is_no_file(
    site: Site, edged: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(site.key, tmp_path / "edged.key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    site.configure(key={"credential": "edged.key"})
    create_key_file(tmp_path / "new.key")
    ran = edged("gallery", "rekey", "-c", site.config, "--new-key", tmp_path / "new.key")
    assert ran.code == 0, ran.err
    assert "systemd-creds encrypt --name=edged.key --with-key=tpm2" in ran.out
    assert (tmp_path / "edged.key").read_text() == site.key.read_text()
    site.configure(key={"env": "EDGED_KEY"})
    monkeypatch.setenv("EDGED_KEY", (tmp_path / "new.key").read_text().strip())
    create_key_file(tmp_path / "newer.key")
    ran = edged("gallery", "rekey", "-c", site.config, "--new-key", tmp_path / "newer.key")
    assert ran.code == 0, ran.err
    assert "set EDGED_KEY" in ran.out


def test_a_running_terminal_keeps_its_keys(
    site: Site, edged: Callable[..., Ran], tmp_path: Path
) -> None:
    create_key_file(tmp_path / "new.key")
    config = load(site.config)
    gallery = make_gallery(config.gallery, load_key(config.key))
    gallery.open()
    try:
        for more in ((), ("--new-key", tmp_path / "new.key")):
            ran = edged("gallery", "rekey", "-c", site.config, *more)
            assert ran.code == 1
            assert "stop the terminal (systemctl stop edged) first" in ran.err
    finally:
        gallery.close()
    assert people(edged, site) == []


def test_a_backup_goes_round(
    site: Site, edged: Callable[..., Ran], tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    private, public = pair
    enrol(site, 1, 2, 3)
    out = tmp_path / "people.backup"
    ran = edged("gallery", "backup", out, "--to", public, "-c", site.config)
    assert ran.code == 0, ran.err
    assert f"{out}: 3 people" in ran.out
    assert edged("gallery", "remove", "p2", "-c", site.config).code == 0
    restore = ("gallery", "restore", out, "--identity", private, "-c", site.config)
    ran = edged(*restore)
    assert ran.code == 1
    assert "--replace" in ran.err
    ran = edged(*restore, "--replace")
    assert ran.code == 0, ran.err
    assert "2 people restored" in ran.out
    assert "1 were left out: they were erased here since" in ran.out
    assert people(edged, site) == ["p1", "p3"]


def test_several_recipients_and_one_file_of_keys(
    site: Site, edged: Callable[..., Ran], tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    private, public = pair
    enrol(site, 1, 2)
    terminal = edged("gallery", "identity", "-c", site.config, "--json").json
    (tmp_path / "terminal.pem").write_text(terminal["sealing"]["public_key"])
    (tmp_path / "signing.pem").write_text(terminal["signing"]["public_key"])
    keys = tmp_path / "newest.keys"
    for name in ("monday", "tuesday"):
        ran = edged(
            "gallery", "backup", tmp_path / name, "--keys", keys, "--to", public,
            "--to", tmp_path / "terminal.pem", "-c", site.config, "--json",
        )  # fmt: skip
        assert ran.json == {"people": 2 if name == "monday" else 1, "out": str(tmp_path / name),
                            "keys": str(keys)}  # fmt: skip
        edged("gallery", "remove", "p1", "-c", site.config)
    ran = edged(
        "gallery", "restore", tmp_path / "monday", "--keys", keys, "--identity", private,
        "--made-by", tmp_path / "signing.pem", "--replace", "-c", site.config, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.out
    assert (ran.json["people"], ran.json["unreadable"]) == (1, 1)
    assert ran.json["signed_by"] == terminal["signing"]["id"]


def test_keys_that_are_none_are_told_before_anything_is_opened(
    site: Site, edged: Callable[..., Ran], tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    private, public = pair
    out = tmp_path / "people"
    cases = [
        (("backup", out, "--to", private), "not an X25519 public key"),
        (("backup", out, "--to", tmp_path / "none"), "No such file"),
        (("backup", out, "--to", public, "--keys", out), "must be two files"),
        (("backup", out), "--to"),
        (("restore", out, "--identity", public), "can be reached by others"),
        (("restore", out, "--identity", site.key), "holds no X25519 private key"),
        (("restore", out, "--identity", tmp_path / "none"), "openssl genpkey -algorithm X25519"),
        (("rekey", "--new-key", tmp_path / "none"), "does not exist"),
        (("verify", "--keys", out), "--keys is of use with --identity only"),
        (("wipe",), "say so with --yes-erase-everybody"),
    ]
    for argv, message in cases:
        ran = edged("gallery", *argv, "-c", site.config)
        assert ran.code == 2, argv
        assert message in ran.err
    assert not out.exists()


def test_what_needs_a_gallery_makes_none(
    bare: Site, edged: Callable[..., Ran], tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    create_key_file(bare.key)
    for argv in (("verify",), ("backup", tmp_path / "people", "--to", pair[1])):
        ran = edged("gallery", *argv, "-c", bare.config)
        assert ran.code == 1
        assert "there is no gallery; `edged gallery init` makes one" in ran.out + ran.err
    assert not bare.gallery.exists()


def test_verify_says_what_is_well_and_what_is_not(
    site: Site, edged: Callable[..., Ran], tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    private, public = pair
    enrol(site, 1, 2)
    out = tmp_path / "people.backup"
    edged("gallery", "backup", out, "--to", public, "-c", site.config)
    ran = edged("gallery", "verify", out, "-c", site.config)
    assert ran.code == 0
    assert "2 people, all well" in ran.out
    assert f"{out}: whole, sealed to" in ran.out
    ran = edged("gallery", "verify", out, "--identity", private, "-c", site.config)
    assert f"{out}: 2 people as of" in ran.out
    out.write_bytes(out.read_bytes()[:-3])
    content = bytearray(site.gallery.read_bytes())
    content[3 * 16_384 + 77] ^= 1
    site.gallery.write_bytes(content)
    ran = edged("gallery", "verify", out, "-c", site.config)
    assert ran.code == 1
    assert "gallery.db: " in ran.out
    assert f"{out}: cut short" in ran.out
    assert "restore what is damaged from a backup" in ran.out
    assert edged("gallery", "verify", "-c", site.config, "--json").json["ok"] is False


def test_verify_with_the_wrong_key_is_no_judgement_on_the_gallery(
    site: Site, edged: Callable[..., Ran]
) -> None:
    site.key.unlink()
    create_key_file(site.key)
    ran = edged("gallery", "verify", "-c", site.config)
    assert ran.code == 2
    assert "the key does not open it" in ran.err


def test_a_wipe_leaves_nothing_and_only_init_begins_anew(
    site: Site, edged: Callable[..., Ran], tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    private, public = pair
    all_files(site)
    enrol(site, 1, 2)
    out = tmp_path / "people.backup"
    edged("gallery", "backup", out, "--to", public, "-c", site.config)
    ran = edged("gallery", "wipe", "--yes-erase-everybody", "-c", site.config)
    assert ran.code == 0, ran.err
    assert "wiped, 2 people" in ran.out
    left = {path.name for path in site.folder.glob("gallery*")}
    assert left == {"gallery.db.wiped"}
    assert not (site.folder / "recording.db").exists()
    (event,) = events(site)
    assert event.type == "gallery.wiped"
    assert {**event.data, "at": None} == {"reason": "local", "at": None, "people": 2}
    again = edged("gallery", "wipe", "--yes-erase-everybody", "-c", site.config)
    assert again.code == 0
    assert len(events(site)) == 1
    assert people(edged, site) == []
    restore = ("gallery", "restore", out, "--identity", private, "-c", site.config)
    assert "`edged gallery init` first" in edged(*restore).err
    assert "wiped at" in edged("gallery", "verify", "-c", site.config).out
    made = edged("gallery", "init", "-c", site.config)
    assert made.code == 0
    assert "the gallery was wiped" in made.out
    assert edged(*restore).code == 0
    assert people(edged, site) == ["p1", "p2"]
    assert len(events(site)) == 1


def test_a_wipe_needs_no_key(site: Site, edged: Callable[..., Ran]) -> None:
    enrol(site, 1)
    site.key.unlink()
    ran = edged("gallery", "wipe", "--yes-erase-everybody", "-c", site.config, "--json")
    assert ran.code == 0, ran.out
    assert ran.json["people"] is None
    assert {path.name for path in site.folder.glob("gallery*")} == {"gallery.db.wiped"}


def test_there_is_nothing_to_wipe_where_there_is_no_gallery(
    bare: Site, edged: Callable[..., Ran]
) -> None:
    ran = edged("gallery", "wipe", "--yes-erase-everybody", "-c", bare.config)
    assert ran.code == 1
    assert "there is no gallery to be wiped" in ran.err
    assert not (bare.folder / "gallery.db.wiped").exists()


def test_check_says_that_a_gallery_was_wiped(site: Site, edged: Callable[..., Ran]) -> None:
    edged("gallery", "wipe", "--yes-erase-everybody", "-c", site.config)
    ran = edged("check", "-c", site.config)
    assert ran.code != 0
    assert "wiped at" in ran.out + ran.err
