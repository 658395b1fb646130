"""Whole numbers that were seen, as spans without gaps; pure."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Span = tuple[int, int]


class Spans:
    """A set of numbers that has few gaps; both ends of a span are included."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in spans:
            self.add(start, end)

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._ends, number)
        return at < len(self._ends) and self._starts[at] <= number

    def __iter__(self) -> Iterator[Span]:
        return iter(list(zip(self._starts, self._ends, strict=True)))

    def __bool__(self) -> bool:
        return bool(self._starts)

    @property
    def first(self) -> int:
        return self._starts[0]

    @property
    def last(self) -> int:
        return self._ends[-1]

    def add(self, start: int, end: int) -> None:
        """Add the numbers from `start` to `end`."""
        low = bisect_left(self._ends, start - 1)
        high = low
        while high < len(self._starts) and self._starts[high] <= end + 1:
            start = min(start, self._starts[high])
            end = max(end, self._ends[high])
            high += 1
        self._starts[low:high] = [start]
        self._ends[low:high] = [end]

    def holes(self) -> Iterator[Span]:
        """What is missing between the first and the last."""
        for end, start in zip(self._ends, self._starts[1:], strict=False):
            yield end + 1, start - 1
