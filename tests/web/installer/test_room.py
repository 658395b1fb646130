"""The page fails alone: neither the door nor the person's page notice."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from edged.config.schema import Installer, Vision
from edged.errors import InstallerError
from edged.testing.builders import observation
from edged.web.installer.app import SEATS
from edged.web.installer.room import InstallerPage
from tests.web.installer.conftest import Client, frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def page_of(path: Path, told: list[str] | None = None) -> InstallerPage:
    return InstallerPage(
        Installer(password_file=path),
        Vision(),
        terminal="front-door",
        floor=0.6,
        wanted_hz=None,
        on_fault=[].append if told is None else told.append,
    )


def test_making_a_page_does_nothing(tmp_path: Path) -> None:
    page = page_of(tmp_path / "none")
    page.close()
    assert page.app is None


def test_without_its_password_file_it_does_not_open(tmp_path: Path) -> None:
    page = page_of(tmp_path / "none")
    with pytest.raises(InstallerError, match="does not exist"):
        page.open()
    page.close()
    page.close()


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_the_error_names_it(tmp_path: Path, missing: str) -> None:
    script = f"""
import sys
sys.modules[{missing!r}] = None
from pathlib import Path
from edged.config.schema import Installer, Vision
from edged.errors import InstallerError
from edged.web.installer.room import InstallerPage
settings = Installer(socket=Path({str(tmp_path / "s")!r}))
page = InstallerPage(settings, Vision(), terminal="t", floor=0.6, wanted_hz=None)
try:
    page.open()
except InstallerError as fault:
    print(fault)
page.close()
"""
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert "pip install 'edged[web]'" in told.stdout


def test_what_it_cannot_take_in_harms_nobody_and_is_told_once(
    password_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    page = page_of(password_file, told)
    caplog.set_level(logging.ERROR)
    for n in range(3):
        page.look(None, observation(n))  # type: ignore[arg-type]
        page.step(observation(n), None, None)  # type: ignore[arg-type]
    assert told == ["the installer's page failed; see the log"]
    assert len(caplog.records) == 1


def test_fifty_browsers_are_few_for_the_terminal(client: Client, page: InstallerPage) -> None:
    client.login()
    streams = [client.open("GET", "events") for _ in range(SEATS)]
    for stream in streams:
        assert stream.readline() == b"event: now\n"
    for _ in range(50 - SEATS):
        refused = client.ask("GET", "events")
        assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    page.look(frame(1), observation(0.1))
    for stream in streams:
        while b'"size":[640,480]' not in (line := stream.readline()):
            assert line
    assert client.inside()


def test_a_seat_is_free_again_when_its_browser_goes(client: Client) -> None:
    from tests.wait import until

    client.login()
    for _ in range(3 * SEATS):
        until(lambda: client.open("GET", "events").status == 200)
        client.close()


@pytest.mark.parametrize("images", [False, True])
def test_no_picture_leaves_the_terminal_unless_allowed(
    make_page: Callable[..., InstallerPage], port: int, images: bool
) -> None:
    page = make_page(images=images)
    client = Client(port)
    client.login()
    events = client.open("GET", "events")
    page.look(frame(1), observation(0.1))
    while b'"size"' not in (line := events.readline()):
        assert line
    assert (b"jpeg" in line) == images
    assert client.ask("GET", "face/1").status == 404
    for path in ("face/-1", "face/x", "face/99999999999999999999", "face/../stay"):
        assert client.ask("GET", path).status in (401, 404)
    client.close()
