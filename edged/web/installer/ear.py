"""A unix socket that only its owner and its group may use."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from edged.errors import InstallerError

if TYPE_CHECKING:
    from pathlib import Path

_MODE = 0o660


class Ear:
    """Listens at `path`; `close` takes the file away again, if it is still the same."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made: tuple[int, ...] | None = None

    def open(self) -> socket.socket:
        """A listening socket; the caller closes it.

        Raises:
            InstallerError: the folder is missing or open to all, the name is taken by something
                else, or another process listens there.
        """
        self._make_room()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(str(self._path))
            # Nobody can connect before it listens, so nobody does with other rights.
            self._path.chmod(_MODE)
            self._made = _mark(self._path)
            listening.listen(16)
        except OSError as fault:
            listening.close()
            self.close()
            raise InstallerError(
                f"web.installer.socket: cannot listen at {self._path}: {fault.strerror or fault}"
            ) from fault
        return listening

    def close(self) -> None:
        """Take the file away; safe twice."""
        made, self._made = self._made, None
        if made is not None:
            with suppress(OSError):
                if _mark(self._path) == made:
                    self._path.unlink()

    def _make_room(self) -> None:
        """What a daemon that was killed left there is taken away, and nothing else."""
        said = f"web.installer.socket: {self._path}"
        try:
            if self._path.parent.stat().st_mode & stat.S_IWOTH:
                raise InstallerError(f"{said}: everybody may write its folder; name another")
            facts = self._path.lstat()
        except FileNotFoundError:
            if not self._path.parent.is_dir():
                raise InstallerError(f"{said}: there is no such folder; make it") from None
            return
        except OSError as fault:
            raise InstallerError(f"{said}: {fault.strerror}") from fault
        if not stat.S_ISSOCK(facts.st_mode):
            raise InstallerError(f"{said} exists and is no socket; it is left as it is")
        if facts.st_uid != os.geteuid():
            raise InstallerError(f"{said} belongs to somebody else; it is left as it is")
        if self._answers():
            raise InstallerError(f"{said}: another process listens there")
        with suppress(FileNotFoundError):
            self._path.unlink()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(str(self._path))
            except ConnectionRefusedError:
                return False
            except OSError:
                return True  # full, slow, or not ours to judge
            return True


def _mark(path: Path) -> tuple[int, ...]:
    """Tells this file from another that came by its name, and its inode, later."""
    facts = path.lstat()
    return facts.st_dev, facts.st_ino, facts.st_mode, facts.st_ctime_ns
