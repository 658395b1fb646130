"""``edged keys show | reset``: which keys may command this terminal, after all that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edged.cli.clock import opened
from edged.cli.output import add_config, add_json
from edged.config.load import load
from edged.errors import BrokerError
from edged.events.trusted import TrustedTime
from edged.mqtt.auth import Keyring
from edged.mqtt.keys import pem
from edged.mqtt.rotation import NOTE, Rotation
from edged.mqtt.topics import topics_of

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output
    from edged.config.schema import Commands, Config


def add(command: argparse.ArgumentParser) -> None:
    """Its actions."""
    actions = command.add_subparsers(metavar="ACTION", required=True)
    action = actions.add_parser("show", help="say which keys count, for the configuration too")
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=show)
    action = actions.add_parser(
        "reset",
        help="forget what changed over MQTT: the keys of the configuration count, those that were "
        "revoked, too",
    )
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=reset)


def show(args: argparse.Namespace, output: Output) -> int:
    """As a terminal with this configuration has it; nothing is changed."""
    config = load(args.config)
    settings = _settings(config)
    with opened(config) as outbox:
        time = TrustedTime(outbox)
        time.open()
        keyring = Keyring(settings, time.now)
        rotation = Rotation(keyring, settings, topics_of(config).audience, outbox, time)
        rotation.open()
        keys = rotation.document()
    texts = {key.id: pem(key.public_key) for key in keyring.in_force()}
    told = [key | {"public_key": texts[key["id"]]} for key in keys]
    output.result({"keys": told, "problem": rotation.problem}, _lines(told, rotation.problem))
    return 0


def reset(args: argparse.Namespace, output: Output) -> int:
    """Forget it; a running terminal does when it starts anew."""
    config = load(args.config)
    settings = _settings(config)
    with opened(config) as outbox:
        known = outbox.note(NOTE) is not None
        if known:
            outbox.append("command.keys_reset", {"keys": sorted(key.id for key in settings.keys)})
            outbox.keep_note(NOTE, None)
    text = (
        "forgotten: the keys of the configuration count; restart the terminal"
        if known
        else "nothing had changed over MQTT"
    )
    output.result({"forgot": known}, [text])
    return 0


def _settings(config: Config) -> Commands:
    if config.mqtt is None:
        raise BrokerError("no mqtt is configured: nobody commands this terminal")
    return config.mqtt.commands


def _lines(keys: list[dict[str, Any]], problem: str | None) -> list[str]:
    if problem is not None:
        return [problem]
    lines: list[str] = []
    for key in keys:
        until = f", until {key['until']}, then {key['replaced_by']}" if key["until"] else ""
        lines.append(f"{key['id']}: {', '.join(key['roles']) or 'no role'}{until}")
        lines += [f"  {line}" for line in key["public_key"].splitlines()]
    return lines or ["no key counts"]
