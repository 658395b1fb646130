"""What a terminal and its site hand each other once, by a way that people can check.

The terminal's *request* says who it is, the site's *permit* whom it shall listen to. Both are
signed, and both have a fingerprint that is short enough to be read out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import stat
import zlib
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import rfc8785
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import Field, ValidationError

from edged.config.schema import CommandKey, Name, Settings
from edged.errors import KeyUnavailable, ProvisionError
from edged.site.authority import make_csr, terminal_uri
from edged.site.keys import public_pem
from edged.vault.identity import key_id, pem, signed_detached

if TYPE_CHECKING:
    from pathlib import Path

    from edged.vault.identity import Identity

REQUEST, PERMIT = "edged-request", "edged-permit"
_QR = "EDGED1:"
_LARGEST = 256 * 1024
_LARGEST_QR = 4096
_FINGERPRINT = 16  # characters of five bits
T = TypeVar("T", bound=Settings)

Raw = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
Point = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{44}$")]
Pem = Annotated[str, Field(max_length=32_768)]
ClientId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")]
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]


class Request(Settings):
    """Who a terminal is: its public keys as raw bytes in base64url, `tls` as a compressed point."""

    v: Literal[1] = 1
    site: Name
    terminal: Name
    client_id: ClientId
    signing: Raw
    sealing: Raw
    tls: Point | None = None

    @property
    def identity(self) -> dict[str, dict[str, str]]:
        """As `Identity.document`."""
        signing = Ed25519PublicKey.from_public_bytes(_bytes(self.signing))
        sealing = X25519PublicKey.from_public_bytes(_bytes(self.sealing))
        return {
            "sealing": {"id": key_id(sealing), "public_key": pem(sealing)},
            "signing": {"id": key_id(signing), "public_key": pem(signing)},
        }

    @property
    def tls_key(self) -> EllipticCurvePublicKey | None:
        """What the certificate is asked for.

        Raises:
            ProvisionError: it is no point of P-256.
        """
        if self.tls is None:
            return None
        try:
            return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), _bytes(self.tls))
        except ValueError:
            raise ProvisionError("the request's TLS key is no point of P-256") from None


class Broker(Settings):
    """What a terminal is told of its broker."""

    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535)]
    protocol: Literal["5", "3.1.1"] = "5"
    prefix: Annotated[str, Field(max_length=200)] = "edged"
    client_id: ClientId
    username: Annotated[str, Field(max_length=200)] | None = None
    topic_dots: Literal["dot", "dash"] = "dot"


class Tls(Settings):
    """The broker's authority, and the terminal's certificate with what stands above it."""

    ca: Pem
    certificate: Pem | None = None


class Permit(Settings):
    """Whom a terminal shall listen to, and how it gets there.

    `answers` is the request's fingerprint; it is good until `until`, and meant for one terminal.
    """

    v: Literal[1] = 1
    site: Name
    terminal: Name
    signing: Raw
    answers: str
    made: Moment
    until: Moment
    broker: Broker
    tls: Tls | None = None
    keys: tuple[CommandKey, ...] = ()
    site_key: Pem | None = None
    share_enrolments: bool = False
    sync: bool = False
    snapshot_key: Pem | None = None


def make_request(
    identity: Identity,
    site: str,
    terminal: str,
    client_id: str,
    tls: EllipticCurvePrivateKey | None,
) -> dict[str, Any]:
    """The request as a document; signed with the terminal's key, and a CSR with its TLS key.

    Raises:
        ProvisionError: a name does not fit.
    """
    about: dict[str, Any] = {
        "v": 1,
        "site": site,
        "terminal": terminal,
        "client_id": client_id,
        "signing": _raw(identity.signing_public),
        "sealing": _text(identity.sealing_raw),
        "tls": None if tls is None else _point(tls.public_key()),
    }
    request = validated(Request, about, "request")
    made: dict[str, Any] = {"request": request.model_dump(mode="json")}
    made["proof"] = identity.sign_detached(_canonical(request), REQUEST)
    if tls is not None:
        csr = make_csr(tls, client_id, terminal_uri(site, terminal))
        made["csr"] = csr.public_bytes(Encoding.PEM).decode("ascii")
    return made


def read_request(text: str) -> Request:
    """A request as a document, or as the text of its QR code; authentic when it is returned.

    Raises:
        ProvisionError: it is none, altered, or its keys are not what they should be.
    """
    text = text.strip()
    document = _unpack(text) if text.upper().startswith(_QR) else _object(text, "request")
    if not {"request", "proof"} <= document.keys() <= {"request", "proof", "csr"}:
        raise ProvisionError("not a request of a terminal; `edged provision request` makes one")
    request = validated(Request, document["request"], "request")
    _ = request.tls_key
    public = request.identity["signing"]["public_key"]
    if not _proven(document["proof"], request, public, REQUEST):
        raise ProvisionError("the request is altered: its signature is not by its own key")
    if document.get("csr") is not None:
        _check_csr(document["csr"], request)
    return request


def qr_text(document: dict[str, Any], default_client_id: str) -> str:
    """A request for a QR code, in its alphanumeric mode; what can be derived is left out."""
    request = document["request"]
    short = [
        request["site"],
        request["terminal"],
        None if request["client_id"] == default_client_id else request["client_id"],
        request["signing"],
        request["sealing"],
        request["tls"],
        document["proof"],
    ]
    packed = zlib.compress(json.dumps(short, separators=(",", ":")).encode(), 9)
    return _QR + base64.b32encode(packed).decode("ascii").rstrip("=")


def default_client_id(site: str, terminal: str) -> str:
    """As a terminal calls itself to a broker unless ``mqtt.client_id`` says otherwise."""
    return f"edged-{site}-{terminal}"


def make_permit(permit: Permit, key: Ed25519PrivateKey) -> dict[str, Any]:
    """The permit as a document, signed with the site's key."""
    import jwt

    token = jwt.PyJWS().encode(
        _canonical(permit),
        key,
        algorithm="EdDSA",
        headers={"kid": key_id(key.public_key()), "typ": PERMIT},
    )
    header, _, signature = token.split(".")
    return {
        "permit": _document(permit),
        "key": public_pem(key),
        "proof": f"{header}..{signature}",
    }


