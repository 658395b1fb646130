"""An OSDP v2 reader, of which this terminal is the control panel."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from edged.access.request import Reading
from edged.errors import ReaderError
from edged.readers import osdp_bus
from edged.readers.digits import Digits
from edged.readers.osdp_card import number_of
from edged.readers.osdp_frame import (
    BUZZER,
    CAP,
    CCRYPT,
    CHALLENGE,
    CRYPTOGRAM,
    LED,
    LOCAL_STATUS,
    NAK,
    PDCAP,
    Replies,
)
from edged.readers.osdp_key import read_key
from edged.readers.osdp_line import SILENT_S, osdp
from edged.readers.parsing import is_pin
from edged.readers.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.access.request import Direction
    from edged.config.readers import OsdpReader as Settings
    from edged.readers.reader import Cue

log = logging.getLogger(__name__)

_KEYS = {0x0D: "enter", 0x23: "enter", 0x7F: "clear", 0x2A: "clear"}
"""The standard writes # as return and * as delete; some readers send what is printed."""

_RED, _GREEN, _AMBER, _BLUE = 1, 2, 3, 4
_LEDS: dict[str, tuple[int, int, int, int]] = {
    "granted": (_GREEN, 1, 0, 30),
    "denied": (_RED, 2, 2, 20),
    "ask_pin": (_BLUE, 5, 5, 150),
    "wait": (_AMBER, 1, 0, 50),
    "error": (_RED, 1, 1, 30),
}
"""Colour, tenths of a second on and off, and for how many in all."""
_TONES = {"granted": (3, 1, 1), "denied": (1, 1, 3), "ask_pin": (1, 1, 1), "error": (1, 1, 5)}
"""Tenths of a second on and off, and how often."""


