"""This terminal as an OSDP v2 reader of an existing access controller, the panel."""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edged import __version__
from edged.errors import ReaderError
from edged.readers.osdp_card import PARITY, data_of
from edged.readers.osdp_key import read_key, store_key
from edged.readers.osdp_line import PACE_S, SILENT_S, TRY_AGAIN_S, ReaderChannel, osdp, reseed

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.config.readers import Panel

log = logging.getLogger(__name__)

GOOD_FOR_S = 2.0
"""A card that the panel did not fetch by then is dropped: it must never open the door for whoever
stands there later."""
_ANSWER_S = 5.0
_VENDOR = 0xFAED02  # on the wire 02:ED:FA, an OUI that nobody owns
_MODEL = 1
_RED, _GREEN = 1, 2
_SET, _SET_TEMPORARY = 1, 2

_DONE: tuple[int, None] = (0, None)
_NOT: tuple[int, None] = (-1, None)
_keep_none = ctypes.pythonapi.Py_IncRef
_keep_none.argtypes = [ctypes.py_object]
_keep_none.restype = None


@dataclass(frozen=True, slots=True)
class _Card:
    data: bytes = field(repr=False)
    at_s: float


class OsdpPanel:
    """The line to the panel: a thread that answers it, and comes back by itself.

    Args:
        serial: a number that no other reader of the panel has.
    """

    def __init__(self, settings: Panel, serial: int) -> None:
        self._settings = settings
        self._serial = serial
        self._key: bytes | None = None
        self._lock = threading.Lock()
        self._card: _Card | None = None
        self._sent_s = float("-inf")
        self._until_s = float("inf")
        self._rekeyed = False
        self._sick_s: float | None = None
        self._fault: str | None = "no panel has asked yet"
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def open(
        self,
        on_fault: Callable[[str | None], None],
        on_answer: Callable[[bool], None] = lambda _granted: None,
    ) -> None:
        """Begin to answer the panel.

        Args:
            on_fault: called on the line's thread with what is wrong whenever that changes, and
                with None when it is well.
            on_answer: called there, too, when the panel shows green or red after a card.

        Raises:
            ReaderError: it can never work: a library is missing, the key file is unusable.
        """
        if self._thread is not None:
            return
        osdp()
        self._key = self._read_key()
        if self._key is None:
            log.warning("the panel is talked to without a key of ours: only to bring it into use")
        self._on_fault, self._on_answer = on_fault, on_answer
        self._stop.clear()
        self._thread = threading.Thread(target=self._guarded, name="panel", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering; what waits is dropped. Safe twice and after a failed `open`."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop.set()
            thread.join()

    @property
    def fault(self) -> str | None:
        """What is wrong; None: the panel asks, in the secure channel where there is a key."""
        return self._fault

    def fits(self, card: str) -> bool:
        """Whether a card's number, in decimal, fits into the bits that the panel expects."""
        return data_of(card, self._settings.bits) is not None

    def send(self, card: str) -> bool:
        """Have a card be read by the panel; it replaces one that waits. Any thread, at once.

        Returns:
            False: the line is not well, or the number does not fit; nothing is sent.
        """
        data = data_of(card, self._settings.bits)
        if data is None or self._fault is not None:
            return False
        with self._lock:
            self._card = _Card(data, time.monotonic())
        return True

    def describe(self) -> dict[str, Any]:
        """Device, address, what is wrong; no numbers, no key."""
        settings = self._settings
        return {
            "device": str(settings.device),
            "address": settings.address,
            "secure": self._key is not None,
            "fault": self._fault,
        }

    def _read_key(self) -> bytes | None:
        settings = self._settings
        if settings.key_file is not None:
            try:
                there = settings.key_file.exists()
            except OSError:
                there = True  # and cannot be read, which is told
            if there or not settings.insecure:
                return read_key(settings.key_file, "panel")
        elif not settings.insecure:
            raise ReaderError("panel: give key_file; insecure: true only to bring it into use")
        return None

    def _guarded(self) -> None:
        """The edge of the thread."""
        while not self._stop.is_set():
            try:
                self._run()
            except Exception:
                log.exception("the line to the panel failed in a way that nobody foresaw")
                self._tell("the line failed; see the log")
                self._stop.wait(TRY_AGAIN_S)

    def _run(self) -> None:
        settings = self._settings
        while not self._stop.is_set():
            channel = ReaderChannel(
                settings.device, settings.baud, settings.address, secure=self._key is not None
            )
            try:
                channel.open()
                self._talk(channel)
                why = channel.fault
            except ReaderError as fault:
                why = str(fault)
            finally:
                channel.close()
            if why is not None:
                self._tell(why)
                self._stop.wait(TRY_AGAIN_S)

    def _talk(self, channel: ReaderChannel) -> None:
        """Until the device is gone, or the key is another one."""
        library = osdp()
        reader = library.PeripheralDevice(
            self._info(library, channel), capabilities=_capabilities(library)
        )
        reader.set_command_callback(self._command)
        self._rekeyed, self._sick_s = False, None
        while channel.fault is None and not self._stop.is_set() and not self._rekeyed:
            reseed()
            reader.refresh()
            self._look(channel, reader, time.monotonic())
            self._offer(library, channel, reader, time.monotonic())
            self._stop.wait(PACE_S)

    def _info(self, library: Any, channel: ReaderChannel) -> dict[str, Any]:
        return {
            "name": "edged",
            "address": self._settings.address,
            "flags": 0 if self._key is None else library.FLAG_ENFORCE_SECURE,
            "scbk": self._key,
            "channel": channel,
            "version": 1,
            "model": _MODEL,
            "vendor_code": _VENDOR,
            "serial_number": self._serial & 0x7FFFFFFF,
            "firmware_version": _firmware(__version__),
        }

    def _look(self, channel: ReaderChannel, reader: Any, now_s: float) -> None:
        guard = channel.guard
        silent = now_s - guard.heard_s >= SILENT_S
        secured = bool(reader.is_sc_active())
        if secured:
            guard.challenges = 0
        if not silent and (secured or self._key is None):
            self._sick_s = None
            self._tell(None)
            return
        if self._sick_s is None:
            self._sick_s = now_s
        if silent:
            # a panel that is silent at first may come at any moment: not at once
            if now_s - self._sick_s >= SILENT_S or guard.heard_s > 0:
                self._tell(f"no panel asks on {self._settings.device}; check its cable and address")
        elif now_s - self._sick_s >= SILENT_S:
            self._tell(_without_channel(guard.challenges))

    def _offer(self, library: Any, channel: ReaderChannel, reader: Any, now_s: float) -> None:
        if now_s >= self._until_s:
            self._until_s = float("inf")
            channel.guard.forget()
            if reader.flush_events():
                log.warning("the panel did not fetch a card within %.0f s: dropped", GOOD_FOR_S)
        with self._lock:
            card, self._card = self._card, None
        if card is None or self._fault is not None or now_s - card.at_s >= GOOD_FOR_S:
            return
        bits = self._settings.bits
        raw, wiegand = library.CARD_FMT_RAW_UNSPECIFIED, library.CARD_FMT_RAW_WIEGAND
        event = {"event": library.EVENT_CARDREAD, "reader_no": 0, "direction": 0}
        event |= {"format": wiegand if bits in PARITY else raw, "length": bits}
        reader.flush_events()
        reader.submit_event({**event, "data": card.data})
        self._sent_s, self._until_s = now_s, card.at_s + GOOD_FOR_S

    def _command(self, command: dict[str, Any]) -> tuple[int, None]:
        """Called from C: never raises.

        The binding lets go of the second part of what it gets, which is not its own: sooner or
        later that would end the process.
        """
        _keep_none(None)
        try:
            return _DONE if self._obey(command) else _NOT
        except Exception:
            log.exception("a command of the panel was not understood")
            return _NOT

    def _obey(self, command: dict[str, Any]) -> bool:
        library = osdp()
        kind = command["command"]
        if kind == library.CMD_LED:
            self._shown(command)
            return True
        if kind == library.CMD_BUZZER:
            return True
        if kind == library.CMD_STATUS:
            return bool(
                command["type"] in (library.STATUS_REPORT_LOCAL, library.STATUS_REPORT_REMOTE)
            )
        return kind == library.CMD_KEYSET and self._take_key(command["data"])

    def _shown(self, command: dict[str, Any]) -> None:
        """The panel's answer to a card. Many show a steady red all day: that is none."""
        if time.monotonic() - self._sent_s > _ANSWER_S:
            return
        colour, temporary = command["on_color"], bool(command["temporary"])
        if command["control_code"] != (_SET_TEMPORARY if temporary else _SET):
            return
        if colour == _GREEN or (colour == _RED and temporary):
            self._sent_s = float("-inf")
            self._on_answer(colour == _GREEN)

    def _take_key(self, key: bytes) -> bool:
        settings = self._settings
        if not settings.accept_key or settings.key_file is None:
            log.error("the panel offers a new key; refused, as panel.accept_key is not set")
            return False
        try:
            store_key(settings.key_file, key)
        except ReaderError as fault:
            log.error("%s", fault)
            return False
        log.warning("the panel gave a new key, kept in %s", settings.key_file)
        self._key, self._rekeyed = bytes(key), True
        return True

    def _tell(self, fault: str | None) -> None:
        if fault == self._fault:
            return
        self._fault = fault
        self._on_fault(fault)


def _without_channel(challenges: int) -> str:
    if challenges:
        return "the panel has another key than panel.key_file; give both the same"
    return "the panel asks for no secure channel; in the clear it is not answered"


def _capabilities(library: Any) -> list[dict[str, int]]:
    told = [
        (library.CAP_CARD_DATA_FORMAT, 1, 0),  # as bits
        (library.CAP_READER_LED_CONTROL, 4, 2),  # red, green and amber, timed
        (library.CAP_READER_AUDIBLE_OUTPUT, 1, 1),
        (library.CAP_READERS, 0, 1),
    ]
    names = ("function_code", "compliance_level", "num_items")
    return [dict(zip(names, one, strict=True)) for one in told]


def _firmware(version: str) -> int:
    parts = [int(part) if part.isdecimal() else 0 for part in version.split(".")[:3]]
    return int.from_bytes(bytes(min(part, 255) for part in [*parts, 0, 0, 0][:3]), "big")
