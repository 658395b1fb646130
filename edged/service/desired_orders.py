"""``desired``: settings that come from the site, judged, kept, and put in force by a restart."""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from edged.errors import ConfigError, StorageError
from edged.mqtt.auth import Refusal, describe, read_token
from edged.mqtt.bucket import Bucket
from edged.service.desired import (
    Applied,
    Desired,
    Stored,
    digest_of,
    keep,
    merged,
    read_stored,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from edged.config.schema import Config
    from edged.events.trusted import Notes
    from edged.service.desired import Standing
    from edged.service.journal import Journal
    from edged.service.restart import Restart
    from edged.service.state import State

log = logging.getLogger(__name__)

TYP = "edged-desired"
LONGEST_WAIT_S = 60.0
"""So long a restart waits for whoever is being served."""

_LARGEST = 32_768
_REFUSALS_HZ, _REFUSALS_BURST = 0.2, 20


class DesiredSettings:
    """Takes what comes on ``desired``; everything but `take` is the supervisor's.

    Args:
        begun: what the daemon began with.
        audience: ``<site>/<terminal>``.
        verified: what a maintainer has signed as `TYP`, or why not.
        too_lax: what speaks against a configuration that fits.
        serving: whether somebody stands at the door just now.
    """

    def __init__(
        self,
        begun: Standing,
        notes: Notes,
        journal: Journal,
        state: State,
        restart: Restart,
        *,
        audience: str,
        too_lax: Callable[[Config], str | None],
        serving: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._begun = begun
        self._stored = begun.stored
        self._notes = notes
        self._journal = journal
        self._state = state
        self._restart = restart
        self._audience = audience
        self._too_lax = too_lax
        self._serving = serving
        self._monotonic = monotonic
        self._heard: deque[bytes] = deque(maxlen=8)
        self._last_refused: bytes | None = None
        self._events = Bucket(_REFUSALS_HZ, _REFUSALS_BURST)
        self._pending_since_s: float | None = None
        self._settled = False
        self.verified: Callable[[bytes], dict[str, Any] | Refusal] = lambda _: _NOBODY
        applied = begun.applied
        self._in_force = applied.in_force if applied is not None else 0
        if applied is not None:
            state.set(applied=applied.document())

    def take(self, payload: bytes) -> None:
        """A message, from the network's thread; returns at once. The newest count."""
        self._heard.append(payload)

    def tick(self) -> None:
        """Once the terminal is ready, twice a second: judge what came, restart when it suits."""
        self._settle()
        while self._heard:
            self._judge(self._heard.popleft())
        self._begin_anew()

    def _settle(self) -> None:
        """The terminal is ready: what was tried has stood the trial."""
        if self._settled:
            return
        stored, applied = self._stored, self._begun.applied
        if stored is not None and self._begun.on_trial:
            if not self._keep(stored.model_copy(update={"stage": "good"})):
                return  # tried again
            self._tell_applied()
        elif applied is not None and self._begun.news:
            if stored is not None and stored.stage == "failed" and not self._keep(stored):
                return
            self._record_refusal(applied, stored.key if stored else None)
        self._settled = True

    def _judge(self, payload: bytes) -> None:
        if payload == self._last_refused:
            return  # the broker has kept it, and says it on every connection
        kid = _kid(payload)
        try:
            found = self._claims(payload)
        except StorageError as fault:
            found = refused(None, "storage", str(fault))
        if isinstance(found, Applied):
            if found.reason != "storage":  # what can be mended is judged again
                self._last_refused = payload
            authentic = found.revision is not None
            self._refuse(replace(found, in_force=self._in_force), kid if authentic else None)
            return
        if found is None:
            return
        self._accept(found, kid)

    def _claims(self, payload: bytes) -> Desired | Applied | None:
        """What is desired; None when that is known already."""
        if len(payload) > _LARGEST:
            return refused(None, "oversized", f"settings have at most {_LARGEST} bytes")
        claims = self.verified(payload)
        if isinstance(claims, Refusal):
            return refused(None, claims.reason, claims.text)
        try:
            desired = Desired.model_validate(claims)
        except ValidationError as fault:
            return refused(None, "bad_claims", describe(fault))
        revision = desired.revision
        if desired.aud != self._audience:
            return refused(revision, "wrong_audience", "they are meant for another terminal")
        stored = self._known()
        if stored is not None and revision <= stored.revision:
            if digest_of(revision, desired.settings) == stored.digest:
                return None
            which = "the same with other settings" if revision == stored.revision else "older"
            text = f"revision {stored.revision} was accepted before, this one is {which}"
            reason = "conflict" if revision == stored.revision else "older"
            return refused(revision, reason, text)
        try:
            config = merged(self._begun.yaml, desired.settings)
        except ConfigError as fault:
            return refused(revision, "bad_settings", str(fault))
        if (problem := self._too_lax(config)) is not None:
            return refused(revision, "too_lax", problem)
        return desired

    def _known(self) -> Stored | None:
        """What was accepted last, also where it could not be read when the daemon began: what is
        older must not come in through that door."""
        if self._stored is None:
            with suppress(ConfigError):  # damaged: nobody knows any more
                self._stored = read_stored(self._notes)
        return self._stored

    def _accept(self, desired: Desired, kid: str | None) -> None:
        stored = Stored(revision=desired.revision, settings=desired.settings, key=kid)
        same = merged(self._begun.yaml, stored.settings) == self._begun.config
        if same:
            stored = stored.model_copy(update={"stage": "good"})
        if not self._keep(stored):
            text = "the settings cannot be kept; see state"
            self._refuse(refused(stored.revision, "storage", text, self._in_force), kid)
            return
        log.info("desired settings revision %d from key %s", stored.revision, kid)
        if same:
            self._pending_since_s = None
            self._tell_applied()
            return
        self._pending_since_s = self._monotonic()
        text = "they take effect by a restart, when nobody is at the door"
        pending = Applied(stored.revision, "pending", "restart", text, self._in_force)
        self._state.set(applied=pending.document())

    def _begin_anew(self) -> None:
        since_s = self._pending_since_s
        if since_s is None or self._restart.due or not self._restart.possible:
            return
        if self._serving() and self._monotonic() - since_s < LONGEST_WAIT_S:
            return
        if self._restart.busy() or self._restart.wait_s() > 0:
            return
        self._pending_since_s = None
        self._restart.begin("settings", key=self._stored.key if self._stored else None)

    def _tell_applied(self) -> None:
        stored = self._stored
        assert stored is not None  # noqa: S101  # it was kept
        self._in_force = stored.revision
        self._journal.record("settings.applied", revision=stored.revision, key=stored.key)
        applied = Applied(stored.revision, "applied", in_force=stored.revision)
        self._state.set(applied=applied.document())

    def _refuse(self, applied: Applied, kid: str | None) -> None:
        log.warning("desired settings are refused: %s: %s", applied.reason, applied.text)
        self._state.set(applied=applied.document())
        self._record_refusal(applied, kid)

    def _record_refusal(self, applied: Applied, kid: str | None) -> None:
        if self._events.take():
            self._journal.record(
                "settings.refused",
                revision=applied.revision,
                key=kid,
                reason=applied.reason,
                text=applied.text[:300],
            )

    def _keep(self, stored: Stored) -> bool:
        try:
            keep(self._notes, stored)
        except StorageError as fault:
            if self._state.degrade("settings", str(fault)):
                log.error("the desired settings cannot be kept: %s", fault)
            return False
        self._state.restore("settings")
        self._stored = stored
        return True


_NOBODY = Refusal("unknown_key", "nobody may set anything from afar")


def _kid(payload: bytes) -> str | None:
    """Which key signed it, or says that it did."""
    try:
        token = read_token(payload[:_LARGEST].decode("ascii").strip(), TYP)
    except UnicodeDecodeError:
        return None
    return None if isinstance(token, Refusal) or token.kid is None else token.kid[:64]
