"""`edged door inputs` shows the installer on the ladder what each input reads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.wait import until

INPUTS = {name: {"file": name} for name in ("contact", "exit_button", "fire", "tamper")}


def test_each_input_is_told_with_its_meaning(edged, bare):
    bare.configure(door={"driver": "simulated", **INPUTS})
    (bare.folder / "contact").touch()
    ran = edged("door", "inputs", "-c", bare.config, "--for", "0.5", "--json")
    assert ran.code == 0
    told = {name: one["active"] for name, one in ran.json["inputs"].items()}
    assert told == {"contact": True, "exit_button": False, "fire": False, "tamper": False}
    ran = edged("door", "inputs", "-c", bare.config, "--for", "0.5")
    assert "contact      the door is open" in ran.out
    assert "the case is shut, 0 changes" in ran.out


def test_what_cannot_be_read_is_told(edged, bare):
    bare.configure(door={"driver": "simulated", "fire": {"chip": "/dev/none", "line": 4}})
    ran = edged("door", "inputs", "-c", bare.config, "--for", "0.5", "--json")
    assert ran.json["inputs"]["fire"]["active"] is None
    assert ran.json["inputs"]["fire"]["fault"]
    assert "unreadable" in ran.err


def test_a_door_without_inputs_says_so(edged, bare):
    assert "no inputs" in edged("door", "inputs", "-c", bare.config).out


def test_it_shows_changes_until_ctrl_c(bare):
    bare.configure(door={"driver": "simulated", **INPUTS})
    argv = [sys.executable, "-m", "edged", "door", "inputs", "-c", str(bare.config)]
    log = bare.folder / "said"
    with log.open("wb") as file:
        process = subprocess.Popen(argv, stdout=file, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        until(lambda: "no fire" in log.read_text())
        (bare.folder / "fire").touch()
        until(lambda: "fire         fire" in log.read_text())
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    assert log.read_text().splitlines()[-2].endswith("fire, 1 changes")


def test_a_slip_in_inputs_or_modes_does_not_leave_a_relay_on(edged, bare):
    bare.config.write_text(
        "door:\n  driver: simulated\n  record: door.jsonl\n"
        "  contact: {line: 4, wirng: normally_closed}\n  held_open_after_s: never\n"
        "  timetable: [{mode: ajar, when: office}]\n"
    )
    ran = edged("door", "rest", "-c", bare.config, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["relay"] == "rest"
    assert set(bare.door_record) == {"rest"}


def test_outputs_are_put_to_rest_too(edged, bare):
    bare.configure(
        door={
            "driver": "simulated",
            "record": "door.jsonl",
            "outputs": {
                "siren": {"on": ["fire"]},
                "gate": {"line": 3, "chip": "/dev/none", "on": ["fire"]},
            },
        }
    )
    ran = edged("door", "rest", "-c", bare.config, "--json")
    assert ran.code == 0
    assert len(ran.json["problems"]) == 1
    assert '"siren": "rest"' in (bare.folder / "door.jsonl").read_text()
