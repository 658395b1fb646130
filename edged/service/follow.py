"""Follows the site's log on a thread of its own: neither the camera's nor the network's waits."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from edged.errors import StorageError
from edged.mqtt.auth import LARGEST_COMMAND, Keyring, Refusal
from edged.sync.follower import Follower
from edged.sync.offers import Offers
from edged.sync.wire import LARGEST_MESSAGE
from edged.vault.identity import sealing_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edged.config.schema import Mqtt
    from edged.gallery.profile import Erased
    from edged.gallery.store import Gallery
    from edged.service.state import State
    from edged.vault.identity import Identity

log = logging.getLogger(__name__)

ROLE = "enroller"
_HEADS = 16
_WAITING = 4  # messages of the site; one is asked for at a time
_LONGEST_WAIT_S = 60.0
_END_S = 5.0


class Follow:
    """The terminal's side of the site's log, as the link feeds it. Any thread may call.

    Args:
        settings: ``mqtt``, with ``sync``.
        audience: ``<site>/<terminal>``.
        send: publishes on ``sync/<kind>``.
        on_erased: told, in this thread, whom the site had erased.
        settle_s: see `Follower`.
        on_idle: called in this thread while nothing waits, again and again as long as it says
            that there is more to do.
        keyring: whose signatures count; None: those of the configuration.

    Raises:
        BrokerError: a key of ``mqtt.commands.keys`` is unusable.
        KeyUnavailable: ``mqtt.sync.site_key`` is unusable.
    """

    def __init__(
        self,
        settings: Mqtt,
        audience: str,
        gallery: Gallery,
        identity: Identity,
        state: State,
        send: Callable[[str, bytes], bool],
        on_erased: Callable[[list[Erased]], None] = lambda _: None,
        settle_s: float = 2.0,
        on_idle: Callable[[], bool] = lambda: False,
        keyring: Keyring | None = None,
    ) -> None:
        sync, offers = settings.sync, None
        if sync is not None and sync.share_enrolments and sync.site_key is not None:
            offers = Offers(gallery, identity, audience, sealing_key(sync.site_key))
        self._shares = offers is not None
        self._state = state
        self._follower = Follower(
            gallery,
            identity,
            audience,
            _verifier(keyring or Keyring(settings.commands)),
            send,
            offers=offers,
            on_erased=on_erased,
            settle_s=settle_s,
        )
        self._inbox: deque[tuple[str, Any]] = deque()
        self._news = threading.Condition()
        self._ended = False
        self._thread: threading.Thread | None = None
        self._told: dict[str, Any] = {}
        self._on_idle = on_idle
        self._more = True  # for on_idle

    def open(self) -> None:
        """Start to follow; nothing is asked before there is a connection."""
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="site-log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish the piece at hand; safe twice and without `open`."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with self._news:
            self._ended = True
            self._news.notify()
        thread.join(_END_S)
        if thread.is_alive():
            log.error("the site's log is still being written")

    @property
    def facts(self) -> dict[str, Any]:
        """For ``state.gallery``."""
        return self._told

    def connected(self) -> None:
        """From the link's thread."""
        self._put("connected", None)

    def disconnected(self) -> None:
        """From the link's thread."""
        self._put("disconnected", None)

    def heard(self, kind: str, message: bytes) -> None:
        """From the network's thread; more than was asked for is let fall and asked for again."""
        if len(message) > (LARGEST_COMMAND if kind == "head" else LARGEST_MESSAGE):
            return
        with self._news:
            if kind == "head":  # the newest says most, but anybody's garbage may be newer
                heads = [one for one in self._inbox if one[0] == "head"]
                if len(heads) >= _HEADS:
                    self._inbox.remove(heads[0])
            elif sum(one[0] in {"batch", "chunk"} for one in self._inbox) >= _WAITING:
                return
            self._inbox.append((kind, message))
            self._news.notify()

    def recorded(self, event: str, data: Mapping[str, Any]) -> None:
        """An event of the terminal's, from any thread: somebody may have been enrolled."""
        if self._shares and event == "enrol.completed":
            self._put("enrolled", data["person_id"])

    def _put(self, what: str, value: str | None) -> None:
        with self._news:
            self._inbox.append((what, value))
            self._news.notify()

    def _run(self) -> None:
        opened = False
        while (item := self._next(opened)) is not None:
            try:
                if not opened:
                    self._follower.open()
                    opened = True
                self._handle(*item)
                self._follower.tick(time.monotonic())
                self._more = (self._more or item[0] != "tick") and self._idle()
            except StorageError as fault:
                if self._state.degrade("sync", str(fault)):
                    log.error("the site's log cannot be followed: %s", fault)
                if not opened and item[0] != "tick":
                    with self._news:
                        self._inbox.appendleft(item)
                self._pause()
            except Exception:
                log.exception("the site's log cannot be followed, in a way that nobody foresaw")
                self._state.degrade("sync", "internal failure, see the log")
                self._pause()
            before, self._told = self._told, {"site": self._follower.status}
            if _place(before) != _place(self._told) and self._state.restore("sync"):
                log.warning("the site's log is followed again")

    def _idle(self) -> bool:
        """Use a pause; whether there is more to do in the next one."""
        return bool(self._inbox) or self._on_idle()

    def _handle(self, what: str, value: Any) -> None:
        now_s = time.monotonic()
        if what == "connected":
            self._follower.connected(now_s)
        elif what == "disconnected":
            self._follower.disconnected()
        elif what == "enrolled":
            self._follower.enrolled(value)
        elif what != "tick":
            self._follower.take(what, value, now_s)

    def _next(self, opened: bool) -> tuple[str, Any] | None:
        """What to do next; None: end."""
        with self._news:
            while not self._ended:
                if self._inbox:
                    return self._inbox.popleft()
                busy = not opened or self._more
                wait_s = 0.0 if busy else self._follower.due_s() - time.monotonic()
                if wait_s <= 0:
                    return "tick", None
                self._news.wait(min(wait_s, _LONGEST_WAIT_S))
            return None

    def _pause(self) -> None:
        """A disk that refuses is not asked without end."""
        with self._news:
            if not self._ended:
                self._news.wait_for(lambda: self._ended, 1.0)


def _place(told: dict[str, Any]) -> tuple[Any, ...]:
    """Where in the site's log the gallery is."""
    site = told.get("site", {})
    return site.get("epoch"), site.get("revision"), site.get("snapshot")


def _verifier(keyring: Keyring) -> Callable[[bytes], Mapping[str, Any] | str]:
    """What a signed line says, if a key with the right role signed it; else why not."""

    def verify(line: bytes) -> Mapping[str, Any] | str:
        found = keyring.verified(line, ROLE)
        return found.text if isinstance(found, Refusal) else found

    return verify
