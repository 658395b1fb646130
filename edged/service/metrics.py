"""Counters and stage times, kept in memory: a few hundred floats, no dependency, no lock on
the hot path (each stage is timed by one thread)."""

from __future__ import annotations

import time
from collections import Counter, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.decision.presentation import Summary

_KEPT = 512


class Metrics:
    """Counts by name, and the last times of each stage."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._hints: Counter[tuple[str, str, str]] = Counter()
        self._times_s: dict[str, deque[float]] = {}

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter."""
        self._counts[name] += by

    def presented(self, summary: Summary) -> None:
        """Count the hints of a presentation that has ended, by what followed."""
        for hint in summary.hints:
            rose = "unknown" if hint.gain is None else "yes" if hint.helped else "no"
            self._hints[hint.instruction.value, rose, summary.ended] += 1

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage of the pipeline."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._times_s.setdefault(name, deque(maxlen=_KEPT)).append(time.perf_counter() - start)

    def counts(self) -> dict[str, int]:
        """All counters."""
        return dict(self._counts)

    def hints(self) -> dict[tuple[str, str, str], int]:
        """How many hints were shown, by instruction, whether the quality rose, and the end."""
        return dict(self._hints)

    def stages_ms(self) -> dict[str, dict[str, float]]:
        """Median and 95th percentile of each stage's last times, milliseconds."""
        result: dict[str, dict[str, float]] = {}
        for name, times in list(self._times_s.items()):
            ordered = sorted(times)
            result[name] = {
                "p50": round(ordered[len(ordered) // 2] * 1e3, 3),
                "p95": round(ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)] * 1e3, 3),
            }
        return result

    def prometheus(self) -> str:
        """Everything in Prometheus' text form."""
        lines = ["# TYPE edged_count counter"]
        lines += [f'edged_count{{what="{name}"}} {n}' for name, n in sorted(self.counts().items())]
        lines.append("# TYPE edged_hint_total counter")
        lines += [
            f'edged_hint_total{{code="{code}",rose="{rose}",ended="{ended}"}} {n}'
            for (code, rose, ended), n in sorted(self.hints().items())
        ]
        lines.append("# TYPE edged_stage_milliseconds gauge")
        lines += [
            f'edged_stage_milliseconds{{stage="{stage}",quantile="{quantile}"}} {value}'
            for stage, row in sorted(self.stages_ms().items())
            for quantile, value in (("0.5", row["p50"]), ("0.95", row["p95"]))
        ]
        return "\n".join(lines) + "\n"
