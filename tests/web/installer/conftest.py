"""A real installer's page below a real screen, and somebody who knows the password."""

from __future__ import annotations

import hashlib
import re
import socket
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np
import pytest

from edged.config.schema import Installer, Vision, Web
from edged.types import Frame, Measures
from edged.web.installer import password
from edged.web.installer.room import InstallerPage
from edged.web.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PASSWORD = "correct horse"
MEASURES = Measures(150, 0.3, 0.05, 120, 110, 0.0, 0.3)


def frame(seq: int, t_s: float | None = None) -> Frame:
    image = np.random.default_rng(seq).integers(0, 255, (480, 640, 3), np.uint8)
    return Frame(image, seq / 15 if t_s is None else t_s, seq)


@dataclass
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


@dataclass
class Client:
    """A browser without a screen: it keeps its cookie and says where its forms come from."""

    port: int = 0
    path: Path | None = None
    cookie: str | None = None
    opened: list[HTTPConnection] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, method: str, where: str, body: str | None = None, **headers: str) -> Answer:
        response = self.open(method, where, body, **headers)
        answer = Answer(response.status, response.headers, response.read())
        self.opened.pop().close()
        if (found := answer.headers["Set-Cookie"]) is not None:
            self.cookie = found.partition(";")[0]
        return answer

    def open(self, method: str, where: str, body: str | None = None, **headers: str) -> Any:
        connection = (
            UnixConnection(self.path)
            if self.path
            else HTTPConnection("127.0.0.1", self.port, timeout=20)
        )
        self.opened.append(connection)
        sent = {"Host": self.host} | ({"Cookie": self.cookie} if self.cookie else {})
        if method == "POST":
            sent["Origin"] = f"http://{self.host}"
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in sent.items() if value != "-"}
        connection.request(method, f"/installer/{where}", body, sent)
        return connection.getresponse()

    def token(self) -> str:
        found = re.search(r'name="token" value="([^"]+)"', self.ask("GET", "").text)
        assert found
        return found[1]

    def login(self, password: str = PASSWORD, **headers: str) -> Answer:
        form = urlencode({"token": self.token(), "password": password})
        return self.ask("POST", "login", form, **headers)

    def logout(self) -> Answer:
        return self.ask("POST", "logout", urlencode({"token": self.token()}))

    def inside(self) -> bool:
        return self.ask("GET", "stay").status == 200

    def close(self) -> None:
        for connection in self.opened:
            connection.close()


@dataclass
class Clock:
    """Time as the test wants it."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(scope="session")
def stored() -> password.Password:
    """The cheapest that is accepted."""
    salt = b"0123456789abcdef"
    digest = hashlib.scrypt(PASSWORD.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)
    return password.Password(2**14, 8, 1, salt, digest)


@pytest.fixture
def password_file(tmp_path: Path, stored: password.Password) -> Path:
    path = tmp_path / "installer.password"
    password.write(path, stored)
    return path


@pytest.fixture
def clock() -> Clock:
    """What the page goes by."""
    return Clock()


@pytest.fixture
def make_page(
    port: int, password_file: Path, clock: Clock
) -> Iterator[Callable[..., InstallerPage]]:
    """Make a page below a screen on `port`, or on a socket."""
    opened: list[Any] = []

    def make(socket_path: Path | None = None, **settings: bool) -> InstallerPage:
        where = {"socket": socket_path} if socket_path else {"password_file": password_file}
        installer = Installer(**where, **settings)
        page = InstallerPage(
            installer, Vision(), terminal="front-door", floor=0.6, wanted_hz=15.0, now=clock
        )
        page.open()
        opened.append(page)
        if page.app is not None:
            screen = Screen(Web(port=port), dict, installer=page.app)
            opened.append(screen)
            screen.open()
        return page

    yield make
    for part in reversed(opened):
        part.close()


@pytest.fixture
def page(make_page: Callable[..., InstallerPage]) -> InstallerPage:
    return make_page()


@pytest.fixture
def client(page: InstallerPage, port: int) -> Iterator[Client]:
    client = Client(port)
    yield client
    client.close()
