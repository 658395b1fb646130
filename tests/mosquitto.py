"""A real Mosquitto on a free loopback port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

from tests.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.certificates import Certificates

PROGRAM = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """One broker; `kill` and `start` again keep the port, and what `save` wrote.

    Args:
        namespace: of the network, in which it lives; None: ours.
    """

    def __init__(
        self,
        folder: Path,
        certificates: Certificates | None = None,
        extra: str = "",
        *,
        host: str = "127.0.0.1",
        namespace: str | None = None,
    ) -> None:
        self.host = host
        self.port = free_port()
        self._inside = ["ip", "netns", "exec", namespace] if namespace else []
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        lines = [f"listener {self.port} {host}", "persistence true", "autosave_interval 0"]
        lines.append(f"persistence_location {folder}/")
        if os.geteuid() == 0:
            lines.append("user root")
        if certificates:
            lines += [
                f"cafile {certificates.ca}",
                f"certfile {certificates.server}",
                f"keyfile {certificates.server_key}",
                "require_certificate true",
                "use_identity_as_username true",
            ]
        if "allow_anonymous" not in extra:
            lines.append("allow_anonymous true")
        (folder / "mosquitto.conf").write_text("\n".join([*lines, extra, ""]))

    def start(self) -> None:
        assert PROGRAM
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._inside, PROGRAM, "-c", str(self._folder / "mosquitto.conf")],
                stdout=log,
                stderr=log,
            )
        until(self._answers)

    def save(self) -> None:
        """Write sessions to the disk, so that they outlive `kill`."""
        assert self._process
        saved = self._folder / "mosquitto.db"
        saved.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR1)
        until(saved.exists)

    def freeze(self) -> None:
        """It does nothing any more and its connections stay: a partition."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """An orderly end, after which everything is on the disk."""
        assert self._process
        self._process.terminate()
        self._process.wait(30)
        self._process = None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def kill(self) -> None:
        """kill -9; safe twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, (self._folder / "mosquitto.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0
