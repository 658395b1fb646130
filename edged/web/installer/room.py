"""The installer's page as a part of the terminal: fed by the vision thread, opened and closed."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from edged.errors import InstallerError, ScreenError
from edged.web.installer.desk import Desk
from edged.web.installer.ear import Ear
from edged.web.installer.password import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.applications import Starlette
    from starlette.types import ASGIApp

    from edged.config.schema import Installer, Vision
    from edged.decision.presentation import Step
    from edged.types import Frame, FusedMatch, Observation
    from edged.web.host import Host

log = logging.getLogger(__name__)


class InstallerPage:
    """What `settings` ask for: an application for the screen's server, or a socket of its own.

    Args:
        settings: ``web.installer``.
        limits: ``vision``.
        terminal: its name, for the page's head.
        floor: the quality that a view must have to count, 0-1.
        wanted_hz: the camera's configured rate; None where it has none.
        on_fault: told, once, when the page can take in nothing more.
        now: monotonic seconds.

    Attributes:
        app: for the screen to serve below ``/installer``, after `open`; None with a socket.
    """

    def __init__(
        self,
        settings: Installer,
        limits: Vision,
        *,
        terminal: str,
        floor: float,
        wanted_hz: float | None,
        on_fault: Callable[[str], object] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._terminal = terminal
        self._floor = floor
        self._wanted_hz = wanted_hz
        self._on_fault = on_fault
        self._now = now
        self._desk = Desk(images=settings.images, person_ids=settings.person_ids, now=now)
        self._failed = False
        self._ear: Ear | None = None
        self._host: Host | None = None
        self.app: ASGIApp | None = None

    def look(self, frame: Frame, observation: Observation) -> None:
        """Take note of a frame. On the vision thread; never raises."""
        if not self._failed:
            try:
                self._desk.look(frame, observation)
            except Exception as fault:  # noqa: BLE001 - the edge to the vision thread
                self._fail(fault)

    def step(self, observation: Observation, fused: FusedMatch | None, step: Step) -> None:
        """Take note of what was decided on that frame. On the vision thread; never raises."""
        if not self._failed:
            try:
                self._desk.step(observation, fused, step)
            except Exception as fault:  # noqa: BLE001 - the edge to the vision thread
                self._fail(fault)

    def open(self) -> None:
        """Read the password file, or listen at the socket.

        Raises:
            InstallerError: the extra is not installed, the file is unusable, or the socket is.
        """
        self.close()
        if self._settings.password_file is not None:
            read(self._settings.password_file)
        try:
            app = self._make()
            if self._settings.socket is None:
                self.app = app
            else:
                self._serve(app, self._settings.socket)
                log.info("the installer's page is at %s", self._settings.socket)
        except ImportError as fault:
            raise InstallerError(
                f"web.installer: the page needs starlette and uvicorn ({fault}); "
                "pip install 'edged[web]'"
            ) from fault

    def close(self) -> None:
        """Stop; safe after a failed `open` and twice. With a password the screen's server stops."""
        self.app = None
        host, self._host = self._host, None
        if host is not None:
            host.close()
        ear, self._ear = self._ear, None
        if ear is not None:
            ear.close()

    def _make(self) -> Starlette:
        from edged.web.installer.app import make_app
        from edged.web.installer.feed import Feed
        from edged.web.installer.login import Door
        from edged.web.installer.page import Facts

        settings, limits = self._settings, self._limits
        path = settings.password_file
        facts = Facts(
            terminal=self._terminal,
            floor=self._floor,
            near_px=limits.near_face_px,
            dark=limits.dark_level,
            bright=limits.bright_level,
            images=settings.images,
            password=path is not None,
        )
        feed = Feed(self._desk, limits, self._floor, self._wanted_hz, images=settings.images)
        door = None if path is None else Door(lambda: read(path), self._now)
        return make_app(self._desk, feed, facts, door)

    def _serve(self, app: Starlette, path: Path) -> None:
        """Below the same path as on the screen's server."""
        from edged.web.host import Host
        from edged.web.installer.app import alone

        self._ear = Ear(path)
        host = Host(alone(app), self._ear.open(), "installer")
        try:
            host.open()
        except ScreenError as fault:
            self.close()
            raise InstallerError(f"web.installer.socket: {fault}") from fault
        self._host = host

    def _fail(self, fault: Exception) -> None:
        """The door works on without this page."""
        self._failed = True
        log.error("the installer's page failed; it takes in nothing more", exc_info=fault)
        self._on_fault("the installer's page failed; see the log")
