"""Visitors' codes at this terminal: which keys count, and which codes are used up."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edged.access.request import Subject
from edged.access.token import TokenFault, judge_visit, read_token
from edged.errors import KeyUnavailable, ReaderError, StorageError
from edged.vault.identity import key_id, verifying_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from edged.config.schema import Config
    from edged.events.outbox import Outbox
    from edged.gallery.credentials import Credentials
    from edged.mqtt.auth import Keyring, Time
    from edged.mqtt.catalogue import Handler
    from edged.service.journal import Journal

log = logging.getLogger(__name__)

USED = "access.code_used"
"""The event by which the site's other terminals know it."""

_ROLE = "enroller"
_DIGEST = re.compile(r"[0-9a-f]{32}")
_LARGEST_KEY = 65_536


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever a code stands for.

    Attributes:
        digest: of the code, fit to be told to the site's other terminals.
        expires: until when the code could be shown again, Unix seconds.
    """

    subject: Subject
    digest: str
    expires: float


class Visitors:
    """A part of the terminal; `read`, `spend` and `mark_used` may be called on any thread.

    Args:
        credentials: whether a visitor is somebody who is enrolled.
        journal: takes the event that a code is used up.
    """

    def __init__(
        self,
        config: Config,
        outbox: Outbox,
        credentials: Credentials,
        time: Time,
        journal: Journal,
    ) -> None:
        self._settings = None if config.access is None else config.access.qr
        self._site, self._terminal = config.site, config.terminal
        commands = None if config.mqtt is None else config.mqtt.commands
        self._unsynced = commands is not None and commands.unsynced_clock == "accept"
        self._outbox = outbox
        self._credentials = credentials
        self._time = time
        self._journal = journal
        self._given: dict[str, Ed25519PublicKey] = {}
        self._keyring: Keyring | None = None

    def open(self) -> None:
        """Read the keys of the configuration.

        Raises:
            ReaderError: one of them is none.
        """
        if self._settings is not None:
            self._given = dict(read_key(path) for path in self._settings.keys)

    def trust(self, keyring: Keyring) -> None:
        """The site's enrollers may sign codes as well, as long as their keys count."""
        self._keyring = keyring

    def read(self, text: str) -> Visitor | TokenFault:
        """Who comes with this code, or why it does not count; nothing is used up by it."""
        if self._settings is None:
            return "unknown_key"
        visit = read_token(text, self._keys())
        if isinstance(visit, str):
            return visit
        if not self._time.trusted and not self._unsynced:
            return "clock_unsynced"
        fault = judge_visit(
            visit,
            site=self._site,
            terminal=self._terminal,
            now_s=max(self._time.now(), self._time.earliest()),
            longest_validity_s=self._settings.longest_validity_s,
            groups=self._settings.groups,
        )
        if fault is not None:
            return fault
        if self._used(visit.digest):
            return "used"
        groups = frozenset(visit.groups or self._settings.groups)
        subject = Subject(visit.visitor_id, groups, visitor=True)
        if self._credentials.known(visit.visitor_id):
            known = self._credentials.subject(visit.visitor_id)
            if known is None:  # enrolled, and not in force: a code does not go over that
                return "expired"
            subject = known
        return Visitor(subject, visit.digest, visit.ends)

    def used(self, visitor: Visitor) -> bool:
        """Whether somebody was let in by this code since it was read."""
        return self._used(visitor.digest)

    def spend(self, visitor: Visitor) -> bool:
        """Use a code up, just before the door opens for it; False: it was used meanwhile, or that
        cannot be kept: the door stays shut."""
        if not self._mark(visitor.digest, visitor.expires):
            return False
        who = visitor.subject.person_id
        self._journal.record("access.code_used", person_id=who, digest=visitor.digest)
        return True

    def mark_used(self, said: Mapping[str, Any]) -> None:
        """Another terminal of the site let somebody in by a code: the data of its event."""
        digest = said.get("digest")
        known = isinstance(digest, str) and _DIGEST.fullmatch(digest)
        if self._settings is None or not isinstance(digest, str) or not known:
            return
        longest_s = self._settings.longest_validity_s
        self._mark(digest, max(self._time.now(), self._time.earliest()) + longest_s)

    def tick(self) -> None:
        """Nothing changes by itself."""

    def handlers(self) -> dict[str, Handler]:
        """No commands."""
        return {}

    def document(self) -> dict[str, Any]:
        """How many keys count."""
        return {"keys": len(self._keys())}

    def close(self) -> None:
        """Trust nobody any more."""
        self._given, self._keyring = {}, None

    def _keys(self) -> dict[str, Ed25519PublicKey]:
        keys = dict(self._given)
        if self._keyring is not None:
            live = [key for key in self._keyring.in_force() if _ROLE in key.roles]
            keys |= {key_id(key.public_key): key.public_key for key in live}
        return keys

    def _used(self, digest: str) -> bool:
        try:
            return self._outbox.nonce_used(_nonce(digest))
        except StorageError as fault:
            log.error("which codes are used cannot be read, so none counts: %s", fault)
            return True

    def _mark(self, digest: str, expires: float) -> bool:
        try:
            return self._outbox.use_nonce(_nonce(digest), expires, self._time.earliest())
        except StorageError as fault:
            log.error("that a code is used cannot be kept, so it does not count: %s", fault)
            return False


def _nonce(digest: str) -> str:
    return f"qr/{digest}"  # no command's: no id of a key holds a slash


def read_key(path: Path) -> tuple[str, Ed25519PublicKey]:
    """A key of `access.qr.keys`, and its id.

    Raises:
        ReaderError: it is none.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_KEY).decode("utf-8", errors="replace")
        return verifying_key(text)
    except (OSError, KeyUnavailable) as fault:
        why = fault.strerror if isinstance(fault, OSError) else str(fault)
        raise ReaderError(
            f"access.qr.keys: {path}: {why}; it holds the public key that codes are signed with"
        ) from fault
