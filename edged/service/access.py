"""Whether who is known is let in: the parts that have a say in it, put together.

Opened in this order, closed in reverse. A part that the configuration does not ask for is None.
Each is made in a few lines of `AccessParts`; what it does stands in its own file.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from edged.access.request import Reading
from edged.access.rulebook import Rulebook
from edged.access.zone import source_of
from edged.config.access import Access
from edged.gallery.credentials import Credentials
from edged.service.access_desk import AccessDesk
from edged.service.areas import Areas
from edged.service.attendance import Punches
from edged.service.interlock import Interlock, make_interlock
from edged.service.panel import PanelLine
from edged.service.qr_eye import QrEye
from edged.service.readers import Readers
from edged.service.visitors import Visitors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edged.config.load import Lines
    from edged.config.schema import Config
    from edged.decision.policy import Policy
    from edged.events.outbox import Outbox
    from edged.events.trusted import TrustedTime
    from edged.gallery.search import Index
    from edged.gallery.store import Gallery
    from edged.mqtt.auth import Keyring
    from edged.mqtt.catalogue import Handler
    from edged.service.door_mode import DoorMode
    from edged.service.doorway import Doorway
    from edged.service.journal import Journal
    from edged.service.part import Part
    from edged.service.state import State
    from edged.types import Frame
    from edged.vault.identity import Identity
    from edged.vault.secret import Secret

P = TypeVar("P", bound="Part")

PAGE = "page"
"""What the terminal's own page is called as a reader."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class House:
    """What the parts may use of the daemon; opened before them and closed after them.

    Attributes:
        lines: of the configuration's file; None: no line is named.
        index: of the model in use.
        doorway: records a decision, and opens.
    """

    config: Config
    lines: Lines | None
    key: Secret
    identity: Identity
    outbox: Outbox
    time: TrustedTime
    gallery: Gallery
    index: Index
    policy: Policy
    mode: DoorMode
    journal: Journal
    state: State
    doorway: Doorway


class AccessParts:
    """All of them as one.

    Attributes:
        panel: takes `granted(person_id)`; see `edged.service.panel`.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._stack = ExitStack()
        self._parts: list[Part] = []
        self.rulebook: Rulebook
        self.credentials = Credentials(house.gallery, house.time.now)
        self.areas: Areas | None = None
        self.visitors: Visitors | None = None
        self.punches: Punches | None = None
        self.readers: Readers | None = None
        self.interlock: Interlock | None = None
        self.panel: PanelLine | None = None
        self.eye: QrEye | None = None
        self.desk: AccessDesk

    def open(self) -> None:
        """Open what the configuration asks for.

        Raises:
            EdgedError: a part can never work as it is configured; all are closed again.
        """
        house, config = self._house, self._house.config
        try:
            self.rulebook = Rulebook.of(config, house.lines)
            self._open_interlock()
            self.visitors = self._add(
                Visitors(config, house.outbox, self.credentials, house.time, house.journal)
            )
            self.areas = self._add(
                Areas(
                    config,
                    house.key,
                    house.outbox,
                    house.journal,
                    house.state,
                    house.time,
                    on_code=self.visitors.mark_used,
                )
            )
            self._open_attendance()
            self.desk = self._add(AccessDesk(house, self))
            self._open_panel()
            self._open_eye()
            # last of all: whoever reads finds everything else at work
            self.readers = Readers(config, self.desk.read, house.journal, house.state)
            self._add(self.readers)
        except BaseException:
            self.close()
            raise

    def _open_interlock(self) -> None:
        house = self._house
        interlock = make_interlock(house.config, house.identity, house.state)
        if interlock is not None:
            self.interlock = self._add(interlock)
            house.mode.interlocked_with(interlock)

    @property
    def subscriptions(self) -> Mapping[str, Callable[[bytes], None]]:
        """Topics that the link is to hear for these parts."""
        return {} if self.interlock is None else self.interlock.subscriptions

    def connect(self, send: Callable[[str, bytes], bool]) -> None:
        """How these parts say something on a topic."""
        if self.interlock is not None:
            self.interlock.connect(send)

    def _open_attendance(self) -> None:
        house = self._house
        if house.config.attendance is not None:
            punches = Punches(
                house.config.attendance,
                house.outbox,
                house.journal,
                house.state,
                in_force=self.rulebook.calendar.in_force,
                zone=source_of(house.config),
                known=self.credentials.known,
                wall=house.time.wall,  # by which events have their times
            )
            self.punches = self._add(punches)

    def _open_panel(self) -> None:
        house = self._house
        config = house.config
        if config.panel is not None:
            name = f"{config.site}/{config.terminal}"
            self.panel = PanelLine(
                config.panel,
                name,
                self.credentials,
                house.journal,
                house.state,
                self.desk.panel_said,
            )
            self._add(self.panel)

    def _open_eye(self) -> None:
        access = self._house.config.access
        if access is not None and access.qr is not None:
            self.eye = self._add(QrEye(self.desk.read, access.direction))

    def _add(self, part: P) -> P:
        self._stack.callback(part.close)
        part.open()
        self._parts.append(part)
        return part

    def trust(self, keyring: Keyring) -> None:
        """The keys that count for the site's orders: some may sign visitors' codes."""
        if self.visitors is not None:
            self.visitors.trust(keyring)

    def typed(self, kind: str, value: str) -> None:
        """From the page's thread: a PIN, or a key that says what a punch is."""
        access = self._house.config.access or Access()
        what: Literal["pin", "key"] = "key" if kind == "key" else "pin"
        self.desk.read(Reading(PAGE, what, value, access.direction, time.monotonic()))

    def tick(self) -> None:
        """From the supervisor, every half second."""
        for part in self._parts:
            part.tick()

    def handlers(self) -> dict[str, Handler]:
        """The commands of all parts."""
        return {name: handler for part in self._parts for name, handler in part.handlers().items()}

    def look(self, frame: Frame) -> None:
        """From the camera's thread: whoever wants it takes a reference, and returns."""
        if self.eye is not None:
            self.eye.look(frame)

    def close(self) -> None:
        """Close all; safe twice and after a failed `open`."""
        self._parts.clear()
        self._stack.close()
