"""How far the long work is: one line on a terminal, nothing anywhere else."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")
_EVERY_S = 0.2


def progress(items: Sequence[T], what: str) -> Iterator[T]:
    """The items one by one, told on stderr where that is a terminal."""
    stream = sys.stderr
    told = stream is not None and stream.isatty()
    started = last = time.monotonic()
    for number, item in enumerate(items):
        now = time.monotonic()
        if told and now - last >= _EVERY_S:
            left = (now - started) / number * (len(items) - number)
            line = f"{what}: {number} of {len(items)}, about {left:.0f} s to go"
            stream.write(f"\r\033[K{line}")
            stream.flush()
            last = now
        yield item
    if told:
        stream.write("\r\033[K")
        stream.flush()
