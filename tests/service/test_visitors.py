"""Which visitors' codes count at this terminal, and how often."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edged.access.request import Subject
from edged.access.token import Visit, write_token
from edged.config.load import parse
from edged.errors import ReaderError
from edged.events.outbox import Outbox
from edged.gallery.credentials import Credentials
from edged.gallery.profile import Profile
from edged.gallery.store import Gallery
from edged.mqtt.auth import Keyring
from edged.mqtt.keys import pem
from edged.service.journal import Journal
from edged.service.state import State
from edged.service.visitors import Visitor, Visitors
from edged.vault.secret import Secret
from tests.gallery.faces import embeddings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edged.config.schema import Config

SECRET = Secret(b"\x22" * 32)
KEY, ENROLLER, OPERATOR = (Ed25519PrivateKey.generate() for _ in range(3))
NOW_S = 1_800_000_000
VISIT = Visit("guest-17", "hq", NOW_S, NOW_S + 3600, ("door-1",), ("visitor",), "abcdefghijklmnop")
SAID = {"person_id": "guest-17", "digest": VISIT.digest}


@dataclass
class Time:
    now_s: float = NOW_S + 1
    trusted: bool = True
    least_s: float = 0.0

    def now(self) -> float:
        return self.now_s

    def earliest(self) -> float:
        return self.now_s if self.trusted else self.least_s


class Desk:
    """Visitors' codes over a real outbox and gallery."""

    def __init__(self, folder: Path, settings: str = "", mqtt: str = "") -> None:
        self.folder = folder
        self.time = Time()
        self.outbox = Outbox(folder / "events.db", SECRET, 1000)
        self.outbox.open()
        self.gallery = Gallery(folder / "gallery.db", SECRET, clock=self.time.now)
        self.gallery.open()
        (folder / "site.pem").write_text(pem(KEY.public_key()))
        self.config = configured(folder, settings, mqtt)
        credentials = Credentials(self.gallery, self.time.now)
        self.journal = Journal(self.outbox, State())
        self.part = Visitors(self.config, self.outbox, credentials, self.time, self.journal)
        self.part.open()

    def enrol(self, who: str, **profile: Any) -> None:
        face = embeddings(1)[0]
        self.gallery.add(who, face, model="m@1#0", quality=0.9, source="photo", limit=3)
        self.gallery.set_profile(who, Profile(**profile))

    def read(self, key: Ed25519PrivateKey = KEY, **changes: Any) -> Any:
        return self.part.read(write_token(replace(VISIT, **changes), key))

    def close(self) -> None:
        self.part.close()
        self.part.close()
        self.gallery.close()
        self.outbox.close()


def configured(folder: Path, settings: str = "", mqtt: str = "") -> Config:
    return parse(
        "site: hq\nterminal: door-1\ncamera: {driver: replay, source: x}\n"
        f"key: {{file: {folder}/k}}\ngallery: {{path: {folder}/gallery.db}}\n"
        f"events: {{path: {folder}/events.db}}\ndoor: {{driver: simulated}}\n"
        f"access: {{qr: {{keys: [{folder}/site.pem]{settings}}}}}\n{mqtt}"
    )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def test_a_visitor_is_known_by_their_code_alone(desk: Desk) -> None:
    found = desk.read()
    assert found == Visitor(
        Subject("guest-17", frozenset({"visitor"}), visitor=True), VISIT.digest, NOW_S + 3600
    )
    assert desk.part.document() == {"keys": 1}
    assert desk.part.handlers() == {}
    desk.part.tick()


def test_a_code_that_names_no_group_gives_those_of_the_configuration(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ", groups: [visitor, guest]")
    assert desk.read(groups=()).subject.groups == {"visitor", "guest"}
    assert desk.read(groups=("guest",)).subject.groups == {"guest"}
    assert desk.read(groups=("staff",)) == "wrong_group"
    desk.close()


def test_a_code_is_good_once_and_reading_it_uses_nothing_up(desk: Desk) -> None:
    first, second = desk.read(), desk.read()
    assert list(desk.outbox.pending()) == []
    assert desk.part.spend(first)
    assert not desk.part.spend(second)
    assert desk.read() == "used"
    told = [(event.type, event.data) for event in desk.outbox.pending()]
    assert told == [("access.code_used", SAID)]


def test_a_used_code_stays_used_through_a_restart(desk: Desk, tmp_path: Path) -> None:
    assert desk.part.spend(desk.read())
    desk.close()
    again = Desk(tmp_path)
    assert again.read() == "used"
    again.close()


def test_a_used_code_stays_used_while_the_clock_is_turned_to_and_fro(desk: Desk) -> None:
    assert desk.part.spend(desk.read())
    desk.time.now_s = NOW_S + 10**8
    assert desk.part.spend(desk.read(begins=NOW_S + 10**8, ends=NOW_S + 10**8 + 60, jti="b" * 16))
    desk.time.now_s, desk.time.trusted, desk.time.least_s = NOW_S + 1, False, NOW_S + 10**8
    assert desk.read() == "clock_unsynced"


