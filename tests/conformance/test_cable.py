"""A cable that is pulled and plugged in again: no proxy, but a network of its own (root only)."""

from __future__ import annotations

import os
import subprocess
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.conformance.judge import judge
from tests.conformance.parties import Manner, Site, Terminal
from tests.mosquitto import PROGRAM, Mosquitto
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OURS, THEIRS = "198.18.53.1", "198.18.53.2"  # RFC 2544: for tests of networks


def ip(*words: str) -> bool:
    return subprocess.run(["ip", *words], check=False, capture_output=True).returncode == 0


@dataclass(frozen=True)
class Cable:
    """From here to a namespace where the other end has an address."""

    namespace: str
    end: str

    def pull(self) -> None:
        assert ip("link", "set", self.end, "down")

    def plug(self) -> None:
        assert ip("link", "set", self.end, "up")


@pytest.fixture
def cable() -> Iterator[Cable]:
    name = uuid.uuid4().hex[:8]
    made = Cable(f"edged-{name}", f"e{name}a")
    far = f"e{name}b"
    laid = (
        os.geteuid() == 0
        and PROGRAM is not None
        and ip("netns", "add", made.namespace)
        and ip("link", "add", made.end, "type", "veth", "peer", "name", far)
        and ip("link", "set", far, "netns", made.namespace)
        and ip("addr", "add", f"{OURS}/30", "dev", made.end)
        and ip("link", "set", made.end, "up")
        and ip("-n", made.namespace, "addr", "add", f"{THEIRS}/30", "dev", far)
        and ip("-n", made.namespace, "link", "set", far, "up")
    )
    try:
        if not laid:
            pytest.skip("no network namespace can be made here (root, iproute2)")
        yield made
    finally:
        ip("link", "del", made.end)
        ip("netns", "del", made.namespace)


def test_a_pulled_cable_loses_nothing(cable: Cable, tmp_path: Path) -> None:
    manner = Manner("5")
    broker = Mosquitto(tmp_path, host=THEIRS, namespace=cable.namespace)
    broker.start()
    try:
        with (
            Site(broker.port, manner, host=THEIRS) as site,
            Terminal(tmp_path, broker.port, manner, host=THEIRS, keepalive_s=5) as terminal,
        ):
            terminal.online()
            terminal.happen(0, 50)
            until(site.numbers)
            cable.pull()
            terminal.happen(50, 50)
            until(lambda: not terminal.link.status().connected, 40)
            terminal.happen(100, 50)
            cable.plug()
            terminal.delivered(60)
            until(lambda: len(site.numbers()) == 150, 60)
            judge(site.heard, terminal.identity.signing_public)
    finally:
        broker.kill()
