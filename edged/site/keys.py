"""The site's own keys, each in a file that nobody else reads; none is ever replaced."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from edged.errors import KeyUnavailable
from edged.vault.files import placed
from edged.vault.keys import read_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Private = Ed25519PrivateKey | X25519PrivateKey | EllipticCurvePrivateKey

_MAKE: dict[str, Callable[[], Private]] = {
    "signing": Ed25519PrivateKey.generate,
    "sealing": X25519PrivateKey.generate,
    "tls": lambda: generate_private_key(SECP256R1()),
}
_MAKE_ONE = {
    "signing": "make one with `edged ctl keygen`",
    "sealing": "make one with `edged ctl keygen --kind sealing`",
    "tls": "make one with `edged provision request --tls` or `edged ctl ca`",
}


def make_key(kind: str) -> Private:
    """A new key: ``signing`` (Ed25519), ``sealing`` (X25519) or ``tls`` (EC P-256)."""
    return _MAKE[kind]()


def create_key(path: Path, kind: str) -> tuple[Path, str]:
    """Write a new private key (mode 0600), and its public key beside it.

    Returns:
        The public key's file, ``<name>.pub``, and the key in PEM form.

    Raises:
        KeyUnavailable: one of the files exists (it is left as it is) or cannot be written.
    """
    if not path.name or path.name == "..":
        raise KeyUnavailable(f"key file {path}: is a folder; give the name of a file in it")
    key, public = make_key(kind), path.with_name(f"{path.name}.pub")
    text = public_pem(key)
    taken = KeyUnavailable(
        f"key file {path} or {public.name} exists already and is never replaced; "
        "use it, or choose another name"
    )
    try:
        if path.is_symlink() or path.exists() or public.is_symlink() or public.exists():
            raise taken
        with placed(public) as known, placed(path) as secret:  # the last one gets its name first
            secret.write_bytes(private_pem(key))
            known.write_text(text, encoding="ascii")
            known.chmod(0o644)
    except FileExistsError as fault:
        raise taken from fault
    except OSError as fault:
        raise KeyUnavailable(
            f"key file {path} cannot be written: {fault.strerror}; "
            "choose a folder that this user can write, on a disk with room"
        ) from fault
    return public, text


def read_signing(path: Path) -> Ed25519PrivateKey:
    """The key that commands and permits are signed with.

    Raises:
        KeyUnavailable: there is none, or others could have read it; it is never repeated.
    """
    key = _read(path, "signing key", "signing")
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "signing key", "Ed25519", "signing")
    return key


def read_sealing(path: Path) -> X25519PrivateKey:
    """The key that opens what is sealed to the site; errors as `read_signing`."""
    key = _read(path, "sealing key", "sealing")
    if not isinstance(key, X25519PrivateKey):
        raise _no_key(path, "sealing key", "X25519", "sealing")
    return key


def read_tls(path: Path) -> EllipticCurvePrivateKey:
    """A key of certificates; errors as `read_signing`. To root it may belong to the service."""
    service = path.parent.stat().st_uid if os.geteuid() == 0 and path.parent.is_dir() else None
    key = _read(path, "TLS key", "tls", service)
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise _no_key(path, "TLS key", "EC P-256", "tls")
    return key


def private_pem(key: Private) -> bytes:
    """PKCS #8 without a passphrase: only ever for a file of mode 0600."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: Private) -> str:
    """The public half, as SubjectPublicKeyInfo."""
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def _read(path: Path, what: str, kind: str, owner: int | None = None) -> object:
    make_one = _MAKE_ONE[kind]
    pem = read_private(path, f"{what} {path}", make_one, owner=owner)
    try:
        return load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _no_key(path: Path, what: str, curve: str, kind: str) -> KeyUnavailable:
    return KeyUnavailable(
        f"{what} {path} is no {curve} private key in PEM form without a passphrase; "
        f"{_MAKE_ONE[kind]}"
    )
