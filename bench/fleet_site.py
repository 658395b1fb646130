"""The site that listens to a fleet: what came, how late, and whether it is whole."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.conformance.parties import Site
from tests.conformance.site import holes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.conformance.parties import Heard, Manner

_QOS = 1


@dataclass
class Tally:
    """What was heard since it began."""

    began: float = field(default_factory=lambda: time.time() - 0.001)
    events: int = 0
    duplicates: int = 0
    unordered: int = 0
    live_s: list[float] = field(default_factory=list)
    backlog: int = 0
    others: Counter[str] = field(default_factory=Counter)  # what the terminals said unasked
    again: Counter[str] = field(default_factory=Counter)  # duplicates by stream
    online: dict[str, float] = field(default_factory=dict)  # terminal: when it said so first
    replies: dict[str, float] = field(default_factory=dict)  # terminal: when


class FleetSite(Site):
    """Hears all terminals through four subscriptions, as a site's server would."""

    def __init__(self, host: str, port: int, manner: Manner) -> None:
        super().__init__(port, manner, (), "fleet-site", self._judge, host=host)
        self.seen: dict[str, set[int]] = defaultdict(set)
        self._last: dict[tuple[str, str], int] = defaultdict(int)
        self._lock = threading.Lock()
        self._tally = Tally()

    def tally(self) -> Tally:
        """What came since the last call."""
        with self._lock:
            tally, self._tally = self._tally, Tally()
        return tally

    def peek(self) -> Tally:
        return self._tally

    def missing(self, logs: dict[str, int]) -> dict[str, list[tuple[int, int]]]:
        """What the terminals recorded and nobody heard: ranges by terminal."""
        found = {name: holes(self.seen[name], head) for name, head in logs.items()}
        return {name: ranges for name, ranges in found.items() if ranges}

    def ask(self, names: Iterable[str], command: str, args: dict[str, Any]) -> float:
        """Send a signed command to each at once; when that began."""
        orders = [(name, self.order(command, args, name)) for name in names]
        began = time.time()
        for name, order in orders:
            self.client.publish(self.manner.topics(name).command(command), order, qos=_QOS)
        return began

    def filters(self) -> list[str]:
        return [
            f"edged/hq/+/{below}" for below in ("event/+", "backlog/+", "cmd/+/result", "status")
        ]

    def _judge(self, heard: Heard) -> None:
        now = time.time()
        kind, _, _ = heard.path.partition("/")
        with self._lock:
            if kind in ("event", "backlog"):
                self._event(heard.terminal, kind, heard.content, now)
            elif kind == "cmd":
                self._tally.replies.setdefault(heard.terminal, now)
            elif heard.content["status"] == "online":
                at = datetime.fromisoformat(heard.content["time"]).timestamp()
                if at >= self._tally.began:  # else it is what was retained of an earlier time
                    self._tally.online.setdefault(heard.terminal, at)

    def _event(self, name: str, stream: str, event: dict[str, Any], now: float) -> None:
        tally, seq = self._tally, event["seq"]
        if seq in self.seen[name]:
            tally.duplicates += 1
            tally.again[stream] += 1
            return
        self.seen[name].add(seq)
        tally.events += 1
        tally.unordered += seq < self._last[name, stream]
        self._last[name, stream] = max(seq, self._last[name, stream])
        if "due" not in event["data"]:
            tally.others[event["type"]] += 1
        elif stream == "event":
            tally.live_s.append(now - event["data"]["due"])
        else:
            tally.backlog += 1
