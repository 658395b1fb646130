"""``edged policy explain``: what the door's timetable adds to what the rules say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.access.moments import said
from edged.door.mode import opens
from edged.door.timetable import wished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.access.request import Subject
    from edged.cli.policy import Terminal
    from edged.door.mode import Mode


@dataclass(frozen=True, slots=True)
class Door:
    """What the timetable makes of the door at a moment.

    Attributes:
        line: of the span in the file; None: none is in force.
        until: Unix seconds; None: nobody can tell.
        lets_in: whether it opens for somebody whom the rules let in.
    """

    mode: Mode
    line: int | None
    until: float | None
    lets_in: bool

    def said(self, terminal: Terminal) -> str:
        until = "" if self.until is None else f" until {said(self.until, terminal.zone)}"
        return f"the timetable has the door {self.mode}{until}"

    def shut_for_them(self, terminal: Terminal) -> str | None:
        return None if self.lets_in else self.said(terminal)

    def told(self, terminal: Terminal) -> Iterator[str]:
        """What bears on the answer beside the rules."""
        if self.mode == "normal":
            return
        if self.lets_in:
            yield f"  {self.said(terminal)}"
        if self.line is not None:
            yield f"  {terminal.lines.name}:{self.line}: {terminal.lines.quote(self.line)}"


def timed(terminal: Terminal, subject: Subject, at: float) -> Door:
    """By the timetable alone: whoever it waits for in the morning has not come yet."""
    settings, calendar = terminal.config.door, terminal.book.calendar
    mode, until = wished(settings.timetable, calendar, at, {}, sure=True)
    held = (
        terminal.lines.line(f"door.timetable.{place}")
        for place, span in enumerate(settings.timetable)
        if span.mode == mode and calendar.in_force(span.when, at)
    )
    named = not subject.groups.isdisjoint(settings.lockdown_groups)
    return Door(mode, next(held, None), until, opens(mode, "named" if named else "recognised"))
