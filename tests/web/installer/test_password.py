"""The password's file: a hash that nobody else can touch, and nothing that looks like one."""

from __future__ import annotations

import base64
import os
import stat
from typing import TYPE_CHECKING

import pytest

from edged.cli.main import main
from edged.errors import InstallerError
from edged.web.installer.password import LONGEST, make, read, write
from tests.web.installer.conftest import PASSWORD

if TYPE_CHECKING:
    from pathlib import Path

    from edged.web.installer.password import Password

SALT = base64.b64encode(b"s" * 16).decode()
HASH = base64.b64encode(b"h" * 32).decode()


def test_only_the_password_fits(stored: Password) -> None:
    assert stored.matches(PASSWORD)
    for wrong in ("", "correct horsE", PASSWORD + " ", "\0", "\ud800"):
        assert not stored.matches(wrong)


def test_the_same_letters_typed_elsewhere_fit() -> None:
    composed, decomposed = "schl\u00fcssel", "schlu\u0308ssel"
    assert make(composed).matches(decomposed)


def test_two_terminals_with_one_password_store_different_lines(stored: Password) -> None:
    assert make(PASSWORD).line() != stored.line()


def test_neither_line_nor_text_shows_the_password(stored: Password) -> None:
    assert PASSWORD not in stored.line()
    assert stored.line().split("$")[-1] not in repr(stored)


@pytest.mark.parametrize(
    "password", ["", "seven77", "x" * (LONGEST + 1), "tab\tinside", "\ud800" * 9]
)
def test_a_password_that_cannot_serve_is_refused(password: str) -> None:
    with pytest.raises(InstallerError, match="the password must"):
        make(password)


def test_the_file_is_for_its_owner_alone_and_can_be_read_back(
    tmp_path: Path, stored: Password
) -> None:
    path = tmp_path / "password"
    former = os.umask(0)
    try:
        write(path, stored)
    finally:
        os.umask(former)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read(path) == stored
    assert [path] == list(tmp_path.iterdir())


def test_a_former_password_is_replaced(tmp_path: Path, stored: Password) -> None:
    path = tmp_path / "password"
    write(path, stored)
    other = make("another one")
    write(path, other)
    assert read(path) == other


@pytest.mark.parametrize("kind", ["text", "folder", "link", "pipe"])
def test_what_is_no_password_is_never_replaced(tmp_path: Path, stored: Password, kind: str) -> None:
    path, other = tmp_path / "edged.yaml", tmp_path / "other"
    write(other, stored)
    {
        "text": lambda: path.write_text("site: hq\n"),
        "folder": path.mkdir,
        "link": lambda: path.symlink_to(other),
        "pipe": lambda: os.mkfifo(path),
    }[kind]()
    before = path.lstat()
    with pytest.raises(InstallerError, match="it is left as is"):
        write(path, make("another one"))
    assert path.lstat().st_ino == before.st_ino


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o602, 0o666])
def test_a_file_that_others_can_touch_is_refused(password_file: Path, mode: int) -> None:
    password_file.chmod(mode)
    with pytest.raises(InstallerError, match=r"can be reached by others.*chmod 600"):
        read(password_file)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hunter2",
        PASSWORD,
        "scrypt$32768$8$3",
        f"bcrypt$32768$8$3${SALT}${HASH}",
        f"scrypt$2$8$3${SALT}${HASH}",  # quickly guessed
        f"scrypt$32767$8$3${SALT}${HASH}",
        f"scrypt$1073741824$8$1${SALT}${HASH}",  # would take all memory
        f"scrypt$32768$8$100000${SALT}${HASH}",  # or for ever
        f"scrypt$32768$1024$1${SALT}${HASH}",
        f"scrypt$-32768$8$3${SALT}${HASH}",
        f"scrypt$32768$8$0${SALT}${HASH}",
        f"scrypt$32768$8$3$${HASH}",
        f"scrypt$32768$8$3${SALT}$",
        f"scrypt$32768$8$3${SALT}$!!!",
        f"scrypt$nan$8$3${SALT}${HASH}",
        f"scrypt$32768$8$3${SALT}${HASH}$",
        "\0" * 90,
        "ü" * 20,
        "x" * 5000,
    ],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "password"
    path.touch(0o600)
    path.write_text(line)
    with pytest.raises(InstallerError, match="edged installer password") as fault:
        read(path)
    assert not line or line not in str(fault.value)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InstallerError, match="does not exist; make one with `edged installer"):
        read(tmp_path / "none")


class TestCommand:
    def run(self, monkeypatch: pytest.MonkeyPatch, path: Path, text: str) -> int:
        reader, writer = os.pipe()
        os.write(writer, text.encode())
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            return main(["installer", "password", str(path)])

    def test_it_takes_a_line_of_standard_input(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "password"
        assert self.run(monkeypatch, path, f"{PASSWORD}\nmore\n") == 0
        assert read(path).matches(PASSWORD)
        assert PASSWORD not in "".join(capsys.readouterr())

    @pytest.mark.parametrize("text", ["", "\n", "short\n"])
    def test_without_a_password_nothing_is_changed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        assert self.run(monkeypatch, tmp_path / "password", text) == 2
        assert list(tmp_path.iterdir()) == []

    def test_it_asks_a_person_twice(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "password"
        ours, theirs = os.openpty()
        with os.fdopen(theirs) as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            for answers, code in (([PASSWORD, "correct House"], 2), ([PASSWORD, PASSWORD], 0)):
                said = iter(answers)
                monkeypatch.setattr("getpass.getpass", lambda _, said=said: next(said))
                assert main(["installer", "password", str(path)]) == code
                assert path.exists() == (code == 0)
        os.close(ours)
        assert "not the same" in capsys.readouterr().err

    def test_a_password_is_never_an_argument(self, tmp_path: Path) -> None:
        assert main(["installer", "password", str(tmp_path / "p"), PASSWORD]) == 2
        assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for somebody else")
def test_what_root_writes_is_still_the_service_s_to_read(tmp_path: Path, stored: Password) -> None:
    os.chown(tmp_path, 12345, 12346)
    path = tmp_path / "installer.password"
    for _ in range(2):
        write(path, stored)
        facts = path.stat()
        assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o777) == (12345, 12346, 0o600)
        os.chown(tmp_path, 0, 0)
