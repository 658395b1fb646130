"""What a process takes, from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """`cpu_s` since the process began; `memory_mb` is its proportional share (PSS)."""

    cpu_s: float
    memory_mb: float
    threads: int


def usage(pid: int | None = None) -> Usage:
    """Of a process; this one by default."""
    place = Path("/proc", str(pid or "self"))
    fields = (place / "stat").read_text().rpartition(") ")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) * _TICK_S
    rolled = dict(
        line.split(":", 1) for line in (place / "smaps_rollup").read_text().splitlines()[1:]
    )
    memory_mb = int(rolled["Pss"].split()[0]) / 1024
    return Usage(cpu_s, memory_mb, int(fields[17]))
