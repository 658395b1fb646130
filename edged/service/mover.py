"""Writes down what a move learns, and says how it goes: the part of a move that takes its time."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edged.errors import GalleryError, StorageError
from edged.events.types import utc_now
from edged.service import move_record
from edged.service.merge import Roll
from edged.service.move_record import Record
from edged.service.movers import drop, keep, roll_call
from edged.service.moving import APART_S, MOST_EACH, Tally, carried, chance, tenths

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.decision.policy import Policy
    from edged.gallery.store import Gallery
    from edged.service.journal import Journal
    from edged.service.merge import Side
    from edged.service.next_network import NextNetwork
    from edged.service.state import State
    from edged.types import Floats

log = logging.getLogger(__name__)

PART = "model.next"
"""What the state calls a next bundle that cannot be used."""

_WAITING = 16
_POLL_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Recognised:
    """Somebody was recognised beyond doubt: what the next network made of them.

    ``at_s`` is when, monotonic seconds, here and below; ``known`` what the network in use made
    of the same views.
    """

    person_id: str
    at_s: float
    embedding: Floats
    quality: float
    known: Floats


@dataclass(frozen=True, slots=True)
class Compared:
    """What both networks said of somebody who moved."""

    person_id: str
    at_s: float
    seen: Tally


class Mover:
    """A thread with a short queue: what does not fit in is of a visit that comes again.

    Args:
        old, new: the network in use, and the next one.
        network: the next one's, which is active from the first roll call on.
        facts: more that the state is to tell.

    Attributes:
        roll: who is matched by which network; replaced as a whole.
    """

    def __init__(
        self,
        old: Side,
        new: Side,
        network: NextNetwork,
        policy: Policy,
        gallery: Gallery,
        journal: Journal,
        state: State,
        facts: dict[str, Any],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._old = old
        self._new = new
        self._network = network
        self._policy = policy
        self._gallery = gallery
        self._journal = journal
        self._state = state
        self._facts = facts
        self._names = {"from": old.identity, "to": new.identity}
        self._jobs: queue.Queue[Recognised | Compared] = queue.Queue(_WAITING)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="model move", daemon=True)
        self._record = Record(origin=old.identity, since=utc_now())
        self._ended = False
        self._seen: tuple[int, int] | None = None
        self._begun_s = now()
        self._last_s: dict[str, float] = {}  # of a person's last template
        self._counted: dict[str, list[float]] = {}
        self.roll = Roll()

    def open(self) -> None:
        """Begin, or go on where the last run stopped.

        Raises:
            GalleryError: what is kept of the move cannot be read.
            StorageError: the gallery cannot be read.
        """
        known = move_record.read(self._gallery, self._new.identity)
        if known is not None:
            self._record = known
            if known.status != "rolled_back" and known.origin != self._old.identity:
                # what was compared is of another bundle
                self._record = Record(origin=self._old.identity, since=utc_now())
        self._thread.start()

    def close(self) -> None:
        """Let the work at hand be done; safe before `open`, and twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def put(self, job: Recognised | Compared) -> None:
        """Have something written down; never blocks."""
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            log.debug("the move is behind; one visit is left out")

    def _work(self) -> None:
        """The edge of the thread: the door works on without it."""
        try:
            while not self._stop.is_set():
                self._turn()
        except Exception:
            log.exception("the move failed")
            self._network.active = False
            self._state.degrade(PART, "the move failed; see the log")

    def _turn(self) -> None:
        try:
            if self._record.status == "rolled_back":
                self._end()
                self._stop.wait(_POLL_S)
                return
            self._follow()
            job = self._jobs.get(timeout=_POLL_S)
            if isinstance(job, Recognised):
                self._keep(job)
            else:
                self._count(job)
        except queue.Empty:
            if self._network.lost and self._network.reopen():
                self._seen = None
        except (GalleryError, StorageError) as fault:
            if self._state.degrade(PART, str(fault)):
                log.error("the move does not go on: %s", fault)
            self._seen = None
            self._stop.wait(_POLL_S)

    def _keep(self, job: Recognised) -> None:
        # after a start nobody knows when the last one was made: as if it were just now
        first = self._new.index.row(job.person_id) is None
        last_s = self._last_s.get(job.person_id, float("-inf") if first else self._begun_s)
        if job.at_s - last_s >= APART_S and keep(
            self._gallery,
            job.person_id,
            self._new,
            job.embedding,
            job.quality,
            lambda: self._is_still(job),
        ):
            self._last_s[job.person_id] = job.at_s

    def _is_still(self, job: Recognised) -> bool:
        """Whether nobody else was enrolled under the id since."""
        row = self._old.index.row(job.person_id)
        grant = self._policy.thresholds(len(self._old.index)).grant
        return row is not None and float(row[1] @ job.known) >= grant

    def _count(self, job: Compared) -> None:
        times = self._counted.setdefault(job.person_id, [])
        if len(times) >= MOST_EACH or (times and job.at_s - times[-1] < APART_S):
            return
        times.append(job.at_s)
        tally = self._record.tally.plus(job.seen)
        record = self._record.changed(tally=tally)
        if tally.verdict is not None:
            # The network in use decides alone from now on; then this is kept, then it is told.
            self._network.active = False
            log.error("the next bundle does worse than the one in use: the move is undone")
            record = record.changed(status="rolled_back", reason=tally.verdict, announced=False)
        self._save(record)
        self._tell()

    def _follow(self) -> None:
        """Call the roll anew when somebody changed, and tell how far the move has come."""
        seen = (self._old.index.revision, self._new.index.revision)
        if seen == self._seen:
            return
        roll = self.roll = roll_call(self._gallery, self._old, self._new, self.roll)
        if not self._reaches(roll.people):
            self._network.active = False
        else:
            self._progress(roll)
            if not self._network.lost:
                self._network.active = not self._stop.is_set()
                self._state.restore(PART)
        self._tell()
        self._seen = seen

    def _reaches(self, people: int) -> bool:
        """Whether the common scale goes up to where somebody is let in at all."""
        grant = self._policy.thresholds(max(1, people)).grant
        if carried(1.0, self._new.curve, self._old.curve) > grant:
            return True
        reason = (
            f"{self._new.identity}: its table of false matches ends before the rate that "
            f"{people} people need; a bundle measured on more people is needed"
        )
        if self._state.degrade(PART, reason):
            log.error("the next bundle is not used: %s", reason)
        return False

    def _progress(self, roll: Roll) -> None:
        record, moved = self._record, len(roll.moved)
        if not record.announced:
            self._journal.record("model.move_started", **self._names, people=roll.people)
            record = record.changed(announced=True)
        done = tenths(moved, roll.people)
        if done > record.told:
            figures = {"people": roll.people, "moved": moved, "percent": done}
            self._journal.record("model.moved", **self._names, **figures)
            record = record.changed(told=done)
        if done == 100 and record.status == "moving":
            self._journal.record("model.move_completed", **self._names, people=roll.people)
            log.info("everybody has moved to the next bundle; set model.bundle to it")
            record = record.changed(status="completed")
        elif done < 100 and record.status == "completed":
            record = record.changed(status="moving")
        if record != self._record:
            self._save(record)

    def _end(self) -> None:
        """After a rollback, also one that was cut short: told once, the templates erased."""
        if self._ended:
            return
        self._network.close()
        self.roll = Roll(waiting=frozenset(self._old.index.ids()))
        self._tell()
        if not self._record.announced:
            told = {"reason": self._record.reason, "figures": figures(self._record.tally)}
            self._journal.record("model.move_rolled_back", **self._names, **told)
            self._save(self._record.changed(announced=True))
        drop(self._gallery, self._new.identity, self._stop.is_set)
        self._ended = True

    def _save(self, record: Record) -> None:
        self._record = record  # first: what cannot be kept holds all the same, for this run
        move_record.write(self._gallery, self._new.identity, record)

    def _tell(self) -> None:
        record, roll = self._record, self.roll
        told = {
            **self._names,
            "people": roll.people,
            "moved": len(roll.moved),
            "waiting": len(roll.waiting),
            "status": record.status,
            "since": record.since,
            "figures": figures(record.tally),
            **self._facts,
        }
        if record.reason is not None:
            told["reason"] = record.reason
        self._state.set(model_move=told)


def figures(tally: Tally) -> dict[str, Any]:
    """What was seen of people who moved, and how likely it came about by chance."""
    return {
        "similarity": {
            "worse": tally.worse,
            "better": tally.better,
            "equal": tally.equal,
            "chance": float(f"{chance(tally.worse, tally.better):.3g}"),
        },
        "granted": {
            "missed": tally.missed,
            "saved": tally.saved,
            "chance": float(f"{chance(tally.missed, tally.saved):.3g}"),
        },
        "quality": {"lower": tally.doubted, "not_lower": tally.trusted},
    }
