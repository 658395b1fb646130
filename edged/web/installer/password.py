"""The installer's password: only its scrypt hash is kept, in a file that nobody else can touch."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import tempfile
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from edged.errors import InstallerError, KeyUnavailable
from edged.vault.keys import read_private

SHORTEST, LONGEST = 8, 256
_N, _R, _P = 2**15, 8, 3  # OWASP's second choice: 32 MiB, so that a small terminal can do it too
_SALT, _HASH = 16, 32
_MAKE_ONE = "make one with `edged installer password FILE`"
_LARGEST_WORK = 2**20  # n * p; what a file may ask of the terminal for one attempt


@dataclass(frozen=True, slots=True)
class Password:
    """A stored password: scrypt's parameters, the salt and the hash."""

    n: int
    r: int
    p: int
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    def matches(self, attempt: str) -> bool:
        """Whether this is the password; takes some tenths of a second, on purpose."""
        found = _scrypt(_normal(attempt), self.salt, self.n, self.r, self.p, len(self.digest))
        return hmac.compare_digest(found, self.digest)

    def line(self) -> str:
        """What the file holds."""
        parts = (self.n, self.r, self.p, _text(self.salt), _text(self.digest))
        return "$".join(("scrypt", *map(str, parts)))


def make(password: str) -> Password:
    """The stored form of a new password, with a salt of its own.

    Raises:
        InstallerError: it is too short or too long, or holds what no keyboard writes.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise InstallerError(f"the password must have {SHORTEST} to {LONGEST} characters")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in password):
        raise InstallerError("the password must not hold control characters")
    salt = secrets.token_bytes(_SALT)
    return Password(_N, _R, _P, salt, _scrypt(_normal(password), salt, _N, _R, _P, _HASH))


def read(path: Path) -> Password:
    """The password that a file holds.

    Raises:
        InstallerError: there is no such file, others can reach it, or it holds something else.
    """
    what = f"installer's password file {path}"
    try:
        content = read_private(path, what, _MAKE_ONE)
    except KeyUnavailable as fault:
        raise InstallerError(str(fault).replace("the key", "the password")) from fault
    found = _parse(content)
    if found is None:
        raise InstallerError(f"{what} does not hold what edged writes there; {_MAKE_ONE}")
    return found


def write(path: Path, password: Password) -> None:
    """Put it into a file, mode 0600; a former password there is replaced, nothing else is.

    Raises:
        InstallerError: the file is something else, or cannot be written.
    """
    try:
        _refuse_strangers(path)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                if os.geteuid() == 0:  # written by root, it is still the service's to read
                    facts = (path if path.exists() else path.parent).stat()
                    os.fchown(file.fileno(), facts.st_uid, facts.st_gid)
                file.write(password.line() + "\n")
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(draft).unlink()
            raise
    except OSError as fault:
        raise InstallerError(
            f"{path} cannot be written: {fault.strerror}; name a file in a folder of this user"
        ) from fault


def _refuse_strangers(path: Path) -> None:
    if not os.path.lexists(path):
        return
    known = False
    if path.is_file() and not path.is_symlink():
        with path.open("rb") as file:
            known = _parse(file.read(1025)) is not None
    if not known:
        raise InstallerError(f"{path} exists and holds no installer's password; it is left as is")


def _parse(content: bytes) -> Password | None:
    try:
        kind, n, r, p, salt, digest = content.decode("ascii").strip().split("$")
        found = Password(int(n), int(r), int(p), _bytes(salt), _bytes(digest))
    except (ValueError, binascii.Error):
        return None
    power_of_two = found.n > 1 and found.n & (found.n - 1) == 0
    sane = (
        kind == "scrypt"
        and power_of_two
        and 2**14 <= found.n <= 2**17
        and found.r == _R
        and 1 <= found.p <= _LARGEST_WORK // found.n
        and len(found.salt) >= _SALT
        and len(found.digest) == _HASH
    )
    return found if sane else None


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int, size: int) -> bytes:
    room = 128 * r * (n + p + 2) + 2**20
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, dklen=size, maxmem=room)


def _normal(password: str) -> bytes:
    """The same letters from another keyboard are the same password."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
