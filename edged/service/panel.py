"""The line to an existing access controller: whoever is let in here, their card is read there."""

from __future__ import annotations

import logging
import zlib
from typing import TYPE_CHECKING, Literal, Protocol

from edged.errors import ReaderError
from edged.readers.osdp_panel import OsdpPanel

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.config.readers import Panel
    from edged.mqtt.catalogue import Handler
    from edged.service.journal import Journal
    from edged.service.state import State

log = logging.getLogger(__name__)

PART = "panel"
Refusal = Literal["no_card", "panel_lost"]


class Cards(Protocol):
    """What is needed of `edged.gallery.credentials.Credentials`."""

    def cards(self, person_id: str) -> tuple[str, ...]: ...
    def is_duress(self, card: str) -> bool: ...


class PanelLine:
    """A `Part`. A panel that cannot be reached lets nobody in: that is told, and the terminal
    goes on.

    Args:
        name: of this terminal, such as ``hq/front``: the panel sees a serial number made of it.
        on_answer: called on the line's thread when the panel shows green (True) or red after a
            card; not every panel does.
    """

    def __init__(
        self,
        settings: Panel,
        name: str,
        cards: Cards,
        journal: Journal,
        state: State,
        on_answer: Callable[[bool], None] = lambda _granted: None,
    ) -> None:
        self._line = OsdpPanel(settings, zlib.crc32(name.encode()))
        self._cards = cards
        self._journal = journal
        self._state = state
        self._on_answer = on_answer
        self._lost = False
        self._without: set[str] = set()

    def open(self) -> None:
        """Begin to answer the panel."""
        try:
            self._line.open(self._told, self._on_answer)
        except ReaderError as fault:
            self._told(str(fault))

    def tick(self) -> None:
        """Nothing changes without anybody telling."""
        return

    def handlers(self) -> dict[str, Handler]:
        """No commands."""
        return {}

    def close(self) -> None:
        """Let go of the line; what waits is dropped."""
        self._line.close()

    def refusal_of(self, person_id: str) -> Refusal | None:
        """Why the panel could not be told of somebody now; asked before they are let in."""
        if self._line.fault is not None:
            return "panel_lost"
        if self._card(person_id) is not None:
            self._without.discard(person_id)
            return None
        if person_id not in self._without:
            self._without.add(person_id)
            # who it is stands in the event, which goes when they are erased
            log.warning("somebody has no card that the panel could be told; give them one")
        return "no_card"

    def granted(self, person_id: str) -> None:
        """Have the panel read the first card of somebody who is let in; any thread, at once.

        It is good for 2 s. Of two people who pass together the last one's is read.
        """
        card = self._card(person_id)
        if card is None or not self._line.send(card):
            log.error("the panel was not told of somebody who was let in here")

    def _card(self, person_id: str) -> str | None:
        """Their first that fits and raises no alarm."""
        fitting = [card for card in self._cards.cards(person_id) if self._line.fits(card)]
        quiet = [card for card in fitting if not self._cards.is_duress(card)]
        return next(iter(quiet), None)

    def _told(self, fault: str | None) -> None:
        """By the line's thread."""
        if fault is None:
            self._state.restore(PART)
            if self._lost:
                self._lost = False
                log.warning("the panel is back")
                self._journal.record("panel.back")
            return
        self._state.degrade(PART, fault)
        if not self._lost:
            self._lost = True
            log.error("%s", fault)
            self._journal.record("panel.lost", reason=fault)
