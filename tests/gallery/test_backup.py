"""Backups: sealed to who may restore them, and without whoever was erased."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.errors import DiskFull, GalleryError, KeyUnavailable, StorageError
from edged.gallery.backup import backup, keys_of
from edged.gallery.restore import check, measure, read_identity, restore
from edged.vault import parcel
from edged.vault.identity import Identity, seal
from edged.vault.parcel import MAGIC, Parcel, Writer
from edged.vault.secret import Secret
from tests.gallery.keeping import FACES, MODEL, NAME, copied, enrolments, files, fill, fill_folder
from tests.gallery.killing import KEY, contents, kill_often, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.gallery.restore import Backup
    from edged.gallery.store import Gallery

PRIVATE = X25519PrivateKey.from_private_bytes(bytes(range(32)))
TO = [PRIVATE.public_key()]
STRANGER = X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
SIGNER = Identity(KEY)


def write(gallery: Gallery, out: Path) -> int:
    return backup(gallery, out, keys_of(out), TO, SIGNER)


def read(gallery: Gallery, out: Path, **how: Any) -> Backup:
    return restore(gallery, out, keys_of(out), PRIVATE, **how)


def look(out: Path, identity: X25519PrivateKey = PRIVATE) -> Backup:
    return check(out, keys_of(out), identity)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a gallery, and ``people`` beside it: its backup."""
    folder = fill_folder(tmp_path_factory.mktemp("made"))
    with opened(folder) as gallery:
        write(gallery, folder / "people")
    return folder


@pytest.fixture
def folder(tmp_path: Path, made: Path) -> Path:
    copied(made)(tmp_path)
    return tmp_path


