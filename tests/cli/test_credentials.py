"""Cards and PINs by ``edged gallery set``, and visitors' codes by ``edged ctl visitor``."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any

import cv2
import pytest
import zxingcpp

from edged.access.token import Visit, read_token
from edged.config.load import load
from edged.gallery.credentials import Credentials
from edged.gallery.store import make_gallery
from edged.site.keys import create_key
from edged.vault.identity import key_id, verifying_key
from edged.vault.keys import load_key
from tests.cli.test_gallery_person import enrol, profile_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Ran, Site

CARD, MARKED, PIN, FORCED = "7291846350", "A17C04E2", "5093", "60718"
LINES = f"""
# of Ann
card {CARD}
duress-card 0x{MARKED.lower()}   # the red one
pin {PIN}
duress-pin {FORCED}
"""


@pytest.fixture
def lines(site: Site) -> Path:
    path = site.folder / "ann.txt"
    path.write_text(LINES)
    return path


class Gate:
    """What the terminal would say."""

    def __init__(self, site: Site) -> None:
        config = load(site.config)
        self.gallery = make_gallery(config.gallery, load_key(config.key))
        self.gallery.open()
        self.credentials = Credentials(self.gallery)

    def __enter__(self) -> Credentials:
        return self.credentials

    def __exit__(self, *_: object) -> None:
        self.gallery.close()


def test_cards_and_pins_are_set_from_a_file_and_told_to_nobody(
    site: Site, edged: Callable[..., Ran], lines: Path
) -> None:
    enrol(site, "ann")
    ran = edged(
        "gallery", "set", "ann", "--credentials", lines, "--extended", "--json", "-c", site.config
    )
    assert ran.code == 0, ran.err
    assert ran.json["profile"] == {"groups": [], "cards": 2, "pin": True, "extended": True}
    with Gate(site) as gate:
        assert (gate.holder(CARD), gate.holder(MARKED)) == ("ann", "ann")
        assert gate.is_duress(MARKED)
        assert (gate.check_pin("ann", PIN), gate.check_pin("ann", FORCED)) == ("right", "duress")
    listed = edged("gallery", "list", "--json", "-c", site.config)
    for out in (ran.out, ran.err, listed.out):
        assert not any(secret in out for secret in (CARD, MARKED, PIN, FORCED, "scrypt", "duress"))
    export = edged("gallery", "export", "ann", "--json", "-c", site.config).json["profile"]
    assert (export["cards"], export["duress_cards"]) == ([CARD, MARKED], [MARKED])
    assert (export["pin"], export["duress_pin"]) == (True, True)
    assert "scrypt" not in json.dumps(export)


def test_they_are_read_from_stdin(
    site: Site, edged: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(site, "ann")
    monkeypatch.setattr("sys.stdin", io.StringIO("pin 1234"))
    ran = edged("gallery", "set", "ann", "--credentials", "-", "--weak-pin", "-c", site.config)
    assert ran.code == 0, ran.err
    with Gate(site) as gate:
        assert gate.check_pin("ann", "1234") == "right"


def test_what_is_cleared_is_gone_and_what_is_not_said_stays(
    site: Site, edged: Callable[..., Ran], lines: Path
) -> None:
    enrol(site, "ann")
    set_ann = ("gallery", "set", "ann", "-c", site.config)
    assert edged(*set_ann, "--credentials", lines, "--extended").code == 0
    assert edged(*set_ann, "--group", "lab").code == 0
    with Gate(site) as gate:
        assert gate.cards("ann") == (CARD, MARKED)
    assert edged(*set_ann, "--clear", "cards", "--clear", "duress-cards").code == 0
    assert edged(*set_ann, "--clear", "pin", "--clear", "extended").code == 0
    profile = profile_of(site, "ann")
    assert profile is not None
    assert (profile.cards, profile.pin, profile.extended) == ((), None, False)
    assert profile.groups == ("lab",)
    with Gate(site) as gate:
        assert gate.check_pin("ann", PIN) == "wrong"
        assert gate.check_pin("ann", FORCED) == "duress"
    lines.write_text("card 1")
    ran = edged(*set_ann, "--credentials", lines, "--clear", "cards")
    assert (ran.code, "to be set and to be cleared" in ran.err) == (2, True)


def test_a_card_of_somebody_else_is_refused(
    site: Site, edged: Callable[..., Ran], lines: Path
) -> None:
    enrol(site, "ann")
    enrol(site, "bob", 1)
    assert edged("gallery", "set", "ann", "--credentials", lines, "-c", site.config).code == 0
    ran = edged("gallery", "set", "bob", "--credentials", lines, "--json", "-c", site.config)
    assert ran.code == 1
    assert "'ann''s already" in ran.err + ran.out
    assert CARD not in ran.err + ran.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("card", "1: card: expected a card's number"),
        ("card 12\ncard 12 x9", "2: card: expected a card's number"),
        ("pin 12", "1: pin: expected 4 to 16 digits"),
        ("pin 5093\npin 5094", "2: expected lines such as"),
        ("pin 0000", "1: pin: too easily guessed"),
        ("PIN 5093", "1: expected lines such as"),
        ("5093", "1: expected lines such as"),
        ("pin 5093\nduress-pin 5093", "duress-pin is the same as pin"),
        ("\n".join(f"card {n}" for n in range(1, 22)), "cards"),
        ("\x00\x01", "1: expected lines such as"),
        ("card " + "9" * 20_000, "1: card: expected a card's number"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_by_its_line_and_not_repeated(
    site: Site, edged: Callable[..., Ran], text: str, said: str, lines: Path
) -> None:
    enrol(site, "ann")
    lines.write_text(text)
    ran = edged("gallery", "set", "ann", "--credentials", lines, "-c", site.config)
    assert ran.code == 2
    assert said in ran.err
    assert "5093" not in ran.err
    assert "x9" not in ran.err


def test_a_file_that_is_none_is_told(site: Site, edged: Callable[..., Ran], lines: Path) -> None:
    enrol(site, "ann")
    set_ann = ("gallery", "set", "ann", "-c", site.config)
    lines.write_bytes(b"card \xff\xfe")
    assert "no text in UTF-8" in edged(*set_ann, "--credentials", lines).err
    assert "cannot be read" in edged(*set_ann, "--credentials", site.folder / "none").err
    assert "goes with --credentials" in edged(*set_ann, "--weak-pin").err


# visitors


@pytest.fixture
def visitor(tmp_path: Path, edged: Callable[..., Ran]) -> Callable[..., Ran]:
    create_key(tmp_path / "office.key", "signing")

    def run(*argv: object) -> Ran:
        key = ("--key-id", "office", "--key-file", tmp_path / "office.key")
        return edged("ctl", "visitor", *argv, "--host", "127.0.0.1", "--site", "hq", *key)

    return run


def said(tmp_path: Path, text: str) -> Visit:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key: Any = load_pem_private_key((tmp_path / "office.key").read_bytes(), None)
    found = read_token(text, {key_id(key.public_key()): key.public_key()})
    assert isinstance(found, Visit)
    return found


def test_a_code_is_made_without_a_broker_and_shown(
    visitor: Callable[..., Ran], tmp_path: Path
) -> None:
    ran = visitor("guest-17", "-t", "door-1", "--group", "visitor", "--json")
    visit = said(tmp_path, ran.json["token"])
    assert (visit.visitor_id, visit.site, visit.terminals) == ("guest-17", "hq", ("door-1",))
    assert visit.groups == ("visitor",)
    assert visit.ends - visit.begins == 12 * 3600
    assert abs(visit.begins - time.time()) < 60
    assert ran.json["digest"] == visit.digest
    drawn = visitor("guest-17")
    assert "every terminal of hq" in drawn.out
    assert "EDGED1:" in drawn.out
    assert "█" in drawn.out


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_code_is_written_to_a_new_file_of_its_owner(
    visitor: Callable[..., Ran], tmp_path: Path, kind: str
) -> None:
    out = tmp_path / f"code.{kind}"
    ran = visitor("guest-17", "--from", "2030-01-01", "--until", "2030-01-02", "--out", out)
    assert ran.code == 0, ran.err
    assert "EDGED1" not in ran.out
    assert out.stat().st_mode & 0o077 == 0
    if kind == "png":
        image = cv2.imread(str(out))
        (code,) = zxingcpp.read_barcodes(image)
        visit = said(tmp_path, code.text)
        assert visit.ends - visit.begins == 86_400
    else:
        assert b"<svg" in out.read_bytes()
    ran = visitor("guest-17", "--out", out)
    assert (ran.code, "exists already" in ran.err) == (1, True)


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["a/b"], "id"),
        (["g", "--until", "2020-01-01"], "it ends before it begins"),
        (["g", "--until", "tomorrow"], "--until: expected a date"),
        (["g", "--from", "2030-01-01T10:00"], "--from: a time needs its zone"),
        (["g", "--out", "code.jpg"], "ending in .png or .svg"),
        (["g", "-t", "a/b"], "the terminals"),
        (["g", "-t", "a", "--all"], "either --terminal or --all"),
        (["g", "--group", ""], "the groups"),
    ],
)
def test_a_code_that_cannot_be_made_says_why(
    visitor: Callable[..., Ran], argv: list[str], told: str
) -> None:
    ran = visitor(*argv)
    assert ran.code == 2
    assert told in ran.err


def test_the_key_that_signs_is_the_one_that_the_terminals_know(
    visitor: Callable[..., Ran], tmp_path: Path
) -> None:
    _, public = create_key(tmp_path / "other.key", "signing")
    name, key = verifying_key(public)
    token = visitor("guest-17", "--json").json["token"]
    assert read_token(token, {name: key}) == "unknown_key"
