"""What the site's side is told: ``ctl.yaml``, and options that go over it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from edged.config.load import parse_as, read_text
from edged.config.schema import Misplaced, Mqtt, Name, Settings
from edged.mqtt.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT = "EDGED_CTL"
_TERMINALS_OWN = (
    "backlog_hz",
    "commands",
    "homeassistant",
    "live_within_s",
    "snapshot_key",
    "sync",
)


class SiteSettings(Settings):
    """A controller: its broker, its site, and the key that it signs commands with.

    ``broker`` takes what a terminal's ``mqtt`` takes of the connection. ``key_id`` is what the
    terminals call the key in ``key_file``. ``terminals`` is a folder with a file for each
    terminal whose identity is known for certain; ``edged ctl provision`` writes them.
    ``snapshot_key_file`` opens snapshots.
    """

    broker: Mqtt
    site: Name
    key_id: Name | None = None
    key_file: Path | None = None
    snapshot_key_file: Path | None = None
    terminals: Path = Path("terminals")
    timeout_s: Annotated[float, Field(ge=0.1, le=600)] = 10

    @model_validator(mode="after")
    def _no_terminal(self) -> SiteSettings:
        given = self.broker.model_fields_set.intersection(_TERMINALS_OWN)
        problems: list[tuple[tuple[str, ...], str]] = [
            (("broker", name), "belongs to a terminal's mqtt, not to a controller")
            for name in sorted(given)
        ]
        if problems:
            raise Misplaced(problems)
        return self

    @property
    def root(self) -> str:
        """What all topics of this site begin with, without the slash."""
        return f"{self.broker.prefix}/{self.site}"

    def topics(self, terminal: str) -> Topics:
        """The topics of one terminal."""
        return topics_at(self.broker, self.site, terminal)


def topics_at(broker: Mqtt, site: str, terminal: str) -> Topics:
    """The topics of one terminal as this broker writes them."""
    return Topics(broker.prefix, site, terminal, dash=broker.topic_dots == "dash")


def default_file() -> Path:
    """Where settings are looked for when nobody says where."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named) if named else Path.home() / ".config" / "edged" / "ctl.yaml"


def load_site(path: Path | None, given: Mapping[str, Any] | None = None) -> SiteSettings:
    """Read the settings.

    Args:
        path: the file; None: `default_file`, if it is there.
        given: goes over what the file says; paths in it are absolute.

    Raises:
        ConfigError: with every problem, each with its place in the file.
    """
    file = path or default_file()
    if path is None and not file.exists() and ENVIRONMENT not in os.environ:
        return parse_as(SiteSettings, "{}", f"{file} (which is not there)", file.parent, given)
    return parse_as(SiteSettings, read_text(file), str(file), file.resolve().parent, given)
