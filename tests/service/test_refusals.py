"""A daemon that cannot work says why and what to do, and leaves everything as it was."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from edged.resources import shared
from tests.service.kit import PUBLIC_PEM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.kit import Terminal, Views

OTHER = "ab12" * 16
FAILED = {1, 2}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.db*")}


@pytest.fixture
def terminal(tmp_path: Path, make_terminal: Callable[..., Terminal]) -> Terminal:
    (tmp_path / "stage").mkdir()
    return make_terminal(tmp_path)


def test_a_wrong_key_leaves_every_file_as_it_is(terminal: Terminal, views: Views) -> None:
    terminal.enrol(views)
    with terminal.outbox() as outbox:
        outbox.append("terminal.started", {})
    (terminal.folder / "secret.key").write_text(OTHER)
    before = contents(terminal.folder)
    assert terminal.start().ended() in FAILED
    assert "the key does not open it" in terminal.log
    assert contents(terminal.folder) == before
    assert terminal.relay == ["rest", "rest"]
    assert "READY=1" not in terminal.told


@pytest.mark.parametrize("made", ["gallery", "outbox"])
def test_a_wrong_key_makes_no_file_that_the_right_one_would_not_open(
    terminal: Terminal, made: str
) -> None:
    with getattr(terminal, made)():
        pass
    (terminal.folder / "secret.key").write_text(OTHER)
    before = contents(terminal.folder)
    assert terminal.start().ended() in FAILED
    assert contents(terminal.folder) == before


def test_a_key_that_is_missing_is_asked_for(terminal: Terminal) -> None:
    (terminal.folder / "secret.key").unlink()
    assert terminal.start().ended() in FAILED
    assert "secret.key does not exist; make one with `edged gallery init`" in terminal.log


def test_a_key_that_others_can_read_is_not_used(terminal: Terminal) -> None:
    (terminal.folder / "secret.key").chmod(0o644)
    assert terminal.start().ended() in FAILED
    assert "run chmod 600" in terminal.log
    assert not (terminal.folder / "gallery.db").exists()


@pytest.mark.parametrize(
    ("file", "change", "named"),
    [
        ("model.onnx", lambda content: content[:-1] + bytes([content[-1] ^ 1]), "model.onnx"),
        ("manifest.yaml", lambda content: content.replace(b"embedding", b"embeding"), "embeding"),
    ],
)
def test_a_model_that_was_altered_is_named_with_what_is_wrong(
    tmp_path: Path,
    make_terminal: Callable[..., Terminal],
    file: str,
    change: Callable[[bytes], bytes],
    named: str,
) -> None:
    bundle = tmp_path / "altered"
    shutil.copytree(shared("models") / "mobilefacenet-rts", bundle)
    (bundle / file).write_bytes(change((bundle / file).read_bytes()))
    (tmp_path / "stage").mkdir()
    terminal = make_terminal(tmp_path, model={"bundle": str(bundle)})
    assert terminal.start().ended() in FAILED
    assert str(bundle) in terminal.log
    assert named in terminal.log
    assert terminal.relay == ["rest", "rest"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"door": {"driver": "gpio", "chip": "/dev/none"}}, "/dev/none"),
        ({"door": {"driver": "simulated", "record": "secret.key/x"}}, "door.record"),
        ({"mqtt": {"host": "127.0.0.1", "password_file": "none"}}, "none"),
        ({"mqtt": {"host": "h", "commands": {"keys": [{"id": "a", "roles": ["operator"],
          "public_key": PUBLIC_PEM.replace("MCow", "MCox")}]}}}, "key"),
        ({"model": {"runtime": "onnxruntime", "device": "warp-drive"}}, "warp"),
        ({"camera": {"driver": "replay", "source": "stage", "rate": 3}}, "rate_hz"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_named(
    tmp_path: Path,
    make_terminal: Callable[..., Terminal],
    changes: dict[str, Any],
    words: str,
) -> None:
    (tmp_path / "stage").mkdir()
    terminal = make_terminal(tmp_path, **changes)
    assert terminal.start().ended() in FAILED
    assert words in terminal.log
    assert "Traceback" not in terminal.log
