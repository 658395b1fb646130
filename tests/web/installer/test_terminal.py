"""A real terminal with the page, by itself or with the person's page, or without."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import cv2
import pytest
import yaml

from edged.cli.main import main
from edged.demo.scenes import NEAR, Lobby
from edged.vault.keys import create_key_file
from tests.wait import until
from tests.web.browser import Browser
from tests.web.installer.conftest import Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path, port: int, password_file: Path) -> Path:
    """Somebody stands before the camera, again and again."""
    lobby, views = Lobby(), tmp_path / "views"
    views.mkdir()
    for n in range(4):
        cv2.imwrite(str(views / f"{n}.png"), lobby.draw(NEAR, n / 15))
    create_key_file(tmp_path / "secret.key")
    path = tmp_path / "edged.yaml"
    settings = {
        "site": "hq",
        "terminal": "front-door",
        "camera": {"driver": "replay", "source": "views", "loop": True, "rate_hz": 5},
        "model": {"runtime": "onnxruntime", "threads": 1},
        "key": {"file": "secret.key"},
        "gallery": {"path": "gallery.db"},
        "events": {"path": "events.db"},
        "door": {"driver": "simulated"},
        "web": {"port": port, "installer": {"password_file": password_file.name}},
    }
    path.write_text(yaml.safe_dump(settings))
    return path


@contextmanager
def running(config: Path, port: int) -> Iterator[dict[str, Any]]:
    """The daemon, once it has seen a frame; gives its state."""
    argv = [sys.executable, "-m", "edged", "run", "-c", str(config)]
    with (config.parent / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    browser = Browser(port)

    def ready() -> dict[str, Any] | None:
        assert process.poll() is None, (config.parent / "log").read_text()
        try:
            told = dict(json.loads(browser.get("/state").text))
        except OSError:
            return None
        seen = "edged_frames_total 0" not in browser.get("/metrics").text
        return told if seen and "waiting_events" in told else None

    try:
        yield until(ready, 60)
    finally:
        browser.close()
        process.terminate()
        assert process.wait(30) == 0


def test_with_a_password_it_shows_what_the_terminal_sees(config: Path, port: int) -> None:
    assert main(["check", "-c", str(config)]) == 0
    with running(config, port) as state:
        assert "installer" not in state["degraded"]
        client = Client(port)
        assert client.login().status == 303
        events = client.open("GET", "events")
        told: dict[str, Any] = {}
        while not (told.get("view") or {}).get("quality"):
            line = events.readline()
            told = json.loads(line[6:]) if line.startswith(b"data:") else told
        assert told["size"] == [640, 480]
        assert told["rates"]["wanted_hz"] == 5
        client.close()


def test_on_a_socket_it_is_beside_the_person_s_page_and_goes_with_the_terminal(
    config: Path, port: int
) -> None:
    settings = yaml.safe_load(config.read_text())
    settings["web"]["installer"] = {"socket": "installer.sock"}
    config.write_text(yaml.safe_dump(settings))
    path = config.with_name("installer.sock")
    with running(config, port):
        client = Client(8481, path=path)
        assert "front-door" in client.ask("GET", "").text
        browser = Browser(port)
        assert browser.get("/installer/").status == 404
        browser.close()
    assert not path.exists()


def test_without_a_usable_password_file_only_the_page_is_missing(
    config: Path, port: int, password_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    password_file.chmod(0o644)
    assert main(["check", "-c", str(config)]) == 2
    said = capsys.readouterr().err
    assert "web.installer.password_file" in said
    assert "can be reached by others" in said
    with running(config, port) as state:
        assert "can be reached by others" in state["degraded"]["installer"]
        assert "screen" not in state["degraded"]
        browser = Browser(port)
        assert browser.get("/").status == 200
        assert browser.get("/installer/").status == 404
        browser.close()


def test_it_is_off_unless_it_is_asked_for(config: Path, port: int) -> None:
    settings = yaml.safe_load(config.read_text())
    del settings["web"]["installer"]
    config.write_text(yaml.safe_dump(settings))
    with running(config, port):
        browser = Browser(port)
        assert browser.get("/installer/").status == 404
        browser.close()
