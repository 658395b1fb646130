"""The site's log reaches the door: whom it names is let in, whom it removes is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edged.gallery.profile import Profile
from edged.gallery.sealed import Kept
from edged.mqtt.sign import sign_claims
from edged.site.sync_link import SiteLink
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


def test_people_of_the_site_who_look_alike_are_asked_for_a_wider_lead(
    log: SiteLog, open_door: Callable[..., Door], mosquitto: Mosquitto, views: Views
) -> None:
    rng = np.random.default_rng(0)
    for number, person_id in enumerate((PERSON, "twin")):
        templates = []
        for embedding in views.embeddings:
            moved = embedding + number * 0.03 * rng.standard_normal(embedding.shape)
            moved = (moved / np.linalg.norm(moved)).astype(np.float32)
            templates.append(Kept(moved, 0.99, "photo", "2026-01-02T03:04:05Z"))
        log.upsert(person_id, {views.model: templates}, Profile())
    with SiteLink("127.0.0.1", mosquitto.port, root="edged/hq", log=log):
        door = open_door(mqtt={"sync": {}}, gallery={"lookalike_margin": 0.4})
        door.people(2)

        def marked() -> bool:
            with door.terminal.gallery() as gallery:
                return len(gallery.lookalikes()) == 1

        wait(marked)
        door.stage.show("near")
        event = door.site.event("access.review")["data"]
        assert (event["reason"], event["lookalike"], event["margin"]) == ("lookalike", True, 0.4)
        assert door.site.events("access.granted") == []
