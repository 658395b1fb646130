"""``edged gallery identity``: the public keys that others seal to and check receipts with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.cli.output import add_config, add_json
from edged.config.load import load
from edged.vault.keys import load_key

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output


def add(action: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Print both public keys, and the ids by which they are named elsewhere."""
    from edged.vault.identity import Identity

    config = load(args.config)
    identity = Identity(load_key(config.key))
    terminal = f"{config.site}/{config.terminal}"
    output.result(
        {"terminal": terminal, **identity.document},
        [
            f"terminal {terminal}",
            f"sealing key {identity.sealing_id} (X25519): what is sealed to it opens here only",
            *identity.sealing_public.splitlines(),
            f"signing key {identity.signing_id} (Ed25519): receipts and offers are signed with it",
            *identity.signing_public.splitlines(),
        ],
    )
    return 0
