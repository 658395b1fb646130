"""What the two terminals of an interlock tell each other, and what is told of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edged.mqtt.contract.fields import KeyId, Obeyed, Seq, Told, codes

TYP = "edged-interlock"
"""In the protected header of each word."""

Boot = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22}$")]


class InterlockWord(Obeyed):
    """How one side of an interlock stands, in whole; see docs/interlock.md."""

    aud: Annotated[str, Field(max_length=200)]
    """`<site>/<terminal>` of the other side."""
    iss: Annotated[str, Field(max_length=200)]
    """`<site>/<terminal>` of the sender."""
    boot: Boot
    """Names one start of the sender's program."""
    number: Seq
    """Grows with each word of that start."""
    echo: tuple[Boot, Seq] | None
    """`boot` and `number` of the last word that the sender heard."""
    shut: bool
    """Whether the sender's door is shut and locked."""
    claim: Seq | None
    """The claim that the sender asks with, or holds."""
    holds: bool
    """Whether it holds it: its door may be unlocked."""
    yields: tuple[Boot, Seq] | None
    """`boot` and `claim` of the other side for which the sender keeps its door locked."""
    fire: bool
    """Whether its door is open because of a fire."""


class Interlocked(Told):
    """A door stayed shut because of the other door of the interlock."""

    reason: Annotated[
        str,
        codes(
            "starting",
            "unheard",
            "other_open",
            "other_passing",
            "other_fire",
            "timed_out",
            "not_ready",
            "silent",
        ),
    ]
    """`unheard`: the other terminal does not answer; `other_open`: its door is open;
    `other_passing`: somebody passes there; `other_fire`: there is a fire there; `timed_out`: it
    did not yield within `door.interlock.timeout_s`; `starting`, `not_ready`, `silent`: this
    terminal has just started, or its own interlock does not work."""
    asking: Annotated[str, codes("recognised", "named", "ordered", "exit")]
    """How somebody asked to pass."""


class ReaderLost(Told):
    """A reader cannot be used."""

    reader: KeyId
    """Its name in the configuration."""
    reason: str
    """For people."""


class ReaderBack(Told):
    """A reader works again."""

    reader: KeyId
    """Its name in the configuration."""


LOST = {"reader": "entrance", "reason": "/dev/ttyUSB0 is gone: Input/output error"}
BACK = {"reader": "entrance"}
INTERLOCKED = {"reason": "other_open", "asking": "exit"}
