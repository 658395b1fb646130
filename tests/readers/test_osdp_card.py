"""Card numbers as bits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.readers.osdp_card import PARITY, data_of, number_of


@pytest.mark.parametrize(
    ("bits", "data", "facility", "number"),
    [
        # written out by hand: even parity over the first half, odd over the second
        (26, "1 01111011 0001000011100001 1", 123, 4321),
        (26, "1 00000001 0000000000000000 1", 1, 0),
        (26, "0 11111111 1111111111111111 1", 255, 65535),
        (34, "1 0000000000000001 0000000000000001 0", 1, 1),
    ],
)
def test_a_card_is_facility_and_number_between_two_parity_bits(
    bits: int, data: str, facility: int, number: int
) -> None:
    packed = _packed(data)
    room = 16
    whole = str(facility << room | number)
    assert number_of(packed, bits) == whole
    assert data_of(whole, bits) == packed


def test_37_bits_share_the_one_in_the_middle() -> None:
    # H10302: 35 bits; the 18th counts for both parities
    middle = 1 << 17
    data = data_of(str(middle), 37)
    assert data is not None
    text = f"{int.from_bytes(data, 'big') >> 3:037b}"
    assert text == "1" + f"{middle:035b}" + "0"


@given(st.sampled_from(PARITY), st.data())
def test_a_number_comes_back_as_it_went(bits: int, draw: st.DataObject) -> None:
    number = draw.draw(st.integers(0, (1 << bits - 2) - 1))
    data = data_of(str(number), bits)
    assert data is not None
    assert len(data) == (bits + 7) // 8
    assert number_of(data, bits) == str(number)


@given(st.integers(1, 200), st.data())
def test_plain_bits_are_a_number_too(bits: int, draw: st.DataObject) -> None:
    number = draw.draw(st.integers(0, (1 << bits) - 1))
    data = data_of(str(number), bits)
    if bits in PARITY:
        return
    assert data is not None
    assert number_of(data, bits) == str(number)


@given(st.sampled_from(PARITY), st.data())
def test_one_wrong_bit_is_no_card(bits: int, draw: st.DataObject) -> None:
    number = draw.draw(st.integers(0, (1 << bits - 2) - 1))
    hit = draw.draw(st.integers(0, bits - 1).filter(lambda at: (bits, at) != (37, 18)))
    data = data_of(str(number), bits)
    assert data is not None
    flipped = int.from_bytes(data, "big") ^ 1 << (8 * len(data) - 1 - hit)
    assert number_of(flipped.to_bytes(len(data), "big"), bits) is None


@given(st.binary(max_size=80), st.integers(-5, 10_000))
def test_whatever_a_reader_sends_is_a_number_or_none(data: bytes, bits: int) -> None:
    number = number_of(data, bits)
    assert number is None or (number.isdecimal() and len(number) <= 64)


@pytest.mark.parametrize("card", ["", "-1", "12a", "٣", "1.0", "9" * 10_000, "16777216"])
def test_what_is_no_number_of_24_bits_is_not_sent(card: str) -> None:
    assert data_of(card, 26) is None


def _packed(text: str) -> bytes:
    bits = text.replace(" ", "")
    return int(bits.ljust((len(bits) + 7) // 8 * 8, "0"), 2).to_bytes((len(bits) + 7) // 8, "big")