def read_permit(text: str) -> tuple[Permit, str]:
    """A permit and its fingerprint; it is whole when it is returned, and made by whoever the
    fingerprint is of: compare that one.

    Raises:
        ProvisionError: it is none, or altered.
    """
    document = _object(text, "permit")
    if document.keys() != {"permit", "key", "proof"} or not isinstance(document["key"], str):
        raise ProvisionError("not a permit for a terminal; `edged ctl provision` makes one")
    permit = validated(Permit, document["permit"], "permit")
    if not _proven(document["proof"], permit, document["key"], PERMIT):
        raise ProvisionError("the permit is altered: its signature is not by its own key")
    return permit, permit_fingerprint(permit, document["key"])


def fingerprint(request: Request) -> str:
    """Of a request, to be compared by eye or voice: 80 bits, in four groups."""
    return _grouped(_canonical(request))


def permit_fingerprint(permit: Permit, key: str) -> str:
    """Of a permit and the key that signed it."""
    return _grouped(_canonical(permit) + key.strip().encode())


def same_fingerprint(given: str, real: str) -> bool:
    """Whether somebody gave this one; case, dashes and blanks do not count."""
    import hmac

    def plain(text: str) -> bytes:
        return text.replace("-", "").replace(" ", "").upper().encode(errors="replace")

    return hmac.compare_digest(plain(given), plain(real))


def read_paper(path: Path) -> str:
    """A request or permit from a file.

    Raises:
        ProvisionError: it cannot be read, or is too large to be one.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise ProvisionError(f"{path}: not a plain file")
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ProvisionError(f"{path}: has more than {_LARGEST} bytes: not what it should be")
        return content.decode("utf-8")
    except OSError as fault:
        raise ProvisionError(f"{path}: cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise ProvisionError(f"{path}: not UTF-8 text") from fault


def _check_csr(text: Any, request: Request) -> None:
    """A CSR is for other authorities; it must ask for nothing but what the request says."""
    try:
        csr = x509.load_pem_x509_csr(str(text).encode())
        valid = csr.is_signature_valid
        public = csr.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ProvisionError("the request's CSR cannot be read") from None
    if not valid:
        raise ProvisionError("the request's CSR is altered: its signature does not fit")
    if not isinstance(public, EllipticCurvePublicKey) or not isinstance(public.curve, SECP256R1):
        raise ProvisionError("the request's CSR has a key that is not EC P-256")
    if _point(public) != request.tls:
        raise ProvisionError("the request's CSR is for another key than the request")
    names = [str(attribute.value) for attribute in csr.subject]
    if names != [request.client_id]:
        raise ProvisionError("the request's CSR asks for another name than the request")


def _unpack(text: str) -> dict[str, Any]:
    packed = "".join(text[len(_QR) :].split()).upper()[:_LARGEST_QR]
    try:
        squeezed = base64.b32decode(packed + "=" * (-len(packed) % 8))
        inflate = zlib.decompressobj()
        plain = inflate.decompress(squeezed, _LARGEST_QR)
        short = json.loads(plain)
        site, terminal, client_id, signing, sealing, tls, proof = short
    except (ValueError, TypeError, binascii.Error, zlib.error, RecursionError):
        raise ProvisionError("the QR code's text is incomplete or altered") from None
    return {
        "request": {
            "v": 1,
            "site": site,
            "terminal": terminal,
            "client_id": client_id or default_client_id(site, terminal),
            "signing": signing,
            "sealing": sealing,
            "tls": tls,
        },
        "proof": proof,
    }


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ProvisionError(f"not a {what}: expected one JSON object, every key once")
    return found


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError
    return made


def validated(model: type[T], data: Any, what: str) -> T:
    """Data as a paper of this kind.

    Raises:
        ProvisionError: it is none; what is wrong first.
    """
    try:
        return model.model_validate(data)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(step)[:40] for step in first["loc"]) or what
        raise ProvisionError(f"not a usable {what}: {place}: {first['msg']}") from None


def _canonical(paper: Settings) -> bytes:
    return rfc8785.dumps(_document(paper))


def _document(paper: Settings) -> dict[str, Any]:
    document = paper.model_dump(mode="json")
    for key in document.get("keys", ()):
        key["roles"] = sorted(key["roles"])
    return document


def _proven(proof: Any, paper: Settings, public: str, typ: str) -> bool:
    try:
        return isinstance(proof, str) and signed_detached(proof, _canonical(paper), public, typ)
    except KeyUnavailable:
        return False


def _grouped(content: bytes) -> str:
    text = base64.b32encode(hashlib.sha256(content).digest()).decode("ascii")[:_FINGERPRINT]
    return "-".join(text[start : start + 4] for start in range(0, _FINGERPRINT, 4))


def _point(key: EllipticCurvePublicKey) -> str:
    return _text(key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))


def _raw(public: str) -> str:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(public.encode())
    assert isinstance(key, Ed25519PublicKey)  # noqa: S101  # our own identity's
    return _text(key.public_bytes_raw())


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
