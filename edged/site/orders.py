"""Commands to terminals: signed, sent, and the one reply of each waited for."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import jwt

from edged.errors import BrokerError
from edged.mqtt.sign import sign_command
from edged.site.client import Forbidden
from edged.site.settings import topics_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from edged.config.schema import Mqtt
    from edged.site.client import Heard, SiteClient

_log = logging.getLogger(__name__)
VALID_S = 30.0


class Orders:
    """One controller's commands to the terminals of a site. Any thread may call.

    Args:
        client: open.
        broker: where the client is connected to.
        key_id: the id of our public key in the terminals' ``mqtt.commands.keys``.
        private_pem: our Ed25519 private key.
    """

    def __init__(
        self, client: SiteClient, broker: Mqtt, site: str, key_id: str, private_pem: bytes
    ) -> None:
        self._client = client
        self._broker = broker
        self._site = site
        self._key_id = key_id
        self._private_pem = private_pem
        self._news = threading.Condition()
        self._asked: dict[str, tuple[str, str]] = {}  # nonce: terminal, command
        self._replies: dict[str, dict[str, Any]] = {}
        self._heard: set[str] = set()

    def listen(self, terminals: Iterable[str]) -> None:
        """Hear the replies of these terminals; `send` does it by itself.

        Raises:
            BrokerError: the broker does not let us.
        """
        new = [name for name in terminals if name not in self._heard]
        if new:
            roots = (topics_at(self._broker, self._site, name).root for name in new)
            self._client.hear([f"{root}/cmd/+/result" for root in roots], self._take)
            self._heard.update(new)

    def send(
        self,
        terminal: str,
        name: str,
        args: Mapping[str, Any],
        timeout_s: float = 10.0,
        valid_s: float = VALID_S,
    ) -> dict[str, Any]:
        """Send a command to one terminal and wait for its reply.

        Raises:
            BrokerError: no reply in time; the command may have been obeyed all the same.
        """
        reply = self.send_all([terminal], name, lambda _: args, timeout_s, valid_s)[terminal]
        if reply is None:
            raise BrokerError(f"no reply to {name} within {timeout_s:g} s; is the terminal online?")
        return reply

    def send_all(
        self,
        terminals: Iterable[str],
        name: str,
        args: Callable[[str], Mapping[str, Any]],
        timeout_s: float = 10.0,
        valid_s: float = VALID_S,
    ) -> dict[str, dict[str, Any] | None]:
        """Send a command to several at once; each one's reply, None where none came in time.

        Args:
            args: of a terminal's command.

        Raises:
            BrokerError: the broker is gone, or refuses the command for each of them; where it
                does for some only, that is logged, and the others get theirs.
        """
        names = list(dict.fromkeys(terminals))
        self.listen(names)
        nonces: dict[str, str] = {}
        refused = 0
        try:
            for number, terminal in enumerate(names):
                try:
                    nonces[terminal] = self._ask(terminal, name, dict(args(terminal)), valid_s)
                except Forbidden as fault:
                    refused += 1
                    if refused == len(names):
                        raise
                    _log.error("%s: not sent: %s", terminal, fault)
                except BrokerError as fault:
                    if number == 0:
                        raise
                    sent = f"{name} went to {number - refused} of {len(names)} terminals"
                    raise BrokerError(f"{fault}; {sent}, until {terminal}") from fault
            return dict.fromkeys(names) | self._wait(nonces, timeout_s)
        finally:
            with self._news:
                for nonce in nonces.values():
                    self._asked.pop(nonce, None)
                    self._replies.pop(nonce, None)

    def _ask(self, terminal: str, name: str, args: dict[str, Any], valid_s: float) -> str:
        topics = topics_at(self._broker, self._site, terminal)
        token = sign_command(self._private_pem, self._key_id, topics.audience, name, args, valid_s)
        nonce = str(jwt.decode(token, options={"verify_signature": False})["jti"])
        with self._news:
            self._asked[nonce] = (terminal, name)
        # a command that nobody takes in time is no news later: the broker forgets it
        self._client.publish(
            topics.command(name), token, expires_s=valid_s, correlation=nonce.encode()
        )
        return nonce

    def _wait(self, nonces: Mapping[str, str], timeout_s: float) -> dict[str, Any]:
        deadline_s = time.monotonic() + timeout_s
        with self._news:
            while any(nonce not in self._replies for nonce in nonces.values()):
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 or not self._news.wait(left_s):
                    break
            return {name: self._replies.get(nonce) for name, nonce in nonces.items()}

    def _take(self, heard: Heard) -> None:
        """A reply. One that could not read the command has no id: the correlation tells whose it
        is, or the terminal and the command, where only one of these is under way."""
        try:
            reply = json.loads(heard.payload)
        except (ValueError, RecursionError):
            return
        if not isinstance(reply, dict) or not isinstance(reply.get("data", {}), dict):
            return
        with self._news:
            nonce = reply.get("id")
            if nonce is None and heard.correlation is not None:
                nonce = heard.correlation.decode("ascii", "replace")
            elif nonce is None:
                nonce = self._meant(heard.topic)
            if isinstance(nonce, str) and nonce in self._asked:
                self._replies.setdefault(nonce, reply)
                self._news.notify_all()

    def _meant(self, topic: str) -> str | None:
        fitting = [
            nonce
            for nonce, (terminal, name) in self._asked.items()
            if topics_at(self._broker, self._site, terminal).result(name) == topic
        ]
        return fitting[0] if len(fitting) == 1 else None
