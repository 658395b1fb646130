"""The daemon's work on recorded frames, without its camera, threads and site."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from edged.config.schema import Config
from edged.decision.presentation import Kind, Phase
from edged.door.table import make_door
from edged.events.outbox import Outbox
from edged.gallery.store import Gallery
from edged.service.display import Display
from edged.service.guided import EnrolmentRequest
from edged.service.journal import Journal
from edged.service.metrics import Metrics
from edged.service.state import State
from edged.service.terminal import Terminal
from edged.types import Frame
from edged.vault.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from edged.decision.policy import Policy
    from edged.events.types import Event
    from edged.gallery.search import Index
    from edged.service.engine import Engine
    from edged.types import Image

RATE_HZ = 15.0

_SETTINGS = {
    "site": "bench",
    "terminal": "bench",
    "camera": {"driver": "replay", "source": "none"},
    "key": {"credential": "none"},
    "door": {"driver": "simulated"},
}


class Rig:
    """Real gallery, outbox and terminal in a folder, under a key of their own.

    Attributes:
        gallery: encrypted, empty at first.
        index: of the engine's model, in step with the gallery.
    """

    def __init__(self, engine: Engine, policy: Policy, folder: Path) -> None:
        self._engine = engine
        self._policy = policy
        self._config = Config.model_validate(_SETTINGS)
        key = Secret(os.urandom(32))
        self._outbox = Outbox(folder / "events.db", key, self._config.events.capacity)
        self._door = make_door(self._config.door)
        self._stack = ExitStack()
        self.gallery = Gallery(folder / "gallery.db", key)
        self.index: Index

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for part in (self._door, self._outbox, self.gallery):
                stack.callback(part.close)
                part.open()
            size = self._engine.manifest.outputs.embedding.size
            self.index = self.gallery.index(self._engine.identity, size)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def enrol(self, person_id: str, images: Iterable[Image]) -> bool:
        """Enrol whoever is on the frames at the terminal; whether that came to its end."""
        gallery = self._config.gallery
        terminal = self._terminal()
        terminal.enrolling.begin(
            EnrolmentRequest(
                person_id,
                gallery.enrolment_views,
                gallery.enrolment_timeout_s,
                "bench",
                turn_s=0.0,  # a recording hears nothing
            )
        )
        return any(event.type == "enrol.completed" for _, event in self._play(terminal, images))

    def present(self, images: Iterable[Image]) -> Iterator[tuple[int, Event]]:
        """Show frames to a terminal that has seen nobody before: what it records about access,
        with the number of the frame, from 1 on."""
        kinds = {kind.value for kind in Kind}
        for number, event in self._play(self._terminal(), images):
            if event.type in kinds:
                yield number, event

    def watch(self, images: Iterable[Image]) -> Iterator[tuple[Display, list[Event]]]:
        """Show frames to a terminal that has seen nobody before: after each, what the person is
        to see, and what was recorded."""
        shown = [Display(Phase.IDLE)]
        for events in self._frames(self._terminal(shown.append), images):
            yield shown[-1], events

    def _terminal(self, on_display: Callable[[Display], None] = lambda _: None) -> Terminal:
        lowest = self._engine.manifest.quality.minimum.access
        return Terminal(
            self._config,
            self._policy,
            identity=self._engine.identity,
            quality=self._engine.manifest.quality.quality,
            enrolment_quality=max(lowest, self._policy.minimum_quality),
            gallery=self.gallery,
            index=self.index,
            door=self._door,
            journal=Journal(self._outbox, State()),
            metrics=Metrics(),
            on_display=on_display,
        )

    def _play(self, terminal: Terminal, images: Iterable[Image]) -> Iterator[tuple[int, Event]]:
        for number, events in enumerate(self._frames(terminal, images), start=1):
            for event in events:
                yield number, event

    def _frames(self, terminal: Terminal, images: Iterable[Image]) -> Iterator[list[Event]]:
        vision = self._engine.vision(self._policy)
        for n, image in enumerate(images):
            terminal.process(Frame(image, n / RATE_HZ, n), vision)
            events = self._outbox.pending()
            self._outbox.acknowledge([event.seq for event in events])
            yield events
