"""Who made a bundle: an Ed25519 signature over the exact bytes of its manifest.

``manifest.sig`` holds a JWS (RFC 7515) in compact form whose payload is detached and not encoded
(RFC 7797). The manifest holds the digest of every other file, so one signature covers them all.

What is signed is said in the signed header, by ``typ`` and by ``crit``: a command is refused with
such a header and a bundle without it (see `edged.mqtt.auth`), so that a signature over the one
never passes as a signature over the other, even where one key signs both.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from jwt.utils import base64url_encode

from edged.bundle.read import MANIFEST_NAME, manifest_bytes, plain_bytes
from edged.errors import BundleError, KeyUnavailable
from edged.vault.files import placed
from edged.vault.keys import read_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SIGNATURE_NAME = "manifest.sig"
DRAFT_NAME = f".{SIGNATURE_NAME}.draft"
"""What a signing that was cut off leaves behind: nobody reads it, no bundle is refused for it."""

_LARGEST = 4096
_HEADER = {"alg": "EdDSA", "b64": False, "crit": ["b64"], "typ": "edged-bundle+jws"}
_KEY_ID = r"[A-Za-z0-9_-]{43}"
_MAKE_ONE = "make one with `edged model keygen`"


def key_id(key: Ed25519PublicKey) -> str:
    """What a key is called in a signature: its thumbprint (RFC 7638), 43 characters."""
    x = base64url_encode(key.public_bytes_raw()).decode()
    jwk = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": x}, separators=(",", ":"))
    return base64url_encode(hashlib.sha256(jwk.encode()).digest()).decode()


def make_signature(manifest: bytes, key: Ed25519PrivateKey) -> str:
    """The content of ``manifest.sig``."""
    header = {**_HEADER, "kid": key_id(key.public_key())}
    return jwt.PyJWS().encode(manifest, key, "EdDSA", header, is_payload_detached=True) + "\n"


def write_signature(folder: Path, key: Ed25519PrivateKey) -> Path:
    """Sign the bundle in a folder; look at the bundle (`load_bundle`) first.

    Returns:
        The file, which replaces an older signature in one step.

    Raises:
        BundleError: the manifest cannot be read, or the signature not be written.
    """
    path, draft = folder / SIGNATURE_NAME, folder / DRAFT_NAME
    text = make_signature(manifest_bytes(folder / MANIFEST_NAME), key)
    try:
        draft.unlink(missing_ok=True)
        with draft.open("x", encoding="ascii") as file:  # x: no link is followed
            file.write(text)
        draft.replace(path)
    except OSError as fault:
        raise BundleError(f"{path}: cannot be written: {fault.strerror}") from fault
    return path


def signer(signature: bytes, manifest: bytes, keys: Mapping[str, Ed25519PublicKey]) -> str:
    """The id of the key that signed this manifest.

    Raises:
        BundleError: none of `keys` did; the text says what is wrong and names no file.
    """
    none = BundleError(f"{SIGNATURE_NAME} holds no signature of a bundle")
    if len(signature) > _LARGEST:
        raise none
    jws, token = jwt.PyJWS(), signature.strip()
    try:
        header = jws.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as fault:
        raise none from fault
    kid = header.pop("kid", None)
    # `is`, because 0 equals False and leaves the payload in the token
    if header != _HEADER or header["b64"] is not False:
        raise none
    if not (isinstance(kid, str) and re.fullmatch(_KEY_ID, kid)):
        raise none
    if kid not in keys:
        raise BundleError(f"it is signed by a key that is not trusted here ({kid})")
    try:
        jws.decode(token, keys[kid], algorithms=["EdDSA"], detached_payload=manifest)
    except (jwt.PyJWTError, ValueError, TypeError) as fault:
        raise BundleError(
            f"{SIGNATURE_NAME} does not belong to this manifest: one of them was altered or cut"
        ) from fault
    return kid


def read_public_key(path: Path) -> Ed25519PublicKey:
    """A public key in PEM form, of whoever's bundles are trusted.

    Raises:
        BundleError: there is no such file, or no such key in it.
    """
    try:
        pem = plain_bytes(path, _LARGEST)
    except OSError as fault:
        raise BundleError(f"public key {path}: cannot be read: {fault.strerror}") from fault
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise BundleError(
            f"public key {path}: not a public key in PEM form; "
            "make one with: openssl pkey -in private.pem -pubout"
        ) from fault
    if not isinstance(key, Ed25519PublicKey):
        raise BundleError(f"public key {path}: not an Ed25519 key; {_MAKE_ONE}")
    return key


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """A private key in PEM form, without a passphrase, that nobody else can read.

    Raises:
        KeyUnavailable: there is none, or others could have read it; it is never repeated.
    """
    pem = read_private(path, f"signing key {path}", _MAKE_ONE)
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        # without its cause: a parser's complaint may quote what it was given
        raise KeyUnavailable(
            f"signing key {path} is no Ed25519 private key in PEM form without a passphrase; "
            f"{_MAKE_ONE}"
        ) from None
    return key


def create_keys(path: Path) -> tuple[Path, str]:
    """Write a new private key to `path` (mode 0600) and its public key beside it.

    Returns:
        The public key's file, ``<name>.pub``, and the key's id.

    Raises:
        KeyUnavailable: one of the files exists (it is left as it is) or cannot be written.
    """
    if not path.name or path.name == "..":
        raise KeyUnavailable(f"signing key {path}: is a folder; give the name of a file in it")
    key = Ed25519PrivateKey.generate()
    public = path.with_name(f"{path.name}.pub")
    private_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public_pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    taken = KeyUnavailable(
        f"signing key {path} or {public.name} exists already and is never replaced; "
        "use it, or choose another name"
    )
    try:
        if path.exists() or public.exists():
            raise taken
        with placed(public) as known, placed(path) as secret:  # the last one gets its name first
            secret.write_bytes(private_pem)
            known.write_bytes(public_pem)
            known.chmod(0o644)
    except FileExistsError as fault:
        raise taken from fault
    except OSError as fault:
        raise KeyUnavailable(
            f"signing key {path} cannot be written: {fault.strerror}; "
            "choose a folder that this user can write, on a disk with room"
        ) from fault
    return public, key_id(key.public_key())
