"""What is said of visitors' codes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from edged.mqtt.contract.fields import Person, Told


class CodeUsed(Told):
    """A visitor's code is used up, at every terminal of the site that hears of it."""

    person_id: Person
    """The visitor."""
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    """Of the code, as `edged ctl visitor` tells it; nobody finds the code by it."""


USED: dict[str, Any] = {"person_id": "guest-17", "digest": "6f1c0b7ad94e23586f1c0b7ad94e2358"}
"""An example."""
