"""Whose bundles this terminal runs."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from edged.bundle.read import plain_bytes
from edged.bundle.sign import SIGNATURE_NAME, key_id, read_public_key, signer
from edged.errors import BundleError
from edged.resources import shared

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from edged.config.schema import Model

log = logging.getLogger(__name__)
SHIPPED = "ships with edged"


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys whose signature counts, and the bundles that need none.

    A bundle that lies where edged's own models lie is trusted as the code beside it is: whoever
    can write there can change the code as well. An alteration still shows in its digests.

    Attributes:
        keys: by their id.
        allowed: names of bundles for which the signature does not matter; a wrong one neither,
            because who could spoil a signature could take it away.
    """

    keys: Mapping[str, Ed25519PublicKey] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Model) -> Self:
        """What the configuration trusts; raises BundleError for a key that cannot be used."""
        try:
            found = [read_public_key(path) for path in settings.trusted_keys]
        except BundleError as fault:
            raise BundleError(f"model.trusted_keys: {fault}") from fault
        return cls({key_id(key): key for key in found}, frozenset(settings.allow_unsigned))

    def judge(self, folder: Path, name: str, manifest: bytes) -> str:
        """Why the bundle is trusted, in a few words.

        Args:
            folder: where it lies.
            name: what its manifest calls it.
            manifest: the exact bytes of ``manifest.yaml``.

        Raises:
            BundleError: it is not; the text says what to do.
        """
        if folder.resolve().parent == shared("models").resolve():
            return SHIPPED
        try:
            return f"signed by {signer(_read(folder / SIGNATURE_NAME), manifest, self.keys)}"
        except BundleError as fault:
            problem = str(fault)
        if name in self.allowed:
            log.warning("%s: %s; model.allow_unsigned lets %s pass", folder, problem, name)
            return f"allowed by name: {problem}"
        raise BundleError(
            f"{folder}: {problem}; put the public key of who made it into model.trusted_keys, "
            f"or allow it by its name: model.allow_unsigned: [{name}]"
        )


def _read(path: Path) -> bytes:
    try:
        return plain_bytes(path, 10_000)
    except FileNotFoundError as fault:
        raise BundleError("the bundle is not signed") from fault
    except OSError as fault:
        raise BundleError(f"{SIGNATURE_NAME} cannot be read: {fault.strerror}") from fault
