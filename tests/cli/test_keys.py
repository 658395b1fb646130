"""``edged keys`` says which keys count, and forgets what changed over MQTT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edged.config.load import load
from edged.events.outbox import make_outbox
from edged.mqtt.keys import Book, Record, configured_keys, encoded, public_key, write_book
from edged.mqtt.rotation import NOTE
from edged.vault.keys import load_key
from tests.mqtt.conftest import ENROLLER, OPERATOR, STRANGER

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Ran, Site

KEYS = [
    {"id": "site", "roles": ["operator"], "public_key": OPERATOR.public},
    {"id": "guard", "roles": ["operator"], "public_key": ENROLLER.public},
]


@pytest.fixture
def listening(site: Site) -> Site:
    site.configure(mqtt={"host": "127.0.0.1", "commands": {"keys": KEYS}})
    return site


def changed(site: Site, text: str | None = None) -> None:
    """``site`` was replaced by ``site-2`` and ``guard`` was revoked; or whatever `text` says."""
    config = load(site.config)
    assert config.mqtt is not None
    keys = configured_keys(config.mqtt.commands)
    first, guard = keys["site"], keys["guard"]
    new = public_key(STRANGER.public)
    assert new is not None
    root = {"root": "site", "root_x": first.x, "person": first.x}
    gone = {"root": "guard", "root_x": guard.x, "person": guard.x, "revoked": True}
    book = Book(
        v=1,
        records=(
            Record(id="site", x=first.x, until=0.0, replaced_by="site-2", **root),
            Record(id="site-2", x=encoded(new), **root),
            Record(id="guard", x=guard.x, **gone),
        ),
    )
    outbox = make_outbox(config.events, load_key(config.key))
    outbox.open()
    outbox.keep_note(NOTE, text if text is not None else write_book(book))
    outbox.close()


def events(site: Site) -> list[str]:
    config = load(site.config)
    outbox = make_outbox(config.events, load_key(config.key))
    outbox.open()
    found = [event.type for event in outbox.pending()]
    outbox.close()
    return found


def test_the_keys_that_count_are_told_as_the_configuration_takes_them(
    listening: Site, edged: Callable[..., Ran]
) -> None:
    changed(listening)
    told = edged("keys", "show", "-c", listening.config, "--json").json
    (key,) = told["keys"]
    assert (key["id"], key["roles"], key["public_key"]) == ("site-2", ["operator"], STRANGER.public)
    shown = edged("keys", "show", "-c", listening.config)
    assert shown.out.startswith("site-2: operator\n  -----BEGIN PUBLIC KEY-----\n")


def test_what_changed_can_be_forgotten_and_that_is_on_the_record(
    listening: Site, edged: Callable[..., Ran]
) -> None:
    changed(listening)
    assert edged("keys", "reset", "-c", listening.config).code == 0
    told = edged("keys", "show", "-c", listening.config, "--json").json
    assert [key["id"] for key in told["keys"]] == ["guard", "site"]
    assert events(listening) == ["command.keys_reset"]
    assert edged("keys", "reset", "-c", listening.config, "--json").json["forgot"] is False
    assert events(listening) == ["command.keys_reset"]


def test_what_cannot_be_read_is_told(listening: Site, edged: Callable[..., Ran]) -> None:
    changed(listening, "nonsense")
    ran = edged("keys", "show", "-c", listening.config)
    assert "no key counts" in ran.out
    assert edged("keys", "reset", "-c", listening.config).code == 0
    assert edged("keys", "show", "-c", listening.config, "--json").json["problem"] is None


def test_without_mqtt_there_are_no_keys(site: Site, edged: Callable[..., Ran]) -> None:
    ran = edged("keys", "show", "-c", site.config)
    assert ran.code != 0
    assert "no mqtt is configured" in ran.err
