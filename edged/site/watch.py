"""Events of a site as they come: each once, none lost that can still be had."""

from __future__ import annotations

import hashlib
import json
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edged.errors import BrokerError
from edged.site.capture import Capture
from edged.site.client import SiteClient
from edged.site.heal import MOST_AT_ONCE, Healing
from edged.site.orders import Orders
from edged.site.stream import Hole, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from edged.site.client import Heard
    from edged.site.settings import SiteSettings

_SESSION_S = 7 * 86_400
_WINDOW = 1000
_WAITING = 10_000
_AT_ONCE = 500
_WAIT_S = 0.5
_REPLY_S = 15.0
_REFUSED_S = 600.0
_LATER = frozenset({"too_often", "busy"})


@dataclass(frozen=True, slots=True)
class News:
    """Something that came: an event, or (`event` None) a word about what is wrong.

    Attributes:
        verified: whether the terminal's key signed it; None: no key of it is known.
        problem: whether it speaks against the terminal, the broker, or what is kept.
    """

    terminal: str
    event: dict[str, Any] | None = field(repr=False, default=None)
    verified: bool | None = None
    text: str = ""
    problem: bool = False


class Watch:
    """Listens to terminals; a context.

    With `save` nothing is acknowledged before it is on the disk, and the broker keeps what comes
    while we are away; it has to know us by a name for that, which is made of the file's.

    Args:
        terminals: their names; empty: all of the site.
        keys: by terminal the public keys that sign its events.
        save: where everything goes that was heard (see `Capture`).
        backlog: listen to what comes late, too; always where `save` or `signer` is given.
        signer: our key's id and private key (PEM), to ask for what is missing; None: never.
        heal_after_s: how old a hole is before it is asked for.
        from_seq: the first event that is wanted of a log that is new to us, to be asked for, too;
            None: what comes from now on.
    """

    def __init__(
        self,
        settings: SiteSettings,
        terminals: Sequence[str],
        *,
        keys: Mapping[str, tuple[str, ...]],
        save: Path | None = None,
        backlog: bool = False,
        signer: tuple[str, bytes] | None = None,
        heal_after_s: float = 10.0,
        from_seq: int | None = None,
    ) -> None:
        self._settings = settings
        self._terminals = list(terminals)
        self._backlog = backlog or save is not None or signer is not None
        self._stream = Stream(keys, from_seq)
        self._capture: Capture | None = None
        if save is not None:
            self._capture = Capture(save, self._known, self._stream.restore, self._stream.document)
        self._client = SiteClient(
            settings.broker,
            client_id=_session_name(settings, save),
            session_s=_SESSION_S if save is not None else 0,
            manual=True,
            window=_WINDOW,
        )
        self._inbox: queue.Queue[Heard] = queue.Queue(_WAITING)
        self._closing = threading.Event()
        self._healing = Healing(heal_after_s, time.monotonic)
        self._signer = signer
        self._orders: Orders | None = None
        self._asking: threading.Thread | None = None
        self._answers: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._not_before_s: dict[str, float] = {}
        self._settled = True  # nothing was judged that is not kept

    def __enter__(self) -> Self:
        self._closing.clear()
        if self._capture is not None:
            self._capture.open()
        names = self._terminals or ["+"]
        kinds = ["event/+", "audit", *(["backlog/+"] if self._backlog else [])]
        filters = [f"{self._settings.root}/{name}/{kind}" for name in names for kind in kinds]
        try:
            self._client.expect(filters, self._take)
            self._client.open()
            self._client.hear(filters, self._take)
            if self._signer is not None:
                broker, site = self._settings.broker, self._settings.site
                self._orders = Orders(self._client, broker, site, *self._signer)
        except BrokerError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._client.close()
        if self._asking is not None:
            self._asking.join()
            self._asking = None
        if self._capture is not None:
            self._capture.close(whole=self._settled)

    def news(self, until_s: float | None = None) -> Iterator[News | None]:
        """What comes, until that moment of the monotonic clock; None now and then, in between.

        Raises:
            StorageError: what was heard cannot be saved.
        """
        while until_s is None or time.monotonic() < until_s:
            batch = self._batch(until_s)
            self._settled = False  # a full disk or a signal may end us before it is kept
            found = [(heard, *self._judged(heard)) for heard in batch]
            if self._capture is not None:
                self._capture.add((h.topic, h.payload) for h, keep, _ in found if keep)
            self._settled = True
            for heard, _, _ in found:
                self._client.acknowledge(heard)
            for _, _, told in found:
                if told is not None:
                    yield told
            while not self._answers.empty():
                yield self._answers.get()
            self._heal()
            yield None

    @property
    def holes(self) -> list[Hole]:
        """What is missing at this moment."""
        return self._stream.holes()

    def _take(self, heard: Heard) -> None:
        """On the network's thread: whoever is slow holds the broker back, and loses nothing."""
        while not self._closing.is_set():
            try:
                self._inbox.put(heard, timeout=_WAIT_S)
                return
            except queue.Full:
                continue

    def _batch(self, until_s: float | None) -> list[Heard]:
        left_s = _WAIT_S if until_s is None else min(_WAIT_S, until_s - time.monotonic())
        try:
            batch = [self._inbox.get(timeout=max(0.0, left_s))]
            while len(batch) < _AT_ONCE:
                batch.append(self._inbox.get_nowait())
        except queue.Empty:
            return batch if "batch" in locals() else []
        return batch

    def _judged(self, heard: Heard) -> tuple[bool, News | None]:
        """Whether it is to be kept, and what is to be told."""
        terminal, kind = self._place(heard.topic)
        if not heard.payload or terminal is None:
            return False, None
        try:
            message = json.loads(heard.payload)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            return False, News(terminal, text="a message that is no JSON", problem=True)
        if kind == "audit":
            what = self._stream.take_checkpoint(terminal, message)
            return what == "checkpoint", self._complaint(terminal, what, "a checkpoint")
        what = self._stream.take(terminal, message)
        if kind == "backlog":
            self._healing.came_late(terminal, message.get("seq"))
        if what == "news":
            verified = True if self._stream.verifies(terminal) else None
            return True, News(terminal, message, verified)
        return what == "fork", self._complaint(terminal, what, f"event {message.get('seq')}")

    @staticmethod
    def _complaint(terminal: str, what: str, of: str) -> News | None:
        text = {
            "fork": f"{of} says something else than the one that came before by this number",
            "forged": f"{of} is not signed by the terminal's key: it is not taken",
            "malformed": f"{of} is not of the form that a terminal gives it: it is not taken",
        }.get(what)
        return None if text is None else News(terminal, text=text, problem=True)

    def _place(self, topic: str) -> tuple[str | None, str]:
        name, _, rest = topic.removeprefix(f"{self._settings.root}/").partition("/")
        parsed = self._settings.topics(name).parse(topic)
        known = parsed is not None and parsed.kind in {"event", "backlog", "audit"}
        return (name if known else None), rest.partition("/")[0]

    def _known(self, topic: str, message: dict[str, Any]) -> None:
        """A line of the capture."""
        terminal, kind = self._place(topic)
        if terminal is None:
            return
        if kind == "audit":
            self._stream.take_checkpoint(terminal, message)
        else:
            self._stream.take(terminal, message)

    # what is missing is asked for beside, since a reply comes on the network's thread, too

    def _heal(self) -> None:
        asking = self._asking is not None and self._asking.is_alive()
        if self._orders is None or asking:
            return
        now_s = time.monotonic()
        hole = self._healing.due(
            hole
            for hole in self._stream.holes()
            if self._not_before_s.get(hole.terminal, now_s) <= now_s
        )
        if hole is not None:
            self._asking = threading.Thread(
                target=self._ask, args=(hole,), name="healing", daemon=True
            )
            self._asking.start()

    def _ask(self, hole: Hole) -> None:
        assert self._orders is not None  # noqa: S101  # asked above
        last = min(hole.last, hole.first + MOST_AT_ONCE - 1)
        part = Hole(hole.terminal, hole.log, hole.first, last)
        args = {"from_seq": part.first, "to_seq": part.last}
        try:
            reply = self._orders.send(hole.terminal, "events.replay", args, _REPLY_S)
        except BrokerError:
            return  # offline; the hole is there the next time, too
        one = part.first == part.last
        which = f"event {part.first}" if one else f"events {part.first} to {part.last}"
        if reply.get("reason") in _LATER:
            return
        if reply.get("result") != "ok":
            why = f"{reply.get('reason')}: {reply.get('text')}"
            self._not_before_s[hole.terminal] = time.monotonic() + _REFUSED_S
            self._answers.put(
                News(
                    hole.terminal, text=f"missing and not sent again: {which}: {why}", problem=True
                )
            )
            return
        again = reply.get("data", {}).get("events")
        if again:
            self._answers.put(News(hole.terminal, text=f"missing and sent again: {which}"))
        if self._healing.answered(hole, again or 0):
            self._stream.excuse(part)
            self._answers.put(
                News(
                    hole.terminal,
                    text=f"lost, as the terminal has them no more: {which}",
                    problem=True,
                )
            )


def _session_name(settings: SiteSettings, save: Path | None) -> str:
    if save is None:
        return ""
    text = f"{settings.root} {save.resolve()}".encode()
    return f"edged-watch-{hashlib.sha256(text).hexdigest()[:12]}"
