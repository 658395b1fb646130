"""``edged check``: readers, panel, visitors' codes and other terminals, without touching a line."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from edged.config.load import in_order, problem_at
from edged.config.readers import OsdpReader, SerialReader, SimulatedReader
from edged.errors import EdgedError, KeyUnavailable, ReaderError
from edged.vault.identity import verifying_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.config.access import Peer, QrTokens
    from edged.config.readers import Panel, Reader
    from edged.config.schema import Config

    Check = tuple[str, Callable[[], object]]


def peers_are_known(peers: tuple[Peer, ...]) -> Iterator[Check]:
    """By setting: whether a terminal's key is one."""
    for place, peer in enumerate(peers):
        yield f"peers.{place}.public_key", partial(_is_key, peer)


def codes_are_readable(settings: QrTokens | None) -> Iterator[Check]:
    """By setting: whether visitors' codes can be read, and by whom they may be signed."""
    from edged.service.qr_eye import decoder
    from edged.service.visitors import read_key

    if settings is None:
        return
    yield "access.qr", decoder
    for place, path in enumerate(settings.keys):
        yield f"access.qr.keys.{place}", partial(read_key, path)


def doubtful_parts(path: Path, config: Config) -> list[str]:
    """Readers, or a panel, that cannot work as things are: the terminal starts all the same, and
    they are lost until that is mended. A line that the daemon talks over is not opened."""
    checks: list[Check] = []
    for name, reader in config.readers.items():
        checks += ((f"readers.{name}.{key}", check) for key, check in _of_reader(name, reader))
    if config.panel is not None:
        checks += ((f"panel.{key}", check) for key, check in _of_panel(config.panel))
    told: list[str] = []
    for setting, check in checks:
        try:
            check()
        except EdgedError as fault:
            told.append(problem_at(path, setting, str(fault)))
    return in_order(told)


def _of_reader(name: str, settings: Reader) -> Iterator[Check]:
    from edged.readers.osdp_key import read_key
    from edged.readers.osdp_line import osdp
    from edged.readers.source import SerialLine

    if isinstance(settings, SimulatedReader):
        return
    yield "device", lambda: _is_there(settings.device)
    if isinstance(settings, SerialReader):
        yield "driver", SerialLine(settings).check
    if isinstance(settings, OsdpReader):
        yield "driver", osdp
        file = settings.key_file
        if file is not None:
            yield "key_file", lambda: read_key(file, f"readers.{name}")


def _of_panel(settings: Panel) -> Iterator[Check]:
    from edged.readers.osdp_key import read_key
    from edged.readers.osdp_line import osdp

    yield "device", lambda: _is_there(settings.device)
    yield "bits", osdp
    file = settings.key_file
    if file is not None and (file.exists() or not settings.insecure):
        yield "key_file", lambda: read_key(file, "panel")


def _is_key(peer: Peer) -> None:
    try:
        verifying_key(peer.public_key)
    except KeyUnavailable as fault:
        remedy = f"`edged gallery identity` on {peer.terminal} prints it"
        raise KeyUnavailable(f"{fault}; {remedy}") from fault


def _is_there(device: Path) -> None:
    if not device.exists():
        raise ReaderError(f"{device} is not there (now)")
