"""What is kept of a move between starts: a fact of the gallery, with no person in it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edged.errors import GalleryError
from edged.service.moving import Tally

if TYPE_CHECKING:
    from typing import Any

    from edged.gallery.store import Gallery

Status = Literal["moving", "completed", "rolled_back"]
_Count = Annotated[int, Field(ge=0)]


class Counts(BaseModel):
    """A `Tally`, as it is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    worse: _Count = 0
    better: _Count = 0
    equal: _Count = 0
    missed: _Count = 0
    saved: _Count = 0
    doubted: _Count = 0
    trusted: _Count = 0


class Record(BaseModel):
    """How far the move to one bundle has come.

    Attributes:
        origin: the identity of the bundle that people move from.
        since: RFC 3339.
        told: the last step of ten per cent that was told of.
        announced: whether the site was told of the status.
        reason: why it was rolled back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: str
    since: str
    status: Status = "moving"
    told: Annotated[int, Field(ge=0, le=100)] = 0
    announced: bool = False
    reason: str | None = None
    counts: Counts = Counts()

    @property
    def tally(self) -> Tally:
        """What was seen of people who moved."""
        return Tally(**self.counts.model_dump())

    def changed(self, *, tally: Tally | None = None, **changes: Any) -> Record:
        """The same with other values."""
        if tally is not None:
            changes["counts"] = Counts(**asdict(tally))
        return self.model_copy(update=changes)


def read(gallery: Gallery, identity: str) -> Record | None:
    """What is kept of the move to a bundle; None: nothing.

    Raises:
        GalleryError: something that this software does not know.
        StorageError: the gallery cannot be read.
    """
    kept = gallery.fact(_name(identity))
    if kept is None:
        return None
    try:
        return Record.model_validate_json(kept)
    except ValidationError as fault:
        raise GalleryError(
            "what the gallery says of the move to this bundle cannot be read; `edged model move "
            "retry` begins it anew"
        ) from fault


def write(gallery: Gallery, identity: str, record: Record | None) -> None:
    """Keep it; None forgets it. On the disk on return; raises StorageError."""
    gallery.set_fact(_name(identity), None if record is None else record.model_dump_json())


def _name(identity: str) -> str:
    return f"model.move {identity}"
