"""The report of an import: what may be one, and what is believed of it."""

from __future__ import annotations

import fcntl
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.errors import SourceError
from edged.service.ledger import Entry, Ledger

MODEL = "net@1#abc"
ENROLLED = Entry("ann", "ann/1.jpg", "enrolled", quality=0.9, digest="d1", revision=3)
BLURRED = Entry("ann", "ann/2.jpg", "refused", "low_quality", "too poor", 0.2, "d2")
TWICE = Entry("bob", "bob/1.jpg", "refused", "duplicate", "is ann", 0.9, "d3")


@pytest.fixture
def ledger():
    opened = []

    def make(path, model=MODEL):
        opened.append(Ledger(path, model))
        opened[-1].open()
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_what_was_settled_is_known_the_next_time(ledger, tmp_path):
    first = ledger(tmp_path / "r")
    first.write([ENROLLED, BLURRED, TWICE])
    first.close()
    again = ledger(tmp_path / "r")
    assert again.entry("ann", "d1") == ENROLLED
    assert again.entry("ann", "d2") == BLURRED
    assert again.entry("bob", "d3") is None  # may end otherwise another time
    assert again.entry("bob", "d1") is None


def test_what_another_model_did_says_nothing(ledger, tmp_path):
    first = ledger(tmp_path / "r")
    first.write([ENROLLED])
    first.close()
    other = ledger(tmp_path / "r", "net@2#def")
    assert other.entries() == []
    other.close()
    assert ledger(tmp_path / "r").entries() == [ENROLLED]


@pytest.mark.parametrize("cut", [1, 5, 20, 60])
def test_a_torn_line_is_no_line_and_the_next_begins_anew(ledger, tmp_path, cut):
    path = tmp_path / "r"
    first = ledger(path)
    first.write([BLURRED, ENROLLED])
    first.close()
    path.write_bytes(path.read_bytes()[:-cut])
    second = ledger(path)
    second.write([TWICE])
    second.close()
    lines = path.read_text().splitlines()
    assert json.loads(lines[-1])["reason"] == "duplicate"
    assert ledger(path).entry("ann", "d2") == BLURRED


@given(junk=st.binary(max_size=200))
def test_garbage_in_the_middle_is_passed_over(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("l") / "r"
    one = Ledger(path, MODEL)
    one.open()
    one.write([BLURRED])
    one.close()
    with path.open("ab") as file:
        file.write(junk + b"\n")
    again = Ledger(path, MODEL)
    again.open()
    assert again.entry("ann", "d2") == BLURRED
    again.close()


@pytest.mark.parametrize("kind", ["other", "garbage", "folder", "link", "pipe", "nowhere", "nul"])
def test_what_is_no_report_is_left_alone(tmp_path, kind):
    path = tmp_path / "report"
    precious = tmp_path / "precious"
    precious.write_text("mine")
    if kind == "other":
        path.write_text('{"precious": true}\n')
    elif kind == "garbage":
        path.write_bytes(os.urandom(3000))
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(precious)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = tmp_path / "no" / "report" if kind == "nowhere" else tmp_path / "a\0b"
    before = path.read_bytes() if kind in {"other", "garbage"} else None
    one = Ledger(path, MODEL)
    with pytest.raises(SourceError, match="report"):
        one.open()
    one.close()
    assert before is None or path.read_bytes() == before
    assert precious.read_text() == "mine"


def test_two_imports_do_not_write_one_report(ledger, tmp_path):
    with (tmp_path / "r").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        with pytest.raises(SourceError, match="another import"):
            ledger(tmp_path / "r")


def test_nobody_else_reads_it(ledger, tmp_path):
    ledger(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    (tmp_path / "old").touch(mode=0o644)
    ledger(tmp_path / "old")
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o600


def test_without_a_file_nothing_is_written(tmp_path):
    one = Ledger(None, MODEL)
    one.open()
    one.write([ENROLLED])
    one.close()
    one.close()
    assert list(tmp_path.iterdir()) == []
