"""OSDP v2 on the wire: frames found in a stream, and those kept out that have no place there.

libosdp 3.2.9 believes some frames that nobody authenticated: a card read in the clear before the
secure channel stands is delivered as soon as it does, one in a handshake's security block is
delivered without a look at its MAC, and a reader takes a handshake that was never begun, under
keys of zeros. It also gives up a line for minutes over one bad byte. So it is shown only frames
that are whole, that answer what was asked, and whose security block fits what they say.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field

_SOM = 0x53
_MARK = b"\xff"
_REPLY = 0x80
_HEADER = 5
_LONGEST = 255  # of libosdp's 256 bytes one is the mark before the frame
_GAP_S = 0.1
"""What a line sent before a pause is no beginning of what it sends after it."""
_REPEAT_S = 1.5
"""Nothing is said again for longer: a card that is read late is read by whoever stands there."""

ID, CAP, CHALLENGE, CRYPTOGRAM, KEYSET = 0x61, 0x62, 0x76, 0x77, 0x75
LED, BUZZER, LOCAL_STATUS = 0x69, 0x6A, 0x64
ACK, NAK, PDID, PDCAP, FORMATTED, CCRYPT, RMAC_I, BUSY = (
    *(0x40, 0x41, 0x45, 0x46, 0x51, 0x76, 0x78, 0x79),
)
_IN_THE_CLEAR = {PDID: ID, PDCAP: CAP}
_HANDSHAKE = {0x12: (CCRYPT, CHALLENGE), 0x14: (RMAC_I, CRYPTOGRAM)}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose check fits.

    Attributes:
        raw: from the start byte to the check.
        block: the type of its security block; None: it has none.
        code: of the command or the reply; never encrypted.
    """

    raw: bytes = field(repr=False)
    address: int
    reply: bool
    sequence: int
    block: int | None
    code: int


