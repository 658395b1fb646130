"""Keys that change over MQTT: ``keys.rotate``, ``keys.revoke``, and what is remembered of them.

See docs/decisions/0021-command-keys.md for what this is bound to and why.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from edged.errors import StorageError
from edged.mqtt.auth import Refusal, read_token
from edged.mqtt.catalogue import Reply
from edged.mqtt.keys import (
    Book,
    Record,
    encoded,
    in_force,
    public_key,
    read_book,
    record_of,
    write_book,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from edged.config.schema import Commands as Settings
    from edged.mqtt.auth import Keyring, Time
    from edged.mqtt.catalogue import Context, Handler, RevokeKey, RotateKey
    from edged.mqtt.keys import Key

_log = logging.getLogger(__name__)

NOTE = "keys"
"""The note that holds the book."""

PROOF = "edged-key"
"""The ``typ`` of the proof that somebody holds the private key of the public one they bring."""

MANAGER = "maintainer"
_LARGEST_NOTE = 65_536
UNREADABLE = (
    "what changed of the keys over MQTT cannot be read, and with it what was revoked: no key "
    "counts; look at them with `edged keys show`, begin afresh with `edged keys reset`"
)


class Store(Protocol):
    """What is needed of the outbox."""

    def append(self, type: str, data: dict[str, Any]) -> Any: ...  # noqa: A002

    def note(self, name: str) -> str | None: ...

    def keep_note(self, name: str, value: str | None) -> None: ...


class Rotation:
    """Changes the keys of a keyring, durably.

    Args:
        keyring: is told which keys count.
        settings: ``mqtt.commands``.
        audience: ``<site>/<terminal>``.
        store: the outbox.
        time: a key that was replaced ends by it.
        on_change: told after each change, in the changing thread.
    """

    def __init__(
        self,
        keyring: Keyring,
        settings: Settings,
        audience: str,
        store: Store,
        time: Time,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._keyring = keyring
        self._settings = settings
        self._audience = audience
        self._store = store
        self._time = time
        self._on_change = on_change
        self._lock = threading.Lock()
        self._book: Book | None = None

    def open(self) -> None:
        """Read what changed; a garbled book leaves no key in force, and `problem` says so.

        Raises:
            StorageError: the notes cannot be read.
        """
        self._book = read_book(self._store.note(NOTE))
        if self._book is None:
            _log.error("%s", UNREADABLE)
            self._keyring.put({}, problem=UNREADABLE)
        else:
            self._put(self._book)

    @property
    def problem(self) -> str | None:
        """Why no key counts, where that is so."""
        return UNREADABLE if self._book is None else None

    def document(self) -> list[dict[str, Any]]:
        """The keys that count now, as the site is told."""
        return [
            {
                "id": key.id,
                "roles": sorted(key.roles),
                "until": None if key.until is None else rfc3339(key.until),
                "replaced_by": key.replaced_by,
            }
            for key in sorted(self._keyring.in_force(), key=lambda key: key.id)
        ]

    def handlers(self) -> dict[str, Handler]:
        """By the command's name."""
        return {"keys.rotate": self._rotate, "keys.revoke": self._revoke}

    def _rotate(self, args: RotateKey, context: Context) -> Reply:
        with self._lock:
            new = public_key(args.public_key)
            old = self._manageable(args.id, context)
            if isinstance(old, Refusal):
                return _refused(old)
            if new is None:
                text = "public_key is no Ed25519 public key in PEM form"
                return Reply("refused", "bad_key", text)
            refusal = self._unfit(args, old, new)
            if refusal:
                return _refused(refusal)
            return self._replace(args, context, old, encoded(new))

    def _revoke(self, args: RevokeKey, context: Context) -> Reply:
        with self._lock:
            key = self._manageable(args.id, context)
            if isinstance(key, Refusal):
                return _refused(key)
            if MANAGER in key.roles and not self._managers_without(key):
                text = "it is the last maintainer key; replace it, or change the configuration"
                return Reply("refused", "last_maintainer", text)
            record = self._record(key).model_copy(update={"revoked": True})
            told = {"id": key.id, "command": context.id, "key": context.key_id}
            failed = self._keep(lambda: self._store.append("command.key_revoked", told), record)
            return failed or Reply(text="it counts no more")

    def _manageable(self, key_id: str, context: Context) -> Key | Refusal:
        """The key that is to change, if whoever asks may change keys."""
        if context.key_id is None:
            return Refusal("unsigned", "keys change by signed commands only")
        asking = self._keyring.find(context.key_id)
        if isinstance(asking, Refusal):
            return asking
        if asking.replaced_by is not None:
            return Refusal("replaced_key", "a key that was replaced changes no keys any more")
        key = self._keyring.find(key_id)
        if isinstance(key, Refusal):
            return Refusal("no_such_key", f"{key_id} is no key that counts")
        return key

    def _managers_without(self, key: Key) -> list[Key]:
        """Who would change keys without this one; whose end is set is none of them."""
        return [
            other
            for other in self._keyring.in_force()
            if MANAGER in other.roles and other.replaced_by is None and other.x != key.x
        ]

    def _unfit(self, args: RotateKey, old: Key, new: Ed25519PublicKey) -> Refusal | None:
        assert self._book is not None  # noqa: S101  # no key counts without
        configured, records = self._keyring.configured, self._book.records
        x = encoded(new)
        if old.replaced_by is not None:
            return Refusal("already_replaced", f"{old.id} was replaced by {old.replaced_by}")
        if args.new_id in configured or any(args.new_id == r.id for r in records):
            return Refusal("id_used", "new_id is or was in use; take one that never was")
        if x in {key.x for key in configured.values()} or self._book.of(x) is not None:
            return Refusal("key_used", "the public key is or was in use; make a new one")
        if not _proven(args, self._audience, new):
            return Refusal("bad_proof", "proof is not the new key's over aud, id and replaces")
        if args.overlap_s > 0 and not self._time.trusted:
            return Refusal("clock_unsynced", "without a clock only overlap_s 0 is possible")
        return None

    def _replace(self, args: RotateKey, context: Context, old: Key, x: str) -> Reply:
        overlap_s = min(args.overlap_s, self._settings.rotation_overlap_s)
        until = self._time.now() + overlap_s
        before = self._record(old)
        # without an overlap it never counts again, whatever becomes of the clock
        end = until if overlap_s > 0 else 0.0
        ended = before.model_copy(update={"until": end, "replaced_by": args.new_id})
        made = before.model_copy(
            update={"id": args.new_id, "x": x, "until": None, "replaced_by": None}
        )
        told = {
            "id": old.id,
            "replaced_by": args.new_id,
            "public_key": x,
            "until": rfc3339(until),
            "command": context.id,
            "key": context.key_id,
        }
        failed = self._keep(lambda: self._store.append("command.key_rotated", told), ended, made)
        data = {"id": args.new_id, "until": told["until"]}
        return failed or Reply(text="the new key counts", data=data)

    def _record(self, key: Key) -> Record:
        assert self._book is not None  # noqa: S101  # no key counts without
        return record_of(key, self._keyring.configured, self._book)

    def _keep(self, tell: Callable[[], Any], *records: Record) -> Reply | None:
        """First the event, then the change: none is ever in force that is not on the record."""
        assert self._book is not None  # noqa: S101  # no key counts without
        book = self._book
        for record in records:
            book = book.with_record(record)
        book = book.pruned(self._keyring.configured)
        text = write_book(book)
        if len(text) > _LARGEST_NOTE:
            return Reply("refused", "too_many_keys", "put the keys into the configuration")
        try:
            tell()
            self._store.keep_note(NOTE, text)
        except StorageError as fault:
            return Reply("failed", "not_recorded", f"nothing changed: {fault}")
        self._book = book
        self._put(book)
        self._on_change()
        return None

    def _put(self, book: Book) -> None:
        revoked = {record.x for record in book.records if record.revoked}
        known = {key.id: key.x for key in self._keyring.configured.values()}
        made = {record.id: record.x for record in book.records if record.id not in known}
        gone = [key_id for key_id, x in {**made, **known}.items() if x in revoked]
        self._keyring.put(in_force(self._keyring.configured, book), gone)


def _proven(args: RotateKey, audience: str, key: Ed25519PublicKey) -> bool:
    token = read_token(args.proof, PROOF)
    if isinstance(token, Refusal):
        return False
    return bool(token.claims(key) == {"aud": audience, "id": args.new_id, "replaces": args.id})


def _refused(refusal: Refusal) -> Reply:
    return Reply("refused", refusal.reason, refusal.text)


def rfc3339(at_s: float) -> str:
    """Unix seconds as RFC 3339, UTC."""
    text = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")
    return text.replace("+00:00", "Z")
