"""Cards and PINs: whose they are at this moment, and that nobody ever reads them."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.access.request import Subject
from edged.errors import EnrolmentRefused, GalleryError
from edged.gallery.book import SCHEMA
from edged.gallery.cards import card_number
from edged.gallery.credentials import Credentials
from edged.gallery.people import Stored
from edged.gallery.pins import WeakPin, is_weak, kept_pin, same_pin, which
from edged.gallery.profile import Profile, amended, read_profile
from edged.gallery.sealed import Kept
from edged.gallery.store import Gallery
from edged.vault.secret import Secret
from tests.gallery.faces import embeddings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = Secret(b"\x11" * 32)
FACES = embeddings(8)
MODEL = "net@1.0.0#0123456789ab"
NOW_S = 1_800_000_000.0
CARD, MARKED, PIN, FORCED = "7291846350", "A17C04E2", "5093", "60718"


class Clock:
    now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gallery(tmp_path: Path, clock: Clock) -> Iterator[Gallery]:
    made = Gallery(tmp_path / "gallery.db", KEY, clock=clock)
    made.open()
    for number, who in enumerate(("ann", "bob", "cid")):
        made.add(who, FACES[number], model=MODEL, quality=0.9, source="photo", limit=3)
    yield made
    made.close()


@pytest.fixture
def credentials(gallery: Gallery, clock: Clock) -> Credentials:
    return Credentials(gallery, clock)


def give(gallery: Gallery, who: str, **given: Any) -> None:
    gallery.change_profile(who, lambda profile: amended(profile, given))


def ann_with_all(gallery: Gallery) -> None:
    give(
        gallery,
        "ann",
        cards=[CARD, MARKED],
        duress_cards=[MARKED],
        pin=PIN,
        duress_pin=FORCED,
        groups=["staff"],
        extended=True,
    )


# numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1234567", "1234567"),
        ("0001234567", "1234567"),
        ("04:a1:b2:c3", "4A1B2C3"),
        ("04-A1-B2-C3", "4A1B2C3"),
        (" 04 a1 b2 c3 ", "4A1B2C3"),
        ("0x04A1B2C3", "4A1B2C3"),
        ("0", "0"),
        ("000", "0"),
        ("f" * 64, "F" * 64),
    ],
)
def test_a_card_has_one_number_however_a_reader_writes_it(text: str, number: str) -> None:
    assert card_number(text) == number
    assert card_number(number) == number


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ":", "12345G", "١٢٣", "12\x0034", "1;DROP TABLE people", "F" * 65, "1" * 10_000,
        "' OR 1=1 --", "12%34", "\ud800", 1234567, None, b"1234", ["1"], 1.5, True,
    ],
)  # fmt: skip
def test_what_is_no_cards_number_is_refused_without_being_repeated(text: Any) -> None:
    with pytest.raises(ValueError, match="card's number") as told:
        card_number(text)
    assert not isinstance(text, str) or len(text) < 3 or text not in str(told.value)


@given(st.text(max_size=300))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        number = card_number(text)
    except ValueError:
        return
    assert card_number(number) == number
    assert set(number) <= set("0123456789ABCDEF")


# cards


def test_a_card_leads_to_its_holder_and_no_other_does(
    gallery: Gallery, credentials: Credentials
) -> None:
    ann_with_all(gallery)
    assert credentials.holder(CARD) == "ann"
    assert credentials.holder("0x" + MARKED.lower()) == "ann"
    assert (credentials.is_duress(MARKED), credentials.is_duress(CARD)) == (True, False)
    assert credentials.holder("555") is None
    assert credentials.cards("ann") == (CARD, MARKED)
    assert credentials.cards("bob") == credentials.cards("nobody") == ()


@pytest.mark.parametrize("card", ["", "1" * 10_000, "no card", "\x00", "\ud800", "' OR 1=1"])
def test_garbage_is_nobodys_card(gallery: Gallery, credentials: Credentials, card: str) -> None:
    ann_with_all(gallery)
    assert credentials.holder(card) is None
    assert not credentials.is_duress(card)


def test_a_card_of_somebody_else_is_refused_and_says_whose_it_is(gallery: Gallery) -> None:
    ann_with_all(gallery)
    with pytest.raises(EnrolmentRefused, match="a card is 'ann''s already") as told:
        give(gallery, "bob", groups=["x"], cards=["0" + CARD])
    assert (told.value.reason, told.value.people) == ("card_taken", {"bob": "ann"})
    assert CARD not in str(told.value)
    assert gallery.profile("bob") == Profile()


def test_a_new_enrolment_with_a_card_of_somebody_else_enrols_nobody(gallery: Gallery) -> None:
    from edged.gallery.people import Enrolment

    ann_with_all(gallery)
    with pytest.raises(EnrolmentRefused):
        gallery.add_many(
            [Enrolment("dan", FACES[5], MODEL, 0.9, "photo")],
            limit=3,
            profiles={"dan": Profile(cards=(CARD,))},
        )
    assert gallery.person("dan") is None


def test_two_processes_cannot_give_one_card_to_two_people(
    gallery: Gallery, credentials: Credentials, tmp_path: Path
) -> None:
    beside = Gallery(tmp_path / "gallery.db", KEY)
    beside.open()
    give(beside, "bob", cards=[CARD])
    with pytest.raises(EnrolmentRefused):
        give(gallery, "ann", cards=[CARD])
    assert credentials.holder(CARD) == "bob"
    give(beside, "bob", cards=None)
    give(gallery, "ann", cards=[CARD])
    assert Credentials(beside, lambda: NOW_S).holder(CARD) == "ann"
    beside.close()


def test_a_card_that_was_taken_back_is_nobodys_and_free(
    gallery: Gallery, credentials: Credentials
) -> None:
    ann_with_all(gallery)
    give(gallery, "ann", cards=[MARKED])
    assert credentials.holder(CARD) is None
    give(gallery, "bob", cards=[CARD])
    assert credentials.holder(CARD) == "bob"
    assert credentials.holder(MARKED) == "ann"


def test_who_is_not_in_force_has_no_card_no_pin_and_no_standing(
    gallery: Gallery, credentials: Credentials, clock: Clock
) -> None:
    ann_with_all(gallery)
    give(gallery, "ann", valid_from=NOW_S + 100, valid_until=NOW_S + 200)
    for now_s, there in ((NOW_S, False), (NOW_S + 100, True), (NOW_S + 200, False)):
        clock.now_s = now_s
        assert credentials.holder(CARD) == ("ann" if there else None)
        assert credentials.is_duress(MARKED) is there
        assert credentials.cards("ann") == ((CARD, MARKED) if there else ())
        assert credentials.check_pin("ann", PIN) == ("right" if there else "none")
        assert (credentials.subject("ann") is not None) is there
        assert credentials.known("ann")


def test_who_was_erased_has_no_card_and_another_may_have_it(
    gallery: Gallery, credentials: Credentials
) -> None:
    ann_with_all(gallery)
    gallery.remove("ann")
    assert credentials.holder(CARD) is None
    assert credentials.check_pin("ann", PIN) == "none"
    assert not credentials.known("ann")
    give(gallery, "bob", cards=[CARD])
    assert credentials.holder(CARD) == "bob"
    assert gallery.verify() == []


def test_the_remains_of_somebody_whose_key_is_gone_keep_no_card(
    gallery: Gallery, credentials: Credentials
) -> None:
    ann_with_all(gallery)
    with gallery._read() as book:
        entry = book.find("ann")
    assert entry is not None
    gallery._keyring.destroy([entry.number])  # and then the power went
    assert credentials.holder(CARD) is None
    give(gallery, "bob", cards=[CARD])
    assert credentials.holder(CARD) == "bob"


def test_a_gallery_that_was_wiped_or_exchanged_knows_no_card(
    gallery: Gallery, credentials: Credentials, tmp_path: Path
) -> None:
    ann_with_all(gallery)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    gallery.path.rename(moved / "gallery.db")
    assert credentials.holder(CARD) is None
    (moved / "gallery.db").rename(gallery.path)
    assert credentials.holder(CARD) == "ann"
    beside = Gallery(tmp_path / "gallery.db", KEY)
    beside.open()
    beside.wipe("command")
    assert credentials.holder(CARD) is None
    gallery.refresh()
    assert credentials.holder(CARD) is None
    beside.close()


def test_a_gallery_that_cannot_be_read_knows_nobody_and_says_so_once(
    gallery: Gallery, credentials: Credentials, caplog: pytest.LogCaptureFixture
) -> None:
    ann_with_all(gallery)
    gallery.close()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert credentials.holder(CARD) is None
            assert credentials.check_pin("ann", PIN) == "none"
            assert credentials.subject("ann") is None
    assert len(caplog.records) == 1
    gallery.open()
    with caplog.at_level(logging.INFO):
        assert credentials.holder(CARD) == "ann"
    assert "can be read again" in caplog.records[-1].message
    assert CARD not in caplog.text


def test_what_the_site_says_of_a_card_counts(gallery: Gallery, credentials: Credentials) -> None:
    ann_with_all(gallery)
    stored = Stored(
        "bob", Profile(cards=(CARD, "77")), {MODEL: [Kept(FACES[1], 0.9, "photo", "x")]}, "x", 4
    )
    gallery.apply([stored], [], {})
    assert credentials.holder(CARD) == "bob"
    assert credentials.cards("ann") == (MARKED,)
    assert credentials.is_duress(MARKED)
    assert gallery.verify() == []
    gallery.rekey()
    assert (credentials.holder(CARD), credentials.holder(MARKED)) == ("bob", "ann")
    assert gallery.verify() == []


def test_a_card_that_is_found_for_another_than_the_record_says_is_told(gallery: Gallery) -> None:
    ann_with_all(gallery)
    with gallery._write() as book:
        book.connection.execute("DELETE FROM cards")
    assert gallery.verify() == ["person number 1 is found by other cards than their record says"]


def test_a_gallery_of_older_software_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edged.gallery import book, files

    monkeypatch.setattr(files, "SCHEMA", SCHEMA[:1])
    monkeypatch.setattr(book, "keep_cards", lambda *_, **__: None)
    older = Gallery(tmp_path / "gallery.db", KEY)
    older.open()
    older.add("ann", FACES[0], model=MODEL, quality=0.9, source="photo", limit=3)
    older.close()
    monkeypatch.undo()
    newer = Gallery(tmp_path / "gallery.db", KEY)
    newer.open()
    assert newer.verify() == []
    give(newer, "ann", cards=[CARD])
    assert Credentials(newer).holder(CARD) == "ann"
    newer.close()


def test_a_subject_is_what_the_rules_ask_for(gallery: Gallery, credentials: Credentials) -> None:
    ann_with_all(gallery)
    assert credentials.subject("ann") == Subject("ann", frozenset({"staff"}), extended=True)
    assert credentials.subject("bob") == Subject("bob")
    for nobody in ("dan", "", "a/b", "x" * 1000, "\x00"):
        assert credentials.subject(nobody) is None


def test_an_unknown_card_is_told_by_a_digest_that_says_nothing(
    gallery: Gallery, credentials: Credentials
) -> None:
    told = credentials.digest(CARD)
    assert told == credentials.digest("0" + CARD) != credentials.digest("1" + CARD)
    assert told != Credentials(gallery).digest(CARD)
    assert len(told) == 16
    assert credentials.digest("garbage \ud800") != credentials.digest("garbage")


# what is given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cards": ["12 x4"]}, "cards.0: "),
        ({"cards": [str(n) for n in range(21)]}, "cards: "),
        ({"cards": "1234"}, "cards: "),
        ({"cards": ["1"], "duress_cards": ["2"]}, "duress_cards: one of them is not among cards"),
        ({"duress_cards": ["2"]}, "duress_cards: one of them is not among cards"),
        ({"pin": "5093", "duress_pin": "5093"}, "duress_pin: is the same as pin"),
        ({"pin": "123"}, "pin: "),
        ({"pin": "1" * 17}, "pin: "),
        ({"pin": "12a4"}, "pin: "),
        ({"pin": "١٢٣٤"}, "pin: "),
        ({"pin": 5093}, "pin: "),
        ({"pin": "0000"}, "too easily guessed"),
        ({"pin": "$scrypt$ln=20,r=8,p=1$" + "A" * 22 + "$" + "A" * 43}, "pin: "),
        ({"pin": "$scrypt$ln=12,r=64,p=9$" + "A" * 22 + "$" + "A" * 43}, "pin: "),
        ({"extended": "perhaps"}, "extended: "),
    ],
)
def test_what_makes_no_credentials_is_refused_without_being_repeated(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(GalleryError, match=said) as told:
        read_profile(given)
    assert "5093" not in str(told.value)
    assert "12a4" not in str(told.value)


def test_a_duress_pin_that_is_the_pin_is_refused_also_where_one_is_known_already() -> None:
    known = read_profile({"pin": PIN})
    with pytest.raises(GalleryError, match="same as pin"):
        amended(known, {"duress_pin": PIN})
    both = amended(known, {"duress_pin": FORCED})
    with pytest.raises(GalleryError, match="same as pin"):
        amended(both, {"pin": FORCED})
    with pytest.raises(GalleryError, match="same as pin"):
        read_profile({"pin": known.pin, "duress_pin": known.pin})


@pytest.mark.parametrize(("pin", "forced"), [("5093", "50937"), ("509371", "5093")])
def test_a_keypad_that_ends_a_pin_by_its_length_never_takes_one_pin_for_the_other(
    pin: str, forced: str
) -> None:
    for one, other in ((pin, forced), (kept_pin(min(pin, forced)), max(pin, forced))):
        with pytest.raises(GalleryError, match="begins with"):
            read_profile({"pin": one, "duress_pin": other})
    assert read_profile({"pin": "5093", "duress_pin": "15093"}).duress_pin


def test_one_card_in_two_spellings_is_one_card() -> None:
    assert read_profile({"cards": ["0012", "12", "0x12"]}).cards == ("12",)


@pytest.mark.parametrize(
    ("pin", "weak"),
    [
        ("0000", True), ("1234", True), ("4321", True), ("7890", True), ("0987", True),
        ("1212", True), ("123123", False), ("2580", True), ("9999999999999999", True),
        ("0123456789012345", True), ("1122", False), ("5093", False), ("2468", False),
        ("12121", True), ("12121212", True),
    ],
)  # fmt: skip
def test_what_everybody_tries_first_is_weak(pin: str, weak: bool) -> None:
    assert is_weak(pin) is weak
    assert kept_pin(WeakPin(pin)) is not None


# PINs


def test_a_pin_is_right_forced_wrong_or_not_there(
    gallery: Gallery, credentials: Credentials
) -> None:
    ann_with_all(gallery)
    give(gallery, "bob", duress_pin=FORCED)
    assert credentials.check_pin("ann", PIN) == "right"
    assert credentials.check_pin("ann", FORCED) == "duress"
    for wrong in ("5094", "", "50930", "x" * 10_000, "５０９３", "\x00", "\ud800"):
        assert credentials.check_pin("ann", wrong) == "wrong", wrong[:9]
    assert credentials.check_pin("bob", FORCED) == "duress"
    assert credentials.check_pin("bob", PIN) == "wrong"
    assert credentials.check_pin("cid", PIN) == "none"
    assert credentials.check_pin("nobody", PIN) == "none"


def test_two_hashes_are_made_whatever_is_kept(
    gallery: Gallery, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edged.gallery import pins

    ann_with_all(gallery)
    give(gallery, "bob", pin=PIN)
    made: list[int] = []
    real = pins._scrypt
    monkeypatch.setattr(pins, "_scrypt", lambda *given: made.append(given[1]) or real(*given))
    for who in ("ann", "bob", "cid", "nobody"):
        for entered in (PIN, FORCED, "5094", "no digits"):
            made.clear()
            credentials.check_pin(who, entered)
            assert made == [11, 11], (who, entered)


def test_where_both_fit_it_is_an_alarm() -> None:
    one, other = kept_pin(PIN), kept_pin(PIN)
    assert one != other  # salted
    assert not same_pin(one, other)
    assert which(PIN, (one, other)) == (True, True)


def test_a_hash_of_nobody_fits_no_pin() -> None:
    assert which("", (None, None)) == (False, False)
    assert which(PIN, ("garbage", None)) == (False, False)


@settings(deadline=None, max_examples=30)
@given(st.from_regex(r"[0-9]{4,16}", fullmatch=True), st.text(max_size=20))
def test_a_pin_fits_itself_and_nothing_else(pin: str, other: str) -> None:
    kept = kept_pin(WeakPin(pin))
    assert pin not in kept.split("$")
    assert which(pin, (kept,)) == (True,)
    assert which(other, (kept,)) == (other == pin,)


# what is told


def test_nothing_that_is_told_holds_a_card_or_a_pin(gallery: Gallery) -> None:
    ann_with_all(gallery)
    profile = gallery.profile("ann")
    assert profile is not None
    assert profile.told() == {"groups": ["staff"], "cards": 2, "pin": True, "extended": True}
    assert Profile().told() == {"groups": []}
    person = gallery.person("ann")
    for text in (repr(profile), str(profile), repr(person), repr(gallery.people())):
        assert not any(secret in text for secret in (CARD, MARKED, PIN, FORCED, "scrypt", "cards"))
    told = profile.disclosed()
    assert told == {
        "cards": [CARD, MARKED], "duress_cards": [MARKED], "pin": True, "duress_pin": True,
    }  # fmt: skip
    assert read_profile(profile.carried()) == profile


def test_a_profile_that_says_nothing_of_cards_and_pins_takes_over_those_there_are() -> None:
    known = read_profile({"groups": ["a"], "cards": [CARD], "pin": PIN, "extended": True})
    kept = Profile(groups=("b",)).with_credentials_of(known)
    assert (kept.groups, kept.cards, kept.pin, kept.extended) == (("b",), (CARD,), known.pin, True)
    other = read_profile({"cards": ["7"]})
    assert other.with_credentials_of(known) == other


def test_older_software_reads_a_profile_that_has_none_of_it() -> None:
    assert Profile(groups=("a",)).carried() == {"groups": ["a"]}


def test_no_file_of_a_gallery_shows_a_card_or_a_pin(gallery: Gallery, tmp_path: Path) -> None:
    ann_with_all(gallery)
    profile = gallery.profile("ann")
    assert profile is not None
    assert profile.pin is not None
    wanted = [CARD, MARKED, profile.pin[30:50], FORCED * 2]
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tmp_path.glob("gallery*"):
        content = path.read_bytes()
        assert not any(secret.encode() in content for secret in wanted), path.name
        shutil.copy(path, copy)
    assert (copy / "gallery.db").stat().st_size > 0
