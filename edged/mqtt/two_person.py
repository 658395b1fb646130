"""Commands that need two people: what the first one asked for waits here for the second."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.mqtt.auth import Refusal
from edged.mqtt.keys import CHANGES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from edged.mqtt.auth import Sender


@dataclass(frozen=True, slots=True)
class Request:
    """What one person asked for; `args` is one text for the same arguments."""

    command: str
    args: str
    id: str
    sender: Sender


@dataclass(frozen=True, slots=True)
class Awaiting:
    """The first of two has asked."""


@dataclass(frozen=True, slots=True)
class Approved:
    """The second has asked for the same as the first."""

    first: Request


class TwoPerson:
    """Remembers one request a command, in memory: a restart forgets it. For one thread.

    Args:
        commands: ``mqtt.commands.two_person``; if it names any, keys change by two people, too.
        within_s: how long the second has.
        counts: whether a key still counts.
    """

    def __init__(
        self,
        commands: Collection[str],
        within_s: float,
        counts: Callable[[str], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._commands = {*commands, *CHANGES} if commands else set()
        self._within_s = within_s
        self._counts = counts
        self._monotonic = monotonic
        self._waiting: dict[str, tuple[Request, float]] = {}

    def needed(self, command: str) -> bool:
        """Whether this command takes two."""
        return command in self._commands

    def ask(self, request: Request) -> Awaiting | Approved | Refusal:
        """Somebody asks for a command that takes two; it is authentic and used for the first time.

        Another person is one with a key of another line: a key and its successor are the same.
        """
        if request.sender.key_id is None:
            return Refusal("unsigned", "what takes two people is signed by both")
        first, asked_s = self._waiting.get(request.command, (None, 0.0))
        if first is not None and not self._counts(first.sender.key_id or ""):
            first = None  # revoked meanwhile
        late = self._monotonic() - asked_s > self._within_s
        if first is None or (late and first.sender.person == request.sender.person):
            self._waiting[request.command] = request, self._monotonic()
            return Awaiting()
        if late:
            del self._waiting[request.command]
            text = f"the first one asked more than {self._within_s:g} s ago; begin anew"
            return Refusal("second_too_late", text)
        if first.sender.person == request.sender.person:
            return Refusal("same_person", "another person has to ask for the same, with their key")
        if first.args != request.args:
            return Refusal("other_arguments", "the first one asked for something else")
        del self._waiting[request.command]
        return Approved(first)
