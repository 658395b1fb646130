"""What lies about on the terminal while it works: nobody reads a face, a name or a key there."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edged.gallery.files import LAYOUT, PURPOSE
from edged.gallery.keyring import Keyring
from edged.gallery.rotation import rotation, turn
from edged.vault.secret import Secret
from tests.service.kit import PERSON, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.service.kit import Door, Terminal, Views

CANARY = "Canary Wharfinger"
GROUP = "canary-keepers"


def needles(views: Views, terminal: Terminal) -> dict[str, list[bytes]]:
    """What must not be found, by what it is, in the forms in which it is apt to lie about."""
    key = bytes.fromhex(SECRET)
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
