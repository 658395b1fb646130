"""Configurations and rulebooks for tests, out of a few lines."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import yaml

from edged.access.request import Ask, Factor, Subject
from edged.access.rulebook import Rulebook
from edged.config.load import Lines, parse

if TYPE_CHECKING:
    from edged.config.schema import Config

BERLIN = ZoneInfo("Europe/Berlin")


def written(**sections: Any) -> str:
    """A file of settings with these sections."""
    settings = {
        "site": "hq",
        "terminal": "door-1",
        "camera": {"driver": "opencv"},
        "key": {"env": "EDGED_KEY"},
        "door": {"driver": "simulated"},
        "time_zone": "Europe/Berlin",
        **sections,
    }
    return yaml.safe_dump(settings, sort_keys=False)


def configured(**sections: Any) -> Config:
    return parse(written(**sections))


def book_of(**sections: Any) -> Rulebook:
    text = written(**sections)
    return Rulebook.of(parse(text), Lines("edged.yaml", text))


def at(text: str, zone: str = "Europe/Berlin", fold: int = 0) -> float:
    """Unix seconds of a local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def ask(
    *groups: str, when: float, person: str = "p-1", factors: tuple[Factor, ...] = (Factor.FACE,)
) -> Ask:
    return Ask(Subject(person, frozenset(groups)), when, frozenset(factors))
