"""``edged contract``: print the contract of the MQTT messages, for whoever writes a controller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.cli.output import add_json

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.description = (
        "Print every topic and message as an AsyncAPI 3.0 document (JSON), the same as "
        "docs/asyncapi.json of this version."
    )
    add_json(command)
    command.set_defaults(run=run)


def run(_args: argparse.Namespace, output: Output) -> int:
    """Print the document; with --json on one line."""
    from edged.mqtt.contract.document import document, text

    output.result(document(), text().splitlines())
    return 0
