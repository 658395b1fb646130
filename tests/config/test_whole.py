"""What only shows when several sections are seen together is told, each at its own place."""

from __future__ import annotations

import re

import pytest

from edged.config.load import parse
from edged.errors import ConfigError

PEM = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----"
BASE = """\
site: hq
terminal: door-1
camera: {driver: replay, source: frames}
key: {env: EDGED_KEY}
door:
  driver: gpio
  line: 17
"""
PEER = f'peers: [{{terminal: door-2, public_key: "{PEM}"}}]\n'.replace("\n-", "\\n-").replace(
    "A\n", "A\\n"
)


def problems(more: str, base: str = BASE) -> list[str]:
    with pytest.raises(ConfigError) as told:
        parse(base + more, "t.yaml")
    return told.value.problems


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (
            "  timetable: [{mode: open, when: ofice}]\nschedules: {office: {days: {daily: []}}}\n",
            "t.yaml:8: door.timetable.0.when: unknown schedule; did you mean office?",
        ),
        (
            "access: {rules: [{name: staff, when: night}]}\n",
            "t.yaml:8: access.rules.0.when: unknown schedule; known here: always",
        ),
        (
            "attendance: {timetable: [{state: in, when: x}]}\n",
            "t.yaml:8: attendance.timetable.0.when: unknown schedule; known here: always",
        ),
        (
            "schedules: {always: {days: {daily: []}}}\n",
            "t.yaml:8: schedules.always: is built in: choose another name",
        ),
        (
            "  contact: {file: ajar}\n  interlock: {peer: door-3}\n",
            "t.yaml:9: door.interlock.peer: unknown peer; known here: none",
        ),
        (
            "  contact: {file: x}\n  exit_button: {file: x}\n",
            "t.yaml:9: door.exit_button.file: x is door.contact's already",
        ),
        (
            "  interlock: {peer: door-2}\n",
            "t.yaml:8: door.interlock: needs contact: nobody else knows that it is shut",
        ),
        (
            f"mqtt: {{host: h}}\n{PEER}".replace("door-2", "door-1"),
            "t.yaml:9: peers.0.terminal: is this terminal itself",
        ),
        (PEER, "t.yaml:8: peers: needs the section mqtt: peers are heard through the broker"),
        (
            "readers: {a: {driver: simulated, pipe: p}, b: {driver: simulated, pipe: p}}\n",
            "t.yaml:8: readers.b.pipe: p is a's already",
        ),
        (
            "readers: {a: {driver: serial, device: s}, b: {driver: osdp, device: s, key_file: k}}",
            "t.yaml:8: readers.b.device: s is a's already",
        ),
        (
            "readers: {a: &o {driver: osdp, device: s, key_file: k}, b: *o}\n",
            "t.yaml:8: readers.b.device: s is a's already",
        ),
        (
            "readers: {a: {driver: serial, device: s}}\npanel: {device: s, key_file: k}\n",
            "t.yaml:9: panel.device: s is the reader a's already",
        ),
        (
            "  contact: {line: 17}\n",
            "t.yaml:8: door.contact.line: line 17 is the door's already",
        ),
        (
            "  contact: {line: 4}\n  outputs: {siren: {line: 4, on: [forced]}}\n",
            "t.yaml:9: door.outputs.siren.line: line 4 is door.contact's already",
        ),
        (
            "  fire: {line: 4}\ngallery: {wipe: {tamper: {driver: gpio, line: 4}}}\n",
            "t.yaml:9: gallery.wipe.tamper.line: line 4 is door.fire's already",
        ),
    ],
)
def test_what_does_not_fit_together_is_told_where_it_stands(more: str, problem: str) -> None:
    told = [re.sub(r":\d+: ", ": ", line, count=1) for line in problems(more)]
    assert any(line.startswith(problem) for line in told), told


def test_several_readers_share_a_bus_under_addresses_of_their_own() -> None:
    config = parse(
        BASE
        + "readers:\n  a: {driver: osdp, device: /dev/s, address: 1, key_file: k}\n"
        + "  b: {driver: osdp, device: /dev/s, address: 2, key_file: k}\n"
    )
    assert list(config.readers) == ["a", "b"]


def test_the_same_line_of_another_chip_is_another_line() -> None:
    config = parse(BASE + "  contact: {chip: /dev/gpiochip1, line: 17}\n")
    assert config.door.contact is not None


def test_a_door_of_its_own_kind_is_told_with_the_lines_that_clash() -> None:
    told = problems("  contact: {line: 5}\n  fire: {line: 5}\n  tamper: {line: 5}\n")
    assert len(told) == 2
