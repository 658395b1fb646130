"""docs/configure.md is the schema in words: no setting is missing, every limit is the real one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from edged.config import access, attendance, door, readers, schema
from edged.config.base import NAME, Settings

PAGE = Path(__file__).parents[2] / "docs" / "configure.md"
SECTIONS = {
    "the terminal": schema.Config,
    "camera, driver: opencv": schema.OpenCVCamera,
    "camera, driver: picamera2": schema.PiCamera,
    "camera, driver: replay": schema.ReplayCamera,
    "model": schema.Model,
    "vision": schema.Vision,
    "decision": schema.Decision,
    "key": schema.Key,
    "gallery": schema.Gallery,
    "gallery.wipe": schema.Wipe,
    "gallery.wipe.tamper": schema.TamperLine,
    "door": door.DoorSettings,
    "door, driver: simulated": door.SimulatedDoor,
    "door, driver: gpio": door.GpioDoor,
    "door.contact, door.fire, door.tamper": door.Input,
    "door.exit_button": door.ExitButton,
    "door.outputs": door.Output,
    "door.timetable": door.ModeSpan,
    "door.interlock": door.Interlock,
    "schedules": access.Schedule,
    "holidays": access.Holidays,
    "access": access.Access,
    "access.rules": access.AccessRule,
    "access.area": access.Area,
    "access.area.passback": access.Passback,
    "access.pins": access.PinGuard,
    "access.qr": access.QrTokens,
    "readers": readers.ReaderSettings,
    "readers, driver: keyboard": readers.KeyboardReader,
    "readers, driver: serial": readers.SerialReader,
    "readers, driver: osdp": readers.OsdpReader,
    "readers, driver: simulated": readers.SimulatedReader,
    "panel": readers.Panel,
    "attendance": attendance.Attendance,
    "attendance.timetable": attendance.StateSpan,
    "peers": access.Peer,
    "events": schema.Events,
    "mqtt": schema.Mqtt,
    "mqtt.tls": schema.Tls,
    "mqtt.commands": schema.Commands,
    "mqtt.commands.keys": schema.CommandKey,
    "mqtt.homeassistant": schema.HomeAssistant,
    "mqtt.sync": schema.Sync,
    "web": schema.Web,
    "web.installer": schema.Installer,
    "signals": schema.Signals,
    "signals.lines": schema.SignalLine,
    "signals.states": schema.Pulses,
    "history": schema.History,
    "recording": schema.Recording,
}
UNITS = {"s": "s", "px": "px", "deg": "°", "hz": "per second", "port": ""}
WORDS = {"string": "text", "integer": "whole number", "array": "list", "object": "options"}


def values(name: str, field: dict[str, Any]) -> str:
    """What may be written."""
    if "anyOf" in field:
        kinds = [part for part in field["anyOf"] if part != {"type": "null"}]
        return " or ".join(dict.fromkeys(values(name, part) for part in kinds))
    if "$ref" in field or "oneOf" in field:
        return "see below"
    if "const" in field:
        return f"`{field['const']}`"
    unit = UNITS.get(name.rsplit("_", 1)[-1], "")
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"]) + (f" {unit}" if unit else "")
    if low := {"minimum", "ge"} & field.keys():  # pydantic writes either
        least, most = field[low.pop()], field.get("maximum", field.get("le"))
        return f"{number(least)} – {number(most)} {unit}".strip()
    if field.get("type") == "boolean":
        return "`true`, `false`"
    if field.get("format") == "path":
        return "path"
    if field.get("pattern") == NAME:
        return "name"
    return WORDS[field["type"]]


def number(value: float) -> str:
    whole, _, fraction = f"{value:,.6f}".partition(".")
    return f"{whole}.{fraction.rstrip('0')}".rstrip(".")


def default(name: str, field: dict[str, Any], required: list[str]) -> str:
    if name in required:
        return "required"
    value = field.get("default")
    if value in (None, {}, []) or isinstance(value, dict):
        return "–"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = value.encode("unicode_escape").decode() if isinstance(value, str) else json.dumps(value)
    return f"`{text}`"


def rows(settings: type[Settings]) -> list[list[str]]:
    """Setting, values and default, as the page's tables show them; what a class shares with
    others stands in their common section."""
    told = settings.model_json_schema()
    (parent,) = settings.__bases__
    return [
        [f"`{name}`", values(name, field), default(name, field, told.get("required", []))]
        for name, field in told["properties"].items()
        if name not in parent.model_fields
    ]


def below(settings: type[Settings]) -> set[type[Settings]]:
    return {one for child in settings.__subclasses__() for one in (child, *below(child))}


def tables() -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    for part in re.split(r"^##+ ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        lines = [line for line in text.splitlines() if line.startswith("| `")]
        if lines:
            found[title.strip().lower()] = [
                [cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines
            ]
    return found


def test_every_class_of_settings_has_its_section() -> None:
    found = below(Settings)  # others than a terminal's, too, once imported
    ours = {one for one in found if one.__module__.startswith("edged.config.")}
    assert set(SECTIONS.values()) == ours
    assert list(tables()) == list(SECTIONS)


@pytest.mark.parametrize("title", SECTIONS)
def test_a_section_tells_every_setting_with_its_limits_and_its_default(title: str) -> None:
    table = tables()[title]
    assert [row[:3] for row in table] == rows(SECTIONS[title])
    for row in table:
        assert len(row) == 4, row
        assert row[3].endswith("."), row
