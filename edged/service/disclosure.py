"""All that a terminal stores about one person, for that person."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from edged.events.outbox import make_outbox
from edged.events.types import utc_now
from edged.gallery.store import make_gallery
from edged.recording.file import RecordingFile
from edged.service.people_orders import told_profile
from edged.vault.keys import load_key

if TYPE_CHECKING:
    from edged.config.schema import Config
    from edged.gallery.people import Person
    from edged.gallery.store import Gallery
    from edged.vault.secret import Secret

ABOUT = (
    "Everything that this door terminal stores about one person, as it is asked for by article 15 "
    "of the GDPR. A template is a list of numbers that a neural network made of a view of the "
    "face; it serves to recognise the person at this door, and no photo is kept. `profile` is what "
    "the site told the terminal. `lookalikes` are similarities with other people here, who are not "
    "named because they are none of this person's data. `recordings` counts the visits that are "
    "kept for some days to check the terminal's decisions, as numbers without pictures. `events` "
    "are what happened at the door: they stay for some days, and longer while they wait to be "
    "sent to the site, which keeps its own record of those that it has. The "
    "history and the log of the terminal name nobody."
)


def disclose(config: Config, person_id: str, *, numbers: bool) -> dict[str, Any] | None:
    """All that is stored about somebody, fit for JSON; None: nobody is enrolled as this.

    Args:
        numbers: whether the templates' own numbers are to be in it.

    Raises:
        StorageError: a file cannot be read; a part left out would be no answer.
    """
    key = load_key(config.key)
    gallery = make_gallery(config.gallery, key)
    try:
        gallery.open()
        person = gallery.person(person_id)
        if person is None:
            return None
        found = _of_gallery(gallery, person, numbers=numbers)
    finally:
        gallery.close()
    told = told_profile(person.profile, config.gallery.retention_days, time.time())
    told["profile"] |= person.profile.disclosed()
    return {
        "about": ABOUT,
        "terminal": f"{config.site}/{config.terminal}",
        "time": utc_now(),
        "person_id": person.id,
        "enrolled": person.created or None,
        "from": "terminal" if person.origin is None else f"site, revision {person.origin}",
        **told,
        **found,
        "recordings": _recordings(config, key, person_id),
        "events": _events(config, key, person_id),
    }


def _of_gallery(gallery: Gallery, person: Person, *, numbers: bool) -> dict[str, Any]:
    templates = [
        {
            "model": model,
            "quality": round(one.quality, 4),
            "source": one.source,
            "created": one.created,
            "numbers": len(one.embedding),
            **({"values": [float(value) for value in one.embedding]} if numbers else {}),
        }
        for model in person.templates
        for one in gallery.kept(person.id, model)
    ]
    pairs = gallery.lookalikes()
    alike = sorted((s for pair, s in pairs.items() if person.id in pair), reverse=True)
    return {"templates": templates, "lookalikes": [round(similarity, 4) for similarity in alike]}


def _recordings(config: Config, key: Secret, person_id: str) -> dict[str, int]:
    if config.recording is None or not config.recording.path.exists():
        return {"visits": 0, "among_the_nearest": 0}
    file = RecordingFile(config.recording.path, key)
    try:
        file.open(make=False)
        visits, nearest = file.visits_of(person_id)
    finally:
        file.close()
    return {"visits": visits, "among_the_nearest": nearest}


def _events(config: Config, key: Secret, person_id: str) -> list[dict[str, Any]]:
    if not config.events.path.exists():
        return []
    outbox = make_outbox(config.events, key)
    try:
        outbox.open()
        found = [event for event in outbox.events() if _names(event.data, person_id)]
    finally:
        outbox.close()
    return [
        {"type": event.type, "time": event.time, "clock": event.clock, "data": event.data}
        for event in found
    ]


def _names(value: Any, person_id: str) -> bool:
    """Whether an id stands anywhere in what an event says."""
    if isinstance(value, dict):
        return any(key == person_id or _names(inner, person_id) for key, inner in value.items())
    if isinstance(value, list):
        return any(_names(inner, person_id) for inner in value)
    return bool(value == person_id)
