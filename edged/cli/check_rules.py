"""``edged check``: what is wrong with the rules, and what they can hardly be meant to say."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.access.findings import findings
from edged.access.rulebook import Rulebook
from edged.access.zone import MachineZone
from edged.config.load import in_order, lines_of
from edged.errors import EdgedError, RulesError
from edged.gallery.store import make_gallery

if TYPE_CHECKING:
    from pathlib import Path

    from edged.config.schema import Config
    from edged.vault.keys import Secret


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Who is in the gallery."""

    people: frozenset[str]
    groups: frozenset[str]


def wrong_rules(path: Path, config: Config) -> list[str]:
    """Why the terminal cannot start with these rules, each problem with its place."""
    try:
        Rulebook.of(config, lines_of(path))
    except RulesError as fault:
        return str(fault).splitlines()
    return []


def doubtful_rules(path: Path, config: Config, key: Secret | None) -> list[str]:
    """What the rules of `config` can hardly be meant to say, each with its place.

    Args:
        config: whose rulebook can be built; it may have the site's settings over the file's.
        key: opens the gallery; None, or where it cannot be read: nothing is said of people.
    """
    lines = lines_of(path)
    found = findings(config, Rulebook.of(config, lines), time.time(), lines, _enrolled(config, key))
    told = [one.told(lines) for one in found]
    if config.time_zone is None:
        machine = MachineZone()
        machine()
        if machine.fault is not None:
            told.append(lines.told("time_zone", f"{machine.fault}; times count as UTC until then"))
    return in_order(told)


def _enrolled(config: Config, key: Secret | None) -> Enrolled | None:
    if key is None or not config.gallery.path.exists():
        return None
    gallery = make_gallery(config.gallery, key)
    try:
        gallery.open()
        people = gallery.people()
    except EdgedError:
        return None  # told where the gallery is looked at
    finally:
        gallery.close()
    groups = (name for person in people for name in person.profile.groups)
    return Enrolled(frozenset(person.id for person in people), frozenset(groups))
