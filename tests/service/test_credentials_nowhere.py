"""Cards and PINs at a terminal that works: they count, and nobody reads them anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edged.gallery.credentials import Credentials
from edged.gallery.profile import read_profile
from edged.gallery.sealed import Kept
from edged.gallery.store import Gallery
from edged.mqtt.sign import sign_claims
from edged.site.known import Known
from edged.site.known import Terminal as KnownTerminal
from edged.sync.changes import stored
from edged.sync.entries import Entry, read_entries, write_entries
from edged.sync.site import Follows, SiteLog
from edged.vault.identity import Identity, pem
from edged.vault.secret import Secret
from tests.service.kit import PERSON, PRIVATE_PEM, SECRET, Site, wait
from tests.service.test_nothing_readable import children, files, found

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.service.kit import Door, Terminal, Views

CARD, MARKED, PIN, FORCED = "729184635017264", "A17C04E2B9F3D1", "50937264", "6071839284"
SHOWN = "88117264930172"  # nobody's
LINES = f"card {CARD}\nduress-card {MARKED}\npin {PIN}\nduress-pin {FORCED}\n"


def needles(*kept: str) -> dict[str, list[bytes]]:
    secrets = {"a card": [CARD, MARKED, SHOWN], "a PIN": [PIN, FORCED], "a hash": list(kept)}
    return {
        what: [
            form
            for one in some
            for form in (one.encode(), one.lower().encode(), one.encode("utf-16-le"))
        ]
        for what, some in secrets.items()
    }


def kept_of(terminal: Terminal) -> list[str]:
    """The hashes, as they are kept."""
    with terminal.gallery() as gallery:
        profile = gallery.profile(PERSON)
    assert profile is not None
    assert profile.pin
    assert profile.duress_pin
    return [hashed.rpartition("$")[2] for hashed in (profile.pin, profile.duress_pin)]


class Wire(Site):
    """Keeps every byte that the broker handed on."""

    raw: bytes = b""

    def _take(self, client: Any, data: Any, message: Any) -> None:
        self.raw += message.payload
        super()._take(client, data, message)


def office(folder: Path, door: Door) -> Path:
    """The site's side, which knows the terminal's keys."""
    folder.mkdir()
    identity = Identity(Secret(bytes.fromhex(SECRET)))
    known = Known(folder / "terminals", "hq")
    known.pin(KnownTerminal("door-1", identity.signing_public, identity.sealing_public))
    (folder / "site.key").touch(mode=0o600)
    (folder / "site.key").write_bytes(PRIVATE_PEM)
    settings = {
        "broker": {"host": "127.0.0.1", "port": door.site.port},
        "site": "hq",
        "key_id": "site",
        "key_file": "site.key",
    }
    (folder / "ctl.yaml").write_text(yaml.safe_dump(settings))
    return folder / "ctl.yaml"


def edged(*argv: object, given: str = "") -> bytes:
    """A command as a process: all that it said."""
    done = subprocess.run(
        [sys.executable, "-m", "edged", *map(str, argv)],
        input=given.encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    return told


def test_what_is_set_over_the_broker_counts_and_is_read_nowhere(
    open_door: Callable[..., Door],
    views: Views,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    pipe = tmp_path / "reader"
    door = open_door(
        lambda terminal: terminal.enrol(views, PERSON),
        access={"rules": [{"name": "all", "factors": [["card", "pin"], ["face"]]}]},
        readers={"wall": {"driver": "simulated", "pipe": str(pipe)}},
    )
    terminal, site = door.terminal, door.site
    there = office(tmp_path_factory.mktemp("x") / "office", door)
    with Wire(site.port) as wire:
        told = edged(
            *("ctl", "set", PERSON, "--credentials", "-", "-t", "door-1", "--json"),
            *("--site-config", there),
            given=LINES,
        )
        reply = json.loads(told)["replies"]["door-1"]
        assert reply["data"]["profile"] == {"groups": [], "cards": 2, "pin": True}
        wait(lambda: b"gallery.set" in wire.raw)
        for line in (f"card {SHOWN}", "card " + "9" * 10_000, f"card {CARD}", f"pin {PIN}"):
            with pipe.open("w") as reader:
                reader.write(f"{line}\n")
        site.event("access.denied", reason="unknown_card")
        granted = site.event("access.granted", person_id=PERSON)["data"]
        assert granted["factors"] == ["card", "pin"]
        for line in (f"card {MARKED}", f"pin {FORCED}"):
            with pipe.open("w") as reader:
                reader.write(f"{line}\n")
        assert site.event("access.duress")["data"]["person_id"] == PERSON
    wanted = needles(*kept_of(terminal))
    pins = {what: forms for what, forms in wanted.items() if what != "a card"}
    assert found(wire.raw, pins) == set()  # cards go over the broker in the command alone
    events = b"".join(json.dumps(message.content).encode() for message in site.heard)
    assert found(events + told + terminal.log.encode(), wanted) == set()
    assert terminal.process is not None
    for number in [terminal.process.pid, *children(terminal.process.pid)]:
        assert found(Path(f"/proc/{number}/cmdline").read_bytes(), wanted) == set()
        assert found(Path(f"/proc/{number}/environ").read_bytes(), wanted) == set()
    private = X25519PrivateKey.generate()
    (temporary / "public.pem").write_text(pem(private.public_key()))
    to = ("--to", temporary / "public.pem", "-c", terminal.config)
    said = edged("gallery", "backup", tmp_path / "copy", *to)
    said += edged("gallery", "list", "--json", "-c", terminal.config)
    said += edged("gallery", "verify", "-c", terminal.config)
    assert found(said, wanted) == set()
    terminal.kill()
    for path in files(tmp_path, temporary):
        assert found(path.read_bytes(), wanted) == set(), path.name


def test_a_site_tells_them_to_its_terminals_sealed(tmp_path: Path, views: Views) -> None:
    identity = Identity(Secret(bytes.fromhex(SECRET)))
    follows = {"door-1": Follows(identity.sealing_public, identity.signing_public)}
    log = SiteLog(
        tmp_path / "site.db",
        Secret(b"\x5a" * 32),
        "hq",
        partial(sign_claims, PRIVATE_PEM, "site"),
        follows,
    )
    log.open()
    profile = read_profile(
        {"cards": [CARD, MARKED], "duress_cards": [MARKED], "pin": PIN, "duress_pin": FORCED}
    )
    templates = [Kept(views.embeddings[0], 0.99, "photo", "2026-01-02T03:04:05Z")]
    log.upsert(PERSON, {views.model: templates}, profile)
    log.compact(keep=1)
    made = log.journal.made
    assert made is not None
    assert profile.pin
    wanted = needles(profile.pin.rpartition("$")[2])
    asked: tuple[dict[str, Any], ...] = (
        {"want": "head"},
        {"want": "log"},
        {"want": "chunk", "snapshot": made.id, "chunk": 0},
    )
    for one in asked:
        pull = json.dumps({"v": 1, "sealing": identity.sealing_id, **one}).encode()
        answer = log.answer("door-1", pull)
        assert answer is not None
        assert found(answer[1], wanted) == set()
    for path in files(tmp_path):
        assert found(path.read_bytes(), wanted) == set(), path.name
    log.close()


def test_a_terminal_that_is_told_them_knows_them(views: Views, tmp_path: Path) -> None:
    profile = read_profile({"cards": [CARD], "pin": PIN, "duress_pin": FORCED, "extended": True})
    templates = {views.model: [Kept(views.embeddings[0], 0.99, "photo", "2026-01-02T03:04:05Z")]}
    (entry,) = read_entries(write_entries([Entry(1, PERSON, profile, templates)]))
    assert entry.profile == profile
    gallery = Gallery(tmp_path / "gallery.db", Secret(b"\x5a" * 32))
    gallery.open()
    gallery.apply([stored(entry, 1)], [], {})
    credentials = Credentials(gallery)
    assert credentials.holder(CARD) == PERSON
    assert credentials.check_pin(PERSON, FORCED) == "duress"
    gallery.close()
