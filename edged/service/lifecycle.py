"""People come into force, cease to be, and are erased; and whoever has to hear of it does."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from edged.errors import EnrolmentRefused, StorageError
from edged.events.clock import clock_state
from edged.gallery.receipt import make_receipt
from edged.recording.file import RecordingFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.config.schema import Config
    from edged.events.outbox import Outbox
    from edged.events.types import Clock
    from edged.gallery.people import Erasure
    from edged.gallery.profile import Erased
    from edged.gallery.store import Gallery
    from edged.service.state import State
    from edged.vault.identity import Identity
    from edged.vault.secret import Secret

log = logging.getLogger(__name__)

_LONGEST_S = 0.3  # in one go; the supervisor has other things to look after
_TRY_AGAIN_S = 5.0


class Lifecycle:
    """Follows the clock and makes an end of every erasure: an event with a receipt, and nothing
    of the person left in the recording.

    What is left to be done is kept with the gallery, so that it does not matter who erased
    somebody, or what ended him before he could tell. Any thread or process may do it; the event
    is recorded once.

    Args:
        key: of the recording.
        clock: the wall clock, Unix seconds.
        trusted: whether that is to be trusted; if not, nobody's time of keeping ends.
    """

    def __init__(
        self,
        config: Config,
        key: Secret,
        gallery: Gallery,
        outbox: Outbox,
        identity: Identity,
        *,
        clock: Callable[[], float] = time.time,
        trusted: Callable[[], Clock] = clock_state,
    ) -> None:
        self._config = config
        self._key = key
        self._gallery = gallery
        self._outbox = outbox
        self._identity = identity
        self._clock = clock
        self._trusted = trusted
        self._try_s = float("-inf")

    def tick(self, state: State) -> None:
        """From the supervisor: cheap while nothing is due.

        Raises:
            StorageError: the gallery cannot be read.
        """
        with suppress(EnrolmentRefused):  # wiped this moment, and nobody is left to be erased
            self._gallery.tick(self._clock(), erase=self._trusted() == "synced")
        if time.monotonic() < self._try_s:
            return
        if problems := self.finish(_LONGEST_S):
            self._try_s = time.monotonic() + _TRY_AGAIN_S
            if state.degrade("erasure", problems[0]):
                log.error("somebody was erased, and that is not all: %s", problems[0])
        elif state.restore("erasure"):
            log.warning("all erasures are complete again")

    def receipt(self, erased: Erased) -> str:
        """The signed receipt of an erasure; always the same one."""
        terminal = f"{self._config.site}/{self._config.terminal}"
        return make_receipt(erased, terminal, self._identity)

    def finish(self, longest_s: float = float("inf")) -> list[str]:
        """Do what is left to be done about erasures.

        Returns:
            Why something is still left, one a line; it is for another time.

        Raises:
            StorageError: the gallery cannot be read.
        """
        problems: list[str] = []
        until_s = time.monotonic() + longest_s
        for erasure in self._gallery.erasures():
            try:
                self._finish_one(erasure)
            except StorageError as fault:
                problems.append(str(fault))
            if time.monotonic() > until_s:
                break
        return list(dict.fromkeys(problems))

    def _finish_one(self, erasure: Erasure) -> None:
        erased = erasure.erased
        if not erasure.told:
            data = {
                "person_id": erased.person_id,
                "reason": erased.reason,
                "at": erased.at,
                "templates": erased.templates,
                "receipt": self.receipt(erased),
            }
            self._outbox.append_once("gallery.erased", data, erased.id)
            self._gallery.note_told(erasure)
            log.info("a person was erased reason=%s templates=%d", erased.reason, erased.templates)
        self._outbox.redact(erased.person_id)  # now, or what waits once it is delivered
        visits = forget_recorded(self._config, self._key, erased.person_id)
        if visits:
            log.info("a person who was erased left the recording, with %d visits", visits)
        self._gallery.settle(erasure)


def forget_recorded(config: Config, key: Secret, person_id: str) -> int:
    """Remove a person from the recording that the configuration names, if there is one.

    Returns:
        How many visits went.

    Raises:
        StorageError: it cannot be written.
    """
    if config.recording is None or not config.recording.path.exists():
        return 0
    file = RecordingFile(config.recording.path, key)
    try:
        file.open(make=False)
        return file.forget(person_id)
    finally:
        file.close()
