"""Files sealed to public keys: written from the first byte to the last, read by one of the holders.

::

    "edged parcel" 00 | format u16 | length u32 | header, JSON
    frames: length u32, its highest bit set in the last | AES-256-GCM of up to 64 KiB

A key drawn for each file is sealed to every recipient (HPKE, RFC 9180) in the header; from it and
from all that stands before the first frame comes the key of the frames. A frame's nonce is its
number and whether it is the last (STREAM, Hoang et al. 2015): one that is missing, altered, moved
or from another file does not open. All numbers are big-endian.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
from typing import TYPE_CHECKING, Any

from edged.errors import KeyUnavailable, StorageError
from edged.vault.identity import SUITE, key_id, seal
from edged.vault.secret import KEY_BYTES, Secret, derive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

MAGIC = b"edged parcel\0"
FORMAT = 1
_START = struct.Struct(">HI")
_LENGTH = struct.Struct(">I")
_LAST = 1 << 31
_FRAME = 65_536
_TAG = 16
_LARGEST_HEADER = 1 << 20
_LARGEST_RECORD = 1 << 26
_INFO = b"edged/v1/parcel"


class Writer:
    """Seals records to recipients, one after the other; `end` must be called, once.

    Args:
        file: open for writing, empty.
        to: who may read it.
        about: what everybody may read of it, fit for JSON.
    """

    def __init__(
        self, file: BinaryIO, to: Sequence[X25519PublicKey], about: Mapping[str, Any]
    ) -> None:
        secret = os.urandom(KEY_BYTES)
        sealed = [
            {"id": key_id(key), "key": base64.b64encode(seal(secret, key, _INFO)).decode("ascii")}
            for key in to
        ]
        header = json.dumps({**about, "to": sealed}, separators=(",", ":")).encode()
        start = MAGIC + _START.pack(FORMAT, len(header)) + header
        file.write(start)
        self._file = file
        self._frames = _Frames(secret, start)
        self._waiting = bytearray()

    def write(self, record: bytes) -> None:
        """One record; `Parcel.records` gives it back."""
        self._waiting += _LENGTH.pack(len(record)) + record
        while len(self._waiting) > _FRAME:
            self._put(self._waiting[:_FRAME], last=False)
            del self._waiting[:_FRAME]

    def end(self) -> None:
        """No more records."""
        self._put(self._waiting, last=True)

    def _put(self, content: bytearray, *, last: bool) -> None:
        frame = self._frames.seal(bytes(content), last)
        self._file.write(_LENGTH.pack(len(frame) | (_LAST if last else 0)) + frame)


class Parcel:
    """A sealed file, open for reading.

    Attributes:
        about: what everybody may read of it. It is proven only once a frame has been opened.

    Raises:
        StorageError: it is no parcel, of a newer format, or cut short before its first frame.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self.path = path
        if file.read(len(MAGIC)) != MAGIC:
            raise StorageError(f"{path}: no backup of edged")
        number, length = _START.unpack(self._exactly(_START.size))
        if number > FORMAT:
            raise StorageError(
                f"{path}: written by newer software (format {number}, this one knows {FORMAT}); "
                "update edged"
            )
        if length > _LARGEST_HEADER:
            raise self._altered()
        header = self._exactly(length)
        self._start = MAGIC + _START.pack(number, length) + header
        try:
            self.about: dict[str, Any] = json.loads(header)
            self._to = {str(one["id"]): base64.b64decode(one["key"]) for one in self.about["to"]}
        except (ValueError, KeyError, TypeError, RecursionError) as fault:
            raise self._altered() from fault

    @property
    def recipients(self) -> list[str]:
        """The ids of the keys that it is sealed to."""
        return list(self._to)

    def records(self, identity: X25519PrivateKey) -> Iterator[bytes]:
        """What was written, in its order.

        Raises:
            KeyUnavailable: it is not sealed to this key.
            StorageError: it is cut short or altered; what came before was as it was written.
        """
        frames = _Frames(self._secret(identity), self._start)
        waiting = bytearray()
        last = False
        while not last:
            frame, last = self._frame()
            content = frames.open(frame, last)
            if content is None:
                raise self._altered()
            waiting += content
            while len(waiting) >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(waiting)
                end = _LENGTH.size + length
                if length > _LARGEST_RECORD:
                    raise self._altered()
                if len(waiting) < end:
                    break
                yield bytes(waiting[_LENGTH.size : end])
                del waiting[:end]
        if waiting or self._file.read(1):
            raise self._altered()

    def measure(self) -> int:
        """Read all frames without opening them: whether it is whole; how many there are.

        Raises:
            StorageError: it is cut short, or there is something behind its end.
        """
        count, last = 0, False
        while not last:
            _, last = self._frame()
            count += 1
        if self._file.read(1):
            raise self._altered()
        return count

    def _secret(self, identity: X25519PrivateKey) -> bytes:
        from cryptography.exceptions import InvalidTag

        mine = key_id(identity.public_key())
        sealed = self._to.get(mine)
        if sealed is None:
            raise KeyUnavailable(
                f"{self.path}: sealed to {' and '.join(self._to) or 'nobody'}, not to the key "
                f"{mine} that was given; give the private key of one of those"
            )
        try:
            return SUITE.decrypt(sealed, identity, _INFO)
        except (InvalidTag, ValueError):
            raise self._altered() from None

    def _frame(self) -> tuple[bytes, bool]:
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        last = bool(length & _LAST)
        length &= _LAST - 1
        if not _TAG <= length <= _FRAME + _TAG:
            raise self._altered()
        return self._exactly(length), last

    def _exactly(self, count: int) -> bytes:
        content = self._file.read(count)
        if len(content) < count:
            raise StorageError(f"{self.path}: cut short; use another copy of it")
        return content

    def _altered(self) -> StorageError:
        return StorageError(f"{self.path}: altered since it was written; use another copy of it")


class _Frames:
    """The key of a file's frames, and which one is next."""

    def __init__(self, secret: bytes, start: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        purpose = "parcel/" + hashlib.sha256(start).hexdigest()
        self._cipher = AESGCM(derive(Secret(secret), purpose).reveal())
        self._number = 0

    def seal(self, content: bytes, last: bool) -> bytes:
        return self._cipher.encrypt(self._nonce(last), content, None)

    def open(self, frame: bytes, last: bool) -> bytes | None:
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(self._nonce(last), frame, None)
        except InvalidTag:
            return None

    def _nonce(self, last: bool) -> bytes:
        self._number += 1
        return self._number.to_bytes(11, "big") + bytes([last])
