"""The `edged` command as a user runs it, and a site to run it in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import pytest
import yaml

from edged.cli.main import main
from edged.demo import scenes

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.types import Image

PORTRAIT = Path(scenes.__file__).parent / "astronaut.jpg"


@dataclass
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one document on stdout."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1, self.out
        return dict(json.loads(self.out))


@pytest.fixture
def edged(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs a command in this process."""

    def run(*argv: object) -> Ran:
        capsys.readouterr()
        try:
            code = main([str(arg) for arg in argv])
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return Ran(code, captured.out, captured.err)

    return run


@dataclass
class Site:
    """A folder with a terminal's configuration; the camera sees the portrait."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "edged.yaml"

    @property
    def key(self) -> Path:
        return self.folder / "secret.key"

    @property
    def gallery(self) -> Path:
        return self.folder / "gallery.db"

    @property
    def door_record(self) -> list[str]:
        lines = (self.folder / "door.jsonl").read_text().splitlines()
        return [json.loads(line)["relay"] for line in lines]

    def configure(self, **changes: Any) -> None:
        settings = {
            "site": "hq",
            "terminal": "lobby-1",
            "camera": {"driver": "replay", "source": str(PORTRAIT)},
            "key": {"file": "secret.key"},
            "gallery": {"path": "gallery.db", "templates_per_person": 5},
            "events": {"path": "events.db"},
            "door": {"driver": "simulated", "record": "door.jsonl"},
            **changes,
        }
        self.config.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


@pytest.fixture
def bare(tmp_path: Path) -> Site:
    """Configured, without key and gallery."""
    site = Site(tmp_path)
    site.configure()
    return site


@pytest.fixture
def site(bare: Site, edged: Callable[..., Ran]) -> Site:
    """Configured, with a key and an empty gallery."""
    assert edged("gallery", "init", "-c", bare.config).code == 0
    return bare


@pytest.fixture
def photo(tmp_path: Path) -> Callable[[str, Image], Path]:
    """Writes an image to a file of this name."""

    def write(name: str, image: Image) -> Path:
        path = tmp_path / name
        done, data = cv2.imencode(path.suffix, image)
        assert done
        path.write_bytes(data.tobytes())
        return path

    return write


@pytest.fixture(scope="session")
def portrait() -> Image:
    return cv2.imread(str(PORTRAIT))
