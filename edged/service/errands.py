"""What a site may want of a terminal beside opening the door, put together for the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edged.decision.outcome import Phase
from edged.service.desired import TooLax, too_lax
from edged.service.desired_orders import TYP, DesiredSettings
from edged.service.model_orders import ModelOrders
from edged.service.restart import Restart
from edged.service.snapshot import Snapshot
from edged.service.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.config.schema import Config
    from edged.events.outbox import Outbox
    from edged.mqtt.auth import Keyring
    from edged.mqtt.catalogue import Handler
    from edged.service.desired import Standing
    from edged.service.display import Display
    from edged.service.journal import Journal
    from edged.service.policy import Calibrated
    from edged.service.state import State
    from edged.types import Frame


class Errands:
    """Restart, diagnostics, replay, snapshot, bundles and desired settings.

    Args:
        begun: what the daemon began with.
        manifest: the recogniser's, by which a policy is judged.
        people: how many are enrolled.
        restarts: whether the daemon may begin anew.
        fire: whether one has the door unlocked: a restart would lock it for a while.

    Attributes:
        parts: facts for ``diagnostics``, by name; whoever has some puts in how to ask for them.

    Raises:
        KeyUnavailable: ``mqtt.snapshot_key`` is no X25519 public key.
        TooLax: what is desired may not be in force any more.
    """

    def __init__(
        self,
        begun: Standing,
        outbox: Outbox,
        journal: Journal,
        state: State,
        manifest: Calibrated,
        people: Callable[[], int],
        *,
        restarts: bool,
        fire: Callable[[], bool] = lambda: False,
    ) -> None:
        config, mqtt = begun.config, begun.config.mqtt
        self._begun = begun
        self._manifest = manifest
        self._people = people
        self._display: Display | None = None
        if begun.config is not begun.yaml and (problem := self._too_lax(config)) is not None:
            raise TooLax([problem])
        self.restart = Restart(outbox, journal, possible=restarts)
        self._snapshot = Snapshot(mqtt.snapshot_key if mqtt is not None else None, journal)
        self._models = ModelOrders(config, journal)
        self.restart.busy = lambda: self._models.busy or fire()
        self.parts: dict[str, Callable[[], Any]] = {"arriving": self._models.arriving}
        disks = {
            "events": config.events.path,
            "gallery": config.gallery.path,
            "models": config.model.store,
        }
        self._upkeep = Upkeep(outbox, disks, self.parts)
        self.desired = DesiredSettings(
            begun,
            outbox,
            journal,
            state,
            self.restart,
            audience=f"{config.site}/{config.terminal}",
            too_lax=self._too_lax,
            serving=lambda: self._serving,
        )

    def handlers(self) -> dict[str, Handler]:
        """By the command's name."""
        return (
            self.restart.handlers()
            | self._upkeep.handlers()
            | self._snapshot.handlers()
            | self._models.handlers()
        )

    def trust(self, keyring: Keyring) -> None:
        """Whose desired settings count from now on."""
        self.desired.verified = lambda payload: keyring.verified(payload, "maintainer", TYP)

    def look(self, frame: Frame) -> None:
        """From the camera's thread."""
        self._snapshot.look(frame)

    def show(self, display: Display) -> None:
        """From the vision thread: what the person at the door sees."""
        self._display = display

    def tick(self) -> None:
        """From the supervisor, once the terminal is ready."""
        self.desired.tick()

    def close(self) -> None:
        """Wait a moment for what is under way; safe twice."""
        self._models.close()

    @property
    def _serving(self) -> bool:
        shown = self._display
        return shown is not None and (shown.enrolling or shown.phase is not Phase.IDLE)

    def _too_lax(self, config: Config) -> str | None:
        return too_lax(config, self._begun.yaml, self._manifest, self._people())
