"""What the site's other terminals say of who is where: heard, verified, each event taken once.

The link's own session at the broker begins anew with every connection, since an old command must
never open a door. An old passage is as good as a new one: so there is a second connection, for
which the broker keeps what comes while we are away.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edged.errors import BrokerError, KeyUnavailable
from edged.events.evidence import Signatures, read_event
from edged.mqtt.topics import Topics
from edged.service.areas_words import SHARED
from edged.site.client import SiteClient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edged.config.access import Peer
    from edged.config.schema import Mqtt
    from edged.site.client import Heard

log = logging.getLogger(__name__)

SESSION_S = 7 * 86_400
"""How long the broker keeps for us what other terminals say."""

_GRACE_S = 5.0  # a link that is back by then was never away
_QUIET_S = 600.0  # without another forgery, all is well again
_REMEMBERED = 10_000
_LARGEST = 128 * 1024
_LONGEST_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Said:
    """An event of another terminal, as it signed it.

    Attributes:
        done: to be called once it can be forgotten; until then it comes again.
    """

    terminal: str
    kind: str
    time: str
    data: Mapping[str, Any]
    done: Callable[[], None]


@dataclass(slots=True)
class _Peer:
    topics: Topics
    signatures: Signatures
    online: bool = False
    ever: bool = False


class Peers:
    """All of them. Any thread may ask.

    Args:
        here: this terminal's topics.
        take: told of every event that is authentic and new; on the network's thread, must return
            at once.
        news: told that somebody is heard, or not any more, or was refused; likewise.
        kinds: the events that are listened to.

    Attributes:
        refused: how many messages were not taken, by why.
        problem: what was refused last, for people; None: nothing for some time.
    """

    def __init__(
        self,
        settings: Mqtt,
        here: Topics,
        peers: tuple[Peer, ...],
        take: Callable[[Said], None],
        news: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
        kinds: tuple[str, ...] = SHARED,
    ) -> None:
        self._kinds = kinds
        self._take = take
        self._news = news
        self._monotonic = monotonic
        self._peers = {
            peer.terminal: _Peer(
                Topics(here.prefix, here.site, peer.terminal, here.dash),
                _signatures(peer),
            )
            for peer in peers
        }
        base = settings.client_id or f"edged-{here.site}-{here.terminal}"
        plain = settings.model_copy(update={"client_id": None})
        self._client = SiteClient(
            plain, client_id=f"{base}-peers", session_s=SESSION_S, manual=True
        )
        self._known: OrderedDict[tuple[str, str, int], None] = OrderedDict()
        self._away_s: float | None = None  # since when the link is
        self._gone_s: dict[str, float] = {}  # since when each terminal is
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._refused_s = float("-inf")
        self.refused: Counter[str] = Counter()
        self.problem: str | None = None

    def open(self) -> None:
        """Start to listen, in the background."""
        for name, peer in self._peers.items():
            for kind in self._kinds:
                filters = [peer.topics.event(kind), peer.topics.event(kind, historical=True)]
                self._client.expect(filters, self._event_of(name, kind))
            self._client.expect([peer.topics.status], self._status_of(name))
        self._thread = threading.Thread(target=self._run, name="peers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Safe twice and without `open`; what is not done by now comes again."""
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        self._client.close()

    def heard(self) -> dict[str, bool]:
        """By terminal, whether it is."""
        now_s = self._monotonic()
        connected = self._client.connected
        if connected:
            self._away_s = None
        elif self._away_s is None:
            self._away_s = now_s
        away = self._away_s is not None and now_s - self._away_s > _GRACE_S
        return {name: self._hears(name, now_s) and not away for name in self._peers}

    def tick(self) -> None:
        """What changes without anybody telling."""
        if self.problem is not None and self._monotonic() - self._refused_s > _QUIET_S:
            self.problem = None

    def _hears(self, name: str, now_s: float) -> bool:
        peer = self._peers[name]
        gone_s = self._gone_s.get(name)
        return peer.online or (gone_s is not None and peer.ever and now_s - gone_s <= _GRACE_S)

    def _run(self) -> None:
        """Until the first connection; the client holds on to it from then on by itself."""
        wait_s, told = 0.5, ""
        while not self._stop.is_set():
            try:
                self._client.open()
                return
            except BrokerError as fault:
                if str(fault) != told:
                    log.warning("other terminals are not heard: %s; trying again", fault)
                told = str(fault)
            except Exception:
                log.exception("other terminals are not heard, for a reason that nobody foresaw")
            self._stop.wait(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _status_of(self, name: str) -> Callable[[Heard], None]:
        def take(heard: Heard) -> None:
            try:
                said = json.loads(heard.payload or b"{}")
                online = isinstance(said, dict) and said.get("status") == "online"
            except (ValueError, RecursionError):
                online = False
            self._is_online(name, online)
            self._client.acknowledge(heard)

        return take

    def _is_online(self, name: str, online: bool) -> None:
        peer = self._peers[name]
        if peer.online and not online:
            self._gone_s[name] = self._monotonic()
        peer.online = online
        peer.ever = peer.ever or online
        self._news()

    def _event_of(self, name: str, kind: str) -> Callable[[Heard], None]:
        def take(heard: Heard) -> None:
            said = self._judged(name, kind, heard)
            if said is None:
                self._client.acknowledge(heard)
            else:
                self._take(said)

        return take

    def _judged(self, name: str, kind: str, heard: Heard) -> Said | None:
        """An event that is authentic and new; None: it is let fall."""
        try:
            message = json.loads(heard.payload[:_LARGEST])
            found = read_event(message, self._peers[name].signatures)
        except (ValueError, TypeError, AttributeError, RecursionError):
            self._refuse(name, "malformed")
            return None
        if not found.signed or message["type"] != kind:
            self._refuse(name, "forged" if not found.signed else "on another's topic")
            return None
        if found.redacted:
            return None
        place = (name, found.log, found.seq)
        if place in self._known:  # a delivery that was not acknowledged in time does it
            self.refused["repeated"] += 1
            return None
        return Said(name, kind, message["time"], message["data"], lambda: self._done(place, heard))

    def _done(self, place: tuple[str, str, int], heard: Heard) -> None:
        """It is kept; that it comes twice until then does no harm."""
        self._known[place] = None
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        self._client.acknowledge(heard)

    def _refuse(self, name: str, why: str) -> None:
        self.refused[why] += 1
        if self.problem is None:
            log.error("a message in the name of %s is refused: %s", name, why)
        self.problem = f"messages in the name of {name} are refused: {why}; see who may publish"
        self._refused_s = self._monotonic()
        self._news()


def _signatures(peer: Peer) -> Signatures:
    try:
        return Signatures((peer.public_key,))
    except KeyUnavailable as fault:
        raise KeyUnavailable(f"peers: the key of {peer.terminal}: {fault}") from fault
