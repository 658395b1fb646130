"""What is handed to systemd is understood by systemd, and the example by edged."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from edged.config.load import parse
from edged.config.schema import Config
from edged.resources import shared

PROGRAMS = ("systemd-analyze", "systemd-sysusers", "systemd-tmpfiles")
pytestmark = pytest.mark.skipif(
    any(shutil.which(program) is None for program in PROGRAMS), reason="systemd is not installed"
)
UNITS = shared("systemd")
EXAMPLE = shared("config") / "example.yaml"
KEY_PEM = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def run(*argv: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is on this machine."""
    text = (UNITS / "edged.service").read_text()
    path = tmp_path / "edged.service"
    path.write_text(text.replace("/opt/edged/bin/edged", "/bin/true"))
    assert "/opt/edged" not in path.read_text()
    return path


def test_the_unit_is_clean(unit: Path) -> None:
    ran = run("systemd-analyze", "verify", unit)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


def test_the_unit_of_the_screen_is_clean_and_reaches_nothing_but_the_terminal(
    tmp_path: Path,
) -> None:
    text = (UNITS / "edged-kiosk.service").read_text()
    path = tmp_path / "edged-kiosk.service"
    path.write_text(text.replace("/usr/bin/cage", "/bin/true"))
    ran = run("systemd-analyze", "verify", path)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")
    assert {"IPAddressDeny=any", "IPAddressAllow=localhost", "User=edged-kiosk"} <= set(
        text.splitlines()
    )
    assert "u edged-kiosk " in (UNITS / "edged.sysusers").read_text()


def test_the_sandbox_is_tight(unit: Path) -> None:
    ran = run("systemd-analyze", "security", "--offline=true", "--threshold=25", unit)
    assert ran.returncode == 0, ran.stdout[-200:]


def test_the_unit_promises_what_the_daemon_keeps(unit: Path) -> None:
    lines = set((UNITS / "edged.service").read_text().splitlines())
    assert {
        "Type=notify", "Restart=always", "User=edged", "StateDirectory=edged",
        "RuntimeDirectory=edged", "LoadCredential=edged.key:/etc/edged/edged.key",
    } <= lines  # fmt: skip
    assert any(line.startswith("WatchdogSec=") for line in lines)
    for device in ("char-video4linux", "char-gpiochip"):
        assert f"DeviceAllow={device} rw" in lines


def test_a_door_waits_neither_for_the_network_nor_for_the_clock() -> None:
    text = (UNITS / "edged.service").read_text()
    ordered = re.findall(r"^(?:After|Wants|Requires|BindsTo)=.*", text, re.MULTILINE)
    assert ordered == []


def test_the_folders_have_the_modes_that_tmpfiles_gives_them() -> None:
    lines = (UNITS / "edged.service").read_text().splitlines()
    assert "StateDirectoryMode=0700" in lines
    assert "ConfigurationDirectoryMode=0750" in lines
    assert "d /etc/edged 0750 " in (UNITS / "edged.tmpfiles").read_text()


def dropped_in(unit: Path, name: str, text: str) -> subprocess.CompletedProcess[str]:
    folder = unit.parent / "edged.service.d"
    folder.mkdir()
    (folder / name).write_text(text)
    ran = run("systemd-analyze", "verify", unit)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")
    return run("systemd-analyze", "security", "--offline=true", "--threshold=25", unit)


def test_the_unit_of_a_jetson_reaches_its_devices_and_is_tight_all_the_same(unit: Path) -> None:
    ran = dropped_in(unit, "jetson.conf", (UNITS / "edged-jetson.conf").read_text())
    assert ran.returncode == 0, ran.stdout[-200:]
    assert re.search(r"DeviceAllow= +Service has no device ACL", ran.stdout)


def test_the_unit_with_readers_reaches_their_devices_and_is_tight_all_the_same(unit: Path) -> None:
    text = (UNITS / "edged-readers.conf").read_text()
    assert dropped_in(unit, "readers.conf", text).returncode == 0
    groups = re.findall(r"^SupplementaryGroups=(.*)", text, re.MULTILINE)
    assert groups == ["dialout input"]
    made = (UNITS / "edged.sysusers").read_text().splitlines()
    assert {f"g {group} - -" for group in groups[0].split()} <= set(made)
    assert "m edged input" not in made  # only with the drop-in


def test_the_key_of_a_tpm_takes_the_place_of_the_plain_one(unit: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "install.md").read_text(encoding="utf-8")
    printed = re.findall(r"printf '(\[Service\]\\nLoadCredential=\\n.*?)'", page)
    assert len(printed) == 1
    text = printed[0].replace("\\n", "\n")
    assert text.splitlines()[1] == "LoadCredential="
    assert dropped_in(unit, "key.conf", text).returncode == 0


