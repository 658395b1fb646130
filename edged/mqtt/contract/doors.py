"""What is said of a door by its contact, its button and its alarms."""

from __future__ import annotations

from typing import Annotated

from edged.mqtt.contract.fields import Seconds, Told, codes

CAUSES = ("fire", "open", "recognised", "named", "ordered", "exit")
ALARMS = ("forced", "pre_alarm", "held_open", "tamper", "fire")
INPUTS = ("contact", "exit_button", "fire", "tamper")

Cause = Annotated[str, codes(*CAUSES, "unknown")]
Alarm = Annotated[str, codes(*ALARMS)]


class Opened(Told):
    """The door was opened, and might be."""

    causes: tuple[Cause, ...]
    """Why it was unlocked at that moment: a fire, the mode `open`, or how those asked who were let
    in: recognised, of `door.lockdown_groups` (`named`), by command (`ordered`), by the button;
    `unknown`: nobody saw it, the contact could not be read or the terminal did not run."""


class Closed(Told):
    """The door was shut."""

    open_s: Seconds
    """For how long it was open, seconds."""


class StaysOpen(Told):
    """The door is open for too long."""

    open_s: Seconds
    """For how long by now, seconds."""


class WillAlarm(StaysOpen):
    """The door will soon have been open for too long."""

    alarm_in_s: Seconds
    """When the alarm comes, seconds."""


class AlarmOver(Told):
    """An alarm of the door is over: it was shut, or may be open now."""

    alarm: Annotated[str, codes("forced", "pre_alarm", "held_open")]
    """Which."""
    lasted_s: Seconds
    """For how long, seconds; since the start of the terminal, where it is older."""


class ExitPressed(Told):
    """The button inside was pressed."""

    refused: Annotated[str, codes("locked_down", "secured")] | None
    """Why the door does not open; null: it does (or asks the other door of its interlock)."""


class InputFault(Told):
    """An input of the door cannot be relied on, or can again."""

    input: Annotated[str, codes(*INPUTS)]
    """Which."""
    fault: Annotated[str, codes("unreadable", "flickers")] | None
    """What is wrong; null: it is well again."""
    text: str
    """For people."""
