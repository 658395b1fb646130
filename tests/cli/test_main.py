"""The command itself: help, bad usage, and how it ends when nobody listens any more."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import edged as package
from edged.cli.main import parser
from tests.cli.conftest import PORTRAIT
from tests.wait import until

EDGED = [sys.executable, "-m", "edged"]
SCRIPT = Path(sys.executable).parent / "edged"
COMMANDS = (
    "run", "record", "replay", "check", "demo", "doctor", "extract", "compare", "enrol",
    "gallery", "hints", "installer", "model", "door", "signals", "bench", "eval",
    "area", "attendance", "audit", "clock", "contract", "ctl", "events", "explain", "keys",
    "policy", "provision",
)  # fmt: skip
HEAVY = ("openvino", "onnxruntime", "paho", "gpiod", "sqlcipher3", "amqtt", "picamera2")


def run(*argv, **options):
    return subprocess.run(
        [*EDGED, *map(str, argv)], capture_output=True, timeout=120, check=False, **options
    )


def test_the_version_and_the_help_are_told(edged):
    assert edged("--version").out == f"edged {package.__version__}\n"
    ran = edged("--help")
    assert ran.code == 0
    assert all(f"    {name}" in ran.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_json(edged, command):
    ran = edged(command, "--help")
    assert ran.code == 0
    actions = {
        "gallery": ("init", "list", "remove"),
        "model": ("info", "verify"),
        "door": ("rest", "inputs"),
        "area": ("list", "set", "forget"),
        "attendance": ("report", "correct"),
        "events": ("query",),
        "installer": ("password",),
        "signals": ("test",),
        "eval": ("people", "pairs"),
        "audit": ("verify",),
        "clock": ("show", "reset"),
        "ctl": ("watch",),
        "keys": ("show",),
        "policy": ("explain", "week", "simulate"),
        "provision": ("request", "apply"),
    }
    if command in actions:
        for action in actions[command]:
            assert "--json" in edged(command, action, "--help").out
    else:
        assert "--json" in ran.out


@pytest.mark.parametrize(
    "argv",
    [[], ["frob"], ["--frob"], ["extract"], ["gallery"], ["gallery", "burn"], ["bench", "--x"]],
)
def test_bad_usage_is_one_line_and_two(edged, argv):
    ran = edged(*argv)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("edged: ")
    assert ran.err.count("\n") == 1
    told = edged(*argv, "--json")
    assert (told.code, told.json["error"]) == (2, "bad_input")


def test_nothing_heavy_is_loaded_until_it_is_needed():
    code = (
        "import sys, edged.cli.main as m; m.parser([]); "
        "print(*[name for name in sys.argv[1:] if name in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code, *HEAVY, "cv2", "numpy", "pydantic", "cryptography"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert loaded.stdout.split() == []


def test_no_command_loads_a_vendors_library_before_it_runs():
    code = (
        "import sys, edged.cli.main as m; m.parser(sys.argv[1].split(',')); "
        "print(*[name for name in sys.argv[2:] if name in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code, ",".join(COMMANDS), *HEAVY],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert loaded.stdout.split() == []


_PARTS = ("check_", "ctl_", "door_", "gallery_", "model_", "policy_")


def test_every_command_is_in_the_table():
    files = {path.stem for path in Path(package.__file__).parent.glob("cli/*.py")}
    of_model = {"importing", "installing", "signing"}  # a file each for some of its actions
    of_others = {name for name in files if name.startswith(_PARTS)}
    helpers = {"__init__", "credentials", "main", "output", "profile"}
    assert files - helpers - of_model - of_others == set(COMMANDS)
    assert parser(COMMANDS)


@pytest.mark.skipif(not SCRIPT.exists(), reason="edged is not installed in this environment")
def test_the_installed_script_is_the_same_command():
    ran = subprocess.run([SCRIPT, "--version"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, f"edged {package.__version__}\n")


@pytest.mark.parametrize("argv", [["extract", PORTRAIT], ["model", "info", "--json"]])
def test_a_reader_that_has_gone_gets_no_traceback(argv):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(
            [*EDGED, *map(str, argv)], stdout=writer, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writer)
    assert (ran.returncode, ran.stderr) == (1, b"")


@pytest.mark.parametrize("argv", [["--help"], ["model", "info"]])
def test_a_full_disk_and_a_closed_stdout_give_no_traceback(argv):
    for redirect, code in ((">/dev/full", (0, 1)), (">&-", (0,)), (">&- 2>&-", (0,))):
        line = f'exec "$@" {redirect}'
        ran = subprocess.run(
            ["sh", "-c", line, "sh", *EDGED, *argv], stderr=subprocess.PIPE, check=False
        )
        assert ran.returncode in code, redirect
        assert b"Traceback" not in ran.stderr
        assert b"Exception ignored" not in ran.stderr


def test_a_name_that_is_no_text_is_told_all_the_same(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff\xc3\xa9.jpg")
    shutil.copy(PORTRAIT, path)
    assert run("extract", path).returncode == 0
    path.write_bytes(b"x")
    for encoding in ("utf-8", "ascii"):
        for flags in ([], ["--json"]):
            ran = run("extract", path, *flags, env={**os.environ, "PYTHONIOENCODING": encoding})
            assert ran.returncode == 2
            assert b"not a JPEG" in ran.stdout + ran.stderr
            assert b"Traceback" not in ran.stderr


def test_a_terminal_without_unicode_is_no_obstacle(site):
    ran = run("doctor", "-c", site.config, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert b"clock" in ran.stdout
    assert b"Traceback" not in ran.stderr


def test_an_interrupt_ends_with_130_and_says_nothing(tmp_path):
    pipe = tmp_path / "edged.yaml"  # a command waits here for what somebody would write
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [*EDGED, "check", "-c", str(pipe)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )

    def opened():
        assert process.poll() is None
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            return None

    writer = until(opened)
    try:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        os.close(writer)
    assert (process.returncode, out, err) == (130, b"", b"")


def test_a_fault_of_the_disk_that_nobody_expected_is_one_line_and_one(edged, monkeypatch):
    def fails(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "/locked/key")

    monkeypatch.setattr("edged.cli.extract.run", fails)
    ran = edged("extract", PORTRAIT)
    assert (ran.code, ran.out, ran.err) == (1, "", "edged: /locked/key: Permission denied\n")
    told = edged("extract", PORTRAIT, "--json")
    assert (told.code, told.err) == (1, "")
    assert told.json["error"] == "failed"
    assert told.json["text"] == "/locked/key: Permission denied"
