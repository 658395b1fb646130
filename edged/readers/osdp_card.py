"""Card numbers as bits, and back: Wiegand with parity, and plain bits."""

from __future__ import annotations

PARITY = (26, 34, 37)
"""Lengths that have an even parity bit before and an odd one behind: H10301, H10306, H10302 and
H10304."""

_MOST_BITS = 200


def number_of(data: bytes, bits: int) -> str | None:
    """The number of a card as a reader sends it, in decimal; None where these are no such bits.

    With parity, the number is all that lies between the two bits, facility and number in one:
    for 26 bits facility · 65536 + number.

    Args:
        data: the first bit is the highest of the first byte.
        bits: how many of them count.
    """
    if not 0 < bits <= _MOST_BITS or len(data) < (bits + 7) // 8:
        return None
    value = int.from_bytes(data[: (bits + 7) // 8], "big") >> (-bits % 8)
    if bits not in PARITY:
        return str(value)
    inner = value >> 1 & (1 << bits - 2) - 1
    return str(inner) if _with_parity(inner, bits) == value else None


def data_of(card: str, bits: int) -> bytes | None:
    """A card's number, in decimal, in so many bits; None where it does not fit into them."""
    if not card.isascii() or not card.isdecimal() or len(card) > 64:
        return None
    number = int(card)
    room = bits - 2 if bits in PARITY else bits
    if number >= 1 << room:
        return None
    value = _with_parity(number, bits) if bits in PARITY else number
    return (value << (-bits % 8)).to_bytes((bits + 7) // 8, "big")


def _with_parity(inner: int, bits: int) -> int:
    """Even over the first half of the inner bits, odd over the second; of 35, the one in the
    middle is in both."""
    room = bits - 2
    half = (room + 1) // 2
    even = (inner >> room - half).bit_count() & 1
    odd = ~(inner & (1 << half) - 1).bit_count() & 1
    return even << bits - 1 | inner << 1 | odd
