"""`edged enrol` and `edged gallery`: who comes in, who does not, and why."""

from __future__ import annotations

import secrets

import cv2
import numpy as np
import pytest

from edged.cli.gallery import opened
from edged.config.load import load
from edged.demo import scenes
from tests.cli.conftest import PORTRAIT
from tests.faces import somebody_else


@pytest.fixture
def views(portrait, photo):
    """Six good and different photos of one person."""
    lobby = scenes.Lobby()
    near = [photo(f"near{n}.png", lobby.draw(scenes.NEAR, n / 2)) for n in range(4)]
    return [PORTRAIT, photo("mirrored.jpg", cv2.flip(portrait, 1)), *near]


def people(edged, site):
    return edged("gallery", "list", "-c", site.config, "--json").json["people"]


def templates(person):
    return sum(person["templates"].values())


def test_from_no_key_to_nobody_enrolled(edged, bare):
    ran = edged("gallery", "init", "-c", bare.config, "--json")
    keys = bare.gallery.with_suffix(".keys")
    assert ran.json == {"made": [str(bare.key), str(bare.gallery), str(keys)], "people": 0}
    assert keys.exists()
    assert bare.key.stat().st_mode & 0o777 == 0o600
    assert bare.gallery.stat().st_mode & 0o777 == 0o600
    assert bare.key.read_text().strip() not in ran.out


def test_init_again_touches_nothing(edged, site):
    before = site.key.read_bytes(), site.gallery.read_bytes()
    ran = edged("gallery", "init", "-c", site.config, "--json")
    assert ran.json == {"made": [], "people": 0}
    assert (site.key.read_bytes(), site.gallery.read_bytes()) == before


def test_a_person_is_enrolled_listed_and_removed(edged, site):
    ran = edged("enrol", "-c", site.config, "E1042", PORTRAIT)
    assert (ran.code, ran.out) == (0, "E1042: 1 of 1 images enrolled\n")
    listed = edged("gallery", "list", "-c", site.config)
    assert "E1042" in listed.out
    assert "1 people, revision 1" in listed.out
    assert edged("gallery", "remove", "-c", site.config, "E1042").code == 0
    assert people(edged, site) == []
    again = edged("gallery", "remove", "-c", site.config, "E1042")
    assert again.code == 1
    assert "nobody is enrolled as 'E1042'" in again.err


def test_a_mix_of_images_takes_the_good_ones_and_says_why_not_the_others(edged, site, photo):
    wall = photo("wall.png", np.full((480, 640, 3), 128, np.uint8))
    torn = site.folder / "torn.jpg"
    torn.write_bytes(PORTRAIT.read_bytes()[:9000])
    blurred = photo("blurred.png", scenes.Lobby().draw(scenes.BLURRED, 0.0))
    told = edged("enrol", "--json", "-c", site.config, "ann", wall, PORTRAIT, torn, blurred).json
    assert told["enrolled"] == 1
    assert [one["image"] for one in told["refused"]] == [str(wall), str(torn), str(blurred)]
    for one, why in zip(told["refused"], ("no face found", "truncated", "quality"), strict=True):
        assert one["reason"].startswith(why) or why in one["reason"]
        assert one["image"] not in one["reason"]
    shown = edged("enrol", "-c", site.config, "ann", wall, PORTRAIT)
    assert f"refused {wall}: no face found" in shown.out


def test_when_no_image_will_do_nobody_is_enrolled_and_each_is_named(edged, site, photo, portrait):
    blurred = photo("blurred.jpg", cv2.GaussianBlur(portrait, (0, 0), 9))
    two = photo("two.jpg", np.hstack([portrait, cv2.flip(portrait, 1)]))
    ran = edged("enrol", "-c", site.config, "ann", blurred, two)
    assert ran.code == 3
    lines = ran.err.splitlines()
    assert lines[0].startswith(f"edged: {blurred}: ")
    assert lines[1].startswith(f"edged: {two}: several faces")
    assert people(edged, site) == []


