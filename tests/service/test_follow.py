"""The site's log reaches the door: whom it names is let in, whom it removes is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edged.gallery.profile import Profile
from edged.gallery.sealed import Kept
from edged.mqtt.sign import sign_claims
from edged.mqtt.site import SiteLink
from edged.sync.site import Follows, SiteLog
from edged.vault.identity import Identity
from edged.vault.secret import Secret
from tests.service.kit import PERSON, PRIVATE_PEM, SECRET, Views, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.mosquitto import Mosquitto
    from tests.service.kit import Door


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SiteLog]:
    door = Identity(Secret(bytes.fromhex(SECRET)))
    log = SiteLog(
        tmp_path / "site.db",
        Secret(b"\x5a" * 32),
        "hq",
        lambda claims: sign_claims(PRIVATE_PEM, "site", claims),
        {"door-1": Follows(door.sealing_public, door.signing_public)},
    )
    log.open()
    yield log
    log.close()


def test_whom_the_site_names_is_let_in_and_whom_it_removes_is_erased(
    log: SiteLog, open_door: Callable[..., Door], mosquitto: Mosquitto, views: Views
) -> None:
    templates = [Kept(e, 0.99, "photo", "2026-01-02T03:04:05Z") for e in views.embeddings]
    log.upsert(PERSON, {views.model: templates}, Profile())
    with SiteLink("127.0.0.1", mosquitto.port, root="edged/hq", log=log) as site:
        door = open_door(mqtt={"sync": {}})
        wait(lambda: door.site.state["gallery"].get("site", {}).get("behind") == 0)
        door.people(1)
        assert door.site.state["gallery"]["site"]["revision"] == 1
        identity = Identity(Secret(bytes.fromhex(SECRET)))
        assert door.site.state["identity"] == identity.document
        door.stage.show("near")
        door.site.event("access.granted", person_id=PERSON)
        assert door.site.command("door.unlock")["result"] == "ok"
        log.remove(PERSON)
        site.announce()
        door.people(0)
        erased = door.site.event("gallery.erased", person_id=PERSON)
        assert erased["data"]["reason"] == "site"
        assert door.site.state["degraded"].get("sync") is None
