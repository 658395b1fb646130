"""``edged ctl keygen | keys rotate | keys revoke | ca``: the site's own keys and certificates."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.ctl_common import add_site, desk_of, order, tell
from edged.cli.output import BadUsage, add_json, positive, seconds
from edged.errors import ProvisionError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from edged.cli.output import Output
    from edged.site.authority import Authority

_PROOF = "edged-key"
_DAYS = 365


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """The actions and their arguments."""
    action = actions.add_parser("keygen", help="make a key of the site's; none is ever replaced")
    action.add_argument("file", type=Path, metavar="FILE", help="becomes the private key")
    action.add_argument(
        "--kind",
        choices=("signing", "sealing"),
        default="signing",
        help="signing: for commands (Ed25519, the default); sealing: for snapshots and offers "
        "(X25519)",
    )
    add_json(action)
    action.set_defaults(run=keygen)
    _add_keys(actions.add_parser("keys", help="change whom terminals listen to"))
    _add_ca(actions.add_parser("ca", help="a certificate authority, for sites that have none"))


def _add_keys(command: argparse.ArgumentParser) -> None:
    ways = command.add_subparsers(required=True, metavar="WHAT")
    action = ways.add_parser("rotate", help="a new key in the place of another")
    action.add_argument("id", metavar="ID", help="the key that is replaced")
    action.add_argument("new_id", metavar="NEW_ID", help="never used before")
    action.add_argument(
        "--new-key", type=Path, required=True, metavar="FILE", help="the new private key"
    )
    action.add_argument(
        "--overlap", type=seconds, metavar="SECONDS", help="how long the old one stays good"
    )
    add_site(action, rotate)
    action = ways.add_parser("revoke", help="a key counts no more, at once")
    action.add_argument("id", metavar="ID")
    add_site(action, revoke)


def _add_ca(command: argparse.ArgumentParser) -> None:
    ways = command.add_subparsers(required=True, metavar="WHAT")
    action = ways.add_parser("init", help="make one, for ten years")
    _add_folder(action)
    action.add_argument("--name", default="edged site authority", metavar="NAME")
    add_json(action)
    action.set_defaults(run=init)
    action = ways.add_parser("server", help="key and certificate of a broker")
    action.add_argument("hosts", nargs="+", metavar="HOST", help="its names and addresses")
    _add_issue(action)
    action.set_defaults(run=server)
    action = ways.add_parser("client", help="key and certificate of a controller")
    action.add_argument("name", metavar="NAME", help="becomes the user's name at the broker")
    _add_issue(action)
    action.set_defaults(run=client)


def _add_folder(action: argparse.ArgumentParser) -> None:
    action.add_argument("--ca", type=Path, required=True, metavar="DIR", help="its folder")


def _add_issue(action: argparse.ArgumentParser) -> None:
    _add_folder(action)
    action.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="NAME",
        help="NAME.key (kept, if it is there) and NAME.pem are written",
    )
    action.add_argument("--days", type=positive, default=_DAYS, metavar="N")
    add_json(action)


def keygen(args: argparse.Namespace, output: Output) -> int:
    """Write a private key and, beside it, the public key."""
    from edged.site.keys import create_key

    public, text = create_key(args.file, args.kind)
    use = {
        "signing": "goes to the terminals: `edged ctl provision --command-key ID:ROLES:FILE`",
        "sealing": "goes to the terminals, as mqtt.snapshot_key or mqtt.sync.site_key",
    }[args.kind]
    output.result(
        {"private": str(args.file), "public": str(public), "kind": args.kind, "public_key": text},
        [f"made {args.file}: stays here, and a copy of it in a safe", f"made {public}: {use}"],
    )
    return 0


def rotate(args: argparse.Namespace, output: Output) -> int:
    """``keys.rotate``; the new private key proves itself, and stays here."""
    from edged.mqtt.sign import sign_claims
    from edged.site.keys import private_pem, public_pem, read_signing

    key = read_signing(args.new_key)

    with desk_of(args) as desk:

        def arguments(terminal: str) -> Mapping[str, Any]:
            audience = desk.settings.topics(terminal).audience
            claims = {"aud": audience, "id": args.new_id, "replaces": args.id}
            given: dict[str, Any] = {
                "id": args.id,
                "new_id": args.new_id,
                "public_key": public_pem(key),
                "proof": sign_claims(private_pem(key), args.new_id, claims, _PROOF),
            }
            return given if args.overlap is None else {**given, "overlap_s": args.overlap}

        orders, terminals = desk.orders, desk.terminals(args)
        replies = orders.send_all(terminals, "keys.rotate", arguments, desk.settings.timeout_s)
    return tell(output, "keys.rotate", replies)


def revoke(args: argparse.Namespace, output: Output) -> int:
    """``keys.revoke``."""
    return order(args, output, "keys.revoke", {"id": args.id})


def init(args: argparse.Namespace, output: Output) -> int:
    """Make an authority where there is none."""
    from edged.site.authority import CERTIFICATE, KEY, Authority

    made = Authority.create(args.ca, args.name, datetime.now(UTC))
    until = f"{made.certificate.not_valid_after_utc:%Y-%m-%d}"
    output.result(
        {"folder": str(args.ca), "name": args.name, "until": until},
        [
            f"made {args.ca / KEY}: keep it off the broker and the terminals, and a copy in a safe",
            f"made {args.ca / CERTIFICATE}: goes to the broker; good until {until}",
        ],
    )
    return 0


def server(args: argparse.Namespace, output: Output) -> int:
    """A broker's certificate."""
    return _issue(args, output, list(args.hosts))


def client(args: argparse.Namespace, output: Output) -> int:
    """A controller's certificate."""
    return _issue(args, output, None)


def _issue(args: argparse.Namespace, output: Output, hosts: list[str] | None) -> int:
    from cryptography.hazmat.primitives.serialization import Encoding

    from edged.site.accept import own_tls_key
    from edged.site.authority import Authority
    from edged.vault.files import replaced

    if args.out.suffix in {".key", ".pem"}:
        raise BadUsage(f"{args.out}: give the name without its ending")
    authority: Authority = Authority.load(args.ca)
    key_file, path = Path(f"{args.out}.key"), Path(f"{args.out}.pem")
    key, new = own_tls_key(key_file)
    now = datetime.now(UTC)
    if hosts is None:
        made = authority.issue_client(key.public_key(), args.name, now, args.days)
    else:
        made = authority.issue_server(key.public_key(), hosts, now, args.days)
    try:
        with replaced(path) as draft:
            draft.write_bytes(made.public_bytes(Encoding.PEM))
            draft.chmod(0o644)
    except OSError as fault:
        raise ProvisionError(f"{path}: cannot be written: {fault.strerror}") from fault
    until = f"{made.not_valid_after_utc:%Y-%m-%d}"
    output.result(
        {"key": str(key_file), "certificate": str(path), "until": until},
        [f"made {key_file}"] * new + [f"made {path}: good until {until}"],
    )
    return 0
