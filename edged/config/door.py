"""The door as an installer wires it: relay, contact, buttons, alarms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from edged.config.base import Misplaced, Name, Settings, within

CHIP = "/dev/gpiochip0"

ALARMS = ("forced", "pre_alarm", "held_open", "tamper", "fire", "unlocked", "duress", "bell")
"""What an output can tell."""


class Input(Settings):
    """A switch on a GPIO line, or a file that stands for one in a simulation.

    ``wiring`` is how the circuit is when nothing is the matter (door shut, button not pressed, no
    fire): ``normally_open`` or ``normally_closed``. ``bias`` is the resistor of the board; with
    ``pull_up`` a closed circuit reads low, otherwise high, and ``active_low`` says otherwise. A
    change counts when it has lasted for ``debounce_s``. With ``file``, the circuit has left its
    normal state as long as there is a file.
    """

    chip: str | None = None
    line: Annotated[int, *within(0, 1023)] | str | None = None
    file: Path | None = None
    wiring: Literal["normally_open", "normally_closed"] = "normally_open"
    bias: Literal["pull_up", "pull_down", "none"] = "pull_up"
    active_low: bool | None = None
    debounce_s: Annotated[float, *within(0.001, 2)] = 0.05

    @model_validator(mode="after")
    def _one(self) -> Input:
        if (self.line is None) == (self.file is None):
            raise ValueError("give exactly one of line, file")
        return self


class ExitButton(Input):
    """The button inside. ``in_lockdown`` lets it open while the door is locked down, and
    ``when_secured`` while it is secured; ``pulse_s`` replaces the door's."""

    pulse_s: Annotated[float, *within(0.1, 60)] | None = None
    in_lockdown: bool = False
    when_secured: bool = True


class Output(Settings):
    """A siren, a lamp, a second relay or a door drive: driven as long as one of ``on`` holds.

    ``longest_s`` ends it although the cause lasts; 0: never. Without a line (simulated door only)
    it is written into the door's record under its name.
    """

    chip: str | None = None
    line: Annotated[int, *within(0, 1023)] | str | None = None
    active_low: bool = False
    on: Annotated[frozenset[Literal[ALARMS]], Field(min_length=1)]  # type: ignore[valid-type]
    longest_s: Annotated[float, *within(0, 3600)] = 0


class ModeSpan(Settings):
    """A mode that a schedule puts in force. ``first_in``: the door is open only from the moment
    at which somebody of these groups was let in during the span."""

    # the texts under the fields are published with the contract (docs/asyncapi.json)
    model_config = ConfigDict(use_attribute_docstrings=True)

    mode: Literal["open", "secured", "locked_down"]
    """What is in force then; a command may keep the door more shut, never less."""
    when: Name
    """The schedule, or `always`."""
    first_in: tuple[str, ...] = ()
    """With `open`: only once somebody of these groups was let in during the span."""

    @model_validator(mode="after")
    def _only_open(self) -> ModeSpan:
        if self.first_in and self.mode != "open":
            raise ValueError("first_in belongs to mode: open")
        return self


class Interlock(Settings):
    """Two doors of which one is shut at any time (mantrap): the other one's terminal, which must
    stand in ``peers``. The door stays shut when that does not answer within ``timeout_s``."""

    peer: Name
    timeout_s: Annotated[float, *within(0.2, 10)] = 1.0


class DoorSettings(Settings):
    """What every door has, whatever drives it.

    ``extended_pulse_s`` is for people who need longer; it is never less than ``pulse_s``.
    ``relock_on_close`` ends a pulse when the door has been opened and shut, yet not before
    ``minimum_pulse_s``. Held open longer than ``held_open_after_s`` is an alarm, with a warning
    ``pre_alarm_s`` before. ``lockdown_groups`` are let in while the door is locked down.
    """

    pulse_s: Annotated[float, *within(0.1, 60)] = 3
    minimum_pulse_s: Annotated[float, *within(0, 60)] = 0.5
    extended_pulse_s: Annotated[float, *within(0.1, 60)] = 12
    relock_on_close: bool = True
    held_open_after_s: Annotated[float, *within(1, 3600)] = 30
    extended_held_open_after_s: Annotated[float, *within(1, 3600)] = 60
    pre_alarm_s: Annotated[float, *within(0, 600)] = 10
    contact: Input | None = None
    exit_button: ExitButton | None = None
    fire: Input | None = None
    tamper: Input | None = None
    outputs: dict[Name, Output] = {}
    timetable: tuple[ModeSpan, ...] = ()
    lockdown_groups: tuple[str, ...] = ()
    interlock: Interlock | None = None

    @property
    def usual_chip(self) -> str:
        """Of inputs and outputs that name none."""
        return "/dev/gpiochip0"

    @property
    def inputs(self) -> dict[str, Input]:
        """Those that there are, by the name of their setting."""
        named = {
            "contact": self.contact,
            "exit_button": self.exit_button,
            "fire": self.fire,
            "tamper": self.tamper,
        }
        return {name: one for name, one in named.items() if one is not None}

    @model_validator(mode="after")
    def _ordered(self) -> DoorSettings:
        problems: list[tuple[tuple[str, ...], str]] = []
        if self.pre_alarm_s >= self.held_open_after_s:
            problems.append((("pre_alarm_s",), "must be below held_open_after_s"))
        if self.interlock is not None and self.contact is None:
            problems.append((("interlock",), "needs contact: nobody else knows that it is shut"))
        if self.interlock is not None:
            problems += [
                (("timetable", str(place), "mode"), "a door with an interlock is not held open")
                for place, span in enumerate(self.timetable)
                if span.mode == "open"
            ]
        if problems:
            raise Misplaced(problems)
        return self


class SimulatedDoor(DoorSettings):
    """No relay: a record of what would have happened, one JSON object a line."""

    driver: Literal["simulated"]
    record: Path | None = None


class GpioDoor(DoorSettings):
    """A relay on a GPIO line, driven by libgpiod v2; at rest the line is inactive."""

    driver: Literal["gpio"]
    chip: str = CHIP
    line: Annotated[int, *within(0, 1023)] | str = 17
    active_low: bool = False

    @model_validator(mode="after")
    def _wired(self) -> GpioDoor:
        bare = [name for name, output in self.outputs.items() if output.line is None]
        if bare:
            raise Misplaced([(("outputs", name, "line"), "is missing") for name in bare])
        return self

    @property
    def usual_chip(self) -> str:
        return self.chip


Door = Annotated[SimulatedDoor | GpioDoor, Field(discriminator="driver")]
