"""Who is where, at work: asked before the door opens, told when somebody passes, shared."""

from __future__ import annotations

import logging
import queue
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from edged.access.daily import day_of, last_time
from edged.access.threshold import Threshold
from edged.access.zone import source_of
from edged.mqtt.catalogue import Reply
from edged.mqtt.topics import topics_of
from edged.service import areas_words as words
from edged.service.areas_log import AreasLog
from edged.service.areas_passing import Passing, here_of
from edged.service.areas_store import AreasStore, areas_path
from edged.service.peers import Peers, Said
from edged.service.visitors import USED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edged.access.request import Direction, Objection, Ruling, Subject
    from edged.access.threshold import Going
    from edged.config.schema import Config
    from edged.events.outbox import Outbox
    from edged.mqtt.catalogue import Context, Handler, SetArea
    from edged.service.areas_log import Time
    from edged.service.journal import Journal
    from edged.service.state import State
    from edged.vault.secret import Secret

    _Item = Said | Callable[[], None] | None

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5
_AT_ONCE = 500
_TIDY_EVERY_S = 3600.0


class Areas:
    """A part of the terminal; any thread may ask. Without a section `access` nobody meets an
    objection, and nothing is recorded.

    Args:
        clock: Unix seconds, and whether they are trusted.
        on_code: takes what another terminal says of a visitor's code.
        monotonic: goes on evenly.
    """

    def __init__(
        self,
        config: Config,
        key: Secret,
        outbox: Outbox,
        journal: Journal,
        state: State,
        clock: Time,
        monotonic: Callable[[], float] = time.monotonic,
        on_code: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> None:
        self._on_code = on_code
        self._config = config
        self._here = here_of(config)
        rules = () if config.access is None else config.access.rules
        self._awaited = frozenset(group for rule in rules for group in rule.after)
        self._state = state
        self._journal = journal
        self._clock = clock
        self._monotonic = monotonic
        self._zone = source_of(config)
        self._log = AreasLog(
            AreasStore(areas_path(config), key),
            outbox,
            journal,
            state,
            words.Reader(config.terminal, self._here.area, self._zone),
            clock,
            monotonic,
        )
        self._threshold = Threshold(self._here, self._log.presence)
        self._peers: Peers | None = None
        self._told: dict[str, bool] = {}
        self._tidy_s = float("-inf")
        self._inbox: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Take up who is where, and listen to the other terminals."""
        config = self._config
        if config.access is None or self._thread is not None:
            return
        self._log.open()
        self._threshold = Threshold(self._here, self._log.presence)
        kinds: tuple[str, ...] = () if self._here.area is None else words.SHARED
        kinds += () if config.access.qr is None else (USED,)
        if config.peers and config.mqtt is not None and kinds:
            here, take = topics_of(config), self._inbox.put
            self._peers = Peers(config.mqtt, here, config.peers, take, self._tell, kinds=kinds)
            self._peers.open()
        self._look()
        self._thread = threading.Thread(target=self._run, name="areas", daemon=True)
        self._thread.start()

    def tick(self) -> None:
        """From the supervisor: the state."""
        if self._thread is not None:
            self._tell()

    def handlers(self) -> dict[str, Handler]:
        """By the command's name."""
        return {"area.set": self._set}

    def close(self) -> None:
        """Record what is still to be; safe twice, and without `open`."""
        if self._peers is not None:
            self._peers.close()
        thread, self._thread = self._thread, None
        if thread is not None:
            self._inbox.put(None)
            thread.join()
        self._log.close()

    def objection(
        self, subject: Subject, ruling: Ruling, direction: Direction, at: float
    ) -> Objection | None:
        """Why somebody whom the rules let in does not pass now; where nothing speaks against it
        their place inside is kept for a moment, until `granted` or `withdrawn`."""
        if self._config.access is None:
            return None
        now, t_s = self._log.now(), self._monotonic()
        today, heard = day_of(at, self._zone()), self._all_heard()
        with self._log.lock:
            return self._threshold.objection(
                subject, ruling, direction, now=now, t_s=t_s, today=today, heard=heard
            )

    def granted(self, subject: Subject, ruling: Ruling, direction: Direction, at: float) -> Passing:
        """The door opens for somebody, and for those who waited for them."""
        del ruling, at  # it was judged by them before
        if self._config.access is None:
            return Passing(self.ended, (), subject.person_id)
        with self._log.lock:
            going = self._threshold.granted(subject, direction, t_s=self._monotonic())
        return Passing(self.ended, going, subject.person_id)

    def withdrawn(self, person_id: str) -> None:
        """Whoever met no objection, or waits for somebody, does not pass, after all."""
        with self._log.lock:
            self._threshold.withdrawn(person_id)

    def ended(self, going: tuple[Going, ...], *, passed: bool) -> None:
        """A grant ended; from any thread, at once. See `Passing`."""
        with self._log.lock:
            judge = self._threshold.passed if passed else self._threshold.unused
            news = [one for one in going if judge(one)]
        for one in news:
            self._inbox.put(lambda one=one: self._record(one))  # type: ignore[misc]

    def document(self) -> dict[str, Any]:
        """For diagnostics."""
        refused = {} if self._peers is None else dict(self._peers.refused)
        return {**(self._facts() or {}), "refused": refused}

    def _record(self, going: Going) -> None:
        if going.passed:
            area = self._here.leads_to(going.direction)
            self._log.record(
                "access.passed", lambda order: words.passed(going, area, order, self._awaited)
            )
        else:
            data = words.not_entered(going.person_id, going.direction)
            self._journal.record("access.not_entered", **data)
        with self._log.lock:
            self._threshold.arrived(going)
        self._tell()

    def _run(self) -> None:
        """The edge of a thread: whatever happens, the next one is looked at."""
        ended = False
        while not ended:
            try:
                ended = self._serve()
            except Exception:
                log.exception("who is where cannot be followed, in a way that nobody foresaw")
                self._state.degrade("areas", "internal failure, see the log")

    def _serve(self) -> bool:
        """What waits; whether that was the end."""
        waiting = self._waiting()
        said = [item for item in waiting if isinstance(item, Said) and item.kind != USED]
        if said:
            self._log.hear(said)
        for item in waiting:
            if isinstance(item, Said):
                if item.kind == USED:
                    self._on_code(item.data)
                    item.done()
            elif item is not None:
                item()
        self._look()
        return None in waiting

    def _waiting(self) -> list[_Item]:
        """All that waits, or what comes first within a moment."""
        found: list[_Item] = []
        with suppress(queue.Empty):
            found.append(self._inbox.get(timeout=_LOOK_EVERY_S))
            while len(found) < _AT_ONCE:
                found.append(self._inbox.get_nowait())
        return found

    def _look(self) -> None:
        if self._monotonic() >= self._tidy_s:
            self._tidy_s = self._monotonic() + _TIDY_EVERY_S
            self._log.drop_old(self._here.outside)
        self._log.follow()
        self._forgive()
        self._tell()

    def _forgive(self) -> None:
        """Once a day; of a time that was slept through only what was before it is forgotten."""
        area = None if self._config.access is None else self._config.access.area
        clock = area.passback.forgive_at if area is not None and area.passback else None
        if clock is None:
            return
        moment = last_time(clock, self._clock.now(), self._zone())
        before = self._log.forgiven
        if moment == before:
            return
        if before is not None and moment > before:
            late = self._clock.now() - moment > 2 * _LOOK_EVERY_S + 60
            self._log.forget(int(moment * 1000) if late else None)
        self._log.forgive(moment)

    def _set(self, args: SetArea, context: Context) -> Reply:
        if self._thread is None or self._here.area is None:
            return Reply("refused", "not_allowed", "this terminal has no access.area")
        with self._log.lock:
            before = self._log.presence.area(args.person_id) if args.person_id else None
        who, by = {"command": context.id, "key": context.key_id}, "command"
        recorded = self._log.record(
            "area.changed",
            lambda order: words.changed(args.person_id, args.area, order, by, **who),
        )
        self._tell()
        data = {"person_id": args.person_id, "area": args.area, "before": before}
        if not recorded:
            text = "it holds here, but cannot be recorded, and no other terminal hears of it"
            return Reply("failed", "not_recorded", text)
        return Reply(data=data)

    def _all_heard(self) -> bool:
        if self._peers is None:
            return not self._config.peers
        return all(self._peers.heard().values())

    def _facts(self) -> dict[str, Any] | None:
        """For ``state.area``."""
        if self._here.area is None:
            return None
        with self._log.lock:
            inside = self._log.presence.inside(self._here.area)
        facts: dict[str, Any] = {
            "name": self._here.area,
            "inside": inside,
            "most": self._here.most,
        }
        if self._peers is not None:
            heard = self._peers.heard()
            self._say(heard)
            facts["peers"] = {name: "heard" if there else "silent" for name, there in heard.items()}
        return facts

    def _say(self, heard: dict[str, bool]) -> None:
        """Once when somebody is lost, and once when they are back."""
        with self._log.lock:
            before, self._told = self._told, heard
        for name, there in heard.items():
            if there != before.get(name, False):
                (log.info if there else log.warning)(
                    "terminal %s is %s", name, "heard" if there else "not heard"
                )

    def _tell(self) -> None:
        facts = self._facts()
        if facts is not None:
            self._state.set(area=facts)
        if self._peers is not None:
            self._peers.tick()
            if self._peers.problem is None:
                self._state.restore("peers")
            else:
                self._state.degrade("peers", self._peers.problem)
