"""The terminal's side of provisioning: its TLS key, and what a permit makes of its files."""

from __future__ import annotations

import datetime as dt
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from pydantic import ValidationError

from edged.config.load import parse, read_text
from edged.config.schema import Mqtt, Tls
from edged.errors import BrokerError, ConfigError, KeyUnavailable, ProvisionError
from edged.mqtt.auth import Keyring
from edged.site.authority import issued_by
from edged.site.keys import make_key, private_pem, read_tls
from edged.site.papers import fingerprint, read_permit, same_fingerprint
from edged.vault.files import placed, replaced
from edged.vault.identity import sealing_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from edged.config.schema import Config
    from edged.site.papers import Permit, Request

KEY, CERTIFICATE, AUTHORITY = "client.key", "client.pem", "ca.pem"
_OWN_PART = re.compile(r"^mqtt\s*:", re.MULTILINE)
_SKEW = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the terminal's TLS key lies, its certificate, and the broker's authority."""

    key: Path
    certificate: Path
    authority: Path

    @classmethod
    def of(cls, config: Config) -> TlsFiles:
        """As ``mqtt.tls`` says, or in a folder beside the events, which the service may write."""
        tls = (config.mqtt.tls if config.mqtt is not None else None) or Tls()
        folder = config.events.path.parent / "tls"
        return cls(
            tls.key_file or folder / KEY,
            tls.cert_file or folder / CERTIFICATE,
            tls.ca_file or folder / AUTHORITY,
        )


def own_tls_key(path: Path) -> tuple[EllipticCurvePrivateKey, bool]:
    """The terminal's TLS key, made where there is none; and whether it was.

    Raises:
        KeyUnavailable: there is one that cannot be used; it is left as it is.
        ProvisionError: it cannot be written.
    """
    if path.is_symlink():
        raise ProvisionError(f"{path} is a link; take it away, the key must lie here itself")
    if path.exists():
        return read_tls(path), False
    key = make_key("tls")
    try:
        _make_folder(path.parent)
        with placed(path) as draft:
            draft.write_bytes(private_pem(key))
            _same_owner(draft, path.parent)
    except FileExistsError:
        return read_tls(path), False  # somebody else made it meanwhile
    except OSError as fault:
        raise ProvisionError(f"{path}: cannot be written: {fault.strerror}") from fault
    return read_tls(path), True


def checked(text: str, given: str, request: Request, now: dt.datetime) -> Permit:
    """The permit, if it is for this terminal and for now.

    Args:
        text: the permit.
        given: the fingerprint that a person was told.
        request: what this terminal would ask with.

    Raises:
        ProvisionError: why not.
    """
    permit, real = read_permit(text)
    if not same_fingerprint(given, real):
        raise ProvisionError(
            f"the permit's fingerprint is {real}, which is not what was given: ask whoever made "
            "it, and do not use it unless they read out this one"
        )
    if (permit.site, permit.terminal) != (request.site, request.terminal):
        raise ProvisionError(
            f"the permit is for {permit.site}/{permit.terminal}, "
            f"this is {request.site}/{request.terminal}"
        )
    if permit.signing != request.signing:
        raise ProvisionError("the permit is for a terminal of this name with another key")
    if permit.answers != fingerprint(request):
        raise ProvisionError("the permit answers another request; make both anew")
    if not _moment(permit.made) - _SKEW <= now < _moment(permit.until):
        raise ProvisionError(
            f"the permit is good from {permit.made} until {permit.until}, and here it is "
            f"{now:%Y-%m-%dT%H:%M:%SZ}; set the clock, or have it made anew"
        )
    _check_certificate(permit, request, now)
    return permit


def settings_there(permit: Permit) -> dict[str, Any]:
    """As `settings_of`, at a terminal whose files lie where they lie unless somebody moves them."""
    folder = Path("/var/lib/edged/tls")
    return settings_of(permit, TlsFiles(folder / KEY, folder / CERTIFICATE, folder / AUTHORITY))


def settings_of(permit: Permit, files: TlsFiles) -> dict[str, Any]:
    """What goes under ``mqtt`` in the terminal's configuration.

    Raises:
        ProvisionError: the terminal would not take it.
    """
    broker = permit.broker.model_dump(mode="json", exclude_none=True)
    defaults = {"protocol": "5", "prefix": "edged", "topic_dots": "dot"}
    settings = {name: value for name, value in broker.items() if defaults.get(name) != value}
    if permit.tls is not None:
        settings["tls"] = {"ca_file": str(files.authority)}
        if permit.tls.certificate is not None:
            settings["tls"] |= {
                "cert_file": str(files.certificate),
                "key_file": str(files.key),
            }
    if permit.keys:
        settings["commands"] = {
            "keys": [
                {"id": key.id, "roles": sorted(key.roles), "public_key": key.public_key}
                for key in permit.keys
            ]
        }
    if permit.sync:
        settings["sync"] = {"share_enrolments": permit.share_enrolments}
        if permit.site_key is not None:
            settings["sync"]["site_key"] = permit.site_key
    if permit.snapshot_key is not None:
        settings["snapshot_key"] = permit.snapshot_key
    for public in (permit.site_key, permit.snapshot_key):
        if public is not None:
            _check_sealing(public)
    try:
        Keyring(Mqtt.model_validate(settings).commands)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise ProvisionError(f"not a usable permit: mqtt.{place}: {first['msg']}") from None
    except BrokerError as fault:
        raise ProvisionError(f"not a usable permit: {fault}") from None
    return settings


def write_certificates(permit: Permit, files: TlsFiles) -> list[Path]:
    """Put what others may know beside the key, each file whole or as it was.

    The key stays the same, so that every certificate, the old one and the new one, fits it.

    Raises:
        ProvisionError: a link is in the way, or they cannot be written.
    """
    if permit.tls is None:
        return []
    wanted = {files.authority: permit.tls.ca, files.certificate: permit.tls.certificate}
    made = []
    for path, text in wanted.items():
        if text is None:
            continue
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise ProvisionError(f"{path} is no plain file; take it away")
        try:
            _make_folder(path.parent)
            with replaced(path) as draft:
                draft.write_text(text, encoding="ascii")
                draft.chmod(0o644)
                _same_owner(draft, path.parent)
        except OSError as fault:
            raise ProvisionError(f"{path}: cannot be written: {fault.strerror}") from fault
        made.append(path)
    return made


def as_yaml(settings: dict[str, Any]) -> str:
    """The part ``mqtt``, to be pasted."""

    class Dumper(yaml.SafeDumper):
        pass

    def block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, block)
    return yaml.dump({"mqtt": settings}, Dumper=Dumper, sort_keys=False, allow_unicode=True)


def with_settings(path: Path, settings: dict[str, Any]) -> tuple[bytes, bytes]:
    """A configuration that has no part ``mqtt``, as it is, and with that part at its end.

    Raises:
        ProvisionError: the file has that part, or its folder cannot be written, or it would mean
            something else afterwards.
    """
    path = path.resolve()
    read_text(path)
    content = path.read_bytes()
    old = content.decode("utf-8")
    before = parse(old, str(path), path.parent)
    if before.mqtt is not None or _OWN_PART.search(old):
        raise ProvisionError(f"{path} has a part mqtt already; change it by hand")
    if not os.access(path.parent, os.W_OK):
        raise ProvisionError(f"{path.parent} cannot be written; nothing was changed")
    more = ("\n" if old.endswith("\n") else "\n\n") + as_yaml(settings)
    new = old + (more.replace("\n", "\r\n") if "\r\n" in old else more)
    try:
        after = parse(new, str(path), path.parent)
    except ConfigError as fault:
        raise ProvisionError(f"{path} cannot be added to; paste it by hand: {fault}") from fault
    if after.mqtt is None or after.model_copy(update={"mqtt": None}) != before:
        raise ProvisionError(f"{path} cannot be added to; paste it by hand")
    return content, new.encode("utf-8")


def write_settings(path: Path, old: bytes, new: bytes) -> Path:
    """Write what `with_settings` made.

    Returns:
        The copy of the file as it was.

    Raises:
        ProvisionError: it cannot be written.
    """
    path = path.resolve()
    backup = path.with_name(f"{path.name}.before-provision")
    about = path.stat()
    try:
        for target, text in ((backup, old), (path, new)):
            with replaced(target) as draft:
                draft.write_bytes(text)
                draft.chmod(about.st_mode & 0o777)
                if os.geteuid() == 0:
                    os.chown(draft, about.st_uid, about.st_gid)
    except OSError as fault:
        raise ProvisionError(f"{path}: cannot be written: {fault.strerror}") from fault
    return backup


def _check_sealing(public: str) -> None:
    try:
        sealing_key(public)
    except KeyUnavailable as fault:
        raise ProvisionError(f"not a usable permit: site_key or snapshot_key: {fault}") from None


def _check_certificate(permit: Permit, request: Request, now: dt.datetime) -> None:
    if permit.tls is None:
        return
    authorities = _certificates(permit.tls.ca, "authority")
    if permit.tls.certificate is None:
        return
    leaf, *between = _certificates(permit.tls.certificate, "certificate")
    public = leaf.public_key()
    if not isinstance(public, EllipticCurvePublicKey) or request.tls_key != public:
        raise ProvisionError("the permit's certificate is for another key than this terminal's")
    if not leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc:
        raise ProvisionError(
            f"the permit's certificate is valid from {leaf.not_valid_before_utc:%Y-%m-%d} until "
            f"{leaf.not_valid_after_utc:%Y-%m-%d}, and here it is {now:%Y-%m-%d}"
        )
    names = [str(name.value) for name in leaf.subject]
    if permit.broker.client_id not in names:
        raise ProvisionError("the permit's certificate is for another name than its client id")
    # who signs for clients need not be who signs for the broker: what comes with it must fit
    above = [*between, *authorities]
    if between and not issued_by(leaf, between[0]):
        raise ProvisionError("the permit's certificates are no chain: each signs the one before")
    if not between and len(above) == 1 and not issued_by(leaf, above[0]):
        raise ProvisionError("the permit's certificate is not by the authority that it names")


def _certificates(text: str, what: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm):
        raise ProvisionError(f"the permit's {what} is no certificate in PEM form") from None


def _moment(text: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise ProvisionError(f"the permit says {text}, which is no time") from None


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=0o700)
        _same_owner(folder, folder.parent)


def _same_owner(path: Path, like: Path) -> None:
    """What root makes for the service belongs to the service."""
    if os.geteuid() == 0:
        about = like.stat()
        os.chown(path, about.st_uid, about.st_gid)
