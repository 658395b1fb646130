"""``edged doctor``: what works on this machine, what does not, and what to do about each."""

from __future__ import annotations

import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edged import __version__
from edged.camera.table import open_camera
from edged.cli.output import add_config, add_json
from edged.config.load import load
from edged.config.schema import Model, Vision
from edged.errors import EdgedError
from edged.events.clock import clock_state
from edged.resources import shared
from edged.runtime.table import available
from edged.service.engine import Engine
from edged.vault.keys import load_key

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output
    from edged.config.schema import Config

_ADVICE = {
    "camera": "add the user to the group video: usermod -aG video edged",
    "gpio": f"give the chips to the group gpio: sudo install -m 644 "
    f"{shared('systemd') / 'edged.udev'} /etc/udev/rules.d/60-edged.rules, then "
    "sudo udevadm control --reload && sudo udevadm trigger -s gpio; and add the user to it: "
    "usermod -aG gpio edged",
}
_STRICT = "write dtparam=strict_gpiod into /boot/firmware/config.txt below [all], and reboot"
_MARKS = {"ok": "ok  ", "warning": "warn", "problem": "BAD "}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    part: str
    status: Literal["ok", "warning", "problem"]
    text: str
    advice: str = ""


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_config(command, required=False)
    add_json(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Exit code 0 when nothing is wrong, 1 otherwise; warnings do not count."""
    config = load(args.config) if args.config else None
    findings = [Finding("edged", "ok", __version__), *_runtimes(), _model(config), *_devices()]
    findings.append(_clock())
    if config is not None:
        findings += [_camera(config), *_relay(config), _key(config), *_broker(config)]
    bad = [f for f in findings if f.status == "problem"]
    lines = [
        f"{_MARKS[f.status]} {f.part:<10} {f.text}" + (f"\n     → {f.advice}" if f.advice else "")
        for f in findings
    ]
    if config is None:
        lines.append("(give -c FILE to look at camera, key and broker as well)")
    output.result({"ok": not bad, "findings": [asdict(f) for f in findings]}, lines)
    return 1 if bad else 0


def _runtimes() -> list[Finding]:
    reports = available()
    usable = any(not report.problem for report in reports)
    return [
        Finding(
            "runtime",
            "ok" if not report.problem else "warning" if usable else "problem",
            f"{report.name} {report.version}: {', '.join(report.devices)}"
            if not report.problem
            else f"{report.name}: {report.problem}",
            report.hint,
        )
        for report in reports
    ]


def _model(config: Config | None) -> Finding:
    settings = (config.model, config.vision) if config else (Model(), Vision())
    try:
        with Engine(*settings) as engine:
            ran = engine.runner_info
            text = f"{engine.identity} runs by {ran.runtime} on {ran.device} ({ran.reason})"
            if engine.passed_over:
                text += f", in place of another: {'; '.join(engine.passed_over)}"
                advice = "install the bundle again, or `edged model rollback` to settle for this"
                return Finding("model", "problem", text, advice)
            return Finding("model", "ok", text)
    except EdgedError as fault:
        return Finding("model", "problem", "; ".join(str(fault).splitlines()))


def _devices() -> list[Finding]:
    looks = (
        ("camera", "/dev", "video*", "no V4L2 camera; a network camera or picamera2 needs none"),
        ("gpio", "/dev", "gpiochip*", "no GPIO chip; a real door needs one"),
    )
    findings = []
    for part, folder, pattern, missing in looks:
        found = sorted(str(path) for path in Path(folder).glob(pattern))
        unusable = [path for path in found if not _accessible(Path(path))]
        if unusable:
            advice = _ADVICE[part]
            findings.append(Finding(part, "problem", f"no right to {', '.join(unusable)}", advice))
        else:
            text = ", ".join(found) or missing
            findings.append(Finding(part, "ok" if found else "warning", text))
    return findings


def _relay(config: Config, root: Path = Path("/")) -> list[Finding]:
    """What a Raspberry Pi's kernel does with the relay's line when the process is gone."""
    model = _text(root / "proc/device-tree/model")
    if config.door.driver != "gpio" or not model.startswith("Raspberry Pi"):
        return []
    # One switch for each kind of Pi; the one that does not apply stays as it was built: Y.
    switches = (root / "sys/module").glob("pinctrl_*/parameters/persist_gpio_outputs")
    keeps = {_text(switch) for switch in switches}
    if "N" in keeps:
        return [Finding("relay", "ok", "the kernel lets the line go when the process ends")]
    if "Y" in keeps:
        text = (
            "when the process dies, the kernel keeps the line as it is: a relay that is on stays on"
        )
        return [Finding("relay", "problem", text, _STRICT)]
    text = "this kernel does not tell whether it lets the line go when the process ends"
    return [Finding("relay", "warning", text, f"{_STRICT}; with a kernel before 6.6.31, update it")]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""


def _accessible(path: Path) -> bool:
    import os

    return os.access(path, os.R_OK | os.W_OK)


def _clock() -> Finding:
    if clock_state() == "synced":
        return Finding("clock", "ok", "synchronised")
    return Finding(
        "clock",
        "warning",
        "not known to be synchronised: commands over MQTT are refused, events are marked",
        "enable systemd-timesyncd or chrony (timedatectl set-ntp true), or set "
        "mqtt.commands.unsynced_clock: accept",
    )


def _camera(config: Config) -> Finding:
    try:
        return Finding("camera", "ok", open_camera(config.camera).probe())
    except EdgedError as fault:
        return Finding("camera", "problem", str(fault))


def _key(config: Config) -> Finding:
    try:
        load_key(config.key)
    except EdgedError as fault:
        return Finding("key", "problem", str(fault))
    return Finding("key", "ok", "readable by us alone")


def _broker(config: Config) -> list[Finding]:
    if config.mqtt is None:
        return [Finding("broker", "warning", "none configured: events stay on the terminal")]
    host, port = config.mqtt.host, config.mqtt.port_or_default
    try:
        socket.create_connection((host, port), 3).close()
    except OSError as fault:
        text = f"{host}:{port} cannot be reached: {fault}"
        return [Finding("broker", "problem", text, "check address, network and firewall")]
    return [Finding("broker", "ok", f"{host}:{port} answers")]