def test_a_blurred_photo_is_refused_for_its_quality(edged, site, photo):
    blurred = photo("blurred.png", scenes.Lobby().draw(scenes.BLURRED, 0.0))
    ran = edged("enrol", "-c", site.config, "ann", blurred)
    assert ran.code == 3
    assert "quality" in ran.err
    assert "blurred" in ran.err


def test_enrolling_the_same_photo_again_changes_nothing(edged, site, views):
    assert edged("enrol", "--json", "-c", site.config, "ann", *views[:3]).json["enrolled"] == 3
    revision = edged("gallery", "list", "--json", "-c", site.config).json["revision"]
    for _ in range(2):
        told = edged("enrol", "--json", "-c", site.config, "ann", PORTRAIT, PORTRAIT).json
        assert (told["enrolled"], told["known"]) == (0, 2)
    listed = edged("gallery", "list", "--json", "-c", site.config).json
    assert listed["revision"] == revision
    assert templates(listed["people"][0]) == 3


def test_no_more_templates_are_kept_than_the_site_wants(edged, site, views):
    assert edged("enrol", "--json", "-c", site.config, "ann", *views).json["enrolled"] == 6
    (ann,) = people(edged, site)
    assert templates(ann) == 5


def test_a_name_is_kept_and_told_only_in_the_list(edged, site):
    ran = edged("enrol", "-c", site.config, "ann", PORTRAIT)
    named = edged("enrol", "-c", site.config, "ann", PORTRAIT, "--name", "Ann Öberg 🙂")
    assert "Öberg" not in ran.out + named.out + named.err
    assert people(edged, site)[0]["name"] == "Ann Öberg 🙂"
    assert b"berg" not in site.gallery.read_bytes()
    removed = edged("gallery", "remove", "-c", site.config, "ann")
    assert "Öberg" not in removed.out


@pytest.mark.parametrize(
    ("person_id", "why"),
    [
        ("a/b", "cannot hold any of / + #"),
        ("a\nb", "cannot be printed"),
        ("a\x1b[2J", "cannot be printed"),
        ("", "1 to 64 characters"),
        ("x" * 4096, "1 to 64 characters"),
        (" ann", "begins or ends with a space"),
        ("\udcff", "cannot be printed"),
    ],
)
@pytest.mark.parametrize("command", ["enrol", "remove"])
def test_an_id_that_no_topic_could_carry_is_bad_usage(edged, site, command, person_id, why):
    argv = {
        "enrol": ["enrol", "-c", site.config, person_id, PORTRAIT],
        "remove": ["gallery", "remove", "-c", site.config, person_id],
    }[command]
    ran = edged(*argv)
    assert ran.code == 2
    assert why in ran.err
    assert len(ran.err) < 300
    assert edged(*argv, "--json").json["error"] == "bad_input"
    assert people(edged, site) == []


def test_what_is_known_of_a_person_comes_with_the_photo_and_later(edged, site):
    base = ("enrol", "-c", site.config, "ann", PORTRAIT)
    consent = ("--consent-basis", "contract", "--consent-given", "2026-01-31", "--adaptation")
    assert edged(*base, "--group", "staff", "--group", "lab", *consent).code == 0
    told = edged(*base, "--valid-until", "2030-01-31T18:00Z", "--json").json
    assert (told["enrolled"], told["known"]) == (0, 1)
    config = load(site.config)
    with opened(config) as gallery:
        profile = gallery.profile("ann").told()
    assert profile["groups"] == ["staff", "lab"]
    assert profile["valid_until"] == "2030-01-31T18:00:00Z"
    assert profile["consent"]["basis"] == "contract"
    assert profile["consent"]["adaptation"] is True


@pytest.mark.parametrize(
    ("option", "why"),
    [
        (("--valid-from", "next week"), "valid_from: "),
        (("--valid-until", "2030-01-31T18:00"), "needs its zone"),
        (("--adaptation",), "consent.basis"),
        (("--group", "a\nb"), "groups"),
    ],
)
def test_a_profile_that_makes_no_sense_enrols_nobody(edged, site, option, why):
    ran = edged("enrol", "-c", site.config, "ann", PORTRAIT, *option)
    assert ran.code == 2
    assert why in ran.err
    assert people(edged, site) == []


