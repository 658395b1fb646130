"""Which images are found, whose they are, and what a list of pairs may not say."""

from __future__ import annotations

import errno
import os
import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.errors import EvaluationError
from edged.evaluation.files import find_people, read_pairs, shown
from edged.evaluation.output import writable
from tests.evaluation import crowd

GREY = np.full((8, 8, 3), 128, np.uint8)


@pytest.fixture
def folder(tmp_path):
    for name in ("anna/1.png", "anna/day2/2.png", "ben/1.png", "ben/2.png"):
        crowd.write(tmp_path / name, GREY)
    return tmp_path


def listed(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_person_has_the_images_of_their_folder_and_of_those_in_it(folder):
    found = find_people(folder)
    assert found.names == ["anna", "ben"]
    assert [(n, p.name) for n, p in found.images] == [
        (0, "1.png"),
        (0, "2.png"),
        (1, "1.png"),
        (1, "2.png"),
    ]


def test_what_is_no_image_and_what_is_nobodys_is_counted(folder):
    (folder / "ben" / "notes.txt").write_text("x")
    (folder / "list.csv").write_text("x")
    (folder / ".hidden").mkdir()
    crowd.write(folder / "stray.png", GREY)
    (folder / "empty").mkdir()
    found = find_people(folder)
    assert (found.outside, found.ignored, len(found.images)) == (1, 2, 4)
    assert found.names == ["anna", "ben"]


def test_links_in_a_circle_end_and_a_folder_linked_twice_counts_once(folder):
    (folder / "anna" / "loop").symlink_to(folder)
    (folder / "anna" / "self").symlink_to("self")
    (folder / "copy of ben").symlink_to(folder / "ben")
    found = find_people(folder)
    assert len(found.images) == 4
    assert {path.name for path in found.looped} == {"loop", "copy of ben"}


def test_a_folder_of_links_to_people_is_followed(folder, tmp_path_factory):
    links = tmp_path_factory.mktemp("links")
    for name in ("anna", "ben"):
        (links / name).symlink_to(folder / name)
    assert len(find_people(links).images) == 4


def test_names_that_are_no_text_are_shown_as_escapes(tmp_path):
    for name in (b"caf\xe9", b"\xe2\x80\xaeevil\x1b[31m"):
        (tmp_path / os.fsdecode(name)).mkdir()
        crowd.write(tmp_path / os.fsdecode(name) / "1.png", GREY)
    found = find_people(tmp_path)
    assert sorted(found.names) == ["\\u202eevil\\x1b[31m", "caf\\xe9"]
    assert len(found.images) == 2


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name))
def test_a_shown_name_is_printable_text_that_json_and_terminals_can_carry(name):
    told = shown(os.fsdecode(name))
    assert told.isprintable()
    told.encode("utf-8")


@pytest.mark.parametrize("make", ["missing", "empty", "one", "file"])
def test_fewer_than_two_people_are_refused(tmp_path, make):
    root = tmp_path / "people"
    if make == "file":
        root.write_text("x")
    elif make != "missing":
        root.mkdir()
    if make == "one":
        crowd.write(root / "anna" / "1.png", GREY)
        crowd.write(root / "stray.png", GREY)
    with pytest.raises(EvaluationError, match=r"one folder a person|two are needed"):
        find_people(root)


def test_csv_with_a_head_spaces_and_all_words_for_an_answer(folder):
    path = listed(
        folder / "pairs.csv",
        "a,b,same",
        "anna/1.png, anna/day2/2.png, 1",
        '"ben/1.png",ben/2.png,True',
        "",
        "anna/1.png,ben/1.png,different",
    )
    pairs = read_pairs(path, None)
    assert pairs.form == "csv"
    assert pairs.rows == [(0, 1, True, 0), (2, 3, True, 0), (0, 2, False, 0)]
    assert [p.name for p in pairs.images] == ["1.png", "2.png", "1.png", "2.png"]


def test_the_form_of_lfw_with_its_folds(tmp_path):
    for name in ("Al_B/Al_B_0001.png", "Al_B/Al_B_0002.png", "Cy/Cy_0001.png", "Cy/Cy_0003.png"):
        crowd.write(tmp_path / name, GREY)
    path = listed(
        tmp_path / "pairs.txt",
        "2\t1",
        "Al_B\t1\t2",
        "Al_B\t1\tCy\t1",
        "Cy\t1\t3",
        "Al_B\t2\tCy\t3",
    )
    pairs = read_pairs(path, tmp_path)
    assert (pairs.form, pairs.folds) == ("lfw", 2)
    assert [(same, fold) for _, _, same, fold in pairs.rows] == [
        (True, 0),
        (False, 0),
        (True, 1),
        (False, 1),
    ]


