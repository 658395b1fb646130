"""The entries of a site's log: every one is checked whole before anything of it is used."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from edged.errors import GalleryError
from edged.gallery.people import Enrolment
from edged.gallery.people import check_id as _check_id
from edged.gallery.profile import Profile, read_profile
from edged.gallery.sealed import Kept
from edged.gallery.vectors import LARGEST
from edged.sync.wire import MOST_ENTRIES, Claims, Revision, Unreadable, described

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edged.types import Floats

MOST_TEMPLATES = 100
_LONGEST_EMBEDDING = 4 * ((4 * LARGEST + 2) // 3)


class BadEntry(Exception):
    """An entry that is not taken over.

    Attributes:
        revision: the entry's; None where that cannot be read.
    """

    def __init__(self, revision: int | None, reason: str) -> None:
        super().__init__(reason)
        self.revision = revision
        self.reason = reason


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What one revision of the log says of one person.

    Attributes:
        templates: by the model's identity, in the network's own space; None: they are removed.
    """

    revision: int
    person_id: str
    profile: Profile = field(default=Profile(), repr=False)
    templates: Mapping[str, Sequence[Kept]] | None = field(default=None, repr=False)

    @property
    def removes(self) -> bool:
        """Whether the person is to be erased."""
        return self.templates is None


class _Template(Claims):
    model: Annotated[str, Field(max_length=200)]
    quality: float
    source: Annotated[str, Field(max_length=100)]
    created: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$")]
    embedding: Annotated[str, Field(max_length=_LONGEST_EMBEDDING)]


class _Entry(Claims):
    revision: Annotated[Revision, Field(ge=1)]
    op: Literal["upsert", "remove"]
    person_id: Annotated[str, Field(max_length=64)]
    profile: dict[str, Any] | None = None
    templates: Annotated[list[_Template], Field(max_length=MOST_TEMPLATES)] | None = None


def read_entries(content: bytes) -> list[Entry]:
    """The entries of an opened batch or chunk, each checked.

    Raises:
        BadEntry: one of them is none; nothing is returned of the others.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise BadEntry(None, "the content is no JSON") from None
    listed = document.get("entries") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST_ENTRIES:
        raise BadEntry(None, f"the content has no list of at most {MOST_ENTRIES} entries")
    return [read_entry(given) for given in listed]


def write_entries(entries: Sequence[Entry]) -> bytes:
    """The content of a batch or chunk."""
    return _text({"entries": [write_entry(entry) for entry in entries]})


def read_entry(given: Any) -> Entry:
    """One entry out of JSON values.

    Raises:
        BadEntry: which revision, and what is wrong, without repeating what was given.
    """
    revision = given.get("revision") if isinstance(given, dict) else None
    revision = revision if isinstance(revision, int) else None
    try:
        claims = _Entry.model_validate(given)
        return _entry(claims)
    except ValidationError as fault:
        raise BadEntry(revision, described(fault)) from None
    except (GalleryError, Unreadable) as fault:
        raise BadEntry(revision, str(fault)) from None


def write_entry(entry: Entry) -> dict[str, Any]:
    """The JSON object of an entry."""
    document: dict[str, Any] = {
        "revision": entry.revision,
        "op": "remove" if entry.removes else "upsert",
        "person_id": entry.person_id,
    }
    if entry.templates is None:
        return document
    return document | {
        "profile": entry.profile.carried(),
        "templates": [
            {
                "model": model,
                "quality": round(float(one.quality), 6),
                "source": one.source,
                "created": one.created,
                "embedding": base64.b64encode(
                    one.embedding.astype("<f4", copy=False).tobytes()
                ).decode("ascii"),
            }
            for model, some in entry.templates.items()
            for one in some
        ],
    }


def _entry(claims: _Entry) -> Entry:
    _check_id(claims.person_id)
    if claims.op == "remove":
        if claims.profile is not None or claims.templates is not None:
            raise Unreadable("a removal has neither profile nor templates")
        return Entry(claims.revision, claims.person_id)
    if not claims.templates:
        raise Unreadable("a person has at least one template; remove who has none")
    templates: dict[str, list[Kept]] = {}
    for given in claims.templates:
        templates.setdefault(given.model, []).append(_template(claims.person_id, given))
    for some in templates.values():
        if len({len(one.embedding) for one in some}) > 1:
            raise Unreadable("embeddings of one model have different sizes")
    profile = read_profile(claims.profile or {})
    return Entry(claims.revision, claims.person_id, profile, templates)


def _template(person_id: str, given: _Template) -> Kept:
    embedding = _embedding(given.embedding)
    checked = Enrolment(person_id, embedding, given.model, given.quality, given.source).checked()
    return Kept(checked.embedding, checked.quality, checked.source, given.created)


def _embedding(text: str) -> Floats:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("an embedding is no base64") from None
    if len(content) % 4:
        raise Unreadable("an embedding is no row of float32 numbers")
    return np.frombuffer(content, "<f4").astype(np.float32)


def _text(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
