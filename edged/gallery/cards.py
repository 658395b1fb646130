"""Cards: how their numbers are written, and whose they are.

The gallery finds a card by a keyed hash of its number, as it finds a person by one of their id;
the number itself is sealed with its holder's key.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edged.errors import EnrolmentRefused

if TYPE_CHECKING:
    from edged.gallery.book import Book, Entry, Record
    from edged.gallery.profile import Profile

log = logging.getLogger(__name__)

MOST_CARDS = 20
_LONGEST = 200  # as it is given, with whatever separates its digits
_BETWEEN = re.compile(r"[\s:.-]+")
_NUMBER = re.compile(r"[0-9A-F]{1,64}")


def card_number(given: Any) -> str:
    """The one way a card's number is written here, whoever reads or types it.

    1 to 64 digits, or hex digits as capitals; without ``0x``, separators (``04:a1:b2``) and
    leading zeros, which one reader sends and another does not.

    Raises:
        ValueError: it is none; the text does not repeat it.
    """
    if not isinstance(given, str):
        raise ValueError("expected a card's number as text")
    if len(given) <= _LONGEST:
        number = _BETWEEN.sub("", given).upper().removeprefix("0X")
        if _NUMBER.fullmatch(number):
            return number.lstrip("0") or "0"
    raise ValueError("expected a card's number: 1 to 64 digits or hex digits")


def keep_cards(book: Book, entry: Entry, record: Record, *, take: bool) -> None:
    """Have a person be found by the cards of their record, and by no other.

    Args:
        take: a card that is somebody else's is taken from them; else it is refused.

    Raises:
        EnrolmentRefused: ``card_taken``.
    """
    wanted = {_tag(book, card): card for card in record.profile.cards}
    rows = book.connection.execute("SELECT tag FROM cards WHERE person = ?", (entry.number,))
    known = {tag for (tag,) in rows.fetchall()}
    for tag in known - wanted.keys():
        book.connection.execute("DELETE FROM cards WHERE tag = ?", (tag,))
    for tag in wanted.keys() - known:
        row = book.connection.execute("SELECT person FROM cards WHERE tag = ?", (tag,)).fetchone()
        if row is not None:
            _from_another(book, row[0], record.id, wanted[tag], take=take)
        book.connection.execute("INSERT INTO cards VALUES (?, ?)", (tag, entry.number))


def find_card(book: Book, card: str) -> Entry | None:
    """Who a card, written as `card_number` does, is to lead to."""
    row = book.connection.execute(
        "SELECT person FROM cards WHERE tag = ?", (_tag(book, card),)
    ).fetchone()
    return None if row is None else book.some([row[0]]).get(row[0])


def stray_cards(book: Book, number: int, profile: Profile) -> bool:
    """Whether somebody is not found by just the cards of their profile."""
    rows = book.connection.execute("SELECT tag FROM cards WHERE person = ?", (number,)).fetchall()
    return {tag for (tag,) in rows} != {_tag(book, card) for card in profile.cards}


def _from_another(book: Book, number: int, person_id: str, card: str, *, take: bool) -> None:
    entry = book.some([number]).get(number)
    if entry is None:  # whose key is gone: what is left of them is in nobody's way
        book.connection.execute("DELETE FROM cards WHERE tag = ?", (_tag(book, card),))
        return
    record = book.read(entry)
    if not take:
        raise EnrolmentRefused(
            "card_taken",
            f"a card is {record.id!r}'s already; take it from them first",
            {person_id: record.id},
        )
    log.warning("a card was given to somebody else, and is its former holder's no more")
    profile = record.profile
    left = {
        "cards": tuple(one for one in profile.cards if one != card),
        "duress_cards": tuple(one for one in profile.duress_cards if one != card),
    }
    book.write(entry, replace(record, profile=profile.model_copy(update=left)))
    book.touch(number, book.revision)


def _tag(book: Book, card: str) -> bytes:
    return book.tag(f"card/{card}")  # no id holds a slash
