"""The command path as the daemon has it: which keys count, who listens, and what `state` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.mqtt.auth import Keyring
from edged.mqtt.commands import Commands
from edged.mqtt.rotation import Rotation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edged.config.schema import Mqtt
    from edged.events.outbox import Outbox
    from edged.mqtt.auth import Time
    from edged.mqtt.catalogue import Handler
    from edged.mqtt.topics import Topics
    from edged.service.state import State

_UNSIGNED = "unsigned commands are accepted (mqtt.commands)"
_FLOOD = "too many messages on cmd/+: nobody listens to commands for {:g} s at a time"


class CommandDesk:
    """Judges what arrives on ``cmd/…``; see `edged.mqtt.commands`.

    Args:
        settings: ``mqtt``.
        time: by which commands are judged and keys end.

    Attributes:
        keyring: for whoever checks signatures beside: the site's log, desired settings.

    Raises:
        BrokerError: a key of the configuration is unusable.
    """

    def __init__(
        self, settings: Mqtt, topics: Topics, outbox: Outbox, state: State, time: Time
    ) -> None:
        self._settings = settings.commands
        self._topics = topics
        self._outbox = outbox
        self._state = state
        self._time = time
        self.keyring = Keyring(settings.commands, time.now)
        self._rotation = Rotation(
            self.keyring, settings.commands, topics.audience, outbox, time, self.tick
        )
        self._commands: Commands | None = None

    def open(self, handlers: Mapping[str, Handler], deafen: Callable[[float], None]) -> Commands:
        """Read which keys count, and start to judge.

        Args:
            deafen: ends the subscription for so many seconds.

        Raises:
            StorageError: what changed of the keys cannot be read.
        """
        self._rotation.open()
        self.tick()
        if self._rotation.problem is not None:
            self._state.degrade("keys", self._rotation.problem)
        self._flooded(0.0)
        commands = self._commands = Commands(
            self._settings,
            self._topics,
            self._outbox,
            {**handlers, **self._rotation.handlers()},
            self._time,
            keyring=self.keyring,
            deafen=deafen,
            on_flood=self._flooded,
        )
        commands.open()
        return commands

    def tick(self) -> None:
        """A key whose time is over is not told any more."""
        self._state.set(keys=self._rotation.document())

    def close(self) -> None:
        """Finish what is at hand; safe twice and without `open`."""
        if self._commands is not None:
            self._commands.close()

    def _flooded(self, pause_s: float) -> None:
        if pause_s:
            self._state.degrade("commands", _FLOOD.format(pause_s))
        elif self._settings.allow_unsigned:
            self._state.degrade("commands", _UNSIGNED)
        else:
            self._state.restore("commands")
