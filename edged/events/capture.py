"""Lines of an export, or of a stream as ``mosquitto_sub -v`` prints it, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from edged.events.canon import loads

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["event", "checkpoint", "key"]

LONGEST_LINE = 1 << 20  # an event has at most 64 KiB, each byte of it six characters
_EVENTS = ("event", "backlog")
_NOTHING = (b"", b"(null)")  # what takes a retained message away, and how it is printed


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that matters to the chain.

    Attributes:
        line: where it stands, from 1.
        source: the terminal's topic, ``<prefix>/<site>/<terminal>``; "" in an export.
        message: an event, a checkpoint, or ``{"public_key": PEM}``.
    """

    line: int
    kind: Kind
    source: str
    message: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is none of ours, and why."""

    line: int
    why: str


def read_lines(file: BinaryIO) -> Iterator[Heard | Unreadable]:
    """What a file says of the chain; other messages of a terminal are passed over.

    However long a line is, 1 MiB of it is held in memory at most.
    """
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if not line.endswith(b"\n") and len(line) == LONGEST_LINE:
            _skip(file)
            yield Unreadable(number, "longer than 1 MiB, which no message is")
            continue
        if not line.strip():
            continue
        try:
            found = _read(line.strip())
        except ValueError as fault:
            cut = "" if line.endswith(b"\n") else "cut off, or "
            yield Unreadable(number, f"{cut}no message: {_short(str(fault))}")
            continue
        if found is not None:
            kind, source, message = found
            yield Heard(number, kind, source, message)


def _read(line: bytes) -> tuple[Kind, str, dict[str, Any]] | None:
    if line.startswith(b"{"):
        message = _object(line)
        return ("event" if "prev" in message else "checkpoint"), "", message
    topic, _, text = line.partition(b" ")
    parts = topic.decode("utf-8").split("/")
    if len(parts) < 2:
        raise ValueError("neither a JSON object nor a topic and one")
    for at in range(len(parts) - 2, 0, -1):
        if parts[at] in _EVENTS:
            return "event", "/".join(parts[:at]), _object(text)
    if parts[-1] not in ("audit", "state") or text.strip() in _NOTHING:
        return None
    source, message = "/".join(parts[:-1]), _object(text)
    if parts[-1] == "audit":
        return "checkpoint", source, message
    key = _named_key(message)
    return None if key is None else ("key", source, {"public_key": key})


def _object(text: bytes) -> dict[str, Any]:
    message = loads(text)
    if not isinstance(message, dict):
        raise ValueError("no JSON object")
    return message


def _named_key(state: dict[str, Any]) -> str | None:
    found: Any = state
    for name in ("identity", "signing", "public_key"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else None


def _skip(file: BinaryIO) -> None:
    while (more := file.readline(LONGEST_LINE)) and not more.endswith(b"\n"):
        pass


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"
