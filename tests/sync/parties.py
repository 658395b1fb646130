"""A site and terminals, joined without a network: messages are handed over one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edged.config.schema import Commands
from edged.gallery.people import Enrolment
from edged.gallery.profile import Profile
from edged.gallery.sealed import Kept
from edged.gallery.store import Gallery
from edged.mqtt.auth import Keyring, Refusal
from edged.mqtt.sign import sign_claims
from edged.sync.follower import Follower
from edged.sync.offers import Offers
from edged.sync.site import Follows, SiteLog
from edged.vault.identity import Identity, pem
from edged.vault.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edged.gallery.profile import Erased
    from edged.types import Floats

MODEL, SIZE = "face@1.0.0#00000000", 16
SITE_KEY = Secret(b"\x5a" * 32)
SIGNER, STRANGER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
OFFERS_KEY = X25519PrivateKey.generate()


def keys_of(name: str) -> Secret:
    """A terminal's key."""
    return Secret(name.encode().ljust(32, b"\1")[:32])


def keyring(role: str = "enroller") -> Keyring:
    key = {"id": "site", "public_key": pem(SIGNER.public_key()), "roles": [role]}
    return Keyring(Commands.model_validate({"keys": [key]}))


def private(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def signed(claims: Mapping[str, Any], key: Ed25519PrivateKey = SIGNER, kid: str = "site") -> str:
    return sign_claims(private(key), kid, claims)


def vector(seed: int | str, size: int = SIZE) -> Floats:
    """A unit vector of its own for every seed."""
    number = seed if isinstance(seed, int) else int.from_bytes(seed.encode()[-6:], "big")
    row = np.random.default_rng(number).standard_normal(size)
    return (row / np.linalg.norm(row)).astype(np.float32)


def template(seed: int | str, size: int = SIZE, source: str = "photo") -> Kept:
    return Kept(vector(seed, size), 0.9, source, "2026-01-02T03:04:05Z")


def templates(*seeds: int | str) -> dict[str, list[Kept]]:
    return {MODEL: [template(seed) for seed in seeds]}


class Site(SiteLog):
    """A site's log whose terminals are known by name."""

    def __init__(self, path: Path, *terminals: str, **options: Any) -> None:
        known = {name: Identity(keys_of(name)) for name in terminals}
        follows = {
            name: Follows(one.sealing_public, one.signing_public) for name, one in known.items()
        }
        options = {"opens_offers": OFFERS_KEY, **options}
        super().__init__(path, SITE_KEY, "hq", signed, follows, **options)
        self.open()

    def enrol(self, *people: str) -> int:
        """Each with the template that is made of their name."""
        return [self.upsert(who, templates(who), Profile()) for who in people][-1]


@dataclass
class Terminal:
    """A follower with a real gallery, and what it has sent."""

    folder: Path
    name: str = "door-1"
    shares: bool = True
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    erased: list[Erased] = field(default_factory=list)
    now_s: float = 1000.0

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.identity = Identity(keys_of(self.name))
        self.gallery = Gallery(self.folder / "gallery.db", keys_of(self.name))
        self.start()

    def start(self) -> Terminal:
        """Open, or open again as after a restart."""
        self.gallery.open()
        self.index = self.gallery.index(MODEL, SIZE)
        audience = f"hq/{self.name}"
        offers = Offers(self.gallery, self.identity, audience, OFFERS_KEY.public_key())
        self.follower = Follower(
            self.gallery,
            self.identity,
            audience,
            verified(keyring()),
            self._send,
            offers=offers if self.shares else None,
            on_erased=self.erased.extend,
            settle_s=0.0,
        )
        self.follower.open()
        return self

    def stop(self) -> Terminal:
        self.gallery.close()
        return self

    def _send(self, kind: str, message: bytes) -> bool:
        self.sent.append((kind, message))
        return True

    def hear(self, kind: str, message: bytes | str) -> None:
        payload = message.encode() if isinstance(message, str) else message
        self.follower.take(kind, payload, self.now_s)

    def enrol(self, person_id: str, *seeds: int | str) -> None:
        """At the terminal."""
        views = [Enrolment(person_id, vector(s), MODEL, 0.9, "terminal") for s in seeds]
        self.gallery.add_many(views, limit=5)
        self.follower.enrolled(person_id)

    def meet(self, site: SiteLog, *, most: int = 10_000) -> Terminal:
        """A new connection to the site, until neither has anything more to say."""
        self.follower.connected(self.now_s)
        return self.go_on(site, most=most)

    def go_on(self, site: SiteLog, *, most: int = 10_000) -> Terminal:
        while most:
            if not self.sent:
                if self.follower.due_s() > self.now_s:
                    return self
                self.follower.tick(self.now_s)
                if not self.sent:
                    return self
            kind, message = self.sent.pop(0)
            most -= 1
            if kind == "offer":
                if site.take_offer(self.name, message) is not None:
                    self.hear("head", site.head(self.name))
            elif answer := site.answer(self.name, message):
                self.hear(*answer)
        return self

    def who(self, seed: int | str) -> str | None:
        """Whom the terminal takes the face for."""
        found = self.index.search(vector(seed), 1).candidates
        return found[0].person_id if found and found[0].similarity > 0.99 else None

    @property
    def people(self) -> list[str]:
        return [person.id for person in self.gallery.people()]

    @property
    def held(self) -> int:
        return int(self.follower.status["revision"])

    @property
    def refused(self) -> dict[str, Any] | None:
        return self.follower.status.get("refused")


def verified(ring: Keyring) -> Any:
    """As the service wires it."""

    def verify(line: bytes) -> Any:
        claims = ring.verified(line, "enroller")
        return claims.text if isinstance(claims, Refusal) else claims

    return verify


def unsigned(token: str | bytes) -> dict[str, Any]:
    """The claims of a compact JWS, whoever signed it."""
    text = token.decode() if isinstance(token, bytes) else token
    return dict(jwt.decode(text, options={"verify_signature": False}))