def test_the_rule_gives_the_chips_to_the_group_that_is_made() -> None:
    rule = UNITS / "edged.udev"
    lines = [line for line in rule.read_text().splitlines() if not line.startswith("#")]
    pair = r'[A-Z]+(?:==|=)"[^"]+"'
    assert lines
    for line in lines:
        assert re.fullmatch(rf"{pair}(?:, {pair})*", line)
        assert 'GROUP="gpio"' in line
    assert "g gpio" in (UNITS / "edged.sysusers").read_text()
    udevadm = shutil.which("udevadm")
    if udevadm and int(run(udevadm, "--version").stdout) >= 254:  # it can verify since
        ran = run(udevadm, "verify", "--resolve-names=never", rule)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_command_as_the_service_is_run_as_the_unit_says(tmp_path: Path) -> None:
    """systemd-run is another program here, which tells its arguments."""
    stand_in = tmp_path / "systemd-run"
    stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stand_in.chmod(0o755)
    here = tmp_path / "my photos"
    here.mkdir()
    ran = subprocess.run(
        ["sh", UNITS / "edged-as-service", "enrol", "-c", "x.yaml", "E 1", "a b.jpg"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        cwd=here,
        capture_output=True,
        text=True,
        check=True,
    )
    told = ran.stdout.splitlines()
    program = told.index("/opt/edged/bin/edged")
    assert told[program + 1 :] == ["enrol", "-c", "x.yaml", "E 1", "a b.jpg"]
    given = [told[n + 1] for n in range(program) if told[n] == "-p"]
    assert f'BindReadOnlyPaths="{here}":/mnt' in given
    own = [line for line in given if not line.startswith(("BindReadOnlyPaths=", "Working"))]
    assert len(own) > 5
    assert set(own) <= set((UNITS / "edged.service").read_text().splitlines())
    unit = tmp_path / "same.service"  # systemd reads both forms alike
    unit.write_text("\n".join(["[Service]", "Type=oneshot", "ExecStart=/bin/true", *given, ""]))
    ran_as_unit = run("systemd-analyze", "verify", unit)
    assert (ran_as_unit.returncode, ran_as_unit.stderr) == (0, "")


def test_the_user_can_be_made(tmp_path: Path) -> None:
    ran = run("systemd-sysusers", "--dry-run", f"--root={tmp_path}", UNITS / "edged.sysusers")
    assert ran.returncode == 0, ran.stderr
    assert "Creating user 'edged'" in ran.stdout + ran.stderr


def test_the_folders_can_be_made(tmp_path: Path) -> None:
    text = (UNITS / "edged.tmpfiles").read_text()
    owner = f" {os.geteuid()} {os.getegid()} "  # any user may give files to themselves
    rules = tmp_path / "edged.conf"
    rules.write_text(text.replace(" root edged ", owner).replace(" root root ", owner))
    (tmp_path / "etc" / "edged").mkdir(parents=True)
    key = tmp_path / "etc" / "edged" / "edged.key"
    key.write_text("0" * 64)
    argv = ("systemd-tmpfiles", "--create", f"--root={tmp_path}")
    ran = run(*argv, rules)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert key.parent.stat().st_mode & 0o777 == 0o750
    assert key.stat().st_mode & 0o777 == 0o400
    rules.write_text(text.replace("0750", "rwx"))
    assert run(*argv, rules).returncode != 0


def test_the_example_is_a_configuration_as_it_stands() -> None:
    config = parse(EXAMPLE.read_text(encoding="utf-8"), "example.yaml")
    assert config.door.driver == "simulated"


def uncommented() -> str:
    """The example with every setting that stands behind a ``#`` in force."""
    text = EXAMPLE.read_text(encoding="utf-8")
    head, body = text.split("\nsite:", 1)
    behind = r"^( *)# ?( *[a-z_]+:|  *- (?:id:|terminal:|\{)| +(?:-----|…))"
    body = re.sub(behind, r"\1\2", body, flags=re.MULTILINE)
    body = body.replace("…", KEY_PEM)
    for other in ("driver: simulated", "credential: edged.key", "env: EDGED_KEY"):  # one of each
        assert other in body
        body = re.sub(rf"^ *{re.escape(other)}.*\n", "", body, flags=re.MULTILINE)
    return f"{head}\nsite:{body}"


def test_the_example_is_a_configuration_with_every_setting_in_force() -> None:
    text = uncommented()
    config = parse(text, "example.yaml")
    assert config.door.driver == "gpio"
    assert config.mqtt is not None
    assert config.mqtt.tls is not None
    assert config.mqtt.commands.keys[0].id == "controller-1"
    assert set(yaml.safe_load(text)) >= set(Config.model_fields) - {"web"}


def test_what_stands_behind_a_hash_in_the_example_is_the_default() -> None:
    """Compares every part that has defaults of its own."""
    config = parse(uncommented(), "example.yaml")
    plain = parse(EXAMPLE.read_text(encoding="utf-8"), "example.yaml")
    assert config.camera == plain.camera
    assert config.vision == plain.vision
    assert config.decision == plain.decision
    assert config.gallery == plain.gallery
    assert config.events == plain.events
    assert config.names_in_events == plain.names_in_events
    assert config.log_level == plain.log_level
    assert config.model.model_copy(update={"cache_dir": None}) == plain.model
