"""What the site may ask to look after a terminal: ``diagnostics``, ``events.replay``."""

from __future__ import annotations

import json
import platform
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edged import __version__
from edged.mqtt.catalogue import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.mqtt.catalogue import Context, Handler, NoArgs, ReplayEvents

MOST_REPLAYED = 100_000
LARGEST = 32_000
_AT_ONCE = 10_000  # between two of these others may append
_LONGEST_TEXT = 300
_MOST_ENTRIES = 64

Facts = dict[str, Any]


class Head(Protocol):
    """The last event of the log."""

    @property
    def log(self) -> str: ...

    @property
    def seq(self) -> int: ...


class Log(Protocol):
    """What is needed of the outbox."""

    @property
    def head(self) -> Head: ...

    @property
    def depth(self) -> int: ...

    def again(self, from_seq: int, to_seq: int) -> int: ...

    def wake(self) -> None: ...


class Upkeep:
    """Called by `edged.mqtt.commands`, in its thread.

    Args:
        disks: where the terminal writes, by what it is.
        parts: more facts, by name; each is asked anew every time and must name nobody.
    """

    def __init__(
        self, log: Log, disks: dict[str, Path], parts: dict[str, Callable[[], Any]]
    ) -> None:
        self._log = log
        self._disks = disks
        self._parts = parts
        self._began_s = time.monotonic()

    def handlers(self) -> dict[str, Handler]:
        """By the command's name."""
        return {"diagnostics": self._diagnose, "events.replay": self._replay}

    def _diagnose(self, _args: NoArgs, _context: Context) -> Reply:
        return Reply(data=self.document())

    def document(self) -> Facts:
        """How the terminal is; of people only how many they are."""
        head = self._log.head
        facts: Facts = {
            "software": __version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "uptime_s": round(time.monotonic() - self._began_s),
            "memory": memory(),
            "disk": {name: free(path) for name, path in self._disks.items()},
            "events": {"log": head.log, "head": head.seq, "waiting": self._log.depth},
        }
        facts.update((name, ask()) for name, ask in self._parts.items())
        return bounded(cut(facts))

    def _replay(self, args: ReplayEvents, _context: Context) -> Reply:
        head = self._log.head.seq
        last = head if args.to_seq is None else min(args.to_seq, head)
        if args.to_seq is not None and args.to_seq < args.from_seq:
            return Reply("refused", "bad_args", "to_seq is before from_seq")
        if last - args.from_seq + 1 > MOST_REPLAYED:
            text = f"at most {MOST_REPLAYED:,} events at a time; ask for the rest afterwards"
            return Reply("refused", "too_many", text, {"head": head, "most": MOST_REPLAYED})
        number = sum(
            self._log.again(start, min(start + _AT_ONCE - 1, last))
            for start in range(args.from_seq, last + 1, _AT_ONCE)
        )
        self._log.wake()
        data = {"events": number, "from_seq": args.from_seq, "to_seq": last, "head": head}
        return Reply(text=f"{number} events are sent again", data=data)


def memory() -> dict[str, float]:
    """Of this process, MB: now, and at most since it began."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        now = pages * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        now = peak
    return {"rss_mb": round(now / 1e6, 1), "peak_mb": round(peak / 1e6, 1)}


def free(path: Path) -> int | None:
    """Room on the disk of a file or folder, that exists or will, MB; None where nobody knows."""
    for place in (path, *path.parents):
        try:
            return shutil.disk_usage(place).free // 1_000_000
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def bounded(facts: Facts) -> Facts:
    """The same in at most `LARGEST` bytes: the largest are left out, and named."""
    sizes = {name: len(json.dumps(value)) + len(name) + 6 for name, value in facts.items()}
    left_out: list[str] = []
    while sizes and sum(sizes.values()) > LARGEST - 1000:
        left_out.append(max(sizes, key=lambda name: sizes[name]))
        del sizes[left_out[-1]]
    kept = {name: value for name, value in facts.items() if name in sizes}
    return {**kept, "left_out": left_out} if left_out else kept


def cut(value: Any) -> Any:
    """The same, with no text and no collection so long that a reply would not be small."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else value[: _LONGEST_TEXT - 1] + "…"
    if isinstance(value, dict):
        return {str(k)[:64]: cut(v) for k, v in list(value.items())[:_MOST_ENTRIES]}
    if isinstance(value, list | tuple):
        return [cut(item) for item in value[:_MOST_ENTRIES]]
    return value
