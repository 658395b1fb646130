"""Guessing of PINs, cards and codes: counted over a restart, and told."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from typing import TYPE_CHECKING

from edged.access.pins import Guard
from edged.errors import StorageError
from edged.vault.secret import derive

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.config.access import PinGuard
    from edged.service.access import House

log = logging.getLogger(__name__)

NOTE = "access.guesses"
_DIGITS = 24


class Guesses:
    """The counts of readers and people. The desk calls it under its lock.

    People stand in the note as keyed digests: whoever is erased is named nowhere.
    """

    def __init__(
        self,
        house: House,
        settings: PinGuard,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._house = house
        self._monotonic = monotonic
        self._guard = Guard(settings.tries, settings.rest_s, settings.longest_rest_s)
        self._key = derive(house.key, "access.guesses")

    def open(self) -> None:
        """Take up what was counted before a restart; how long that took counts only where the
        clock is trusted."""
        try:
            text = self._house.outbox.note(NOTE)
        except StorageError as fault:
            log.error("what is held against guessers cannot be read: %s", fault)
            return
        clock = self._house.time
        wall_s = clock.now() if clock.trusted else None
        if text is not None and not self._guard.read(text, self._monotonic(), wall_s):
            log.error("what is held against guessers is damaged, and forgotten")

    def resting(self, person_id: str | None, reader: str | None) -> bool:
        """Whether what comes now is not to be looked at; it is counted as such."""
        return self._guard.resting(self._of(person_id, reader), self._monotonic())

    def wrong(self, person_id: str | None, reader: str | None, *, card: bool = False) -> None:
        """Count a wrong PIN, or a card or code that is nobody's; tell when a rest begins."""
        whose = self._of(person_id, reader)
        for began in self._guard.wrong(whose, self._monotonic(), card=card):
            person = began.of.startswith("person/")
            who = {"person_id": person_id} if person else {}
            log.warning("a rest of %.0f s against guessing begins", began.rest_s)
            self._house.journal.record(
                "access.locked_out",
                what="person" if person else "reader",
                reader=reader,
                rest_s=began.rest_s,
                unseen=began.unseen,
                **who,
            )
        self._keep()

    def right(self, person_id: str | None, reader: str | None) -> None:
        """Somebody was right."""
        if self._guard.right(*self._names(person_id, reader)):
            self._keep()

    def _of(self, person_id: str | None, reader: str | None) -> list[str]:
        return [one for one in self._names(person_id, reader) if one]

    def _names(self, person_id: str | None, reader: str | None) -> tuple[str, str]:
        who = "" if person_id is None else f"person/{self._digest(person_id)}"
        return who, "" if reader is None else f"reader/{reader}"

    def _digest(self, person_id: str) -> str:
        key = self._key.reveal()
        return hmac.new(key, person_id.encode(), hashlib.sha256).hexdigest()[:_DIGITS]

    def _keep(self) -> None:
        clock = self._house.time
        try:
            text = self._guard.written(self._monotonic(), clock.now())
            self._house.outbox.keep_note(NOTE, text)
        except (StorageError, ValueError) as fault:
            log.error("what is held against guessers cannot be kept: %s", fault)
