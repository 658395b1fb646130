"""A terminal's whole way to the site's log, on a real broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edged.config.schema import Mqtt
from edged.events.outbox import Outbox
from edged.gallery.store import Gallery
from edged.mqtt.client import Link
from edged.mqtt.topics import Topics
from edged.service.follow import Follow
from edged.service.state import State
from edged.site.sync_link import SiteLink
from edged.vault.identity import Identity, pem
from tests.sync.parties import MODEL, OFFERS_KEY, SIGNER, SIZE, Site, keys_of, vector
from tests.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mosquitto import Mosquitto


class Door:
    """All of a terminal that has to do with the site's log."""

    def __init__(
        self, folder: Path, name: str, port: int, protocol: str = "5", size: int = SIZE
    ) -> None:
        folder.mkdir(exist_ok=True)
        keys = [{"id": "site", "public_key": pem(SIGNER.public_key()), "roles": ["enroller"]}]
        settings = Mqtt.model_validate(
            {
                "host": "127.0.0.1",
                "port": port,
                "protocol": protocol,
                "reconnect_max_s": 1,
                "commands": {"keys": keys},
                "sync": {"share_enrolments": True, "site_key": pem(OFFERS_KEY.public_key())},
            }
        )
        topics = Topics("edged", "hq", name)
        key = keys_of(name)
        self.state = State()
        self.erased: list[str] = []
        self.outbox = Outbox(folder / "events.db", key, 1000)
        self.gallery = Gallery(folder / "gallery.db", key)
        self.outbox.open()
        self.gallery.open()
        self.index = self.gallery.index(MODEL, size)
        self.follow = Follow(
            settings,
            topics.audience,
            self.gallery,
            Identity(key),
            self.state,
            self._send,
            lambda erased: self.erased.extend(one.person_id for one in erased),
            settle_s=0.1,
        )
        self.link = Link(settings, topics, self.outbox, lambda _: None, feed=self.follow)
        self.follow.open()
        self.link.open()

    def _send(self, kind: str, message: bytes) -> bool:
        return self.link.publish_sync(kind, message)

    def close(self) -> None:
        self.link.close()
        self.follow.close()
        self.gallery.close()
        self.outbox.close()

    @property
    def site(self) -> dict[str, Any]:
        return dict(self.follow.facts.get("site", {}))

    def holds(self, revision: int) -> Door:
        until(lambda: self.site.get("revision") == revision and self.site.get("behind") == 0)
        return self

    @property
    def people(self) -> list[str]:
        return [person.id for person in self.gallery.people()]

    def who(self, face: str) -> str | None:
        best = self.index.search(vector(face), 1).candidates
        return best[0].person_id if best and best[0].similarity > 0.99 else None


def linked(log: Site, mosquitto: Mosquitto) -> SiteLink:
    return SiteLink("127.0.0.1", mosquitto.port, root="edged/hq", log=log)
