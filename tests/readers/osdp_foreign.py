"""The other side of the line, by others than libosdp: the PyPI package ``osdp`` 1.6.

It has a control panel only, so a reader is made here of its cryptography and its check sums.

libosdp's own Python layer is called ``osdp``, too, and whichever of the two was installed last
has its ``__init__`` in place; the modules of each lie side by side. So this package is loaded
under another name.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import secrets
import sys
import threading
import time
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import serial

from edged.readers.osdp_frame import Frame, Frames

if TYPE_CHECKING:
    from typing import Self

_NAME = "osdp_of_ryanhz"


def foreign(module: str) -> Any:
    """A module of the package, such as ``_control_panel``."""
    if _NAME not in sys.modules:
        folder = next(
            Path(place) / "osdp"
            for place in sys.path
            if (Path(place) / "osdp" / "_control_panel.py").exists()
        )
        package = types.ModuleType(_NAME)
        package.__path__ = [str(folder)]
        sys.modules[_NAME] = package
    return importlib.import_module(f"{_NAME}.{module}")


ACK, NAK, PDID, PDCAP, LSTATR = 0x40, 0x41, 0x45, 0x46, 0x48
RAW, KEYPAD, CCRYPT, RMAC_I = 0x50, 0x53, 0x76, 0x78
DEFAULT_KEY = bytes(range(0x30, 0x40))
_AFTER_S = 0.002


@dataclass
class ForeignReader:
    """A reader on a serial device, honest unless it is told otherwise.

    Attributes:
        key: of its secure channel; None: it has none, and says so.
        queue: replies to the next polls, as code and data.
        commands: what it was asked beside polls, as code and data.
        secured: whether the channel stands.
        forged: by command code, code, data and security block of a reply that somebody else on
            the line gives once before it, with what else makes it fit.
        drop: so many of its next replies get lost.
        never: commands that it refuses.
        default_key: it takes the default key, too, as one does that is new.
        beside: more readers on the same line, which are not opened themselves.
        deaf: it does not answer.
    """

    device: Path
    key: bytes | None
    address: int = 0
    queue: list[tuple[int, bytes]] = field(default_factory=list)
    commands: list[tuple[int, bytes]] = field(default_factory=list)
    secured: bool = False
    forged: dict[int, tuple[int, bytes, bytes]] = field(default_factory=dict)
    drop: int = 0
    never: frozenset[int] = frozenset()
    default_key: bool = False
    beside: list[ForeignReader] = field(default_factory=list)
    deaf: bool = False

    def __post_init__(self) -> None:
        self._crypto = foreign("_secure_channel").SecureChannel(bytes(16))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._last: tuple[bytes, bytes] = (b"", b"")
        self.answered = 0

    def __enter__(self) -> Self:
        self._line = serial.Serial(str(self.device), 9600, timeout=0.01)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._line.close()

    def card(self, bits: int, data: bytes, kind: int = 0) -> None:
        self.queue.append((RAW, bytes([0, kind]) + bits.to_bytes(2, "little") + data))

    def keys(self, pressed: bytes) -> None:
        self.queue.append((KEYPAD, bytes([0, len(pressed)]) + pressed))

    def case(self, *, open_: bool) -> None:
        self.queue.append((LSTATR, bytes([open_, 0])))

    def _run(self) -> None:
        frames = Frames()
        while not self._stop.is_set():
            try:
                data = self._line.read(256)
            except (OSError, TypeError):
                self._reopen()
                continue
            for frame in frames.feed(data, time.monotonic()):
                for one in (self, *self.beside):
                    if not frame.reply and frame.address == one.address and not one.deaf:
                        one._line = self._line
                        one._serve(frame)

    def _reopen(self) -> None:
        self._line.close()
        self.secured = False
        self._stop.wait(0.01)
        if self.device.exists():
            self._line = serial.Serial(str(self.device), 9600, timeout=0.01)

    def _serve(self, frame: Frame) -> None:
        if frame.raw == self._last[0] and frame.sequence:
            reply = self._last[1]
        else:
            reply = self._answer(frame)
        self._last = (frame.raw, reply)
        self.answered += 1
        if self.drop:
            self.drop -= 1
            return
        self._stop.wait(_AFTER_S)
        before = b""
        if frame.code in self.forged:
            before = self.frame(frame, *self.forged.pop(frame.code))
        with contextlib.suppress(OSError, TypeError):
            self._line.write(before + reply)

    def _answer(self, frame: Frame) -> bytes:
        if frame.sequence == 0:
            self.secured = False
        data = self._data(frame)
        if data is None:
            self.secured = False
            return self.frame(frame, NAK, b"\x06")
        if frame.code != 0x60:
            self.commands.append((frame.code, data))
        code, answer = self._obey(frame, data)
        if code in (CCRYPT, RMAC_I):
            block = b"\x03" + bytes([0x12 if code == CCRYPT else 0x14, 1])
            return self.frame(frame, code, answer, block)
        return self.sealed(frame, code, answer) if self.secured else self.frame(frame, code, answer)

    def _obey(self, frame: Frame, data: bytes) -> tuple[int, bytes]:
        code = frame.code
        if code in self.never:
            return NAK, b"\x03"
        if code == 0x60:
            return self.queue.pop(0) if self.queue else (ACK, b"")
        if code == 0x61:
            return PDID, bytes([1, 2, 3, 1, 1, 9, 9, 9, 9, 1, 0, 0])
        if code == 0x62:
            secure = self.key is not None or self.default_key
            return PDCAP, bytes([3, 1, 0, 4, 4, 1, 5, 1, 1, 8, 1, 0, 9, secure, 0, 10, 0, 1])
        if code == 0x64:
            return LSTATR, bytes([0, 0])
        if code == 0x75:
            self.key = data[2:]
            return ACK, b""
        if code == 0x76:
            return self._challenge(frame, data)
        if code == 0x77:
            return self._cryptogram(data)
        return ACK, b""

    def _challenge(self, frame: Frame, data: bytes) -> tuple[int, bytes]:
        crypto, self.secured = self._crypto, False
        default = self.default_key and frame.raw[7] == 0
        key = DEFAULT_KEY if default else self.key
        if key is None:
            return NAK, b"\x05"
        crypto.server_random_number = data
        crypto.calculate_scbk = lambda: key
        mine, cuid = secrets.token_bytes(8), bytes(8)
        head = [0x01, 0x82, *data[:6]]
        enc = crypto.generate_key(bytes(head), bytes(8), key)
        proof = crypto.generate_key(data, mine, enc)
        crypto.is_scbkd = False
        crypto.initialize(cuid, mine, proof)
        return CCRYPT, cuid + mine + proof

    def _cryptogram(self, data: bytes) -> tuple[int, bytes]:
        crypto = self._crypto
        if data != crypto.server_cryptogram:
            return NAK, b"\x05"
        once = crypto.generate_key(data[:8], data[8:], crypto._smac1)
        rmac = crypto.generate_key(once[:8], once[8:], crypto._smac2)
        crypto.establish(rmac)
        self.secured = True
        return RMAC_I, rmac

    def _data(self, frame: Frame) -> bytes | None:
        """What a command says; None where its MAC is wrong."""
        raw = frame.raw
        begin = 5 + (raw[5] if frame.block else 0) + 1
        if not self.secured or frame.block not in (0x15, 0x17):
            return raw[begin:-2]
        mac = self._crypto.generate_mac(raw[:-6], True)
        if mac[:4] != raw[-6:-2]:
            return None
        data = raw[begin:-6]
        if frame.block == 0x15:
            return data
        return unpad(decrypt(self._crypto._enc, self._before, data))

    @property
    def _before(self) -> bytes:
        return self._crypto._rmac

    def frame(self, to: Frame, code: int, data: bytes, block: bytes = b"") -> bytes:
        """A reply in the clear."""
        head = bytes([0x53, self.address | 0x80, 0, 0, to.sequence | 4 | (8 if block else 0)])
        return checked(head + block + bytes([code]) + data)

    def sealed(self, to: Frame, code: int, data: bytes) -> bytes:
        """A reply in the secure channel."""
        head = bytes([0x53, self.address | 0x80, 0, 0, to.sequence | 4 | 8])
        block = b"\x02\x18" if data else b"\x02\x16"
        inner = encrypt(self._crypto._enc, self._crypto._cmac, pad(data)) if data else b""
        body = bytearray(head + block + bytes([code]) + inner)
        body[2:4] = (len(body) + 6).to_bytes(2, "little")
        mac = self._crypto.generate_mac(bytes(body), False)
        return checked(bytes(body) + mac[:4])


def checked(body: bytes) -> bytes:
    """With its length and its check, as `osdp` computes them."""
    packet = bytearray(body) + b"\0\0"
    message = foreign("_command").PollCommand(0)
    message.add_packet_length(packet)
    message.add_crc(packet)
    return bytes(packet)


def pad(data: bytes) -> bytes:
    data += b"\x80"
    return data + bytes(-len(data) % 16)


def unpad(data: bytes) -> bytes:
    return data.rstrip(b"\0")[:-1]


def encrypt(key: bytes, before: bytes, data: bytes) -> bytes:
    return _cipher(key, before).encrypt(data)


def decrypt(key: bytes, before: bytes, data: bytes) -> bytes:
    return _cipher(key, before).decrypt(data)


def _cipher(key: bytes, before: bytes) -> Any:
    from Crypto.Cipher import AES

    return AES.new(key, AES.MODE_CBC, bytes(~byte & 0xFF for byte in before))


class ForeignPanel:
    """The package's `ControlPanel` on a serial device.

    What of it is worked around here:

    * it keeps its sequence and its session when the reader says that it has none (NAK 4 and 6),
      and when nothing answers: `anew` does what a panel has to do by itself;
    * on a device that is gone it loops without a pause, and logs each time;
    * its threads cannot be waited for;
    * it knows no key of a reader's own, only one derived from a master key: see `key_for`.

    Attributes:
        cards: bits and data of each card that was read.
        naks: the reader's refusals, as error codes.
    """

    def __init__(self, device: Path, master: bytes, address: int = 0, *, secure: bool = True):
        logging.getLogger("osdp").setLevel(logging.CRITICAL + 1)
        self._panel = foreign("_control_panel").ControlPanel(master)
        self._panel.on_raw_card_data_reply_received = self._card
        self._panel.on_nak_reply_received = lambda _address, nak: self.naks.append(
            nak.error_code.value
        )
        self._bus = foreign("_bus").Bus(_connection(device), self._panel.on_reply_received)
        self._panel._buses[self._bus.id] = self._bus
        self._thread = threading.Thread(target=self._bus.run_polling_loop, daemon=True)
        self._address, self._secure = address, secure
        self.cards: list[tuple[int, bytes]] = []
        self.naks: list[int] = []

    def __enter__(self) -> Self:
        self.anew()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bus._connection.ended = True
        self._bus.close()
        self._thread.join()

    def anew(self) -> None:
        """Begin a new session with the reader."""
        self._panel.add_device(self._bus.id, self._address, True, self._secure)

    @property
    def secured(self) -> bool:
        return bool(self._bus._configured_devices[self._address].is_security_established)

    def ask(self, what: str, *args: Any) -> Any:
        """One of its methods, such as ``id_report``."""
        return getattr(self._panel, what)(self._bus.id, self._address, *args)

    def led(self, colour: str, *, temporary: bool = True) -> bool:
        kind = foreign("_types")
        nothing = kind.TemporaryReaderControlCode.Nop
        setting = kind.TemporaryReaderControlCode.SetTemporaryAndStartTimer
        shown = getattr(kind.LedColor, colour)
        # the package's code for "set the permanent state" is 2, the standard's is 1
        permanent = types.SimpleNamespace(value=0 if temporary else 1)
        lamp = kind.ReaderLedControl(
            *(0, 0, setting if temporary else nothing, 5, 0, shown, kind.LedColor.Black, 20),
            *(permanent, 5, 0, shown, kind.LedColor.Black),
        )
        return bool(self.ask("reader_led_control", kind.ReaderLedControls([lamp])))

    def _card(self, _address: int, card: Any) -> None:
        self.cards.append((card.bit_count, bytes(card.data)))


def _connection(device: Path) -> Any:
    kind = foreign("_connection")

    class Connection(kind.SerialPortOsdpConnection):  # type: ignore[misc]
        def open(self) -> None:
            while not device.exists():
                if self.ended:
                    raise OSError("gone")
                time.sleep(0.01)
            self.serial_port = serial.Serial(str(device), 9600, timeout=0.3)

        def close(self) -> None:
            port, self.serial_port = self.serial_port, None
            if port is not None:
                port.close()

    Connection.ended = False
    return Connection(str(device), 9600)


def key_for(master: bytes, serial_number: int) -> bytes:
    """The key that a panel with this master key gives to a reader of ours."""
    cuid = bytes([0x02, 0xED, 1, 0]) + (serial_number & 0x7FFFFFFF).to_bytes(4, "little")
    return bytes(foreign("_secure_channel").calculate_scbk(master, cuid))
