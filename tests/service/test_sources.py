"""Folders of photos as people make them, and as nobody should."""

from __future__ import annotations

import os
import unicodedata

import pytest

from edged.errors import SourceError
from edged.service.sources import read_source

JPEG = b"\xff\xd8\xff"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def put(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(JPEG + name.encode(errors="surrogateescape"))


def plan(folder):
    return {
        who.id: {photo.name: photo.refused[0] if photo.refused else None for photo in who.photos}
        for who in read_source(folder)
    }


def test_a_sub_folder_is_a_person(source):
    put(source, "ann/1.jpg", "ann/b.PNG", "bob/x.jpeg")
    assert plan(source) == {
        "ann": {"ann/1.jpg": None, "ann/b.PNG": None},
        "bob": {"bob/x.jpeg": None},
    }


def test_a_file_is_a_person_and_numbered_ones_are_more_views(source):
    put(source, "ann.jpg", "ann_2.jpg", "ann_3.png", "E_17.jpg", "E_18.jpg", "cy/1.jpg", "cy.jpg")
    assert plan(source) == {
        "E_17": {"E_17.jpg": None},
        "E_18": {"E_18.jpg": None},
        "ann": {"ann.jpg": None, "ann_2.jpg": None, "ann_3.png": None},
        "cy": {"cy/1.jpg": None, "cy.jpg": None},
    }


def test_junk_is_named_and_harms_nobody(source):
    put(source, "ann/1.jpg", "ann/notes.txt", "ann/old/2.jpg", "ann/.hidden.jpg", "readme.pdf")
    put(source, "Thumbs.db", "ann/.DS_Store", "ann/desktop.ini")
    (source / "ann" / "folder.jpg").mkdir()
    (source / "empty").mkdir()
    assert plan(source) == {
        "ann": {
            "ann/1.jpg": None,
            "ann/folder.jpg": "not_an_image",
            "ann/notes.txt": "not_an_image",
            "ann/old": "not_an_image",
        },
        "empty": {},
        "readme": {"readme.pdf": "not_an_image"},
    }


def test_links_lead_neither_round_nor_out(source, tmp_path):
    put(source, "ann/1.jpg")
    put(tmp_path, "secret.jpg")
    (source / "round").symlink_to(source)
    (source / "ann" / "me.jpg").symlink_to("me.jpg")
    (source / "ann" / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (source / "ann" / "gone.jpg").symlink_to("nothing.jpg")
    assert plan(source) == {
        "ann": {"ann/1.jpg": None, "ann/gone.jpg": None, "ann/me.jpg": None}
        | {"ann/out.jpg": "outside"},
        "round": {"round": "link"},
    }


def test_ids_that_no_topic_could_carry_are_refused_alone(source):
    bad = ["a+b", "x" * 65, "new\nline", " space", "a#"]
    put(source, *(f"{name}/1.jpg" for name in bad), "good/1.jpg", "🙂/1.jpg", "O'Neil; DROP/1.jpg")
    found = plan(source)
    assert {name: set(found[name].values()) for name in bad} == {name: {"bad_id"} for name in bad}
    for name in ("good", "🙂", "O'Neil; DROP"):
        assert set(found[name].values()) == {None}


def test_a_name_that_is_no_text_is_refused(source):
    try:
        os.mkdir(os.fsencode(source) + b"/\xff\xfe")  # noqa: PTH102
    except OSError:
        pytest.skip("this file system takes text only")
    put(source, os.fsdecode(b"\xff\xfe") + "/1.jpg")
    ((_, photos),) = plan(source).items()
    assert set(photos.values()) == {"bad_id"}


def test_an_id_in_two_unicode_forms_is_one_and_refused(source):
    composed = unicodedata.normalize("NFC", "Zoé")
    double = unicodedata.normalize("NFD", "Zoé")
    put(source, f"{composed}/1.jpg")
    put(source, f"{double}/2.jpg")
    if len(list(source.iterdir())) == 1:
        pytest.skip("this file system knows one form only")
    found = plan(source)
    assert list(found) == [composed]
    assert set(found[composed].values()) == {"two_spellings"}


def test_an_id_from_a_mac_is_composed(source):
    put(source, unicodedata.normalize("NFD", "Zoé") + "/1.jpg")
    assert list(plan(source)) == [unicodedata.normalize("NFC", "Zoé")]
    assert list(plan(source)["Zoé"].values()) == [None]


def test_one_image_for_two_people_enrols_neither(source):
    put(source, "ann/1.jpg", "ann/2.jpg", "bob/1.jpg")
    for name in ("ann/3.jpg", "bob/3.jpg", "ann/copy.jpg"):
        (source / name).write_bytes(JPEG + b"the same")
    found = plan(source)
    assert found["ann"] == {
        "ann/1.jpg": None,
        "ann/2.jpg": None,
        "ann/3.jpg": "same_image",
        "ann/copy.jpg": "same_image",
    }
    assert found["bob"] == {"bob/1.jpg": None, "bob/3.jpg": "same_image"}


def test_a_folder_that_cannot_be_looked_into_is_named(source):
    put(source, "ann/1.jpg", "bob/1.jpg")
    (source / "ann").chmod(0)
    try:
        if os.access(source / "ann", os.R_OK):
            pytest.skip("root may look into everything")
        assert set(plan(source)["ann"].values()) == {"unreadable"}
        assert set(plan(source)["bob"].values()) == {None}
    finally:
        (source / "ann").chmod(0o755)


@pytest.mark.parametrize("name", ["missing", "a\0b", "x" * 5000])
def test_a_source_that_is_not_there_is_told(tmp_path, name):
    with pytest.raises(SourceError, match=r"cannot be read|not a file name"):
        read_source(tmp_path / name)


def test_a_pipe_is_no_source(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="neither a folder nor a CSV"):
        read_source(tmp_path / "pipe")


def test_a_table_names_images_beside_it(tmp_path):
    put(tmp_path / "in", "a.jpg")
    put(tmp_path, "b.jpg")
    (tmp_path / "in" / "out.jpg").symlink_to(tmp_path / "b.jpg")
    table = tmp_path / "in" / "people.csv"
    table.write_text("person_id,image\nann,a.jpg\nann,out.jpg\nbob,missing.jpg\n")
    assert plan(table) == {
        "ann": {"a.jpg": None, "out.jpg": "outside"},
        "bob": {"missing.jpg": None},
    }
