"""What `edged doctor` says of a relay on a Raspberry Pi, and of devices without rights."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.cli import doctor
from edged.config.load import parse

PI = "Raspberry Pi 5 Model B Rev 1.0\0"
SITE = "site: hq\nterminal: t\ncamera: {driver: replay, source: x}\nkey: {file: k}\n"


def look(root, driver="gpio"):
    """The finding's status, text and advice; None when there is nothing to be said."""
    found = doctor._relay(parse(f"{SITE}door: {{driver: {driver}}}"), root)
    return (found[0].status, found[0].text, found[0].advice) if found else None


@pytest.fixture
def machine(tmp_path):
    """Makes a folder that looks like a machine: its model, and the kernel's switches."""

    def make(model, **switches):
        (tmp_path / "proc/device-tree").mkdir(parents=True)
        (tmp_path / "proc/device-tree/model").write_text(model)
        for module, value in switches.items():
            folder = tmp_path / "sys/module" / module / "parameters"
            folder.mkdir(parents=True)
            (folder / "persist_gpio_outputs").write_text(f"{value}\n")
        return tmp_path

    return make


def test_a_pi_whose_kernel_keeps_a_relay_on_is_a_problem(machine):
    status, text, advice = look(machine(PI, pinctrl_bcm2835="Y", pinctrl_rp1="Y"))
    assert status == "problem"
    assert "stays on" in text
    assert "dtparam=strict_gpiod" in advice
    assert "/boot/firmware/config.txt" in advice


@pytest.mark.parametrize("switched", ["pinctrl_bcm2835", "pinctrl_rp1"])
def test_a_pi_with_strict_gpiod_is_well(machine, switched):
    switches = {"pinctrl_bcm2835": "Y", "pinctrl_rp1": "Y", switched: "N"}
    assert look(machine(PI, **switches))[0] == "ok"


def test_a_pi_that_does_not_tell_is_a_warning(machine):
    status, _, advice = look(machine(PI))
    assert status == "warning"
    assert "strict_gpiod" in advice


def test_other_machines_and_other_doors_are_not_asked(machine, tmp_path):
    assert look(tmp_path) is None
    root = machine("NVIDIA Jetson Orin Nano\0", pinctrl_bcm2835="Y")
    assert look(root) is None
    (root / "proc/device-tree/model").write_text(PI)
    assert look(root) is not None
    assert look(root, driver="simulated") is None


def test_the_advice_on_gpio_names_the_rule_that_is_shipped():
    (rule,) = [word for word in doctor._ADVICE["gpio"].split() if word.endswith("edged.udev")]
    assert Path(rule).is_file()
