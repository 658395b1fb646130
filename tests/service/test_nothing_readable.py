"""What lies about on the terminal while it works: nobody reads a face, a name or a key there."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edged.gallery.files import LAYOUT, PURPOSE
from edged.gallery.keyring import Keyring
from edged.gallery.profile import Profile
from edged.gallery.rotation import rotation, turn
from edged.gallery.sealed import Kept
from edged.mqtt.sign import sign_claims
from edged.sync.site import Follows, SiteLog
from edged.vault.identity import Identity, pem
from edged.vault.secret import Secret
from tests.service.kit import PERSON, PRIVATE_PEM, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.service.kit import Door, Terminal, Views

CANARY = "Canary Wharfinger"
GROUP = "canary-keepers"


def needles(views: Views, terminal: Terminal) -> dict[str, list[bytes]]:
    """What must not be found, by what it is, in the forms in which it is apt to lie about."""
    key = bytes.fromhex((terminal.folder / "secret.key").read_text())
    keys = [key]
    templates = [np.stack(views.embeddings)]
    keyring = Keyring(terminal.folder / "gallery.keys", Secret(key))
    keyring.open()
    for generation in keyring.generations():
        keys += [generation.data.reveal(), generation.seed, generation.tag.reveal()]
        keys += keyring.all(generation.number).values()
        size = templates[0].shape[1]
        templates.append(turn(templates[0], rotation(generation.seed, views.model, size)))
    keyring.close()
    assert len(keys) > 4  # the person's own is among them
    vectors = [row for matrix in templates for row in matrix]
    return {
        "a name": [CANARY.encode(), CANARY.encode("utf-16-le"), GROUP.encode()],
        "an id": [PERSON.encode()],
        "a key": [
            form
            for one in keys
            for form in (one, one.hex().encode(), one.hex().upper().encode(), base64_of(one))
        ],
        "a template": [
            form
            for row in vectors
            for form in (
                row[:4].astype("<f4").tobytes(),
                row[-4:].astype("<f4").tobytes(),
                row[:6].astype("<f2").tobytes(),
                row[:3].astype("<f8").tobytes(),
                base64.b64encode(row[:6].astype("<f4").tobytes())[:16],
                f"{row[0]:.6f}, {row[1]:.6f}".encode(),
            )
        ],
    }


def base64_of(one: bytes) -> bytes:
    return base64.b64encode(one).rstrip(b"=")


def found(content: bytes, wanted: dict[str, list[bytes]]) -> set[str]:
    return {what for what, forms in wanted.items() if any(form in content for form in forms)}


def files(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield path


def scanned(
    terminal: Terminal, temporary: Path, wanted: dict[str, list[bytes]], *but: str
) -> dict[str, set[str]]:
    """What was found where."""
    told: dict[str, set[str]] = {}
    for path in files(terminal.folder, temporary):
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # a journal that has just gone
            continue
        if path.name not in but and (what := found(content, wanted)):
            told[path.name] = what
    return told


def test_no_face_name_or_key_lies_about_while_the_terminal_works(
    open_door: Callable[..., Door], views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))

    def planted(terminal: Terminal) -> None:
        terminal.enrol(views, PERSON, CANARY)

    door = open_door(
        planted, recording={"path": "recording.db"}, names_in_events=True, decision={"margin": 0}
    )
    terminal = door.terminal
    door.stage.show("near")
    assert door.site.event("access.granted")["data"]["name"] == CANARY  # so it is there to be told
    wanted = needles(views, terminal)
    # the relay's record and the log name people by the id that the site gave, and by no more
    quiet = ("secret.key", "edged.yaml")
    ids = {key: forms for key, forms in wanted.items() if key == "an id"}
    secrets = {key: forms for key, forms in wanted.items() if key != "an id"}
    assert scanned(terminal, temporary, secrets, *quiet) == {}
    for name in ("gallery.db", "gallery.db-wal", "gallery.keys", "recording.db", "events.db"):
        path = terminal.folder / name
        assert not path.exists() or not found(path.read_bytes(), ids), name
    process = terminal.process
    assert process is not None
    for number in [process.pid, *children(process.pid)]:
        proc = Path(f"/proc/{number}")
        assert found((proc / "cmdline").read_bytes(), secrets) == set()
        assert found((proc / "environ").read_bytes(), secrets) == set()
    assert core_limit(process.pid) == "0"
    terminal.kill()  # what an unplanned end leaves
    assert scanned(terminal, temporary, secrets, *quiet) == {}


def test_keys_copies_sync_and_the_end_of_a_gallery_show_nobody(
    make_terminal: Callable[..., Terminal],
    views: Views,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporary, office = tmp_path / "temporary", tmp_path_factory.mktemp("office")
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    terminal = make_terminal(tmp_path)
    terminal.enrol(views, PERSON, CANARY)
    private = X25519PrivateKey.generate()
    (office / "public.pem").write_text(pem(private.public_key()))
    (office / "private.pem").touch(mode=0o600)
    (office / "private.pem").write_bytes(
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (office / "new.key").touch(mode=0o600)
    (office / "new.key").write_text(os.urandom(32).hex())
    say_over_the_air(tmp_path, views)
    copy, identity = str(tmp_path / "copy"), ["--identity", str(office / "private.pem")]
    to = ["--to", str(office / "public.pem")]
    wanted = needles(views, terminal)
    for command in (
        ["rekey"],
        ["backup", copy, *to],
        ["verify", copy, *identity],
        ["restore", copy, *identity],  # refused: somebody is there
        ["restore", copy, *identity, "--replace"],
        ["rekey", "--new-key", str(office / "new.key")],
        ["restore", copy, "--identity", str(office / "new.key")],  # is no such key
        ["verify"],
        ["wipe", "--yes-erase-everybody"],
        ["backup", copy, *to],
        ["verify"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "edged", "gallery", *command, "-c", str(terminal.config)],
            capture_output=True,
            check=False,
            timeout=60,
            env=os.environ,
        )
        if (tmp_path / "gallery.keys").exists():
            for what, forms in needles(views, terminal).items():
                wanted[what] += forms
        told = done.stdout + done.stderr
        assert b"Traceback" not in told, command
        assert found(told, wanted) == set(), (command, told)
        assert scanned(terminal, temporary, wanted, "secret.key", "edged.yaml") == {}, command
    assert not (tmp_path / "gallery.keys").exists()
    assert (office / "new.key").read_text() in (tmp_path / "secret.key").read_text()


def say_over_the_air(folder: Path, views: Views) -> None:
    """What a site keeps, and what travels to the terminal, left in files."""
    key = Secret(bytes.fromhex(SECRET))
    door = Identity(key)
    follows = {"door-1": Follows(door.sealing_public, door.signing_public)}
    log = SiteLog(
        folder / "site.db", Secret(b"\x5a" * 32), "hq", partial(sign_claims, PRIVATE_PEM, "site"),
        follows,
    )  # fmt: skip
    log.open()
    templates = [Kept(e, 0.99, "photo", "2026-01-02T03:04:05Z") for e in views.embeddings]
    log.upsert(PERSON, {views.model: templates}, Profile(name=CANARY, groups=(GROUP,)))
    log.compact(keep=1)
    made = log.journal.made
    assert made is not None
    asked: tuple[dict[str, Any], ...] = (
        {"want": "head"}, {"want": "log"}, {"want": "chunk", "snapshot": made.id, "chunk": 0},
    )  # fmt: skip
    for number, one in enumerate(asked):
        pull = json.dumps({"v": 1, "sealing": door.sealing_id, **one}).encode()
        answer = log.answer("door-1", pull)
        assert answer is not None
        assert answer[0] == ("head", "batch", "chunk")[number]
        (folder / f"message-{number}").write_bytes(answer[1])
    log.close()


def children(number: int) -> list[int]:
    found = []
    for tasks in Path(f"/proc/{number}/task").iterdir():
        found += [int(one) for one in (tasks / "children").read_text().split()]
    return found


def core_limit(number: int) -> str:
    lines = Path(f"/proc/{number}/limits").read_text().splitlines()
    return next(line.split()[4] for line in lines if line.startswith("Max core file size"))


@pytest.mark.parametrize(
    "harm",
    ["another key", "no keys", "a torn page", "cut short", "another file"],
)
def test_no_error_repeats_a_key_a_name_or_a_template(
    open_door: Callable[..., Door], views: Views, harm: str, tmp_path: Path
) -> None:
    door = open_door(lambda terminal: terminal.enrol(views, PERSON, CANARY))
    terminal = door.terminal
    assert terminal.stop() == 0
    wanted = needles(views, terminal)
    gallery, keys = terminal.folder / "gallery.db", terminal.folder / "gallery.keys"
    other = bytes(range(100, 132)).hex()
    if harm == "another key":
        (terminal.folder / "secret.key").write_text(other)
        wanted["a key"].append(other.encode())
    elif harm == "no keys":
        keys.unlink()
    elif harm == "a torn page":
        content = bytearray(gallery.read_bytes())
        content[LAYOUT.page_bytes + 100] ^= 0xFF
        gallery.write_bytes(content)
    elif harm == "cut short":
        gallery.write_bytes(gallery.read_bytes()[:-1000])
    else:
        gallery.write_bytes(keys.read_bytes())
    for command in (["check"], ["gallery", "list"], ["gallery", "remove", "nobody"], ["run"]):
        done = subprocess.run(
            [sys.executable, "-m", "edged", *command, "-c", str(terminal.config)],
            capture_output=True,
            check=False,
            timeout=60,
            env=os.environ,
        )
        told = done.stdout + done.stderr
        assert done.returncode != 0, command
        assert b"Traceback" not in told
        assert found(told, wanted) == set(), command
        assert b"gallery" in told or b"key" in told
    assert PURPOSE == "gallery"
