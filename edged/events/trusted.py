"""What time it is, and how far that may be believed: also after a reboot without a network.

A wall clock can be set by anybody who is the network's time service, by a dead battery, or by
hand. What cannot be set is the counter since the machine's start; and what is on the disk
remembers how late it had been for certain. `TrustedTime` holds the three against each other.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from edged.errors import StorageError
from edged.events.clock import boot_id, boottime_s, clock_error_s, clock_state, has_rtc

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.events.types import Clock

log = logging.getLogger(__name__)

MARK = "clock"
"""The note that holds the high-water mark."""

Source = Literal["ntp", "holdover", "rtc", "unknown"]

JUMP_S = 5.0
"""By more than this the wall clock does not move against the counter unless it is set."""

DRIFT = 100e-6
"""What a cheap crystal runs too fast or too slow at most, from cold to hot."""

LONGEST_ERROR_S = 30.0
"""A clock that may be wrong by more is not trusted; by drift alone that takes 3.5 days."""

_KEEP_EVERY_S = 60.0
_LOOK_EVERY_S = 5.0  # whether `edged clock reset` was called meanwhile
_EARLIEST_S = 1_767_225_600.0  # 2026: this software is not older
_LATEST_S = 7_258_118_400.0  # 2200; beyond, a time is garbage
_ERRORS_S = (1.0, 5.0, LONGEST_ERROR_S)


class Notes(Protocol):
    """What is needed of the outbox: small texts that outlast the process."""

    def note(self, name: str) -> str | None: ...

    def keep_note(self, name: str, value: str | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Sync:
    """The last moment at which the wall clock was known to be right.

    Attributes:
        offset_s: wall clock less counter.
        at_s: on the counter.
        error_s: by how much it may have been wrong.
    """

    offset_s: float
    at_s: float
    error_s: float

    def error_at(self, count_s: float) -> float:
        """By how much it may be wrong by then."""
        return self.error_s + DRIFT * max(0.0, count_s - self.at_s)


@dataclass(frozen=True, slots=True)
class Mark:
    """It was `wall_s` at least when the counter of that boot stood at `at_s`."""

    wall_s: float
    at_s: float
    boot: str
    sync: Sync | None = None

    def floor(self, count_s: float) -> float:
        """The earliest that it can be by now; the counter itself may run too fast."""
        return self.wall_s + (1 - DRIFT) * max(0.0, count_s - self.at_s)


@dataclass(frozen=True, slots=True)
class Jump:
    """The wall clock was set."""

    from_s: float
    to_s: float
    source: Source

    def document(self) -> dict[str, Any]:
        """As the site is told."""
        return {"from": rfc3339(self.from_s), "to": rfc3339(self.to_s), "source": self.source}


@dataclass(frozen=True, slots=True)
class _Look:
    """All clocks at one moment."""

    wall_s: float
    count_s: float
    synced: bool
    source: Source = "unknown"
    error_s: float | None = None


class TrustedTime:
    """The time, and whether the age of a command may be judged by it.

    The high-water mark follows the clock while that is trusted and never goes back; `now` is
    never before it. docs/time.md says what is believed when. Any thread may ask; one ticks.

    Args:
        notes: keeps the mark; the outbox.
        kernel: whether a time service keeps the wall clock right.
        wall: the wall clock, Unix seconds.
        monotonic: a counter that nobody can set and that goes on while the machine sleeps.
        error: by how much a synced clock may be wrong.
        boot: tells one start of the machine from the next.
        rtc: whether there is a clock that runs while the machine is off.
    """

    def __init__(
        self,
        notes: Notes,
        kernel: Callable[[], Clock] = clock_state,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = boottime_s,
        *,
        error: Callable[[], float] = clock_error_s,
        boot: Callable[[], str] = boot_id,
        rtc: Callable[[], bool] = has_rtc,
    ) -> None:
        self._notes = notes
        self._kernel = kernel
        self._wall = wall
        self._monotonic = monotonic
        self._error = error
        self._read_boot = boot
        self._read_rtc = rtc
        # Never held while the notes are read or written: whoever appends an event holds the
        # outbox and asks this for the clock.
        self._lock = threading.Lock()
        self._boot = ""
        self._rtc = False
        self._opened = False
        self._mark: Mark | None = None
        self._sync: Sync | None = None
        self._first_offset_s: float | None = None
        self._offset_s: float | None = None  # at the last tick
        self._damaged = False
        self._unkept: str | None = None
        self._text: str | None = None  # of the note, as it was last seen
        self._kept_s = float("-inf")
        self._looked_s = float("-inf")
        self._was: Source | None = None
        self._since_s = 0.0

    def open(self) -> None:
        """Read the mark.

        Raises:
            StorageError: the notes cannot be read.
        """
        self._boot, self._rtc = self._read_boot(), self._read_rtc()
        text = self._notes.note(MARK)
        self._adopt(text)
        look = self._look()
        self._was, self._since_s, self._opened = look.source, self.now(), True
        log.info("the clock is believed source=%s", look.source)

    def tick(self) -> Jump | None:
        """From the supervisor: follow the clock, and keep the mark once a minute.

        Returns:
            The clock was set since the last tick.
        """
        count_s = self._monotonic()
        due = count_s - self._kept_s >= _KEEP_EVERY_S
        if due or count_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = count_s
            self._read_again()
        look = self._look()
        became = look.source != self._was
        if became:
            log.warning("the clock is believed source=%s before=%s", look.source, self._was)
            self._was, self._since_s = look.source, self.now()
        if due or (became and _trusted(look)):
            self._keep(look.count_s)
        return self._jumped(look)

    def close(self) -> None:
        """Keep the mark; safe twice and without `open`."""
        opened, self._opened = self._opened, False
        if opened:
            self._read_again()
            self._look()
            self._keep(self._monotonic())

    def now(self) -> float:
        """Unix seconds; never before the high-water mark and the time that passed since."""
        look = self._look()
        return max(look.wall_s, self._floor(look.count_s))

    def wall(self) -> float:
        """The wall clock as it stands, whatever is believed of it."""
        return self._wall()

    def earliest(self) -> float:
        """It is later than this for certain, whatever the wall clock says; 0 without a mark."""
        return self._floor(self._monotonic())

    @property
    def trusted(self) -> bool:
        """Whether `now` is right within `LONGEST_ERROR_S`."""
        return _trusted(self._look())

    def clock(self) -> Clock:
        """The same, as events say it."""
        return "synced" if self.trusted else "unsynced"

    @property
    def problem(self) -> str | None:
        """What somebody has to look after."""
        if self._unkept is not None:
            return f"the time cannot be remembered: {self._unkept}"
        if self._damaged:
            return (
                "what was remembered of the time is damaged; nothing is trusted until a time "
                "service has set the clock"
            )
        look = self._look()
        floor = self._floor(look.count_s)
        if look.wall_s >= floor - JUMP_S:
            return None
        says = "the time service" if look.synced else "the clock"
        return (
            f"{says} says {rfc3339(look.wall_s // 60 * 60)}, and it has been "
            f"{rfc3339(floor // 3600 * 3600)} already; set the clock, or if it is right: "
            "edged clock reset"
        )

    def document(self) -> dict[str, Any]:
        """As the site is told; it changes only when something happened, or once an hour."""
        look = self._look()
        floor = self._floor(look.count_s)
        return {
            "source": look.source,
            "synced": _trusted(look),
            "since": rfc3339(self._since_s),
            "high_water": rfc3339(floor // 3600 * 3600) if floor else None,
            "error_s": next((e for e in _ERRORS_S if (look.error_s or 0) <= e), LONGEST_ERROR_S)
            if _trusted(look)
            else None,
        }

    def _look(self) -> _Look:
        """All clocks at once, and what is to be believed of them; takes in what is trusted."""
        with self._lock:
            # In this order: a clock that is set after it was read is unsynced when it is asked.
            count_s, wall_s = self._monotonic(), self._wall()
            synced = self._kernel() == "synced"
            return self._believe(_Look(wall_s, count_s, synced))

    def _believe(self, look: _Look) -> _Look:
        offset_s = look.wall_s - look.count_s
        floor = self._mark.floor(look.count_s) if self._mark is not None else 0.0
        behind = look.wall_s < max(floor, _EARLIEST_S) - JUMP_S
        if behind or not look.wall_s < _LATEST_S:
            return look
        if look.synced:
            self._take_sync(Sync(offset_s, look.count_s, self._error()))
            self._damaged = False
        sync = self._sync
        if sync is not None:
            error_s = sync.error_at(look.count_s)
            moved_s = abs(offset_s - sync.offset_s)
            if moved_s > JUMP_S + error_s - sync.error_s or error_s > LONGEST_ERROR_S:
                return look
            self._raise_mark(max(look.wall_s, floor), look.count_s)
            source: Source = "ntp" if look.synced else "holdover"
            return _Look(look.wall_s, look.count_s, look.synced, source, error_s)
        if self._first_offset_s is None:
            self._first_offset_s = offset_s
        drifted_s = JUMP_S + DRIFT * look.count_s
        if self._damaged or not self._rtc or abs(offset_s - self._first_offset_s) > drifted_s:
            return look
        return _Look(look.wall_s, look.count_s, look.synced, "rtc")

    def _take_sync(self, sync: Sync) -> None:
        """The kernel's bound grows by 500 ppm from one poll to the next; ours may be closer."""
        before = self._sync
        if before is not None and abs(sync.offset_s - before.offset_s) <= JUMP_S:
            error_s = min(sync.error_s, before.error_at(sync.at_s))
            sync = Sync(sync.offset_s, sync.at_s, error_s)
        self._sync = sync

    def _raise_mark(self, wall_s: float, count_s: float) -> None:
        self._mark = Mark(wall_s, count_s, self._boot, self._sync)

    def _floor(self, count_s: float) -> float:
        mark = self._mark
        return mark.floor(count_s) if mark is not None else 0.0

    def _jumped(self, look: _Look) -> Jump | None:
        offset_s, before_s = look.wall_s - look.count_s, self._offset_s
        self._offset_s = offset_s
        if before_s is None or abs(offset_s - before_s) <= JUMP_S:
            return None
        log.warning("the clock was set by %.1f s source=%s", offset_s - before_s, look.source)
        return Jump(before_s + look.count_s, look.wall_s, look.source)

    def _adopt(self, text: str | None) -> None:
        """Begin with what a note says."""
        mark = None if text is None else read_mark(text)
        damaged = text is not None and mark is None
        if damaged:
            log.error("what was remembered of the time is damaged")
        count_s = self._monotonic()
        with self._lock:
            self._text, self._damaged = text, damaged
            self._mark = self._sync = self._first_offset_s = None
            if mark is None:
                return
            same = mark.boot == self._boot != "" and mark.at_s <= count_s
            # Of another boot, it is not known how long ago.
            self._mark = mark if same else Mark(mark.wall_s, count_s, self._boot)
            self._sync = mark.sync if same else None

    def _read_again(self) -> None:
        """Whoever sits at the terminal may have reset the mark meanwhile."""
        try:
            text = self._notes.note(MARK)
        except StorageError as fault:
            self._cannot(fault)
            return
        if text != self._text:
            log.warning("what is remembered of the time was changed at the terminal")
            self._adopt(text)

    def _keep(self, count_s: float) -> None:
        """The mark, with what the counter added: that is certain whatever the wall clock says."""
        with self._lock:
            mark = self._mark
        if mark is None:
            return
        text = write_mark(Mark(mark.floor(count_s), count_s, self._boot, mark.sync))
        self._kept_s = count_s  # tried again in a minute if it fails
        try:
            self._notes.keep_note(MARK, text)
        except StorageError as fault:
            self._cannot(fault)
        else:
            self._text, self._unkept = text, None

    def _cannot(self, fault: StorageError) -> None:
        if self._unkept is None:
            log.error("the time cannot be remembered: %s", fault)
        self._unkept = str(fault)


def write_mark(mark: Mark) -> str:
    """A mark as a note."""
    return json.dumps({"v": 1, **asdict(mark)})


def read_mark(text: str) -> Mark | None:
    """A mark from a note; None for garbage."""
    try:
        data = json.loads(text)
        sync = data["sync"]
        mark = Mark(
            float(data["wall_s"]),
            float(data["at_s"]),
            str(data["boot"]),
            None
            if sync is None
            else Sync(float(sync["offset_s"]), float(sync["at_s"]), float(sync["error_s"])),
        )
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
    numbers = [mark.wall_s, mark.at_s]
    if mark.sync is not None:
        numbers += [mark.sync.offset_s, mark.sync.at_s, mark.sync.error_s]
    plausible = all(map(math.isfinite, numbers)) and min(mark.wall_s, mark.at_s) >= 0
    return mark if plausible and mark.wall_s < _LATEST_S and data.get("v") == 1 else None


def rfc3339(unix_s: float) -> str:
    """A time as text, UTC, seconds; what lies beyond a calendar is cut off at its end."""
    bounded = min(max(0.0, unix_s), 253_402_300_799.0)
    return datetime.fromtimestamp(bounded, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _trusted(look: _Look) -> bool:
    return look.source in ("ntp", "holdover")
