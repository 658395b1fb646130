"""The page on a unix socket: the file's rights are the password."""

from __future__ import annotations

import os
import socket
import stat
from itertools import count
from typing import TYPE_CHECKING

import pytest

from edged.errors import InstallerError
from edged.testing.builders import observation
from edged.web.installer.app import SEATS
from edged.web.installer.ear import Ear
from tests.wait import until
from tests.web.installer.conftest import Client, frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.web.installer.room import InstallerPage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "installer.sock"


def test_whoever_may_open_the_socket_sees_the_page(
    make_page: Callable[..., InstallerPage], path: Path
) -> None:
    page = make_page(path)
    assert page.app is None
    client = Client(8481, path=path)
    assert "front-door" in client.ask("GET", "").text
    assert client.ask("GET", "", Host="127.0.0.1:8481").status == 200
    assert client.inside()
    assert client.open("GET", "events").readline() == b"event: now\n"
    client.close()


def test_no_other_site_gets_in_through_the_installer_s_browser(
    make_page: Callable[..., InstallerPage], path: Path
) -> None:
    make_page(path)
    client = Client(8481, path=path)
    for where in ("", "stay", "events"):
        assert client.ask("GET", where, Sec_Fetch_Site="cross-site").status == 403
        assert client.ask("GET", where, Host="evil.example").status == 400
    assert client.ask("POST", "login", "password=x").status == 404
    assert client.ask("POST", "logout", "token=").status == 404


def test_it_is_for_owner_and_group_and_goes_with_the_daemon(
    make_page: Callable[..., InstallerPage], path: Path
) -> None:
    former = os.umask(0)
    try:
        page = make_page(path)
    finally:
        os.umask(former)
    facts = path.stat()
    assert stat.S_ISSOCK(facts.st_mode)
    assert stat.S_IMODE(facts.st_mode) == 0o660
    page.close()
    page.close()
    assert not path.exists()
    page.open()
    assert path.exists()


def test_who_never_reads_does_not_keep_a_seat(
    make_page: Callable[..., InstallerPage], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TCP gives up on such a peer; a unix socket, with a sleeping laptop behind it, never does."""
    monkeypatch.setattr("edged.web.server.UNREAD_S", 0.2)
    page = make_page(path, images=True)
    client = Client(8481, path=path)
    seated = [client.open("GET", "events") for _ in range(SEATS)]
    assert {one.status for one in seated} == {200}

    assert client.ask("GET", "events").status == 503
    frames = count()

    def served() -> bool:
        page.look(frame(next(frames)), observation(0.0))  # its picture fills the pipe
        return client.open("GET", "events").status == 200

    until(served)
    for one in seated:
        one.close()
    client.close()


def test_what_a_killed_daemon_left_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    ear = Ear(path)
    ear.open().close()
    ear.close()
    assert not path.exists()


def test_a_daemon_that_listens_there_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(InstallerError, match="another process listens there"):
            Ear(path).open()
    assert path.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_as_it_is(path: Path, kind: str) -> None:
    target = path.with_name("elsewhere.sock")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(target))
    {
        "file": lambda: path.write_text("precious"),
        "folder": path.mkdir,
        "link": lambda: path.symlink_to(target),
    }[kind]()
    ear = Ear(path)
    with pytest.raises(InstallerError, match="is no socket; it is left as it is"):
        ear.open()
    ear.close()
    assert path.exists()
    assert target.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make somebody else's socket")
def test_somebody_else_s_socket_is_left_as_it_is(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
    os.chown(path, 12345, 12345)
    with pytest.raises(InstallerError, match="belongs to somebody else"):
        Ear(path).open()
    assert path.exists()


def test_a_folder_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o1777)
    with pytest.raises(InstallerError, match="everybody may write its folder"):
        Ear(folder / "installer.sock").open()


def test_a_missing_folder_and_a_name_that_is_too_long_are_told(tmp_path: Path) -> None:
    with pytest.raises(InstallerError, match=r"web\.installer\.socket: .*no such folder"):
        Ear(tmp_path / "none" / "installer.sock").open()
    with pytest.raises(InstallerError, match=r"cannot listen at .*too long"):
        Ear(tmp_path / ("x" * 150)).open()


def test_what_took_its_place_meanwhile_is_not_taken_away(path: Path) -> None:
    ear = Ear(path)
    ear.open().close()
    path.unlink()
    path.write_text("precious")
    ear.close()
    assert path.read_text() == "precious"
