"""No room for events while there is no broker either: what was promised arrives all the same."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from edged.errors import StorageError
from tests.conformance.judge import judge
from tests.conformance.parties import Manner, Site, Terminal
from tests.conformance.proxy import Proxy
from tests.mosquitto import free_port
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.mosquitto import Mosquitto


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """5 MB, of which 2 MB are taken by ``ballast``."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here (root)")
    (folder / "ballast").write_bytes(bytes(2_000_000))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_what_was_recorded_around_a_full_disk_arrives(disk: Path, mosquitto: Mosquitto) -> None:
    manner, promised = Manner("5"), {}
    with (
        Proxy(free_port()) as network,
        Site(mosquitto.port, manner) as site,
        Terminal(disk, network.port, manner) as terminal,
    ):

        def record(size: int) -> bool:
            data = {"pad": os.urandom(size // 2).hex()}  # nothing that could be made smaller
            try:
                event = terminal.outbox.append("access.granted", data)
            except StorageError:
                return False
            promised[event.seq] = event.id
            return True

        assert sum(record(4000) for _ in range(2000)) < 2000, "the disk is not full"
        for size in (20_000, 2000, 200, 60_000, 20):  # whatever still fits
            record(size)
        (disk / "ballast").unlink()
        assert all(record(100) for _ in range(50))
        network.target = mosquitto.port
        terminal.delivered(60)
        until(lambda: promised.keys() <= site.seqs["door-1"])
        came = judge(site.heard, terminal.identity.signing_public)
    assert promised.items() <= {seq: event["id"] for seq, event in came.items()}.items()
