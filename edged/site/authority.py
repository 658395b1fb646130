"""A small certificate authority for a site that has none: terminals, controllers, the broker."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edged.errors import ProvisionError
from edged.site.keys import make_key, private_pem, read_tls
from edged.vault.files import placed, sync

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )

DAY = dt.timedelta(days=1)
_YEARS_10 = 3652 * DAY
_EARLIER = dt.timedelta(hours=1)  # clocks differ
LONGEST_NAME = 64  # of a common name (X.520)
CERTIFICATE, KEY, ISSUED = "ca.pem", "ca.key", "issued.jsonl"
_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)


def terminal_uri(site: str, terminal: str) -> str:
    """How a terminal's certificate names it, beside its common name."""
    return f"urn:edged:{site}:{terminal}"


@dataclass(frozen=True)
class Authority:
    """The authority in a folder: ``ca.pem``, ``ca.key`` and what it issued, ``issued.jsonl``."""

    folder: Path
    certificate: x509.Certificate
    key: EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """The certificate, which everybody may have."""
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    @classmethod
    def create(cls, folder: Path, name: str, now: dt.datetime) -> Authority:
        """Make one, for ten years.

        It may issue certificates for ends only (path length 0). It is bound to no names: what it
        vouches for are names of clients, which are no host names.

        Raises:
            ProvisionError: there is one already, or it cannot be written.
        """
        if not 0 < len(name) <= LONGEST_NAME:
            raise ProvisionError(f"an authority's name has 1 to {LONGEST_NAME} characters")
        key = make_key("tls")
        subject = _name(name)
        public: EllipticCurvePublicKey = key.public_key()  # type: ignore[assignment]
        certificate = (
            _builder(subject, subject, public, now, now + _YEARS_10)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .sign(key, hashes.SHA256())  # type: ignore[arg-type]
        )
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # the certificate gets its name last: without it there is no authority
            with placed(folder / CERTIFICATE) as known, placed(folder / KEY) as secret:
                secret.write_bytes(private_pem(key))
                known.write_bytes(certificate.public_bytes(Encoding.PEM))
                known.chmod(0o644)
        except FileExistsError as fault:
            raise ProvisionError(
                f"{folder} holds an authority, or a part of one, already; it is never replaced"
            ) from fault
        except OSError as fault:
            raise ProvisionError(f"{folder}: cannot be written: {fault.strerror}") from fault
        return cls.load(folder)

    @classmethod
    def load(cls, folder: Path) -> Authority:
        """The authority in this folder.

        Raises:
            ProvisionError: there is none.
            KeyUnavailable: its key is missing, or others could have read it.
        """
        path = folder / CERTIFICATE
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except OSError as fault:
            raise ProvisionError(
                f"{path}: {fault.strerror}; make an authority with `edged ctl ca init`"
            ) from fault
        except ValueError as fault:
            raise ProvisionError(f"{path} is no certificate in PEM form") from fault
        key = read_tls(folder / KEY)
        if key.public_key() != certificate.public_key():
            raise ProvisionError(f"{folder}: {KEY} does not belong to {CERTIFICATE}")
        return cls(folder, certificate, key)

    def issue_client(
        self,
        public: EllipticCurvePublicKey,
        client_id: str,
        now: dt.datetime,
        days: int,
        uri: str | None = None,
    ) -> x509.Certificate:
        """A certificate for a client of the broker; its common name is the client's id.

        Raises:
            ProvisionError: the name is too long, or it cannot be recorded.
        """
        names: list[x509.GeneralName] = []
        if uri is not None:
            names.append(x509.UniformResourceIdentifier(uri))
        if _HOST.fullmatch(client_id):
            names.append(x509.DNSName(client_id))
        return self._issue(public, client_id, names, ExtendedKeyUsageOID.CLIENT_AUTH, now, days)

    def issue_server(
        self, public: EllipticCurvePublicKey, hosts: Sequence[str], now: dt.datetime, days: int
    ) -> x509.Certificate:
        """A certificate for a broker that is reached by these host names and addresses.

        Raises:
            ProvisionError: one of them is neither, or it cannot be recorded.
        """
        names = [_host(host) for host in hosts]
        return self._issue(public, hosts[0], names, ExtendedKeyUsageOID.SERVER_AUTH, now, days)

    def _issue(
        self,
        public: EllipticCurvePublicKey,
        common: str,
        names: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        now: dt.datetime,
        days: int,
    ) -> x509.Certificate:
        if not 0 < len(common) <= LONGEST_NAME:
            raise ProvisionError(
                f"{common[:80]!r} is no name for a certificate, which has 1 to {LONGEST_NAME} "
                "characters; set mqtt.client_id"
            )
        ours = self.certificate
        until = min(now + days * DAY, ours.not_valid_after_utc)
        if until <= now:
            raise ProvisionError(f"the authority in {self.folder} is expired; make another one")
        key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            _builder(_name(common), ours.subject, public, now, until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(key_id, critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        made = builder.sign(self.key, hashes.SHA256())
        self._record(made, common)
        return made

    def _record(self, made: x509.Certificate, common: str) -> None:
        line = {
            "serial": f"{made.serial_number:x}",
            "name": common,
            "until": made.not_valid_after_utc.isoformat(),
        }
        path = self.folder / ISSUED
        try:
            with path.open("a", encoding="ascii") as file:
                file.write(json.dumps(line) + "\n")
            sync(path)
        except OSError as fault:
            raise ProvisionError(f"{path}: cannot be written: {fault.strerror}") from fault


def issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether this authority really signed it."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def make_csr(
    key: EllipticCurvePrivateKey, client_id: str, uri: str
) -> x509.CertificateSigningRequest:
    """What an authority is asked with, ours or another one.

    Raises:
        ProvisionError: the name is too long.
    """
    if not 0 < len(client_id) <= LONGEST_NAME:
        raise ProvisionError(
            f"the client id {client_id!r} has more than {LONGEST_NAME} characters; "
            "set a shorter mqtt.client_id"
        )
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)]
    if _HOST.fullmatch(client_id):
        names.append(x509.DNSName(client_id))
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_name(client_id))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        if _HOST.fullmatch(text.lower()) is None:
            raise ProvisionError(f"{text[:80]!r} is neither a host name nor an address") from None
        return x509.DNSName(text.lower())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: EllipticCurvePublicKey,
    now: dt.datetime,
    until: dt.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
