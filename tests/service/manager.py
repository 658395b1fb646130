"""A site whose key may do everything, for a terminal of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from edged.mqtt.sign import sign_claims
from tests.service.kit import AUDIENCE, PRIVATE_PEM, PUBLIC_PEM, ROOT, wait

if TYPE_CHECKING:
    from tests.service.kit import Door, Site

ROLES = ["operator", "enroller", "maintainer", "auditor"]


def allowed(**mqtt: Any) -> dict[str, Any]:
    """``mqtt`` of a terminal that obeys its site in everything."""
    keys = [{"id": "site", "roles": ROLES, "public_key": PUBLIC_PEM}]
    return {"commands": {"unsynced_clock": "accept", "keys": keys, "rate_hz": 500}, **mqtt}


def desire(site: Site, revision: int, settings: dict[str, Any], **claims: Any) -> None:
    """Publish desired settings, retained, signed by the site's key."""
    said = {"aud": AUDIENCE, "iat": time.time(), "revision": revision, "settings": settings}
    publish_desired(site, sign_claims(PRIVATE_PEM, "site", said | claims, "edged-desired"))


def publish_desired(site: Site, payload: str | bytes) -> None:
    site._client.publish(f"{ROOT}/desired", payload, qos=1, retain=True).wait_for_publish(20)


def applied(site: Site, revision: int | None, result: str) -> dict[str, Any]:
    """Wait until the state says so of this revision."""
    expected = {"revision": revision, "result": result}
    wait(lambda: expected.items() <= (site.state.get("applied") or {}).items())
    found: dict[str, Any] = site.state["applied"]
    return found


def lives(door: Door) -> int:
    """How many times the daemon was ready."""
    return door.terminal.told.count("READY=1")
