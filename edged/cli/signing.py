"""``edged model keygen | sign``: for whoever makes bundles, on their own machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.bundle.load import load_bundle
from edged.bundle.sign import create_keys, key_id, read_private_key, write_signature
from edged.cli.output import add_json

if TYPE_CHECKING:
    from edged.cli.output import Output


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """The actions and their arguments."""
    action = actions.add_parser("keygen", help="make a key pair to sign bundles with")
    action.add_argument("key", type=some_path, metavar="FILE", help="becomes the private key")
    add_json(action)
    action.set_defaults(run=keygen)
    action = actions.add_parser("sign", help="sign a bundle's manifest")
    action.add_argument("folder", type=some_path, metavar="DIR", help="the bundle's folder")
    action.add_argument(
        "--key", type=Path, metavar="FILE", required=True, help="private key (PEM, mode 0600)"
    )
    add_json(action)
    action.set_defaults(run=sign)


def some_path(text: str) -> Path:
    """A path as an argument; an empty one would be the folder one happens to be in."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path")
    return Path(text)


def keygen(args: argparse.Namespace, output: Output) -> int:
    """Write a private key and, beside it, the public key that terminals are given."""
    public, made = create_keys(args.key)
    output.result(
        {"private": str(args.key), "public": str(public), "key": made},
        [
            f"made {args.key}: keep it off the terminals, and a copy of it in a safe",
            f"made {public}: goes to each terminal, into model.trusted_keys",
            f"its id is {made}",
        ],
    )
    return 0


def sign(args: argparse.Namespace, output: Output) -> int:
    """Write ``manifest.sig``; a bundle that is not whole is not signed."""
    key = read_private_key(args.key)
    bundle = load_bundle(args.folder)
    path = write_signature(args.folder, key)
    kid = key_id(key.public_key())
    output.result(
        {"identity": bundle.identity, "signature": str(path), "key": kid},
        [f"signed {bundle.identity} by {kid}", f"  in {path}"],
    )
    return 0
