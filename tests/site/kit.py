"""A site with an authority, keys and a broker of its own, and a terminal that it takes in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from edged.cli.main import main
from edged.demo import scenes
from tests.certificates import Certificates
from tests.service.kit import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PORTRAIT = scenes.__file__.replace("scenes.py", "astronaut.jpg")
ROLES = "operator,enroller,maintainer,auditor"


@dataclass
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one document on stdout."""
        assert self.out.count("\n") == 1, self.out + self.err
        return dict(json.loads(self.out))

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every document on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


class Edged:
    """The command, run in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *argv: object) -> Ran:
        self._capsys.readouterr()
        try:
            code = main([str(arg) for arg in argv])
        except SystemExit as end:
            code = end.code
        said = self._capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Ran(code, said.out, said.err)


@dataclass
class Office:
    """The site's side: a folder with keys, an authority, and ``ctl.yaml``."""

    folder: Path
    edged: Edged

    @property
    def config(self) -> Path:
        return self.folder / "ctl.yaml"

    def ctl(self, *argv: object) -> Ran:
        return self.edged("ctl", *argv, "--site-config", self.config)

    def set_up(self, port: int, *, tls: bool = True, **more: Any) -> Office:
        """Make keys, and write ``ctl.yaml``."""
        folder = self.folder
        assert self.edged("ctl", "keygen", folder / "office.key").code == 0
        broker: dict[str, Any] = {"host": "127.0.0.1", "port": port}
        if tls:
            broker["tls"] = {
                "ca_file": "ca/ca.pem",
                "cert_file": "office.pem",
                "key_file": "office-tls.key",
            }
        settings = {
            "broker": broker | more.pop("broker", {}),
            "site": "hq",
            "key_id": "office",
            "key_file": "office.key",
            **more,
        }
        self.config.write_text(yaml.safe_dump(settings, sort_keys=False))
        return self

    def authority(self) -> Certificates:
        """An authority, and what it issues to the broker and to us."""
        folder, ca = self.folder, self.folder / "ca"
        assert self.edged("ctl", "ca", "init", "--ca", ca).code == 0
        for what, name, out in (
            ("server", ["127.0.0.1", "localhost"], "broker"),
            ("client", ["office"], "office-tls"),
        ):
            ran = self.edged("ctl", "ca", what, *name, "--ca", ca, "-o", folder / out)
            assert ran.code == 0, ran.err
        (folder / "office-tls.pem").rename(folder / "office.pem")
        return Certificates(
            ca / "ca.pem",
            folder / "broker.pem",
            folder / "broker.key",
            folder / "office.pem",
            folder / "office-tls.key",
        )

    def answer(self, request: Path, *more: object) -> Ran:
        """The permit for a request, in ``permit.json``."""
        return self.ctl(
            "provision",
            request,
            "--command-key",
            f"office:{ROLES}:{self.folder}/office.key.pub",
            "-o",
            self.folder / "permit.json",
            "--json",
            *more,
        )


def bare_terminal(folder: Path, **changes: Any) -> Terminal:
    """A terminal that knows no broker yet; its camera sees a portrait."""
    folder.mkdir(exist_ok=True)
    camera = {"driver": "replay", "source": PORTRAIT, "rate_hz": 10, "loop": True}
    return Terminal(folder, None, camera=camera, **changes)


def believe_the_clock(config: Path) -> None:
    """A machine that builds things may have no NTP."""
    settings = yaml.safe_load(config.read_text())
    settings["mqtt"]["commands"] |= {"unsynced_clock": "accept", "rate_hz": 100}
    config.write_text(yaml.safe_dump(settings, sort_keys=False))
