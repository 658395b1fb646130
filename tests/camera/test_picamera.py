"""The Raspberry Pi's camera, as far as it can be told without one: how picamera2 is driven."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, ClassVar

import pytest

from edged.camera.picamera import PiSource
from edged.config.schema import PiCamera
from edged.errors import CameraError
from tests.camera.conftest import picture


class Picamera2:
    """Behaves as picamera2 0.3 does: a number without a camera is an IndexError, a frame that
    does not come in time a TimeoutError, and closing releases the device."""

    held: ClassVar[set[int]] = set()
    silent = False

    def __init__(self, number: int) -> None:
        if number > 1:
            raise IndexError("list index out of range")
        if number in self.held:
            raise RuntimeError("Failed to acquire camera: Device or resource busy")
        self.held.add(number)
        self._number = number
        self._wanted: dict[str, Any] = {}

    def create_video_configuration(self, **wanted: Any) -> dict[str, Any]:
        return wanted

    def configure(self, wanted: dict[str, Any]) -> None:
        if wanted["main"]["size"][0] > 4000:
            raise RuntimeError("no such mode")
        self._wanted = wanted

    def start(self) -> None:
        assert self._wanted["main"]["format"] == "RGB888"
        assert self._wanted["queue"] is False

    def capture_array(self, name: str, wait: float) -> Any:
        assert name == "main"
        if self.silent:
            raise TimeoutError(f"no frame in {wait} s")
        return picture(2, *self._wanted["main"]["size"])

    def close(self) -> None:
        self.held.discard(self._number)


@pytest.fixture(autouse=True)
def vendor(monkeypatch):
    module = ModuleType("picamera2")
    module.Picamera2 = Picamera2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    monkeypatch.setattr(Picamera2, "held", set())
    return Picamera2


def test_frames_come_in_the_size_asked_for():
    source = PiSource(PiCamera(driver="picamera2", width_px=320, height_px=240))
    for _ in range(2):
        source.open()
        assert source.read().shape == (240, 320, 3)
        source.close()
        source.close()


def test_a_camera_that_falls_silent_is_lost_and_can_be_opened_again(vendor, monkeypatch):
    source = PiSource(PiCamera(driver="picamera2"))
    source.open()
    monkeypatch.setattr(vendor, "silent", True)
    with pytest.raises(CameraError, match="Raspberry Pi camera 0: stopped delivering"):
        source.read()
    monkeypatch.setattr(vendor, "silent", False)
    source.open()
    assert source.read().shape == (480, 640, 3)
    source.close()


@pytest.mark.parametrize("settings", [{"number": 5}, {"width_px": 4096}])
def test_what_cannot_be_opened_is_said_and_nothing_stays_held(vendor, settings):
    source = PiSource(PiCamera(driver="picamera2", **settings))
    with pytest.raises(CameraError, match=r"cannot be opened .*rpicam-hello"):
        source.open()
    assert vendor.held == set()


def test_a_camera_that_another_program_holds_is_said(vendor):
    vendor.held.add(0)
    with pytest.raises(CameraError, match="busy"):
        PiSource(PiCamera(driver="picamera2")).open()
