"""What only shows when several sections are seen together, each problem at its own place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.config.base import unknown_name
from edged.config.door import CHIP, GpioDoor
from edged.config.readers import KeyboardReader, OsdpReader, SerialReader, SimulatedReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edged.config.schema import Config

Path = tuple[str, ...]
Problem = tuple[Path, str]


def problems(config: Config) -> list[Problem]:
    """Everything, by the path of the setting that is to be changed."""
    return [problem for check in _CHECKS for problem in check(config)]


def _names_without_dots(config: Config) -> Iterator[Problem]:
    if config.mqtt is None or config.mqtt.topic_dots == "dot":
        return
    for name in ("site", "terminal"):
        if "." in getattr(config, name):
            yield (name,), "has a dot, which mqtt.topic_dots: dash cannot write"


def _page_to_agree_on(config: Config) -> Iterator[Problem]:
    if config.gallery.enrolment_confirm == "page" and config.web is None:
        what = "page needs the section web: its page holds the buttons"
        yield ("gallery", "enrolment_confirm"), what


def _schedules(config: Config) -> Iterator[Problem]:
    """Every schedule that is named is there."""
    known = ("always", *config.schedules)
    if "always" in config.schedules:
        yield ("schedules", "always"), "is built in: choose another name"
    named: list[tuple[Path, str]] = [
        (("door", "timetable", str(place), "when"), span.when)
        for place, span in enumerate(config.door.timetable)
    ]
    if config.access is not None:
        named += [
            (("access", "rules", str(place), "when"), rule.when)
            for place, rule in enumerate(config.access.rules)
        ]
    if config.attendance is not None:
        named += [
            (("attendance", "timetable", str(place), "when"), span.when)
            for place, span in enumerate(config.attendance.timetable)
        ]
    for path, name in named:
        if name not in known:
            yield path, unknown_name("schedule", name, known)


def _peers(config: Config) -> Iterator[Problem]:
    """Other terminals are known, heard over MQTT, and not this one."""
    seen: set[str] = set()
    for place, peer in enumerate(config.peers):
        path = ("peers", str(place), "terminal")
        if peer.terminal == config.terminal:
            yield path, "is this terminal itself"
        if peer.terminal in seen:
            yield path, f"{peer.terminal} is given twice"
        seen.add(peer.terminal)
    if config.peers and config.mqtt is None:
        yield ("peers",), "needs the section mqtt: peers are heard through the broker"
    interlock = config.door.interlock
    if interlock is not None and interlock.peer not in seen:
        yield ("door", "interlock", "peer"), unknown_name("peer", interlock.peer, sorted(seen))


def _readers(config: Config) -> Iterator[Problem]:
    """One device has one reader, but for a bus with several addresses."""
    taken: dict[tuple[str, int | None], str] = {}
    lines: dict[str, str] = {}
    for name, reader in config.readers.items():
        match reader:
            case SimulatedReader():
                device, address, key = reader.pipe, None, "pipe"
            case OsdpReader():
                device, address, key = reader.device, reader.address, "device"
            case KeyboardReader() | SerialReader():
                device, address, key = reader.device, None, "device"
        path = ("readers", name, key)
        place = str(device)
        other = taken.get((place, address))
        alone = address is None or lines.get(place, "osdp") != "osdp"
        if other is None and place in lines and alone:
            other = next(who for (where, _), who in taken.items() if where == place)
        if other is not None:
            yield path, f"{place} is {other}'s already"
        taken.setdefault((place, address), name)
        lines.setdefault(place, reader.driver)
    if config.panel is not None and str(config.panel.device) in lines:
        other = next(who for (where, _), who in taken.items() if where == str(config.panel.device))
        yield ("panel", "device"), f"{config.panel.device} is the reader {other}'s already"


def _lines_of_their_own(config: Config) -> Iterator[Problem]:
    """A line of a GPIO chip does one thing."""
    taken: dict[tuple[str, int | str], str] = {}
    for path, chip, line, called in _wired(config):
        if line is None:
            continue
        if (chip, line) in taken:
            yield path, f"line {line} is {taken[chip, line]}'s already"
        taken.setdefault((chip, line), called)


def _files_of_their_own(config: Config) -> Iterator[Problem]:
    """Nor does a file that stands for a switch."""
    taken: dict[str, str] = {}
    for name, wired in config.door.inputs.items():
        if wired.file is None:
            continue
        if str(wired.file) in taken:
            yield ("door", name, "file"), f"{wired.file} is {taken[str(wired.file)]}'s already"
        taken.setdefault(str(wired.file), f"door.{name}")


def _wired(config: Config) -> Iterator[tuple[Path, str, int | str | None, str]]:
    """Path, chip, line and name of everything on a GPIO line."""
    door, signals, tamper = config.door, config.signals, config.gallery.wipe.tamper
    chip = door.chip if isinstance(door, GpioDoor) else CHIP
    if isinstance(door, GpioDoor):
        yield ("door", "line"), chip, door.line, "the door"
    for name in ("contact", "exit_button", "fire", "tamper"):
        wired = getattr(door, name)
        if wired is not None:
            yield ("door", name, "line"), wired.chip or chip, wired.line, f"door.{name}"
    for name, output in door.outputs.items():
        path = ("door", "outputs", name)
        yield (*path, "line"), output.chip or chip, output.line, ".".join(path)
    if tamper is not None:
        path = ("gallery", "wipe", "tamper")
        yield (*path, "line"), tamper.chip, tamper.line, ".".join(path)
    if signals is not None and signals.driver == "gpio":
        for name, lamp in signals.lines.items():
            yield ("signals", "lines", name, "line"), signals.chip, lamp.line, f"signals.{name}"


_CHECKS: tuple[Callable[[Config], Iterator[Problem]], ...] = (
    _names_without_dots,
    _page_to_agree_on,
    _schedules,
    _peers,
    _readers,
    _lines_of_their_own,
    _files_of_their_own,
)
