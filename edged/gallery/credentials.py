"""Who a card or a PIN belongs to, as the gallery has it at this moment."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import time
from typing import TYPE_CHECKING, Literal, TypeVar

from edged.access.request import Subject
from edged.errors import GalleryError, StorageError
from edged.gallery.cards import card_number
from edged.gallery.pins import which

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.gallery.profile import Profile
    from edged.gallery.store import Gallery

log = logging.getLogger(__name__)

Said = Literal["right", "duress", "wrong", "none"]
Found = TypeVar("Found")
_DIGEST_DIGITS = 16


class Credentials:
    """Cards, PINs and standing of the people in force; any thread may ask anything.

    Nothing is remembered here: every answer is read from the gallery's file, so whoever was
    erased, changed or ended a moment ago, by whatever process, is already. A gallery that cannot
    be read knows nobody, which is logged once.

    Args:
        clock: by which people come into force and cease to be, Unix seconds.
    """

    def __init__(self, gallery: Gallery, clock: Callable[[], float] = time.time) -> None:
        self._gallery = gallery
        self._clock = clock
        self._lost = False
        self._digest_key = os.urandom(32)

    def holder(self, card: str) -> str | None:
        """Whose card this is; None: nobody's who is in force, or no card's number."""
        found = self._held(card)
        return None if found is None else found[0]

    def shown(self, card: str) -> tuple[Subject, bool] | None:
        """`holder`, `subject` and `is_duress` at once, for one reading of the gallery."""
        found = self._held(card)
        if found is None:
            return None
        person_id, profile = found
        return _subject(person_id, profile), card_number(card) in profile.duress_cards

    def is_duress(self, card: str) -> bool:
        """Whether it is marked to raise a silent alarm."""
        found = self._held(card)
        return found is not None and card_number(card) in found[1].duress_cards

    def cards(self, person_id: str) -> tuple[str, ...]:
        """A person's cards in the order given; none for who is not in force."""
        profile = self._profile(person_id)
        return () if profile is None else profile.cards

    def check_pin(self, person_id: str, pin: str) -> Said:
        """What a PIN is to a person: ``none`` where they have neither, or are not in force.

        Always two hashes, whatever is kept of whomever: how long it takes tells nothing.
        """
        profile = self._profile(person_id)
        kept = (None, None) if profile is None else (profile.pin, profile.duress_pin)
        right, duress = which(pin, kept)
        if duress:  # first: an alarm too many is noticed, one too few is not
            return "duress"
        if right:
            return "right"
        return "none" if kept == (None, None) else "wrong"

    def subject(self, person_id: str) -> Subject | None:
        """Who asks, for the rules; None for who is not in force."""
        profile = self._profile(person_id)
        if profile is None:
            return None
        return _subject(person_id, profile)

    def known(self, person_id: str) -> bool:
        """Whether somebody is enrolled as this, in force or not."""
        return self._asked(lambda: self._gallery.profile(person_id)) is not None

    def digest(self, card: str) -> str:
        """How an unknown card is told: the same for the same card until the next start, and
        useless to find the number."""
        with contextlib.suppress(ValueError):
            card = card_number(card)
        content = card.encode("utf-8", "surrogatepass")
        return hmac.new(self._digest_key, content, hashlib.sha256).hexdigest()[:_DIGEST_DIGITS]

    def _held(self, card: str) -> tuple[str, Profile] | None:
        try:
            number = card_number(card)
        except ValueError:
            return None
        found = self._asked(lambda: self._gallery.holder(number))
        return found if found is not None and found[1].in_force(self._clock()) else None

    def _profile(self, person_id: str) -> Profile | None:
        profile = self._asked(lambda: self._gallery.profile(person_id))
        return profile if profile is not None and profile.in_force(self._clock()) else None

    def _asked(self, ask: Callable[[], Found | None]) -> Found | None:
        try:
            found = ask()
        except GalleryError:  # no person's id
            return None
        except StorageError as fault:
            if not self._lost:
                log.error("the gallery cannot be read, so no card and no PIN counts: %s", fault)
            self._lost = True
            return None
        if self._lost:
            log.info("the gallery can be read again")
        self._lost = False
        return found


def _subject(person_id: str, profile: Profile) -> Subject:
    return Subject(person_id, frozenset(profile.groups), extended=profile.extended)
