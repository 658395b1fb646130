"""The signed receipt of an erasure: what a terminal says of a key that it destroyed.

It is a compact JWS (RFC 7515, EdDSA) by the key that ``edged gallery identity`` prints. The same
erasure gives the same receipt, whoever makes it and how often.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edged.errors import GalleryError
from edged.vault.identity import read_signed

if TYPE_CHECKING:
    from edged.gallery.profile import Erased
    from edged.vault.identity import Identity

TYP = "edged-erasure+jwt"

_Text = Annotated[str, Field(min_length=1, max_length=200)]


class Receipt(BaseModel):
    """What is signed.

    Attributes:
        jti: of this erasure alone.
        iss: the terminal, ``<site>/<terminal>``.
        sub: who was erased, as the site gave the id.
        at: RFC 3339, UTC, by the terminal's clock.
        reason: ``request``, ``expired``, ``site``.
        templates: how many were erased.
        revision: of the terminal's gallery, that the erasure made.
        key: what became of the only key that opens what was kept of the person.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    jti: _Text
    iss: _Text
    sub: _Text
    at: _Text
    reason: _Text
    templates: Annotated[int, Field(ge=0)]
    revision: Annotated[int, Field(ge=0)]
    key: Literal["destroyed"] = "destroyed"


def make_receipt(erased: Erased, terminal: str, identity: Identity) -> str:
    """The receipt of an erasure that is done.

    Args:
        terminal: ``<site>/<terminal>``.
    """
    receipt = Receipt(
        jti=erased.id,
        iss=terminal,
        sub=erased.person_id,
        at=erased.at,
        reason=erased.reason,
        templates=erased.templates,
        revision=erased.revision,
    )
    return identity.sign(receipt.model_dump(), TYP)


def check_receipt(token: str, public_pem: str) -> Receipt:
    """What a receipt says, if the terminal with this public key signed it.

    Raises:
        KeyUnavailable: `public_pem` is no Ed25519 public key.
        GalleryError: it is no receipt of this terminal's, or was altered.
    """
    payload: dict[str, Any] | None = read_signed(token.strip(), public_pem, TYP)
    if payload is None:
        raise GalleryError(
            "this is no receipt that the terminal with this key signed; `edged gallery identity` "
            "on the terminal prints its signing key"
        )
    try:
        return Receipt.model_validate(payload)
    except ValidationError as fault:
        raise GalleryError(
            "the terminal signed this receipt in a form that is not known here; update edged"
        ) from fault
