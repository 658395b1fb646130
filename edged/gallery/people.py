"""Persons and their templates, as they are asked for and as they are kept."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edged.errors import GalleryError
from edged.gallery.profile import Profile
from edged.gallery.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edged.gallery.profile import Erased
    from edged.gallery.sealed import Kept
    from edged.types import Floats

_LONGEST_ID = 64
_LONGEST_TEXT = 200
_NOT_IN_A_TOPIC = "/+#"
# Printable by Unicode's word, and yet nothing: with them two ids look the same.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


@dataclass(frozen=True, slots=True)
class Person:
    """Someone in the gallery.

    Attributes:
        id: as the site gave it.
        templates: how many of each model.
        created: RFC 3339, UTC.
        profile: what else is known of them.
        origin: the site's revision that made them so; None for somebody enrolled here.
    """

    id: str
    templates: dict[str, int]
    created: str
    profile: Profile = field(default=Profile(), repr=False)  # a name must not slip into a log
    origin: int | None = None

    @property
    def name(self) -> str | None:
        """Only if the installer wants names here."""
        return self.profile.name


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """All that the gallery holds of one person, to be carried elsewhere.

    Attributes:
        templates: by the model's identity, the oldest first, in the network's own space.
        origin: the site's revision that made it so; None for somebody enrolled here.
        marker: of the last snapshot of the site that named them.
    """

    person_id: str
    profile: Profile = field(repr=False)
    templates: Mapping[str, Sequence[Kept]] = field(repr=False)
    created: str
    origin: int | None = None
    marker: str | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure that is done, and what is left to be done about it.

    Attributes:
        number: the person's place in the file that was.
        told: whether the event about it is recorded.
    """

    number: int
    erased: Erased
    told: bool


@dataclass(frozen=True, slots=True, eq=False)
class Enrolment:
    """One template to be added.

    Attributes:
        person_id: 1–64 printable characters without ``/ + #``; a new person is made.
        embedding: unit-length float32 (d,).
        model: ``name@version#digest-prefix`` of the bundle that made it.
        quality: 0–1, as the bundle's calibration states it.
        source: where it came from, such as ``door`` or ``photo``.
        name: replaces the person's; None leaves it.
    """

    person_id: str
    embedding: Floats = field(repr=False)
    model: str
    quality: float
    source: str
    name: str | None = field(default=None, repr=False)

    def checked(self) -> Enrolment:
        """The same, fit to be stored.

        Raises:
            GalleryError: what is wrong, without repeating what was given.
        """
        check_id(self.person_id)
        _check_text(self.model, "the model's identity")
        _check_text(self.source, "the source")
        if self.name is not None:
            _check_text(self.name, "the name")
        quality = float(self.quality)
        if not (math.isfinite(quality) and 0 <= quality <= 1):
            raise GalleryError("the quality of a template lies between 0 and 1")
        embedding = unit(self.embedding)
        return Enrolment(self.person_id, embedding, self.model, quality, self.source, self.name)


def check_id(person_id: str) -> None:
    """Refuse an id that no topic, log or list could carry.

    Raises:
        GalleryError: what is wrong with it.
    """
    if not isinstance(person_id, str) or not 1 <= len(person_id) <= _LONGEST_ID:
        raise GalleryError(f"a person's id has 1 to {_LONGEST_ID} characters")
    if any(character in _NOT_IN_A_TOPIC for character in person_id):
        raise GalleryError(f"a person's id cannot hold any of {' '.join(_NOT_IN_A_TOPIC)}")
    _check_text(person_id, "a person's id")
    if unseen := _UNSEEN.search(person_id):
        raise GalleryError(
            f"a person's id holds U+{ord(unseen[0]):04X} at character {unseen.start() + 1}, "
            "which cannot be seen"
        )


def _check_text(text: str, what: str) -> None:
    if not isinstance(text, str) or not 1 <= len(text) <= _LONGEST_TEXT:
        raise GalleryError(f"{what} has 1 to {_LONGEST_TEXT} characters")
    if not text.isprintable():
        place = next(i for i, character in enumerate(text) if not character.isprintable())
        raise GalleryError(
            f"{what} holds U+{ord(text[place]):04X} at character {place + 1}, "
            "which cannot be printed"
        )
    if text != text.strip():
        raise GalleryError(f"{what} begins or ends with a space")
    if not unicodedata.is_normalized("NFC", text):
        raise GalleryError(f"{what} is not in Unicode's composed form (NFC): it has a double")