def test_a_repeated_pair_counts_once_either_way_round(folder):
    path = listed(
        folder / "pairs.csv",
        "ben/1.png,ben/2.png,1",
        "ben/2.png,ben/1.png,1",
        "anna/1.png,ben/1.png,0",
        "anna/1.png,ben/1.png,0",
    )
    pairs = read_pairs(path, None)
    assert (len(pairs.rows), pairs.repeated) == (2, 2)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["anna/9.png,ben/1.png,1"], "line 1: no such file: .*anna/9.png"),
        (["a,b,same", "anna/1.png,ben/1.png"], "line 2: expected path,path,same"),
        (["anna/1.png,ben/1.png,1", "anna/1.png,ben/2.png,maybe"], "line 2: expected"),
        (["anna/1.png,anna/1.png,1"], "line 1: compares a file with itself"),
        (["anna/1.png,ben/1.png,1", "ben/1.png,anna/1.png,0"], "line 2: says the contrary"),
        (["anna/1.png,ben/1.png,0"], "0 pairs of the same person and 1 of different"),
        (["ben/1.png,ben/2.png,1"], "1 pairs of the same person and 0 of different"),
        ([""], r"the file is empty; expected .* path,path,same"),
        (["a,b,same"], "0 pairs of the same person and 0"),
        ([f"{'x' * 300},ben/1.png,1"], "line 1: cannot be read, file name too long: .*xxx"),
        (["1", f"{'x' * 300}\t1\t2"], "line 2: cannot be read, file name too long"),
        (["9" * 5000], "line 1: promises more pairs"),
        (["1 " + "9" * 5000], "line 1: promises more pairs"),
        (["1", f"ben\t1\t{'9' * 5000}"], "line 2: expected NAME N N"),
        (["1", f"ben\t1\tanna\t{'9' * 5000}"], "line 2: expected NAME N N"),
        (["\u00b2"], "line 1: expected path,path,same"),
        (["2\t2", "ben\t1\t2"], "line 2: no such file"),
        (["5", "what is this"], "line 2: expected NAME N N"),
        (['"anna/1.png,ben/1.png,1'], "unexpected end of data"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused_with_its_line(folder, lines, told):
    with pytest.raises(EvaluationError, match=told):
        read_pairs(listed(folder / "pairs.csv", *lines), None)


def test_every_problem_is_told_at_once_but_not_a_thousand(folder):
    lines = [f"anna/{n}.png,ben/1.png,1" for n in range(100, 200)]
    with pytest.raises(EvaluationError) as fault:
        read_pairs(listed(folder / "pairs.csv", *lines), None)
    told = str(fault.value).splitlines()
    assert len(told) == 21
    assert told[-1].endswith("and 80 more problems")


@pytest.mark.parametrize("data", [b"\0\1\2", b"\xff\xd8\xff\xe0junk\0"])
def test_a_list_that_is_no_text_is_refused(tmp_path, data):
    (tmp_path / "list").write_bytes(data)
    with pytest.raises(EvaluationError, match="not a text"):
        read_pairs(tmp_path / "list", None)


def test_a_pipe_is_no_list_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "list")
    with pytest.raises(EvaluationError, match="not a file"):
        read_pairs(tmp_path / "list", None)


class Closed(type(Path())):
    """A folder that may be listed and not entered; as root no permission would do that."""

    def stat(self, *, follow_symlinks=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))


def test_a_folder_that_may_not_be_entered_is_told(tmp_path):
    with pytest.raises(EvaluationError, match=r"people: cannot be read: Permission denied"):
        find_people(Closed(tmp_path / "people"))
    with pytest.raises(EvaluationError, match=r"r\.html: cannot be written: Permission denied"):
        writable(Closed(tmp_path / "r.html"))


def test_a_list_or_a_root_that_is_missing_is_refused(folder):
    with pytest.raises(EvaluationError, match="cannot be read: No such file"):
        read_pairs(folder / "none.csv", None)
    with pytest.raises(EvaluationError, match="no such folder"):
        read_pairs(listed(folder / "l.csv", "a,b,1"), folder / "nowhere")


@given(st.text(string.printable, max_size=200))
def test_no_list_makes_anything_but_pairs_or_an_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("lists") / "list"
    path.write_text(text)
    with pytest.raises(EvaluationError):
        read_pairs(path, None)
