"""Writes down what the decision sees, and never stands in its way."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from edged.decision.presentation import Phase
from edged.errors import DiskFull, StorageError
from edged.recording.items import Gap, Held, Seen, Template
from edged.recording.thin import Thinner

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.decision.presentation import Step
    from edged.gallery.search import Index
    from edged.recording.file import RecordingFile
    from edged.recording.items import Forgot, Header, Item
    from edged.recording.reader import Visit
    from edged.types import FusedMatch, Observation

log = logging.getLogger(__name__)

_WAITING = 1024  # frames: about a minute
_BATCH_S = 0.5
_TIDY_S = 60.0
_LONGEST_VISIT = 20_000  # frames: over twenty minutes
_ROOM_BYTES = 64 << 20  # the events must find room whatever is recorded


class Recorder:
    """Takes what a `Terminal` tells and writes it in a thread of its own.

    `step` and `mark` are called by the vision thread; they take a reference and return. When
    the disk is too slow frames are dropped until nobody is there, and a gap says so. When it
    is full or fails the recording ends, which is told once; the door works on.

    Args:
        file: an open file; it is not closed here.
        header: what the frames are decided with.
        floor: a best candidate from this similarity on may be the person.
        index: that the searches go to.
        enrolled: whoever is not among these any more is removed from the recording.
        keep_s, largest_bytes: what is older, or beyond, gives way.
        on_fault: called once with why nothing is recorded any more.
        clock: Unix seconds.
    """

    def __init__(
        self,
        file: RecordingFile,
        header: Header,
        *,
        floor: float,
        index: Index,
        enrolled: Callable[[], set[str]],
        keep_s: float,
        largest_bytes: int,
        on_fault: Callable[[str], object] = lambda _: None,
        clock: Callable[[], float] = time.time,
        room_bytes: int = _ROOM_BYTES,
    ) -> None:
        self._file = file
        self._header = header
        self._floor = floor
        self._index = index
        self._enrolled = enrolled
        self._keep_s = keep_s
        self._largest_bytes = largest_bytes
        self._on_fault = on_fault
        self._clock = clock
        self._room_bytes = room_bytes
        # the vision thread's
        self._thinner = Thinner()
        self._known: dict[str, tuple[int, int]] = {}  # since when, and when that was looked up
        self._lost = 0
        self.dropped = 0
        # between the two
        self._waiting: deque[Item | Template] = deque()
        self._news = threading.Event()
        self._closing = threading.Event()
        self._stopped = False
        # the writer's
        self._thread: threading.Thread | None = None
        self._session: int | None = None
        self._visit: Visit | None = None
        self._templates: list[Template] = []
        self._idle = True
        self._frames = 0
        self._asked: tuple[int, frozenset[str]] | None = None

    def open(self) -> None:
        """Begin a session and start writing.

        Raises:
            DiskFull, StorageError: nothing will be recorded.
        """
        self._check_room()
        self._tidy()
        self._session = self._file.begin_session(self._header, self._clock())
        self._thread = threading.Thread(target=self._write, name="recording", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits, and end; safe after a failed `open`, and twice."""
        self._closing.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def step(self, observation: Observation, fused: FusedMatch | None, step: Step) -> None:
        """Take in one frame and what was decided on it; never blocks."""
        if self._stopped:
            return
        index = self._index
        seen = Seen(
            self._clock(),
            observation,
            fused,
            step.phase,
            step.outcome,
            index.people,
            index.revision,
        )
        if self._lost or len(self._waiting) >= _WAITING:
            self._lose(seen)
        elif self._thinner.keeps(seen):
            if fused is not None:
                self._look_up(fused)
            self._put(seen)

    def mark(self, mark: Held | Forgot) -> None:
        """Take in what else changed the decision's mind; never blocks."""
        if not (self._stopped or self._lost) and self._thinner.keeps(mark):
            self._put(mark)

    def _put(self, item: Item | Template) -> None:
        self._waiting.append(item)
        if not self._news.is_set():
            self._news.set()

    def _lose(self, seen: Seen) -> None:
        """Begin again only where a replay can: when nobody is there and there is room."""
        if seen.phase is Phase.IDLE and self._lost and len(self._waiting) < _WAITING // 2:
            self._put(Gap(self._lost))
            self._lost, self._thinner = 0, Thinner()
            log.warning("recorded again; frames are missing from the recording")
            return
        if not self._lost:
            log.warning("the disk is too slow for the recording: frames are left out")
        self._lost += 1
        self.dropped += 1

    def _look_up(self, fused: FusedMatch) -> None:
        """Record the row of everybody who is among the best, once and when it changes."""
        revision = self._index.revision
        for candidate in fused.match.candidates:
            person_id = candidate.person_id
            since, looked = self._known.get(person_id, (-1, -1))
            if looked == revision:
                continue
            found = self._index.row(person_id)
            if found is None:
                continue
            self._known[person_id] = (found[0], revision)
            if found[0] != since:
                self._put(Template(person_id, *found))

    def _write(self) -> None:
        """The writer's thread."""
        try:
            tidied_s = time.monotonic()
            while not self._closing.is_set():
                self._news.wait(_TIDY_S)
                self._closing.wait(_BATCH_S)
                self._news.clear()
                self._drain()
                if time.monotonic() - tidied_s >= _TIDY_S:
                    self._tidy()
                    tidied_s = time.monotonic()
            self._drain()
            self._tidy()
        except StorageError as fault:
            self._end(str(fault))
        except Exception as fault:  # the edge of a thread
            log.exception("the recording failed")
            self._end(f"{type(fault).__name__}; see the log")

    def _end(self, reason: str) -> None:
        self._stopped = True
        self._waiting.clear()
        log.error("nothing is recorded any more: %s", reason)
        self._on_fault(reason)

    def _drain(self) -> None:
        if not self._waiting:
            return
        self._check_room()
        items: list[Item] = []
        while self._waiting:
            item = self._waiting.popleft()
            if isinstance(item, Template):
                self._templates.append(item)
                continue
            if self._begins_visit(item):
                self._append(items)
                items = []
                self._begin_visit(item)
            self._follow(item)
            if self._visit is not None:
                items.append(item)
        self._append(items)

    def _check_room(self) -> None:
        try:
            free = shutil.disk_usage(self._file.path.parent).free
        except OSError as fault:
            raise StorageError(f"{self._file.path}: {fault.strerror}; see its folder") from fault
        if free < self._room_bytes:
            raise DiskFull(
                f"{self._file.path}: less than {self._room_bytes >> 20} MB left on its disk, "
                "which are kept for the events; free some and start the terminal again"
            )

    def _begins_visit(self, item: Item) -> bool:
        if isinstance(item, Seen):
            arrives = self._idle and item.observation.track_id is not None
            return arrives or (self._visit is not None and self._frames >= _LONGEST_VISIT)
        if isinstance(item, Held):
            return self._idle
        return isinstance(item, Gap) and self._visit is None

    def _begin_visit(self, item: Item | None = None) -> None:
        wall = item.wall if isinstance(item, Seen) else self._clock()
        continues = item is None or not self._idle
        if self._session is not None:
            self._visit = self._file.begin_visit(self._session, wall, continues=continues)
            self._frames = 0

    def _follow(self, item: Item) -> None:
        """Whether the decision knows of nobody after this."""
        if isinstance(item, Seen):
            self._frames += 1
            self._idle = item.phase is Phase.IDLE
        else:
            self._idle = not isinstance(item, Held)

    def _append(self, items: list[Item]) -> None:
        visit = self._visit
        if not items or visit is None:
            return
        if not self._file.append(visit, items, self._templates, self._floor):
            # removed meanwhile, with somebody who was in it; what follows says so
            self._begin_visit()
            self._append(items)
            return
        self._templates = []

    def _tidy(self) -> None:
        """Remove what is too old, too much, or of somebody who is not enrolled any more."""
        # Whoever comes from now on has their row written again; who waits has not lost theirs.
        self._known.clear()
        self._drain()
        self._forget_the_removed()
        oldest = self._clock() - self._keep_s
        self._file.prune(oldest, self._largest_bytes, self._session)

    def _forget_the_removed(self) -> None:
        missing = {who for who in self._file.people() if self._index.row(who) is None}
        asked = (self._index.revision, frozenset(missing))
        if not missing or asked == self._asked:
            return
        self._asked = asked
        for person_id in missing - self._enrolled():
            visits = self._file.forget(person_id)
            log.info("a person who was removed left the recording, with %d visits", visits)