def test_where_the_site_wants_consent_nobody_is_enrolled_without(edged, site):
    site.configure(gallery={"path": "gallery.db", "require_consent": True})
    ran = edged("enrol", "-c", site.config, "ann", PORTRAIT)
    assert ran.code == 1
    assert "require_consent" in ran.err
    assert edged("enrol", "-c", site.config, "ann", PORTRAIT, "--consent-basis", "law").code == 0


def test_a_photo_of_somebody_else_is_left_out_and_named(edged, site, photo, portrait):
    mirrored = photo("mirrored.png", cv2.flip(portrait, 1))
    other = photo("other.png", somebody_else(portrait))
    told = edged("enrol", "--json", "-c", site.config, "ann", PORTRAIT, other, mirrored).json
    assert told["enrolled"] == 2
    assert [(one["image"], one["code"]) for one in told["refused"]] == [(str(other), "incoherent")]
    later = edged("enrol", "-c", site.config, "ann", other)
    assert later.code == 1
    assert "somebody else" in later.err


def test_two_photos_of_two_people_do_not_say_who_it_is(edged, site, photo, portrait):
    other = photo("other.png", somebody_else(portrait))
    ran = edged("enrol", "-c", site.config, "ann", PORTRAIT, other)
    assert ran.code == 1
    assert "several people" in ran.err
    assert people(edged, site) == []


@pytest.mark.parametrize("person_id", ["🙂", "Öberg 顔", "O'Neil; DROP TABLE"])
def test_any_printable_id_will_do(edged, site, person_id):
    assert edged("enrol", "-c", site.config, person_id, PORTRAIT).code == 0
    assert people(edged, site)[0]["person_id"] == person_id
    assert edged("gallery", "remove", "-c", site.config, person_id).code == 0


COMMANDS = {
    "enrol": ("enrol", "ann", PORTRAIT),
    "list": ("gallery", "list"),
    "remove": ("gallery", "remove", "ann"),
    "init": ("gallery", "init"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_another_key_opens_nothing_and_changes_nothing(edged, site, name):
    before, key = site.gallery.read_bytes(), secrets.token_hex(32)
    site.key.write_text(key)
    ran = edged(*COMMANDS[name], "-c", site.config)
    assert ran.code == 2
    assert str(site.gallery.with_suffix(".keys")) in ran.err
    assert key not in ran.err
    assert site.gallery.read_bytes() == before


@pytest.mark.parametrize("name", COMMANDS)
def test_a_key_that_others_can_read_is_not_used(edged, site, name):
    site.key.chmod(0o644)
    ran = edged(*COMMANDS[name], "-c", site.config)
    assert ran.code == 2
    assert f"chmod 600 {site.key}" in ran.err


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "init"])
def test_without_a_key_the_way_to_one_is_told(edged, bare, name):
    ran = edged(*COMMANDS[name], "-c", bare.config)
    assert ran.code == 2
    assert "make one with `edged gallery init`" in ran.err
    assert not bare.gallery.exists()


def test_a_damaged_key_is_not_repeated(edged, site):
    site.key.write_text("0123456789abcdef")
    ran = edged("gallery", "list", "-c", site.config)
    assert ran.code == 2
    assert "16 hex digits" in ran.err
    assert "0123456789abcdef" not in ran.err


@pytest.mark.parametrize(
    "name", ["\x1b]0;owned\x07.jpg", "\x9b2J.jpg", "two\nlines.jpg", "\udcff.jpg"]
)
def test_a_hostile_file_name_does_nothing_to_the_screen(edged, site, tmp_path, name):
    (tmp_path / name).write_bytes(b"no image")
    for images in ([PORTRAIT, tmp_path / name], [tmp_path / name]):
        ran = edged("enrol", "-c", site.config, "ann", *images)
        assert ".jpg" in ran.out + ran.err
        assert all(one.isprintable() or one == "\n" for one in ran.out + ran.err)
