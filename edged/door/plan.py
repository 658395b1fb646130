"""What the installer says of a door, as the state machine needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from edged.config.door import DoorSettings

SETTLE_S = 0.25
"""So much later than it is debounced an opening may still be told."""


class Siren(NamedTuple):
    """An output: by which alarms it is driven, and for how long at most (0: as they last)."""

    on: frozenset[str]
    longest_s: float = 0.0


class Plan(NamedTuple):
    """Durations in seconds; see `edged.config.door.DoorSettings`.

    Attributes:
        contact, fire, tamper: whether there is such an input.
        interlock: whether another door is asked first.
        settle_s: so long after a grant has ended an opening that began within it may be told.
        answer_s: so long the other door is waited for.
    """

    pulse_s: float = 3.0
    minimum_pulse_s: float = 0.5
    extended_pulse_s: float = 12.0
    exit_pulse_s: float = 3.0
    exit_in_lockdown: bool = False
    exit_when_secured: bool = True
    relock_on_close: bool = True
    held_open_after_s: float = 30.0
    extended_held_open_after_s: float = 60.0
    pre_alarm_s: float = 10.0
    contact: bool = False
    fire: bool = False
    tamper: bool = False
    interlock: bool = False
    settle_s: float = SETTLE_S
    answer_s: float = 2.0
    outputs: tuple[tuple[str, Siren], ...] = ()


def plan_of(settings: DoorSettings) -> Plan:
    """Out of the configuration."""
    button, contact, interlock = settings.exit_button, settings.contact, settings.interlock
    exit_pulse_s = None if button is None else button.pulse_s
    return Plan(
        pulse_s=settings.pulse_s,
        minimum_pulse_s=settings.minimum_pulse_s,
        extended_pulse_s=max(settings.pulse_s, settings.extended_pulse_s),
        exit_pulse_s=settings.pulse_s if exit_pulse_s is None else exit_pulse_s,
        exit_in_lockdown=button is not None and button.in_lockdown,
        exit_when_secured=button is None or button.when_secured,
        relock_on_close=settings.relock_on_close,
        held_open_after_s=settings.held_open_after_s,
        extended_held_open_after_s=max(
            settings.held_open_after_s, settings.extended_held_open_after_s
        ),
        pre_alarm_s=settings.pre_alarm_s,
        contact=contact is not None,
        fire=settings.fire is not None,
        tamper=settings.tamper is not None,
        interlock=interlock is not None,
        settle_s=SETTLE_S + (0.0 if contact is None else contact.debounce_s),
        # the interlock answers in any case; this is for one that does not
        answer_s=2.0 if interlock is None else interlock.timeout_s + 1.0,
        outputs=tuple(
            (name, Siren(frozenset(output.on), output.longest_s))
            for name, output in settings.outputs.items()
        ),
    )
