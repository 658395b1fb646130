"""Who is logged in, and how often a password may be tried. In memory, small, with an end."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_S = 30 * 60.0
LONGEST_S = 12 * 3600.0
MOST = 4
_TOKEN = 32  # bytes
_FREE_FAILURES = 3
_LONGEST_WAIT_S = 30.0
_FORGET_S = 15 * 60.0


@dataclass(slots=True)
class Session:
    """One login; times are monotonic seconds. `form` is what its forms must carry."""

    opened_s: float
    used_s: float
    form: str = field(default_factory=lambda: secrets.token_urlsafe(_TOKEN), repr=False)
    closed: bool = False


class Sessions:
    """The logins. A new one beyond `MOST` ends the one that was idle longest."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        # By hash: how long it takes to find none tells nothing about those that there are.
        self._open: dict[bytes, Session] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self) -> str:
        """Log in; returns the token for the cookie."""
        self._sweep()
        while len(self._open) >= MOST:
            self._end(min(self._open, key=lambda name: self._open[name].used_s))
        token = secrets.token_urlsafe(_TOKEN)
        now_s = self._now()
        self._open[_name(token)] = Session(now_s, now_s)
        return token

    def find(self, token: str | None, *, use: bool = True) -> Session | None:
        """The session of a cookie, if it is still open; `use` starts its idle time anew."""
        self._sweep()
        session = self._open.get(_name(token)) if token else None
        if session is not None and use:
            session.used_s = self._now()
        return session

    def alive(self, session: Session) -> bool:
        """Whether it is still open; asking is no use of it."""
        self._sweep()
        return not session.closed

    def close(self, token: str | None) -> None:
        """Log out; nothing happens when there is no such session."""
        if token and _name(token) in self._open:
            self._end(_name(token))

    def _sweep(self) -> None:
        now_s = self._now()
        for name, session in list(self._open.items()):
            if now_s - session.used_s > IDLE_S or now_s - session.opened_s > LONGEST_S:
                self._end(name)

    def _end(self, name: bytes) -> None:
        self._open.pop(name).closed = True


class Forms:
    """Tokens for the login form, before there is a session: signed, and good for a while."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._key = secrets.token_bytes(_TOKEN)

    def issue(self) -> str:
        """A token for one more form."""
        body = f"{self._now():.0f}.{secrets.token_urlsafe(12)}"
        return f"{body}.{self._sign(body)}"

    def accepts(self, token: str) -> bool:
        """Whether it is one of ours, and young enough."""
        body, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._sign(body).encode(), signature.encode("utf-8", "replace")):
            return False
        return 0 <= self._now() - float(body.partition(".")[0]) + 1 <= IDLE_S

    def _sign(self, body: str) -> str:
        return hmac.new(self._key, body.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


class Backoff:
    """How long the next attempt must wait: the longer, the more went wrong, up to half a minute."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failures = 0
        self._last_s = float("-inf")

    def wait_s(self) -> float:
        """Seconds until the next attempt is looked at; 0 now."""
        since_s = self._now() - self._last_s
        if since_s > _FORGET_S:
            self._failures = 0
        over = self._failures - _FREE_FAILURES
        due_s = min(2.0 ** min(over, 10), _LONGEST_WAIT_S) if over >= 0 else 0.0
        return max(0.0, due_s - since_s)

    def failed(self) -> None:
        """A wrong password."""
        self._failures += 1
        self._last_s = self._now()

    def succeeded(self) -> None:
        """The right one."""
        self._failures = 0


def _name(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