@pytest.fixture
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of another terminal, with another key, without anybody."""
    return tmp_path_factory.mktemp("other")


OTHER_KEY = Secret(bytes(range(50, 82)))


def test_everybody_comes_back_on_another_terminal(folder: Path, other: Path) -> None:
    with opened(folder) as gallery:
        before = contents(gallery)
    with opened(other, OTHER_KEY) as gallery:
        done = read(gallery, folder / "people")
        after = contents(gallery)
        assert gallery.verify() == []
        index = gallery.index(MODEL, 16)
        assert index.search(FACES[3], 1).candidates[0].person_id == "p3"
    assert (done.people, done.unreadable, done.refused) == (8, 0, 0)
    assert done.signed_by == SIGNER.signing_id
    assert {k: v for k, v in after.items() if k != "erased"} == {
        k: v for k, v in before.items() if k != "erased"
    }


def test_each_recipient_can_open_it(folder: Path) -> None:
    to = [STRANGER.public_key(), PRIVATE.public_key()]
    with opened(folder) as gallery:
        backup(gallery, folder / "two", folder / "two.keys", to, SIGNER)
    for identity in (PRIVATE, STRANGER):
        assert look(folder / "two", identity).people == 8


def test_an_empty_gallery_has_a_backup_too(other: Path) -> None:
    with opened(other) as gallery:
        assert write(gallery, other / "people") == 0
    assert look(other / "people").people == 0


def test_it_is_private_and_whole_and_nothing_of_it_is_plain(folder: Path) -> None:
    with opened(folder) as gallery:
        with gallery._read() as book:
            turned = [k.embedding for e in book.entries().values() for k in book.kept(e, 1)]
        keys = [key for _, key, _ in gallery.keyed()]
    for path in (folder / "people", folder / "people.keys"):
        assert path.stat().st_mode & 0o777 == 0o600
        found = path.read_bytes()
        for secret in (NAME.encode(), b"contract", *keys):
            assert secret not in found
        for vector in [*FACES[:9], *turned]:
            assert vector.astype("<f4").tobytes()[:16] not in found
    assert not list(folder.glob(".people*"))


def test_even_its_recipient_reads_nobody_without_the_keys(folder: Path) -> None:
    with (folder / "people").open("rb") as file:
        found = b"".join(Parcel(file, folder / "people").records(PRIVATE))
    assert NAME.encode() not in found
    assert FACES[0].tobytes()[:16] not in found


def test_a_backup_can_be_made_while_others_have_the_gallery_open(folder: Path) -> None:
    with opened(folder) as daemon, opened(folder) as gallery:
        daemon.add_many(enrolments(30, 1), limit=5)
        assert write(gallery, folder / "people") == 9


def test_an_older_backup_forgets_who_is_erased_since(folder: Path, other: Path) -> None:
    with opened(folder) as gallery:
        gallery.remove("p2")
        write(gallery, folder / "newer")
    shutil.copy(folder / "newer.keys", folder / "people.keys")
    with opened(other) as gallery:
        done = read(gallery, folder / "people")
        assert (done.people, done.unreadable) == (7, 1)
        assert gallery.person("p2") is None
        assert gallery.lookalikes() == {}


def test_who_was_erased_here_since_is_left_out_though_the_keys_are_old(folder: Path) -> None:
    with opened(folder) as gallery:
        gallery.remove("p2")
        done = read(gallery, folder / "people", replace=True)
        assert (done.people, done.refused) == (7, 1)
        assert gallery.person("p2") is None
        assert gallery.verify() == []


def test_who_was_erased_is_left_out_after_a_rekey_too(folder: Path) -> None:
    with opened(folder) as gallery:
        gallery.rekey()
        gallery.remove("p2")
        assert read(gallery, folder / "people", replace=True).refused == 1


def test_who_came_back_before_the_backup_is_kept(folder: Path) -> None:
    with opened(folder) as gallery:
        gallery.remove("p2")
        gallery.add_many(enrolments(2, 1), limit=5)
        write(gallery, folder / "people")
        assert read(gallery, folder / "people", replace=True).refused == 0
        assert gallery.person("p2") is not None


def test_who_is_erased_while_a_backup_is_made_is_not_in_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(folder) as daemon, opened(folder) as gallery:
        surviving = gallery.surviving

        def later(numbers: Any) -> dict[int, bytes]:
            daemon.remove("p4")
            return surviving(numbers)

        monkeypatch.setattr(gallery, "surviving", later)
        assert write(gallery, folder / "people") == 7
    assert look(folder / "people").unreadable == 1


@pytest.mark.parametrize("at", ["1970-01-01T00:00:05.000Z", "2099-01-01T00:00:05.000Z"])
def test_of_its_own_backup_a_gallery_knows_who_was_erased_since_whatever_the_clock_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    with opened(folder) as gallery:
        gallery.rekey()  # numbers say nothing then
        monkeypatch.setattr("edged.gallery.store.utc_now", lambda: at)
        gallery.remove("p2")
        gallery.remove("p3")
        assert read(gallery, folder / "people", replace=True).refused == 2
        gallery.add_many(enrolments(3, 1), limit=5)
        write(gallery, folder / "newer")
        assert read(gallery, folder / "newer", replace=True).refused == 0
        assert gallery.person("p2") is None
        assert gallery.person("p3") is not None


def test_people_who_are_there_are_replaced_only_when_that_is_said(folder: Path) -> None:
    with opened(folder) as gallery:
        gallery.add_many(enrolments(40, 1), limit=5)
        before = contents(gallery)
        with pytest.raises(GalleryError, match="--replace"):
            read(gallery, folder / "people")
        assert contents(gallery) == before
        read(gallery, folder / "people", replace=True)
        assert gallery.person("p40") is None


def test_a_gallery_in_use_is_not_restored_into(folder: Path) -> None:
    with opened(folder), opened(folder) as gallery:
        before = contents(gallery)
        with pytest.raises(StorageError, match="systemctl stop edged"):
            read(gallery, folder / "people", replace=True)
        assert contents(gallery) == before


# what is wrong with it


def damaged(change: Callable[[bytearray], bytes | bytearray]) -> Callable[[Path], None]:
    def do(path: Path) -> None:
        path.write_bytes(change(bytearray(path.read_bytes())))

    return do


def flipped(place: int) -> Callable[[bytearray], bytearray]:
    def do(content: bytearray) -> bytearray:
        content[place] ^= 1
        return content

    return do


def newer(content: bytearray) -> bytearray:
    content[len(MAGIC) + 1] = 2
    return content


def another_recipient(content: bytearray) -> bytes:
    """The header names us, and what is sealed is not for us."""
    length = int.from_bytes(content[len(MAGIC) + 2 : len(MAGIC) + 6], "big")
    start = len(MAGIC) + 6
    header = json.loads(content[start : start + length])
    header["to"][0]["key"] = (
        __import__("base64").b64encode(seal(bytes(32), STRANGER.public_key())).decode()
    )
    text = json.dumps(header, separators=(",", ":")).encode()
    return (
        bytes(content[: len(MAGIC) + 2])
        + len(text).to_bytes(4, "big")
        + text
        + bytes(content[start + length :])
    )


WRONG = {
    "empty": (damaged(lambda _: b""), "no backup of edged"),
    "else": (damaged(lambda _: b"PK\x03\x04" * 100), "no backup of edged"),
    "only its name": (damaged(lambda c: c[: len(MAGIC)]), "cut short"),
    "header cut": (damaged(lambda c: c[:40]), "cut short"),
    "frame cut": (damaged(lambda c: c[:-20]), "cut short"),
    "last byte cut": (damaged(lambda c: c[:-1]), "cut short"),
    "appended": (damaged(lambda c: c + b"x"), "altered since"),
    "header altered": (damaged(flipped(len(MAGIC) + 10)), "altered since"),
    "frame altered": (damaged(flipped(-30)), "altered since"),
    "newer": (damaged(newer), "written by newer software .format 2.*update edged"),
    "seal altered": (damaged(another_recipient), "altered since"),
}


@pytest.mark.parametrize("name", ["people", "people.keys"])
@pytest.mark.parametrize("what", WRONG)
def test_each_kind_of_damage_is_told_and_the_gallery_left(
    folder: Path, name: str, what: str
) -> None:
    damage, message = WRONG[what]
    damage(folder / name)
    with opened(folder) as gallery:
        before = contents(gallery)
        with pytest.raises(StorageError, match=rf"{name}: .*{message}"):
            read(gallery, folder / "people", replace=True)
        assert contents(gallery) == before
        assert gallery.verify() == []
    assert not (folder / "gallery.db.new").exists()


def test_files_that_do_not_fit_are_told(folder: Path, other: Path) -> None:
    people, keys = folder / "people", folder / "people.keys"
    with opened(other, OTHER_KEY) as gallery:
        fill(gallery)
        write(gallery, other / "people")
    cases = [
        (people, other / "people.keys", "the keys of another gallery"),
        (people, people, "the other one of a backup's two files; the file of keys"),
        (keys, people, "the other one of a backup's two files; the file of people"),
        (folder / "none", keys, "No such file"),
        (people, folder / "none", "No such file"),
        (folder, keys, "Is a directory"),
    ]
    for out, keys_in, message in cases:
        with pytest.raises(StorageError, match=message):
            check(out, keys_in, PRIVATE)


def test_the_wrong_identity_is_told_with_whom_it_is_sealed_to(folder: Path) -> None:
    with pytest.raises(KeyUnavailable, match=r"sealed to \S+, not to the key \S+ that was given"):
        look(folder / "people", STRANGER)


def test_frames_of_another_file_or_place_do_not_open(folder: Path, other: Path) -> None:
    path = other / "parcel"
    with path.open("wb") as file:
        writer = Writer(file, TO, {"kind": "test"})
        for number in range(3):
            writer.write(bytes([number]) * 65_532)
        writer.end()
    content = path.read_bytes()
    frame = parcel._FRAME + parcel._TAG + 4
    end = len(content) - (len(content) - content.index(b'"}]}') - 4) % frame
    first = content.index(b'"}]}') + 4
    frames = [content[n : n + frame] for n in range(first, end, frame)]
    assert len(frames) >= 3
    rest = content[first + frame * len(frames) :]
    head = content[:first]
    for changed in (
        head + frames[1] + frames[0] + b"".join(frames[2:]) + rest,
        head + frames[0] + b"".join(frames[2:]) + rest,
        head + frames[0] + frames[0] + b"".join(frames[1:]) + rest,
    ):
        path.write_bytes(changed)
        with path.open("rb") as file, pytest.raises(StorageError, match="altered"):
            list(Parcel(file, path).records(PRIVATE))
    path.write_bytes(head + frames[0] + frames[1])
    with path.open("rb") as file, pytest.raises(StorageError, match="cut short"):
        list(Parcel(file, path).records(PRIVATE))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 1 << 20), bit=st.integers(0, 7), keys=st.booleans())
def test_no_flipped_bit_is_overlooked(made: Path, place: int, bit: int, keys: bool) -> None:
    path = made / ("people.keys" if keys else "people")
    content = path.read_bytes()
    changed = bytearray(content)
    changed[place % len(changed)] ^= 1 << bit
    broken = made / "broken"
    broken.write_bytes(changed)
    with pytest.raises((StorageError, KeyUnavailable)):
        check(*((made / "people", broken) if keys else (broken, made / "people.keys")), PRIVATE)


def test_a_backup_that_somebody_else_made_is_refused_by_whoever_asks_who_made_it(
    folder: Path,
) -> None:
    forger = Identity(OTHER_KEY)
    with opened(folder) as gallery:
        backup(gallery, folder / "forged", folder / "forged.keys", TO, forger)
    assert look(folder / "forged").signed_by == forger.signing_id
    with opened(folder) as gallery:
        before = contents(gallery)
        how = {"replace": True, "made_by": SIGNER.signing_public}
        with pytest.raises(StorageError, match="not signed by the terminal"):
            read(gallery, folder / "forged", **how)
        assert contents(gallery) == before
        assert read(gallery, folder / "people", **how).signed_by == SIGNER.signing_id


def forged(path: Path, about: dict[str, str], *records: bytes) -> None:
    with path.open("wb") as file:
        writer = Writer(file, TO, about)
        for record in records:
            writer.write(record)
        writer.end()


@pytest.mark.parametrize(
    "records",
    [
        (),
        (b"",),
        (b"A{",),
        (b'A{"revision":1}',),
        (b'A{"revision":"x","facts":{}}',),
        (b'A{"revision":1,"facts":{}}',),
        (b'A{"revision":1,"facts":{}}', b"P"),
        (b'A{"revision":1,"facts":{}}', b"P" + bytes(8) + b"x"),
        (b'A{"revision":1,"facts":{}}', b'L{"pairs":[[1]]}'),
        (b'A{"revision":1,"facts":{}}', b"S{}"),
        (b'A{"revision":1,"facts":{}}', b"S["),
    ],
)
def test_what_opens_and_makes_no_sense_is_refused(folder: Path, records: tuple[bytes, ...]) -> None:
    lineage = "0123456789abcdef"
    about = {"made": "2026-01-01T00:00:00.000Z", "gallery": lineage}
    forged(folder / "people", about | {"kind": "gallery people"}, *records)
    forged(folder / "people.keys", about | {"kind": "gallery keys"}, bytes(8) + bytes(32))
    with pytest.raises(StorageError, match=r"people: |person number"):
        look(folder / "people")


def test_keys_of_another_length_are_refused(folder: Path) -> None:
    with (folder / "people").open("rb") as file:
        about = Parcel(file, folder / "people").about
    about.pop("to")
    forged(folder / "people.keys", about | {"kind": "gallery keys"}, b"short")
    with pytest.raises(StorageError, match="not what edged writes"):
        look(folder / "people")


def test_without_an_identity_one_sees_at_least_whether_it_is_whole(folder: Path) -> None:
    assert len(measure(folder / "people")) == 1
    damaged(lambda c: c[:-20])(folder / "people")
    with pytest.raises(StorageError, match="cut short"):
        measure(folder / "people")
    damaged(lambda c: c + bytes(40))(folder / "people.keys")
    with pytest.raises(StorageError, match="altered"):
        measure(folder / "people.keys")


# where it is written to


def test_what_is_no_backup_is_not_replaced(folder: Path) -> None:
    (folder / "letter").write_text("dear")
    (folder / "place").mkdir()
    with opened(folder) as gallery:
        for name in ("letter", "place"):
            with pytest.raises(StorageError, match="not a backup, so it is not replaced"):
                write(gallery, folder / name)
        with pytest.raises(StorageError, match="No such file"):
            write(gallery, folder / "nowhere" / "people")
    assert (folder / "letter").read_text() == "dear"


def test_a_full_disk_leaves_the_backup_that_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "people")

    with opened(folder) as gallery:
        monkeypatch.setattr(parcel.Writer, "end", full)
        with pytest.raises(DiskFull):
            write(gallery, folder / "people")
    assert files(folder) == before


def test_what_a_killed_one_left_is_cleared_away_in_time(folder: Path) -> None:
    old, young = folder / ".people.old", folder / ".people.young"
    for left in (old, young):
        left.mkdir()
        (left / "people").touch()
    os.utime(old, (1e9, 1e9))
    with opened(folder) as gallery:
        write(gallery, folder / "people")
    assert not old.exists()
    assert young.exists()  # of one that is just being written, perhaps


def pem(key: X25519PrivateKey, password: bytes | None = None) -> bytes:
    how = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def test_what_only_looks_like_a_draft_of_its_own_is_not_cleared_away(folder: Path) -> None:
    mine = folder / ".people.d" / "letters"
    mine.mkdir(parents=True)
    os.utime(folder / ".people.d", (0, 0))
    with opened(folder) as gallery:
        write(gallery, folder / "people")
    assert mine.exists()


def test_identities_are_x25519_private_keys_in_pem_form() -> None:
    assert read_identity(pem(PRIVATE), "it").private_bytes_raw() == PRIVATE.private_bytes_raw()
    with pytest.raises(KeyUnavailable, match="passphrase"):
        read_identity(pem(PRIVATE, b"secret"), "it")
    for wrong in (b"", b"-----BEGIN PRIVATE KEY-----\n", SIGNER.sealing_public.encode()):
        with pytest.raises(KeyUnavailable, match="it holds no X25519 private key"):
            read_identity(wrong, "it")


# killed


def again(folder: Path) -> None:
    with opened(folder) as gallery:
        write(gallery, folder / "people")


def bring_back(folder: Path) -> None:
    with opened(folder) as gallery:
        read(gallery, folder / "people", replace=True)


@pytest.mark.slow
def test_a_backup_that_is_killed_leaves_one_that_can_be_restored(
    tmp_path: Path, made: Path
) -> None:
    copied(made)(tmp_path)
    with opened(tmp_path) as gallery:
        gallery.remove("p2")
        gallery.add_many(enrolments(30, 2), limit=5)

    def judge(folder: Path, finished: bool) -> None:
        done = look(folder / "people")
        found = (done.people, done.unreadable)
        new = (9, 0)
        assert found in ((new,) if finished else ((8, 0), (7, 1), new))

    kill_often(20, again, copied(tmp_path), judge, tmp_path)


@pytest.mark.slow
def test_a_restore_that_is_killed_leaves_who_was_there_or_who_comes(
    tmp_path: Path, made: Path
) -> None:
    with opened(made) as gallery:
        new = set(contents(gallery)["people"])
    old = {f"p{number}" for number in range(40, 44)}

    with opened(tmp_path) as gallery:
        gallery.add_many(enrolments(40, 4), limit=5)
    for name in ("people", "people.keys"):
        shutil.copy(made / name, tmp_path)

    def judge(folder: Path, finished: bool) -> None:
        with opened(folder) as gallery:
            found = set(contents(gallery)["people"])
            assert gallery.verify() == []
            assert len(gallery._keyring.generations()) == 1
        assert found in ((new,) if finished else (old, new))

    kill_often(20, bring_back, copied(tmp_path), judge, tmp_path)
