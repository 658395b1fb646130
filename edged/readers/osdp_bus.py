"""One RS-485 line with OSDP readers on it, of which this terminal is the control panel."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from edged.errors import ReaderError
from edged.readers.osdp_line import (
    PACE_S,
    SILENT_S,
    TRY_AGAIN_S,
    PanelChannel,
    osdp,
    reseed,
)

if TYPE_CHECKING:
    from pathlib import Path

    from edged.readers.osdp_frame import Replies

log = logging.getLogger(__name__)

_MOST = 16  # libosdp's Python has room for 32, and checks nothing


class Member(Protocol):
    """A reader on the line; called on the line's thread only.

    Attributes:
        key: of its secure channel; None: it is talked to in the clear.
        installing: a reader that has no key yet is given ours.
    """

    address: int
    key: bytes | None
    installing: bool

    def heard(self, event: dict[str, Any], now_s: float) -> None:
        """What it sent, as libosdp has it; nothing but what came as `key` asks for."""

    def stands(self, guard: Replies, *, well: bool, now_s: float) -> None:
        """How the line to it is, many times a second.

        Args:
            guard: what it answered last.
            well: what it sends is believed.
        """

    def lost(self, why: str) -> None:
        """The line is gone, with all readers."""

    def wants(self, capable: Any, refused: set[tuple[int, int]]) -> list[dict[str, Any]]:
        """Commands for it, once it is well; each is asked for once.

        Args:
            capable: by a capability's number, whether it has it.
            refused: see `Replies`.
        """


class Bus:
    """The thread of a line. Readers join and leave while it runs."""

    def __init__(self, device: Path, baud: int) -> None:
        self.device = device
        self.baud = baud
        self._lock = threading.Lock()
        self._members: list[Member] = []
        self._changed = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._events: list[tuple[int, dict[str, Any]]] = []

    def join(self, member: Member) -> None:
        """Raises `ReaderError` where its address is taken, or there is no room."""
        with self._lock:
            if any(other.address == member.address for other in self._members):
                raise ReaderError(
                    f"two readers on {self.device} have the address {member.address}; "
                    "give each its own"
                )
            if len(self._members) >= _MOST:
                raise ReaderError(f"more than {_MOST} readers on {self.device}")
            self._members.append(member)
            self._changed.set()
            if self._thread is None:
                name = f"osdp {self.device.name}"
                self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)
                self._thread.start()

    def leave(self, member: Member) -> bool:
        """Nothing is told to it afterwards; True when it was the last one."""
        with self._lock:
            if member in self._members:
                self._members.remove(member)
                self._changed.set()
            last = not self._members
            if last:
                self._stop.set()
        self._settle()
        return last

    def _settle(self) -> None:
        """Wait until the thread has seen who is there, unless it is the thread that asks."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        while thread.is_alive() and (self._stop.is_set() or self._changed.is_set()):
            thread.join(PACE_S)

    def _guarded(self) -> None:
        """The edge of the thread."""
        while not self._stop.is_set():
            try:
                self._run()
            except Exception:
                log.exception("the OSDP line %s failed in a way that nobody foresaw", self.device)
                for member in list(self._members):
                    member.lost("the line failed; see the log")
                self._stop.wait(TRY_AGAIN_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                members = list(self._members)
                self._changed.clear()
            secure = frozenset(one.address for one in members if one.key is not None)
            channel = PanelChannel(self.device, self.baud, secure)
            try:
                channel.open()
                self._talk(channel, members)
                why = channel.fault
            except ReaderError as fault:
                why = str(fault)
            finally:
                channel.close()
            if why is not None:
                for member in members:
                    member.lost(why)
                self._pause()

    def _pause(self) -> None:
        """Before a device that is not there is looked for again."""
        until_s = time.monotonic() + TRY_AGAIN_S
        while time.monotonic() < until_s and not self._stop.wait(PACE_S):
            if self._changed.is_set():
                return

    def _talk(self, channel: PanelChannel, members: list[Member]) -> None:
        """Until the device is gone, or who is on the line changes."""
        library = osdp()
        panel = library.ControlPanel([_info(library, channel, one) for one in members])
        self._events.clear()
        panel.set_event_callback(self._note)
        again_s = [float("inf")] * len(members)
        while channel.fault is None and not self._stop.is_set() and not self._changed.is_set():
            well = _well(panel, members)
            reseed()
            panel.refresh()
            now_s = time.monotonic()
            for place, event in self._taken():
                if event["event"] == library.EVENT_NOTIFICATION:
                    if _went_offline(library, event) and panel.is_pd_enabled(place):
                        again_s[place] = now_s + TRY_AGAIN_S
                elif well[place]:  # else it came before the channel stood, whoever sent it
                    members[place].heard(event, now_s)
            for place, member in enumerate(members):
                again_s[place] = _revive(panel, place, again_s[place], now_s)
                self._look(panel, place, member, channel.guard, now_s)
            self._stop.wait(PACE_S)

    def _look(self, panel: Any, place: int, member: Member, guard: Replies, now_s: float) -> None:
        heard_s = guard.heard_s.get(member.address, float("-inf"))
        well = _well(panel, [member], place)[0] and now_s - heard_s < SILENT_S
        member.stands(guard, well=well, now_s=now_s)
        if not well:
            return

        def capable(number: int) -> bool:
            return bool(panel.check_capability(place, number)[0])

        for command in member.wants(capable, guard.refused):
            panel.submit_command(place, command)

    def _note(self, place: int, event: dict[str, Any]) -> int:
        """Called from C: never raises. The binding never frees what it gives."""
        self._events.append((place, dict(event)))
        event.clear()
        return 0

    def _taken(self) -> list[tuple[int, dict[str, Any]]]:
        events, self._events = self._events, []
        return events


def _info(library: Any, channel: PanelChannel, member: Member) -> dict[str, Any]:
    flags = library.FLAG_ENABLE_NOTIFICATION | library.FLAG_IGN_UNSOLICITED
    if member.key is not None and not member.installing:
        flags |= library.FLAG_ENFORCE_SECURE
    return {
        "name": f"PD-{member.address}",
        "address": member.address,
        "flags": flags,
        "scbk": member.key,
        "channel": channel,
        **dict.fromkeys(("version", "model", "vendor_code"), 0),
        **dict.fromkeys(("serial_number", "firmware_version"), 0),
    }


def _well(panel: Any, members: list[Member], first: int = 0) -> list[bool]:
    """Whether each is on line, with its own key where it has one."""
    online, secured = panel.status(), panel.sc_status()
    return [
        bool((online if member.key is None else online & secured) >> place & 1)
        for place, member in enumerate(members, first)
    ]


def _went_offline(library: Any, event: dict[str, Any]) -> bool:
    return event["type"] == library.EVENT_NOTIFICATION_PD_STATUS and not event["arg0"]


def _revive(panel: Any, place: int, due_s: float, now_s: float) -> float:
    """libosdp would wait for five minutes before it tries a lost reader again."""
    if not panel.is_pd_enabled(place):
        panel.enable_pd(place)
        return float("inf")
    if now_s >= due_s:
        panel.disable_pd(place)
        return float("inf")
    return due_s


_lines: dict[Path, Bus] = {}
_lines_lock = threading.Lock()


def join(device: Path, baud: int, member: Member) -> Bus:
    """The line at a device, which all its readers share.

    Raises:
        ReaderError: the readers of one line do not fit together.
    """
    place = device.resolve()
    with _lines_lock:
        bus = _lines.get(place) or Bus(device, baud)
        if bus.baud != baud:
            raise ReaderError(f"the readers on {device} have different baud rates; give one")
        bus.join(member)
        _lines[place] = bus
        return bus


def leave(bus: Bus, member: Member) -> None:
    """Let go of a line; the last one closes it."""
    with _lines_lock:
        if bus.leave(member):
            for place in [place for place, other in _lines.items() if other is bus]:
                del _lines[place]
