"""An archive that comes in pieces: kept below the store until it is whole.

::

    <store>/.incoming/<sha256>.part      the bytes, each at its place
    <store>/.incoming/<sha256>.json      which of them are there

One archive at a time. A lost power supply may leave bytes that were said to be there and are not:
the archive's digest is what counts, and it is looked at before anything is unpacked.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.bundle.store import writing
from edged.errors import BundleError, DiskFull

if TYPE_CHECKING:
    from pathlib import Path

_SPARE_BYTES = 64 << 20
_MOST_SPANS = 256
_SHOWN = 16
_AT_ONCE = 1 << 20

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Part:
    """An archive on its way: which bytes are there, as spans in order, ends excluded."""

    sha256: str
    size: int
    spans: tuple[Span, ...] = ()

    @property
    def received(self) -> int:
        return sum(end - start for start, end in self.spans)

    @property
    def complete(self) -> bool:
        return self.spans == ((0, self.size),)

    def missing(self) -> list[Span]:
        """The first of what is not there yet."""
        edges = [0, *(edge for span in self.spans for edge in span), self.size]
        gaps = zip(edges[::2], edges[1::2], strict=True)
        return [(start, end) for start, end in gaps if start < end][:_SHOWN]

    def document(self) -> dict[str, object]:
        """For a reply."""
        return {
            "sha256": self.sha256,
            "size": self.size,
            "received": self.received,
            "complete": self.complete,
            "missing": [list(span) for span in self.missing()],
        }


def joined(spans: tuple[Span, ...], new: Span) -> tuple[Span, ...]:
    """Spans in order with one more, those that touch made one."""
    start, end = new
    apart: list[Span] = []
    for span in spans:
        if span[1] < start or span[0] > end:
            apart.append(span)
        else:
            start, end = min(start, span[0]), max(end, span[1])
    return tuple(sorted([*apart, (start, end)]))


class Incoming:
    """The place where an archive comes together. For one thread at a time.

    Args:
        folder: is made when the first piece comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._part: Part | None = None
        self._read = False

    def part(self) -> Part | None:
        """What is on its way, also from before a restart."""
        if not self._read:
            self._part, self._read = self._found(), True
        return self._part

    def archive(self, part: Part) -> Path:
        """Where its bytes are."""
        return self.folder / f"{part.sha256}.part"

    def begin(self, sha256: str, size: int) -> Part:
        """An archive, in the place of whatever was there.

        Raises:
            DiskFull: there is no room for it and what is to be unpacked of it.
            StorageError: the folder cannot be written.
        """
        with writing(self.folder):
            self.clear()
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            free, need = shutil.disk_usage(self.folder).free, 2 * size + _SPARE_BYTES
            if free < need:
                raise DiskFull(
                    f"the archive needs {need // 1_000_000} MB and {free // 1_000_000} MB are "
                    "free; make room first"
                )
            part = Part(sha256, size)
            with self.archive(part).open("xb") as file:
                os.fchmod(file.fileno(), 0o600)
        self._part = part
        return part

    def add(self, part: Part, offset: int, data: bytes) -> Part:
        """Put a piece in its place.

        Raises:
            BundleError: it lies outside, or so many pieces lie apart that nobody keeps count.
            DiskFull, StorageError: it cannot be written.
        """
        end = offset + len(data)
        if end > part.size:
            raise BundleError(f"the piece ends at {end}, the archive at {part.size}")
        spans = joined(part.spans, (offset, end))
        if len(spans) > _MOST_SPANS:
            raise BundleError(f"more than {_MOST_SPANS} pieces lie apart; send them in order")
        with writing(self.folder):
            number = os.open(self.archive(part), os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                left, at = memoryview(data), offset
                while left:
                    written = os.pwrite(number, left, at)
                    left, at = left[written:], at + written
            finally:
                os.close(number)
            part = Part(part.sha256, part.size, spans)
            self._note(part)
        self._part = part
        return part

    def is_whole(self, part: Part) -> bool:
        """Whether the bytes are those that were announced; reads all of them."""
        digest = hashlib.sha256()
        with writing(self.folder), self.archive(part).open("rb") as file:
            while block := file.read(_AT_ONCE):
                digest.update(block)
        return digest.hexdigest() == part.sha256

    def clear(self) -> None:
        """Nothing is on its way any more; safe at any time."""
        self._part, self._read = None, True
        shutil.rmtree(self.folder, ignore_errors=True)

    def _note(self, part: Part) -> None:
        draft, path = self.folder / "draft", self.folder / f"{part.sha256}.json"
        draft.write_text(json.dumps({"size": part.size, "spans": part.spans}), encoding="ascii")
        draft.replace(path)

    def _found(self) -> Part | None:
        """What a daemon before this one left behind; what is not to be read is begun anew."""
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            for path in self.folder.glob("*.json"):
                if path.stat().st_size > _AT_ONCE:
                    continue
                note = json.loads(path.read_text(encoding="ascii"))
                spans = tuple((int(start), int(end)) for start, end in note["spans"])
                part = Part(path.stem, int(note["size"]), spans)
                edges = [0, *(edge for span in spans for edge in span), part.size]
                if edges == sorted(edges) and self.archive(part).is_file():
                    return part
        return None