class OsdpReader:
    """See `edged.readers.reader.Reader`. Several at one device share its line."""

    def __init__(self, name: str, settings: Settings, direction: Direction) -> None:
        self.address = settings.address
        self.key: bytes | None = None
        self.installing = settings.insecure and settings.key_file is not None
        self._name = name
        self._settings = settings
        self._direction = direction
        self._digits = Digits(pin_length=settings.pin_length)
        self._bus: osdp_bus.Bus | None = None
        self._lock = threading.Lock()
        self._cue: Cue | None = None
        self._ask_status = True
        self._throttle = Throttle()
        self._fault: str | None = "not read yet"
        self._sick_s: float | None = None
        self._case: str | None = None
        self._said: set[str] = set()
        self._unread = 0

    def open(
        self, on_reading: Callable[[Reading], None], on_fault: Callable[[str | None], None]
    ) -> None:
        settings, where = self._settings, f"readers.{self._name}"
        osdp()
        if settings.key_file is not None:
            self.key = read_key(settings.key_file, where)
        elif not settings.insecure:
            raise ReaderError(f"{where}: give key_file; insecure: true only to bring it into use")
        if settings.insecure:
            log.warning("%s may talk without its key: only while it is brought into use", where)
        self._on_reading, self._on_fault = on_reading, on_fault
        self._bus = osdp_bus.join(settings.device, settings.baud, self)

    def cue(self, cue: Cue) -> None:
        with self._lock:
            self._cue = cue

    def close(self) -> None:
        bus, self._bus = self._bus, None
        if bus is not None:
            osdp_bus.leave(bus, self)

    def describe(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "driver": "osdp",
            "device": str(settings.device),
            "address": settings.address,
            "secure": self.key is not None,
            "fault": self._fault,
            "read": self._throttle.passed,
            "too_many": self._throttle.dropped,
            "unreadable": self._unread,
        }

    def heard(self, event: dict[str, Any], now_s: float) -> None:
        """See `osdp_bus.Member`."""
        library = osdp()
        kind = event["event"]
        if kind == library.EVENT_CARDREAD:
            self._card(event, now_s)
        elif kind == library.EVENT_KEYPRESS:
            for pressed in event["data"]:
                self._press(pressed, now_s)
        elif kind == library.EVENT_STATUS and event["type"] == library.STATUS_REPORT_LOCAL:
            self._case = _case(event["report"])

    def stands(self, guard: Replies, *, well: bool, now_s: float) -> None:
        """See `osdp_bus.Member`."""
        if guard.formatted and self.address in guard.formatted:
            self._say_once("it sends cards as text (osdp_FMT), which are not read; set it to raw")
        if well:
            self._sick_s = None
            self._tell(self._case or self._throttle.problem(now_s))
            return
        self._ask_status = True
        self._case = None
        if self._sick_s is None:
            self._sick_s = now_s
        if now_s - self._sick_s >= SILENT_S:
            self._digits.clear()
            self._tell(self._why(guard, now_s))

    def lost(self, why: str) -> None:
        """See `osdp_bus.Member`."""
        self._digits.clear()
        self._ask_status = True
        self._tell(why)

    def wants(
        self, capable: Callable[[int], bool], refused: set[tuple[int, int]]
    ) -> list[dict[str, Any]]:
        """See `osdp_bus.Member`. What a reader refused once would, asked again, cost the line."""
        with self._lock:
            cue, self._cue = self._cue, None
        library = osdp()
        commands: list[dict[str, Any]] = []
        if self._ask_status and (self.address, LOCAL_STATUS) not in refused:
            commands.append({"command": library.CMD_STATUS, "type": library.STATUS_REPORT_LOCAL})
        self._ask_status = False
        if cue is None:
            return commands
        if capable(library.CAP_READER_LED_CONTROL) and (self.address, LED) not in refused:
            commands.append({"command": library.CMD_LED, **_led(cue)})
        audible = capable(library.CAP_READER_AUDIBLE_OUTPUT)
        if cue in _TONES and audible and (self.address, BUZZER) not in refused:
            commands.append({"command": library.CMD_BUZZER, **_tone(cue)})
        return commands

    def _card(self, event: dict[str, Any], now_s: float) -> None:
        number = number_of(event["data"], event.get("length", 8 * len(event["data"])))
        if number is None:
            self._unreadable(now_s)
            return
        self._digits.clear()  # what was pressed before a card does not belong to it
        self._read("card", number, now_s)

    def _press(self, pressed: int, now_s: float) -> None:
        key = _KEYS.get(pressed) or (chr(pressed) if 0x30 <= pressed <= 0x39 else None)
        entry = None if key is None else self._digits.press(key, now_s)
        if entry is None:
            return
        if is_pin(entry):
            self._read("pin", entry, now_s)
        else:
            self._unreadable(now_s)

    def _read(self, kind: Any, value: str, now_s: float) -> None:
        if not self._throttle.take(now_s):
            return
        try:
            self._on_reading(Reading(self._name, kind, value, self._direction, now_s))
        except Exception:  # whoever takes it must not end the line
            log.exception("a reading of %s was not taken", self._name)

    def _unreadable(self, now_s: float) -> None:
        """A card with wrong parity or too many bits, or digits that are no PIN."""
        self._unread += 1
        self._throttle.garbage(1, now_s)

    def _why(self, guard: Replies, now_s: float) -> str:
        place = f"reader {self.address} on {self._settings.device}"
        if now_s - guard.heard_s.get(self.address, float("-inf")) >= 2 * SILENT_S:
            return f"{place} does not answer; check cable (A, B, ground), power, address and baud"
        asked, answered = guard.heard[self.address]
        if asked in (CHALLENGE, CRYPTOGRAM) and answered in (CCRYPT, NAK):
            return f"{place} has another key than key_file; give both the same, see docs/osdp.md"
        if (asked, answered) == (CAP, PDCAP) and self.key is not None:
            return f"{place} offers no secure channel; nothing that it reads is believed"
        return f"{place} does not come to a session; is somebody else on the line?"

    def _tell(self, fault: str | None) -> None:
        if fault != self._fault:
            self._fault = fault
            self._on_fault(fault)

    def _say_once(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            log.warning("reader %s: %s", self._name, what)


def _case(report: bytes) -> str | None:
    if report[:1] not in (b"", b"\0"):
        return "the reader says that its case is open, or it was torn off"
    if report[1:2] not in (b"", b"\0"):
        return "the reader says that its power fails"
    return None


def _led(cue: Cue) -> dict[str, Any]:
    colour, on, off, whole = _LEDS.get(cue, (0, 0, 0, 0))
    return {
        "reader": 0,
        "led_number": 0,
        "temporary": True,
        "control_code": 2 if whole else 1,  # set it, or end what is shown
        "on_count": on,
        "off_count": off,
        "on_color": colour,
        "off_color": 0,
        "timer_count": whole,
    }


def _tone(cue: Cue) -> dict[str, Any]:
    on, off, times = _TONES[cue]
    return {
        "reader": 0,
        "control_code": 2,
        "on_count": on,
        "off_count": off,
        "rep_count": times,
    }
