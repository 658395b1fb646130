"""`edged door rest`: the relay goes to rest, whatever has become of the rest of the file."""

from __future__ import annotations

import pytest

DOOR = """\
door:
  driver: simulated
  record: door.jsonl
"""


def test_the_relay_is_put_to_rest(edged, bare):
    ran = edged("door", "rest", "-c", bare.config, "--json")
    assert ran.json == {"relay": "rest", "problems": []}
    assert set(bare.door_record) == {"rest"}
    assert edged("door", "rest", "-c", bare.config).out == "the relay is at rest\n"


def test_a_relay_that_cannot_be_driven_fails(edged, bare):
    bare.configure(door={"driver": "gpio", "chip": "/dev/gpiochip-none"})
    ran = edged("door", "rest", "-c", bare.config)
    assert ran.code == 1
    assert "gpiochip-none" in ran.err


@pytest.mark.parametrize(
    "text",
    [
        f"site: hq\n{DOOR}camera: {{driver: replay\n",
        f"camera:\n\tdriver: opencv\n{DOOR}",
        f"{DOOR}site: [unclosed\n",
        f"site: 'unclosed\n{DOOR}mqtt: x\n",
        f"  oops: 1\n nested: 2\n{DOOR}evnts: {{}}\n",
        f"site: hq\nsite: hq\n{DOOR}# the end\n",
        f"site: hq\0\n{DOOR}",
        f"site: hq\r\n{DOOR}events:\n  capacity: many\n".replace("\n", "\r\n"),
        f"'site': hq\n{DOOR.replace('door', repr('door'), 1)}\n# door: {{driver: gpio}}\n",
        f"{DOOR}  pulse_s: 3 s\n",
        DOOR,
    ],
)
def test_what_is_wrong_elsewhere_does_not_leave_a_relay_on(edged, bare, text):
    bare.config.write_text(text, newline="")
    ran = edged("door", "rest", "-c", bare.config, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["relay"] == "rest"
    assert ran.json["problems"]
    assert set(bare.door_record) == {"rest"}
    assert "edged check" in edged("door", "rest", "-c", bare.config).out


def test_bytes_that_are_no_text_elsewhere_do_not_leave_a_relay_on(edged, bare):
    bare.config.write_bytes(b"site: \xff\xfe\n" + DOOR.encode())
    assert edged("door", "rest", "-c", bare.config).code == 0
    assert set(bare.door_record) == {"rest"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "door"),
        ("site: hq\n", "door: is missing"),
        ("door:\n  driver: gpio\nsite: [\n".replace("gpio", "gpo"), "unknown driver"),
        ("door:\n  driver: gpio\n  active_lo: true\nsite: [\n", "did you mean active_low?"),
        ("door:\n  driver: gpio\n  active_low: perhaps\nsite: [\n", ":3:3: door.active_low"),
        ("\n\ndoor:\n  driver: gpio\n  line: -4\nsite: [\n", ":5:3: door.line"),
        ("door:\n  driver: gpio\nline: 22\nsite: [\n", ":3:1: line"),
        ("door:\n  driver: gpio\nactive_low: true\nsite: [\n", ":3:1: active_low"),
        ("door:\n  driver: gpio\noops\n  active_low: true\nsite: [\n", ":"),
        ("door:\n  driver: gpio\n\tactive_low: true\nsite: [\n", "a tab"),
        (f"{DOOR}site: [\n{DOOR}", "given twice"),
    ],
)
def test_a_door_that_is_not_clear_is_not_driven(edged, bare, text, problem):
    """Half of the settings could drive another line, or to the wrong level."""
    bare.config.write_text(text)
    ran = edged("door", "rest", "-c", bare.config)
    assert (ran.code, ran.out) == (2, "")
    assert problem in ran.err
    assert not (bare.folder / "door.jsonl").exists()


def test_a_file_that_is_not_there_is_told(edged, tmp_path):
    ran = edged("door", "rest", "-c", tmp_path / "none.yaml")
    assert ran.code == 2
    assert "No such file" in ran.err