class Frames:
    """Finds frames in what a line brings; what is none is passed over, byte by byte."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._last_s = float("-inf")

    def feed(self, data: bytes, now_s: float) -> list[Frame]:
        """The frames that are whole with these bytes.

        Args:
            now_s: monotonic.
        """
        if now_s - self._last_s > _GAP_S:
            self._kept.clear()
        if data:
            self._last_s = now_s
        self._kept += data
        found = []
        while (frame := self._next()) is not None:
            found.append(frame)
        return found

    def clear(self) -> None:
        """Forget the beginning of a frame."""
        self._kept.clear()

    def _next(self) -> Frame | None:
        kept = self._kept
        while (begin := kept.find(_SOM)) >= 0:
            del kept[:begin]
            if len(kept) < _HEADER:
                return None
            length = kept[2] | kept[3] << 8
            if _HEADER + 2 <= length <= _LONGEST:
                if len(kept) < length:
                    return None
                frame = parse(bytes(kept[:length]))
                if frame is not None:
                    del kept[:length]
                    return frame
            del kept[0]
        kept.clear()
        return None


def parse(raw: bytes) -> Frame | None:
    """A frame from its start byte to its check; None where these bytes are none."""
    if len(raw) < _HEADER + 2 or raw[0] != _SOM or len(raw) != raw[2] | raw[3] << 8:
        return None
    control = raw[4]
    check = 2 if control & 4 else 1
    body, told = raw[:-check], raw[-check:]
    if check == 2:
        right = binascii.crc_hqx(body, 0x1D0F).to_bytes(2, "little")
    else:
        right = bytes([-sum(body) & 0xFF])
    if told != right:
        return None
    block, at = None, _HEADER
    if control & 8:
        if len(body) < _HEADER + 2:
            return None
        block = body[_HEADER + 1]
        if body[_HEADER] != _block_length(block):
            return None
        at += body[_HEADER]
    if len(body) <= at:
        return None
    return Frame(raw, raw[1] & 0x7F, bool(raw[1] & _REPLY), control & 3, block, body[at])


def _block_length(block: int) -> int | None:
    """As the standard has it: libosdp takes any, and reads beyond the frame."""
    if 0x11 <= block <= 0x14:
        return 3
    return 2 if 0x15 <= block <= 0x18 else None


def sent(data: bytes) -> Frame | None:
    """The frame that libosdp writes, which begins with a mark."""
    return parse(data.removeprefix(_MARK))


class Replies:
    """What a control panel lets in: one answer to what it asked last.

    Args:
        secure: the addresses with which nothing but the handshake may be in the clear.

    Attributes:
        heard_s: by address, when it answered last; monotonic.
        heard: by address, what was asked last and what it answered, as codes.
        refused: address and code of what a reader would not do.
        formatted: the addresses that sent a card as text (osdp_FMT), which libosdp drops.
    """

    def __init__(self, secure: frozenset[int]) -> None:
        self._secure = secure
        self._asked: Frame | None = None
        self.heard_s: dict[int, float] = {}
        self.heard: dict[int, tuple[int, int]] = {}
        self.refused: set[tuple[int, int]] = set()
        self.formatted: set[int] = set()

    def wrote(self, data: bytes) -> None:
        """This went out."""
        self._asked = sent(data)

    def take(self, frames: list[Frame], now_s: float) -> bytes:
        """What libosdp is to see of these."""
        for frame in frames:
            asked = self._asked
            if asked is None or not self._answers(frame, asked):
                continue
            self._asked = None
            self._note(frame, asked, now_s)
            return frame.raw
        return b""

    def _answers(self, frame: Frame, asked: Frame) -> bool:
        if not frame.reply or frame.address != asked.address:
            return False
        if frame.sequence != asked.sequence and frame.code != BUSY:
            return False
        return frame.address not in self._secure or _fits(frame, asked)

    def _note(self, frame: Frame, asked: Frame, now_s: float) -> None:
        self.heard_s[frame.address] = now_s
        self.heard[frame.address] = (asked.code, frame.code)
        if frame.code == NAK:
            self.refused.add((frame.address, asked.code))
        if frame.code == FORMATTED:
            self.formatted.add(frame.address)


def _fits(frame: Frame, asked: Frame) -> bool:
    if frame.block is None:
        if frame.code == ACK:  # with a new key, some readers end the channel before they answer
            return asked.code == KEYSET
        return frame.code in (NAK, BUSY) or (
            asked.block is None and _IN_THE_CLEAR.get(frame.code) == asked.code
        )
    if frame.block in _HANDSHAKE:
        return _HANDSHAKE[frame.block] == (frame.code, asked.code)
    return frame.block in (0x16, 0x18) and asked.block in (0x15, 0x17)


class Commands:
    """What a reader lets in: the last command to its address.

    The same command once more is answered with the same reply, as the standard asks: libosdp
    would take it for a forgery and end the secure channel, and a card would be lost.

    Args:
        secure: nothing but the handshake may be in the clear.

    Attributes:
        heard_s: when a panel asked last; monotonic.
        challenges: how often one began a secure channel; set back by who knows that it stands.
    """

    def __init__(self, address: int, *, secure: bool) -> None:
        self._address = address
        self._secure = secure
        self._last = b""
        self._reply = b""
        self._asked_s = float("-inf")
        self._challenged = False
        self.heard_s = float("-inf")
        self.challenges = 0

    def wrote(self, data: bytes) -> None:
        """This was answered."""
        self._reply = data

    def forget(self) -> None:
        """Nothing that was said up to now is said again."""
        self._reply = b""

    def take(self, frames: list[Frame], now_s: float) -> tuple[bytes, bytes]:
        """What libosdp is to see of these, and what is to be said again instead."""
        ours = [frame for frame in frames if not frame.reply and frame.address == self._address]
        if not ours:
            return b"", b""
        frame = ours[-1]  # what came before was given up by whoever asked
        self.heard_s = now_s
        again = frame.raw == self._last and frame.sequence and now_s - self._asked_s < _REPEAT_S
        if again and self._reply:
            return b"", self._reply
        if self._secure and not self._allowed(frame):
            return b"", b""
        if frame.code == CHALLENGE:
            self.challenges += 1
        self._challenged = frame.code == CHALLENGE
        self._last, self._reply, self._asked_s = frame.raw, b"", now_s
        return frame.raw, b""

    def _allowed(self, frame: Frame) -> bool:
        if frame.block == 0x11:
            return frame.code == CHALLENGE
        if frame.block == 0x13:
            return frame.code == CRYPTOGRAM and self._challenged
        if frame.block is None:
            return frame.code not in (CHALLENGE, CRYPTOGRAM, KEYSET)
        return frame.block in (0x15, 0x17)
