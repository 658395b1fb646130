"""``edged check -c FILE``: open everything the terminal would open, and list all that is wrong."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edged.camera.table import open_camera
from edged.cli.output import add_config, add_json
from edged.config.load import load, problem_at
from edged.door.table import open_door
from edged.errors import ConfigError, EdgedError
from edged.events.outbox import Outbox
from edged.gallery.store import Gallery
from edged.mqtt.auth import Keyring
from edged.mqtt.credentials import password, tls_context
from edged.service.engine import Engine
from edged.vault.keys import load_key

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from edged.cli.output import Output
    from edged.config.schema import Config, Mqtt
    from edged.vault.keys import Secret


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_config(command, required=True)
    add_json(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Exit code 0 when the terminal could start, 2 with every problem otherwise."""
    config = load(args.config)
    checks = _Checks(args.config)
    key = checks.of("key", lambda: load_key(config.key))
    if key is not None:
        checks.of("gallery.path", lambda: _open_gallery(config, key))
        checks.of("events.path", lambda: _open_events(config, key))
    checks.of("model", lambda: _open_engine(config))
    checks.of("door", lambda: open_door(config.door).close())
    checks.of("camera", lambda: open_camera(config.camera).probe())
    if config.mqtt is not None:
        _check_mqtt(checks, config.mqtt)
    if checks.problems:
        raise ConfigError(checks.problems)
    output.result(
        {"ok": True, "config": str(args.config)},
        [f"{args.config}: the terminal can start"],
    )
    return 0


class _Checks:
    """Runs checks and keeps what they complain of, with its place in the file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.problems: list[str] = []

    def of(self, setting: str, check: Any) -> Any:
        """The check's result, or None after a complaint."""
        try:
            return check()
        except EdgedError as fault:
            text = "; ".join(str(fault).splitlines())
            self.problems.append(problem_at(self._file, setting, text))
            return None


def _check_mqtt(checks: _Checks, settings: Mqtt) -> None:
    """Secrets and keys; whether the broker answers is the doctor's question."""
    checks.of("mqtt.password_file", lambda: password(settings))
    if settings.tls is not None:
        tls = settings.tls
        checks.of("mqtt.tls", lambda: tls_context(tls))
    checks.of("mqtt.commands.keys", lambda: Keyring(settings.commands))


@contextmanager
def _closing(part: Any) -> Iterator[Any]:
    try:
        part.open()
        yield part
    finally:
        part.close()


def _open_gallery(config: Config, key: Secret) -> None:
    with _closing(Gallery(config.gallery.path, key)) as gallery:
        gallery.people()


def _open_events(config: Config, key: Secret) -> None:
    with _closing(Outbox(config.events.path, key, config.events.capacity)):
        pass


def _open_engine(config: Config) -> None:
    with _closing(Engine(config.model, config.vision)):
        pass
