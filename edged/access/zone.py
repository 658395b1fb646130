"""The terminal's time zone: the configuration's, or the machine's as it is now."""

from __future__ import annotations

import logging
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from edged.config.schema import Config

log = logging.getLogger(__name__)

# What zoneinfo raises on what is no zone.
_NO_ZONE = (ArithmeticError, LookupError, ValueError, struct.error)
_LOCALTIME = Path("/etc/localtime")
_Seen = tuple[str | None, int, int, int]


def source_of(config: Config) -> Callable[[], tzinfo]:
    """Gives the zone that counts, whenever it is asked; cheap."""
    if config.time_zone is None:
        return MachineZone()
    zone = ZoneInfo(config.time_zone)
    return lambda: zone


def zone_of(config: Config) -> tzinfo:
    """The zone that counts now."""
    return source_of(config)()


class MachineZone:
    """The machine's zone, looked up again when it was changed: ``TZ``, else ``/etc/localtime``.

    Where neither names a zone it is UTC, as the C library has it.

    Attributes:
        fault: why it is UTC; None where a zone was found.
    """

    def __init__(self, localtime: Path = _LOCALTIME) -> None:
        self.fault: str | None = None
        self._localtime = localtime
        self._known: tuple[_Seen, tzinfo] | None = None

    def __call__(self) -> tzinfo:
        """The zone: the same object for as long as nobody changes it."""
        seen, known = self._look(), self._known
        if known is None or known[0] != seen:
            zone, self.fault = self._read(seen[0])
            if self.fault is not None:
                log.warning("the machine's time zone is taken for UTC: %s", self.fault)
            self._known = known = seen, zone
        return known[1]

    def _look(self) -> _Seen:
        name = os.environ.get("TZ") or None
        if name is not None:
            return name, 0, 0, 0
        try:
            found = self._localtime.stat()
        except OSError:
            return None, 0, 0, 0
        return None, found.st_dev, found.st_ino, found.st_mtime_ns

    def _read(self, name: str | None) -> tuple[tzinfo, str | None]:
        where = "TZ" if name else str(self._localtime)
        try:
            if name is not None and not name.lstrip(":").startswith("/"):
                return ZoneInfo(name.lstrip(":")), None
            path = self._localtime if name is None else Path(name.lstrip(":"))
            with path.open("rb") as file:
                return ZoneInfo.from_file(file, str(path)), None
        except (OSError, *_NO_ZONE):
            return ZoneInfo("UTC"), f"{where} names no time zone; give time_zone"
