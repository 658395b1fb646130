from __future__ import annotations

import dataclasses
import errno
import inspect
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.schema import GpioDoor
from edged.door import make_door, open_door
from edged.errors import DoorError
from tests.door import fake_gpiod
from tests.door.fake_gpiod import Board
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator


def settings(**more: Any) -> GpioDoor:
    return GpioDoor.model_validate({"driver": "gpio", "line": 17} | more)


def test_rest_is_first_and_last_on_the_wire(board: Board) -> None:
    door = open_door(settings())
    door.pulse(0.05)
    until(lambda: not door.relay)
    door.close()
    assert board.log == [
        ("request", False),
        ("set", True),
        ("set", False),
        ("set", False),
        ("release", None),
    ]
    assert board.open_chips == 0


def test_close_in_mid_pulse_rests_before_it_lets_go(board: Board) -> None:
    door = open_door(settings())
    door.pulse(60)
    door.close()
    assert board.log[-2:] == [("set", False), ("release", None)]


@pytest.mark.parametrize("active_low", [False, True])
def test_active_low_turns_the_level_over(board: Board, active_low: bool) -> None:
    door = open_door(settings(active_low=active_low))
    assert board.levels[17] is active_low
    door.pulse(60)
    assert board.levels[17] is not active_low
    door.close()
    assert board.levels[17] is active_low


def test_a_line_may_be_named(board: Board) -> None:
    door = open_door(settings(line="relay"))
    door.pulse(60)
    assert board.levels[17]
    door.close()


def failing(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("chip", "line", "more", "says"),
    [
        (None, None, {"chip": "/dev/gpiochip9"}, "does not exist; `gpiodetect`"),
        (failing(errno.EACCES), None, {}, "group that owns the device"),
        (failing(errno.ENOTTY), None, {}, "is no GPIO chip"),
        (None, failing(errno.EBUSY), {}, "is busy; `gpioinfo`"),
        (None, failing(errno.EPERM), {}, "may not be driven by this user"),
        (None, failing(errno.EIO), {}, "cannot be driven: Input/output error"),
        (None, None, {"line": 400}, "line 400 of /dev/gpiochip0 does not exist; `gpioinfo`"),
        (None, None, {"line": "gate"}, "line gate of /dev/gpiochip0 does not exist; `gpioinfo`"),
    ],
)
def test_what_cannot_be_taken_is_told_with_what_to_do(
    board: Board, chip: OSError | None, line: OSError | None, more: dict[str, Any], says: str
) -> None:
    board.chip_failure, board.line_failure = chip, line
    door = make_door(settings(**more))
    with pytest.raises(DoorError) as caught:
        door.open()
    assert says in str(caught.value)
    door.close()
    assert board.open_chips == 0


def test_a_second_daemon_is_refused(board: Board) -> None:
    door = open_door(settings())
    with pytest.raises(DoorError, match="busy"):
        open_door(settings())
    door.close()
    open_door(settings()).close()


def test_a_line_that_stops_obeying_is_tried_until_it_rests(board: Board) -> None:
    door = open_door(settings())
    door.pulse(0.05)
    board.write_failure = failing(errno.EIO)
    until(lambda: door.describe()["fault"])
    assert door.relay, "the door must not claim a rest that it did not reach"
    with pytest.raises(DoorError, match="does not obey"):
        door.pulse(1)
    board.write_failure = None
    until(lambda: not board.levels[17])
    assert not door.relay
    assert door.describe()["fault"] is None
    door.close()


def test_close_lets_go_of_a_line_that_does_not_obey(board: Board) -> None:
    door = open_door(settings())
    board.write_failure = failing(errno.EIO)
    with pytest.raises(DoorError, match="does not obey"):
        door.close()
    assert not board.held
    door.close()


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", None)
    with pytest.raises(DoorError, match=r"pip install 'edged\[gpio\]'"):
        open_door(settings())


def test_the_fake_has_the_surface_of_the_real_gpiod() -> None:
    gpiod = pytest.importorskip("gpiod", reason="gpiod is not installed")
    real_line = pytest.importorskip("gpiod.line")
    fake = Board().module()
    for owner in ("Chip", "LineRequest"):
        fake_class = getattr(fake_gpiod, owner)
        for name in [name for name in vars(fake_class) if not name.startswith("_")]:
            real = inspect.signature(getattr(getattr(gpiod, owner), name))
            mine = inspect.signature(getattr(fake_class, name))
            assert list(mine.parameters) == list(real.parameters), f"{owner}.{name}"
    assert list(inspect.signature(fake.Chip).parameters) == list(
        inspect.signature(gpiod.Chip).parameters
    )
    real_fields = {field.name: field.default for field in dataclasses.fields(gpiod.LineSettings)}
    for field in dataclasses.fields(fake_gpiod.LineSettings):
        assert str(real_fields[field.name]) == str(field.default)
    for kind in ("Direction", "Value"):
        real_members = getattr(real_line, kind).__members__
        assert list(getattr(fake.line, kind).__members__) == list(real_members)
    for kind in ("Bias", "Edge"):
        assert set(getattr(fake.line, kind).__members__) <= set(
            getattr(real_line, kind).__members__
        )
    assert set(fake.EdgeEvent.Type.__members__) <= set(gpiod.EdgeEvent.Type.__members__)


@pytest.mark.parametrize("path", ["/dev/no-such-gpiochip", "/dev/null"])
def test_the_real_gpiod_fails_as_the_fake_does(path: str) -> None:
    pytest.importorskip("gpiod", reason="gpiod is not installed")
    with pytest.raises(DoorError, match=r"does not exist|is no GPIO chip"):
        open_door(settings(chip=path))


CONFIGFS = Path("/sys/kernel/config/gpio-sim")


@pytest.fixture
def simulated_chip() -> Iterator[tuple[str, Path]]:
    """A chip of the kernel's gpio-sim and the file where its line 3 can be read."""
    pytest.importorskip("gpiod", reason="gpiod is not installed")
    if not CONFIGFS.is_dir() or not os.access(CONFIGFS, os.W_OK):
        pytest.skip("needs root and the kernel module gpio-sim (modprobe gpio-sim)")
    device = CONFIGFS / f"edged-{os.getpid()}"
    bank = device / "bank0"
    bank.mkdir(parents=True)
    try:
        (bank / "num_lines").write_text("8")
        (device / "live").write_text("1")
        name, chip = (device / "dev_name").read_text(), (bank / "chip_name").read_text()
        yield (
            f"/dev/{chip.strip()}",
            Path("/sys/devices/platform") / name.strip() / chip.strip() / "sim_gpio3/value",
        )
    finally:
        (device / "live").write_text("0")
        bank.rmdir()
        device.rmdir()


@pytest.mark.hardware
def test_a_real_kernel_line_is_driven_and_rests(simulated_chip: tuple[str, Path]) -> None:
    chip, value = simulated_chip
    door = open_door(settings(chip=chip, line=3))
    assert value.read_text().strip() == "0"
    door.pulse(0.2)
    assert value.read_text().strip() == "1"
    until(lambda: value.read_text().strip() == "0")
    with pytest.raises(DoorError, match="busy"):
        open_door(settings(chip=chip, line=3))
    door.close()
    assert value.read_text().strip() == "0"
