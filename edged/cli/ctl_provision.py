"""``edged ctl provision REQUEST``: what a terminal asked, answered with a permit."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.ctl_common import add_site, settings_of
from edged.cli.output import BadUsage, positive
from edged.errors import ConfigError, ProvisionError

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output
    from edged.site.papers import Permit, Request, Tls
    from edged.site.settings import SiteSettings

_DAYS, _GOOD_DAYS = 365, 30
_LARGEST = 64 * 1024


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """Its arguments."""
    action = actions.add_parser("provision", help="answer a terminal's request")
    action.add_argument(
        "request", metavar="REQUEST", help="its file, a file with the QR code's text, or -"
    )
    action.add_argument(
        "--fingerprint",
        metavar="XXXX-XXXX-XXXX-XXXX",
        help="as the terminal shows it; left out: compare it with what is printed",
    )
    action.add_argument(
        "--broker", metavar="HOST[:PORT]", help="for the terminal (default: as in ctl.yaml)"
    )
    action.add_argument(
        "--authority", type=Path, metavar="DIR", help="of `edged ctl ca init`: issues a certificate"
    )
    action.add_argument(
        "--certificate", type=Path, metavar="FILE", help="instead: issued by another authority"
    )
    action.add_argument(
        "--broker-ca",
        type=Path,
        metavar="FILE",
        help="whom the terminal believes the broker (default: the authority that issues)",
    )
    action.add_argument("--broker-user", metavar="NAME", help="the terminal's name at the broker")
    action.add_argument(
        "--days", type=positive, default=_DAYS, metavar="N", help="of a certificate"
    )
    action.add_argument(
        "--command-key",
        action="append",
        default=[],
        metavar="ID:ROLE,…:FILE",
        help="a public key that may command the terminal; may be given often",
    )
    action.add_argument("--sync", action="store_true", help="follow the site's gallery")
    action.add_argument(
        "--site-key", type=Path, metavar="FILE", help="X25519: offer enrolments, sealed to this"
    )
    action.add_argument(
        "--snapshot-key-public", type=Path, metavar="FILE", help="X25519: seal pictures to this"
    )
    action.add_argument(
        "--replace-identity", action="store_true", help="the terminal really has a new key"
    )
    action.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="the permit")
    add_site(action, run, many=None)


def run(args: argparse.Namespace, output: Output) -> int:
    """Check the request, issue what it asks for, remember the terminal, write the permit."""
    from edged.site.keys import read_signing
    from edged.site.known import Known, Terminal
    from edged.site.papers import (
        fingerprint,
        make_permit,
        permit_fingerprint,
        read_request,
        same_fingerprint,
    )
    from edged.vault.files import replaced

    settings = settings_of(args)
    request = read_request(_text(args.request))
    shown = fingerprint(request)
    if args.fingerprint is not None and not same_fingerprint(args.fingerprint, shown):
        raise ProvisionError(
            f"the request's fingerprint is {shown}, which is not what was given: it is not what "
            "the terminal made"
        )
    if request.site != settings.site:
        raise ProvisionError(f"the request is of site {request.site}, this one is {settings.site}")
    if settings.key_file is None:
        raise ConfigError(["a permit is signed: say key_file in ctl.yaml, or give --key-file"])
    key = read_signing(settings.key_file)
    keys = [_command_key(text) for text in args.command_key]
    permit = _permit(args, settings, request, keys)
    document = make_permit(permit, key)
    identity = request.identity
    terminal = Terminal(
        request.terminal,
        identity["signing"]["public_key"],
        identity["sealing"]["public_key"],
    )
    known = Known(settings.terminals, settings.site)
    known.pin(terminal, anew=args.replace_identity)
    try:
        with replaced(args.out) as draft:
            draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
            draft.chmod(0o644)
    except OSError as fault:
        raise ProvisionError(f"{args.out}: cannot be written: {fault.strerror}") from fault
    answer = permit_fingerprint(permit, document["key"])
    name = f"{request.site}/{request.terminal}"
    output.result(
        {
            "terminal": name,
            "identity": identity["signing"]["id"],
            "request_fingerprint": shown,
            "fingerprint": answer,
            "permit": str(args.out),
            "until": permit.until,
        },
        [
            f"request of {name}, identity {identity['signing']['id']}",
            f"fingerprint {shown}: compare it with what the terminal shows",
            f"permit in {args.out}, good until {permit.until}; on the terminal:",
            f"    edged provision apply {args.out.name} --fingerprint {answer} -c …",
            *_warnings(keys),
        ],
    )
    return 0


def _permit(
    args: argparse.Namespace,
    settings: SiteSettings,
    request: Request,
    keys: list[dict[str, Any]],
) -> Permit:
    from edged.site.accept import settings_there
    from edged.site.papers import Permit, fingerprint, validated

    now = datetime.now(UTC)
    tls = _tls(args, request, now)
    host, port = _broker(args.broker, settings, tls=tls is not None)
    broker = settings.broker
    about = {
        "site": request.site,
        "terminal": request.terminal,
        "signing": request.signing,
        "answers": fingerprint(request),
        "made": _moment(now),
        "until": _moment(now + timedelta(days=_GOOD_DAYS)),
        "broker": {
            "host": host,
            "port": port,
            "protocol": broker.protocol,
            "prefix": broker.prefix,
            "client_id": request.client_id,
            "username": args.broker_user,
            "topic_dots": broker.topic_dots,
        },
        "tls": tls,
        "keys": keys,
        "sync": args.sync or args.site_key is not None,
        "share_enrolments": args.site_key is not None,
        "site_key": _public(args.site_key),
        "snapshot_key": _public(args.snapshot_key_public),
    }
    permit = validated(Permit, about, "permit")
    settings_there(permit)  # what the terminal would refuse is not even signed
    return permit


def _tls(args: argparse.Namespace, request: Request, now: datetime) -> Tls | None:
    from cryptography.hazmat.primitives.serialization import Encoding

    from edged.site.authority import Authority, terminal_uri
    from edged.site.papers import Tls

    if args.authority is not None and args.certificate is not None:
        raise BadUsage("give either --authority or --certificate")
    broker_ca = None if args.broker_ca is None else _file(args.broker_ca)
    if args.certificate is not None:
        if broker_ca is None:
            raise BadUsage("--certificate needs --broker-ca: whom the terminal believes the broker")
        return Tls(ca=broker_ca, certificate=_file(args.certificate))
    if args.authority is None:
        return None if broker_ca is None else Tls(ca=broker_ca)
    key = request.tls_key
    if key is None:
        raise ProvisionError(
            "the request asks for no certificate; on the terminal: edged provision request --tls"
        )
    authority = Authority.load(args.authority)
    uri = terminal_uri(request.site, request.terminal)
    made = authority.issue_client(key, request.client_id, now, args.days, uri)
    leaf = made.public_bytes(Encoding.PEM).decode("ascii")
    # the broker's authority may be another one: then the one that issued goes with the certificate
    chain = leaf if broker_ca is None else leaf + authority.pem
    return Tls(ca=broker_ca or authority.pem, certificate=chain)


def _broker(text: str | None, settings: SiteSettings, *, tls: bool) -> tuple[str, int]:
    if text is None:
        return settings.broker.host, settings.broker.port_or_default
    host, colon, port = text.rpartition(":")
    if not colon or host.endswith(":"):
        return text, 8883 if tls else 1883
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise BadUsage(f"--broker {text}: expected HOST or HOST:PORT")
    return host.strip("[]"), int(port)


def _command_key(text: str) -> dict[str, Any]:
    name, colon, rest = text.partition(":")
    roles, more, path = rest.partition(":")
    if not (colon and more and path):
        raise BadUsage(f"--command-key {text}: expected ID:ROLE,ROLE:FILE")
    return {"id": name, "roles": roles.split(","), "public_key": _file(Path(path))}


def _warnings(keys: list[dict[str, Any]]) -> list[str]:
    if keys:
        return []
    return ["WARNING: without --command-key the terminal refuses every command"]


def _public(path: Path | None) -> str | None:
    return None if path is None else _file(path)


def _file(path: Path) -> str:
    """A file that others may know; a private key by mistake goes nowhere."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode("ascii")
    except OSError as fault:
        raise ProvisionError(f"{path}: cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise ProvisionError(f"{path}: not in PEM form") from fault
    if "PRIVATE KEY" in text:
        raise ProvisionError(f"{path} holds a private key; give the public one ({path.name}.pub)")
    return text


def _text(name: str) -> str:
    from edged.site.papers import read_paper

    if name != "-":
        return read_paper(Path(name))
    if sys.stdin is None:
        raise BadUsage("REQUEST is -, and there is nothing to read: stdin is closed")
    try:
        return sys.stdin.read(256 * 1024)
    except UnicodeDecodeError as fault:
        raise ProvisionError("stdin: not UTF-8 text") from fault


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"
