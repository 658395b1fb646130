"""Names in the rules that nobody defined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.config.base import unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.config.schema import Config

Place = tuple[str | int, ...]
"""The steps to a setting."""


def problems(config: Config) -> Iterator[tuple[Place, str]]:
    """What makes a rulebook impossible, each with its place."""
    if "always" in config.schedules:
        yield ("schedules", "always"), "is there without being written; give it another name"
    known = {"always", *config.schedules}
    for place, name in whens(config):
        if name not in known:
            yield place, unknown_name("schedule", name, sorted(known))


def whens(config: Config) -> Iterator[tuple[Place, str]]:
    """Every place that names a schedule."""
    for number, rule in enumerate(config.access.rules if config.access else ()):
        yield ("access", "rules", number, "when"), rule.when
    for number, span in enumerate(config.door.timetable):
        yield ("door", "timetable", number, "when"), span.when
    for number, state in enumerate(config.attendance.timetable if config.attendance else ()):
        yield ("attendance", "timetable", number, "when"), state.when