def test_two_at_once_get_in_by_one_code_once(desk: Desk) -> None:
    found = desk.read()
    gate = threading.Barrier(8)
    let_in: list[bool] = []

    def come() -> None:
        gate.wait()
        let_in.append(desk.part.spend(found))

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(let_in) == [False] * 7 + [True]


def test_a_code_that_was_used_at_another_terminal_is_used_here(desk: Desk) -> None:
    desk.part.mark_used(SAID)
    desk.part.mark_used(SAID)
    assert desk.read() == "used"
    assert isinstance(desk.read(jti="c" * 16), Visitor)


@pytest.mark.parametrize("digest", ["", "x" * 10_000, "\x00" * 32, "' OR 1=1", None, 7, [], {}])
def test_a_digest_that_is_garbage_is_nobodys(desk: Desk, digest: Any) -> None:
    desk.part.mark_used({"digest": digest})
    desk.part.mark_used({})
    assert isinstance(desk.read(), Visitor)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"site": "lab"}, "wrong_site"),
        ({"terminals": ("door-2",)}, "wrong_terminal"),
        ({"begins": NOW_S + 60}, "not_yet"),
        ({"begins": NOW_S - 60, "ends": NOW_S}, "expired"),
        ({"ends": NOW_S + 8 * 86_400}, "too_long"),
        ({"groups": ("staff",)}, "wrong_group"),
    ],
)
def test_each_code_that_does_not_count_says_why(
    desk: Desk, changes: dict[str, Any], fault: str
) -> None:
    assert desk.read(**changes) == fault


def test_a_forged_code_is_nobodys(desk: Desk) -> None:
    assert desk.read(ENROLLER) == "unknown_key"
    assert desk.part.read("x" * 3000) == "oversized"
    assert desk.part.read("https://example.org") == "malformed"


@pytest.mark.parametrize(("unsynced", "counts"), [("refuse", False), ("accept", True)])
def test_a_clock_that_is_not_trusted(tmp_path: Path, unsynced: str, counts: bool) -> None:
    desk = Desk(tmp_path, mqtt=f"mqtt: {{host: h, commands: {{unsynced_clock: {unsynced}}}}}\n")
    desk.time.trusted = False
    assert isinstance(desk.read(), Visitor) is counts
    desk.time.least_s = NOW_S + 3600  # it is later than the clock says, for certain
    assert desk.read() == ("expired" if counts else "clock_unsynced")
    desk.close()


def test_the_enrollers_of_the_site_sign_as_long_as_their_keys_count(tmp_path: Path) -> None:
    keys = [
        f"{{id: {name}, roles: [{name}], public_key: {pem(key.public_key())!r}}}"
        for name, key in (("enroller", ENROLLER), ("operator", OPERATOR))
    ]
    text = ", ".join(keys).replace("'", '"')
    desk = Desk(tmp_path, mqtt=f"mqtt: {{host: h, commands: {{keys: [{text}]}}}}\n")
    assert desk.read(ENROLLER) == "unknown_key"  # nobody has said yet which of them count
    assert desk.config.mqtt is not None
    keyring = Keyring(desk.config.mqtt.commands, desk.time.now)
    desk.part.trust(keyring)
    assert isinstance(desk.read(ENROLLER), Visitor)
    assert isinstance(desk.read(KEY), Visitor)
    assert desk.read(OPERATOR) == "unknown_key"  # may open doors, not invite
    keyring.put({}, ["enroller", "operator"])  # revoked
    assert desk.read(ENROLLER) == "unknown_key"
    desk.close()


def test_who_is_enrolled_and_shows_a_code_is_themselves(desk: Desk) -> None:
    desk.enrol("guest-17", groups=("staff",), extended=True)
    subject = desk.read().subject
    assert subject == Subject("guest-17", frozenset({"staff"}), extended=True)
    desk.gallery.set_profile("guest-17", Profile(valid_until=NOW_S))
    assert desk.read() == "expired"


def test_where_no_codes_are_read_none_counts(desk: Desk) -> None:
    config = desk.config.model_copy(update={"access": None})
    part = Visitors(config, desk.outbox, Credentials(desk.gallery), desk.time, desk.journal)
    part.open()
    assert part.read(write_token(VISIT, KEY)) == "unknown_key"
    part.mark_used(SAID)
    assert desk.read() != "used"


def test_a_disk_that_takes_nothing_lets_nobody_in(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    found = desk.read()
    text = write_token(VISIT, KEY)
    desk.outbox.close()
    with caplog.at_level(logging.DEBUG):
        assert not desk.part.spend(found)
        assert desk.part.read(text) == "used"
    assert text not in caplog.text
    assert VISIT.jti not in caplog.text


@pytest.mark.parametrize("content", [None, "", "no key", "private"])
def test_a_key_that_is_none_is_told_with_its_file(desk: Desk, content: str | None) -> None:
    path = desk.folder / "site.pem"
    path.unlink() if content is None else path.write_text(content)
    part = Visitors(desk.config, desk.outbox, Credentials(desk.gallery), desk.time, desk.journal)
    with pytest.raises(ReaderError, match=r"access\.qr\.keys: .*site\.pem"):
        part.open()
    part.close()
