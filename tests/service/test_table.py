"""Tables of people: what is read, and by which words each mistake is named."""

from __future__ import annotations

import codecs
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.errors import SourceError
from edged.service.table import read_table

HEAD = b"person_id,image\n"


@pytest.fixture
def table(tmp_path):
    def write(data):
        path = tmp_path / "people.csv"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


def test_people_with_all_that_may_be_said_of_them(table):
    path = table(
        "image,person_id,name,groups,valid_from,valid_until,consent_basis,consent_given,"
        "consent_expires,adaptation\r\n"
        'a.jpg,ann,"Öberg, Ann",staff; lab ;,2026-01-01,2030-01-31T18:00Z,contract,2026-01-01,'
        "2031-01-01,yes\r\n"
        "\r\n"
        "b.jpg,ann,,,,,,,,\r\n"
        "c.jpg,bob,,,,,,,,\r\n"
    )
    ann, bob = read_table(path)
    assert (ann.person_id, ann.images) == ("ann", ["a.jpg", "b.jpg"])
    assert ann.given == {
        "name": "Öberg, Ann",
        "groups": ("staff", "lab"),
        "valid_from": "2026-01-01",
        "valid_until": "2030-01-31T18:00Z",
        "consent": {
            "basis": "contract",
            "given": "2026-01-01",
            "expires": "2031-01-01",
            "adaptation": True,
        },
    }
    assert (bob.person_id, bob.images, bob.given) == ("bob", ["c.jpg"], {})


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_with_or_without_a_mark_and_whatever_ends_the_lines(table, mark, end):
    path = table(mark + HEAD.replace(b"\n", end) + "Zoé,a.jpg".encode())
    assert [row.person_id for row in read_table(path)] == ["Zoé"]


def test_an_id_is_composed_and_its_two_forms_are_told_apart_from_two_people(table):
    nfd = unicodedata.normalize("NFD", "Zoé").encode()
    assert [row.person_id for row in read_table(table(HEAD + nfd + b",a.jpg"))] == ["Zoé"]
    with pytest.raises(SourceError, match=r"csv:3: person_id: spelt in another Unicode form"):
        read_table(table(HEAD + nfd + b",a.jpg\n" + "Zoé,b.jpg".encode()))


BAD = {
    "UTF-16": (HEAD.decode().encode("utf-16"), "1: is UTF-16"),
    "UTF-16 without a mark": (HEAD.decode().encode("utf-16-le"), "1: holds a NUL"),
    "Latin-1": (HEAD + b"ann,a.jpg\n" + "Zoé,b.jpg\n".encode("latin-1"), "3: is not UTF-8"),
    "Latin-1 behind a mark": (codecs.BOM_UTF8 + HEAD + b"\n\xe9,b.jpg", "3: is not UTF-8"),
    "NUL": (HEAD + b"ann,a.jpg\nbob,b\0.jpg\n", "3: holds a NUL"),
    "no column": (b"person_id,photo\nann,a.jpg\n", "1: no column image"),
    "no columns": (b"ann,a.jpg\n", "1: no column person_id and image"),
    "empty": (b"", "1: no column"),
    "nobody": (HEAD, "holds nobody"),
    "blank lines": (HEAD + b"\n , \n", "holds nobody"),
    "open quote": (HEAD + b'ann,a.jpg\nbob,"b.jpg\ncy,c.jpg\n', "3: broken quotes"),
    "quote in the middle": (HEAD + b'ann,"a"b.jpg\n', "2: broken quotes"),
    "two headers": (b"person_id,image,image\nann,a,b\n", "1: two columns of one name: 'image'"),
    "unknown header": (b"person_id,image,valid_til\nann,a,b\n", "1: unknown columns: 'valid_til'"),
    "semicolons": (b"person_id;image\nann;a.jpg\n", "separated by commas"),
    "too few": (b"person_id,image,name\nann,a.jpg\n", "2: 2 fields where the header has 3"),
    "too many": (HEAD + b"ann,a.jpg,b.jpg\n", "2: 3 fields where the header has 2"),
    "field of 20 kB": (HEAD + b"ann," + b"x" * 20_000, "2: image: 20000 characters"),
    "field of 1 MB": (HEAD + b"ann," + b"x" * 1_000_000, "2: broken quotes, or far too long"),
    "id of 4 kB": (HEAD + b"x" * 4096 + b",a.jpg", "2: a person's id has 1 to 64"),
    "no id": (HEAD + b",a.jpg", "2: a person's id has 1 to 64"),
    "id with a newline": (HEAD + b'"a\nb",a.jpg', "2: a person's id holds U\\+000A"),
    "id with a path": (HEAD + b"../ann,a.jpg", "2: a person's id cannot hold any of"),
    "no image": (HEAD + b"ann,", "2: image: a path"),
    "absolute": (HEAD + b"ann,/etc/passwd", "2: image: leads out"),
    "outside": (HEAD + b"ann,x/../../a.jpg", "2: image: leads out"),
    "time": (b"person_id,image,valid_from\nann,a,soon\n", "2: valid_from: .*expected a date"),
    "no basis": (b"person_id,image,adaptation\nann,a,yes\n", "2: consent_basis: is missing"),
    "maybe": (b"person_id,image,adaptation\nann,a,maybe\n", "2: adaptation: true or false"),
    "contradiction": (
        b"person_id,image,name\nann,a,Ann\nann,b,\nann,c,Anna\n",
        "4: name: differs from what the lines above",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_each_mistake_has_its_line_and_its_words(table, name):
    data, why = BAD[name]
    with pytest.raises(SourceError, match=why) as told:
        read_table(table(data))
    assert len(str(told.value)) < 400


def test_every_mistake_is_told_up_to_twenty(table):
    path = table(HEAD + b"ann,a.jpg\n" + b"a/b,a.jpg\n" * 50)
    with pytest.raises(SourceError) as told:
        read_table(path)
    lines = str(told.value).splitlines()
    assert len(lines) == 20
    assert lines[0].startswith(f"{path}:3: ")


@pytest.mark.parametrize("who", ["🙂", "O'Neil; DROP TABLE people", "=cmd()"])
def test_an_id_is_only_text(table, who):
    assert read_table(table(f'person_id,image\n"{who}",a.jpg'))[0].person_id == who


@given(data=st.binary(max_size=300))
def test_garbage_is_refused_in_words(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_bytes(HEAD + data)
    with suppress(SourceError):  # and nothing else
        read_table(path)


def test_cards_of_people_come_with_them(table):
    path = table(
        "person_id,image,cards,duress_cards\nann,a.jpg,0012; 04:a1 ;7,7\nann,b.jpg,,\nbob,c.jpg,,\n"
    )
    ann, bob = read_table(path)
    assert ann.given == {"cards": ("0012", "04:a1", "7"), "duress_cards": ("7",)}
    assert bob.given == {}


@pytest.mark.parametrize(
    ("cells", "said"),
    [("12 x4,", "cards.0: "), ("1;2,3", "duress_cards: one of them is not among cards")],
)
def test_cards_that_are_none_are_told_and_not_repeated(table, cells, said):
    path = table(f"person_id,image,cards,duress_cards\nann,a.jpg,{cells}\n")
    with pytest.raises(SourceError, match=f"people.csv:2: {said}") as told:
        read_table(path)
    assert "x4" not in str(told.value)
