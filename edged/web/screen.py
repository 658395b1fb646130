"""The page for the terminal's own screen: served on loopback, from a thread of its own."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any

from edged.errors import ScreenError
from edged.web.picture import Picture
from edged.web.stream import Stream
from edged.web.texts import load_texts
from edged.web.view import place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp

    from edged.config.schema import Web
    from edged.types import Frame, Observation
    from edged.web.host import Host
    from edged.web.view import ScreenView

log = logging.getLogger(__name__)
_HOST = "127.0.0.1"
_UNREAD_MS = 30_000
_SEND_BUFFER = 65_536


class Screen:
    """Serves the page, the camera's picture, the view as events, the state and the metrics.

    Args:
        settings: ``web``.
        state: gives what ``/state`` shows; must hold no names. Called from other threads.
        metrics: gives Prometheus text for ``/metrics``, or None. Called from other threads.
        blind: whether the terminal sees nobody at present, for whatever reason. Called from
            another thread, must be quick.
        answer: takes the token of a question and whether the person agreed; False when nobody is
            asked this. Called from another thread. None: there are no buttons.
        read: takes what is typed or pressed: "pin" or "key", and its value. Called from another
            thread. None: there is no pad and no key.
        keys: that say what a punch is, in their order.
        installer: the application that is served below ``/installer``, or None.

    Attributes:
        picture: what the camera sees, or None where the settings do without.
        problems: what is wrong with the installer's texts, known after `open`.
    """

    def __init__(
        self,
        settings: Web,
        state: Callable[[], dict[str, Any]],
        metrics: Callable[[], str] | None = None,
        *,
        blind: Callable[[], bool] = lambda: False,
        answer: Callable[[str, bool], bool] | None = None,
        read: Callable[[str, str], None] | None = None,
        keys: Sequence[str] = (),
        installer: ASGIApp | None = None,
    ) -> None:
        self._settings = settings
        self._state = state
        self._metrics = metrics
        self._answer = answer
        self._read = read
        self._keys = keys
        self._installer = installer
        self._stream = Stream(blind)
        self._host: Host | None = None
        self.picture = Picture() if settings.live_picture else None
        self.problems: list[str] = []

    def show(self, display: ScreenView) -> None:
        """Show this from now on. From any thread, before `open` and after `close` too."""
        self._stream.show(display)

    def look(self, frame: Frame, observation: Observation) -> None:
        """Show this frame, and the ring where its face is. As `show`."""
        self._stream.look(place(frame, observation))
        if self.picture is not None:
            self.picture.look(frame, observation)

    def open(self) -> None:
        """Serve; returns when the page can be asked for.

        Raises:
            ScreenError: the extra is not installed, or the port is taken.
        """
        self.close()
        try:
            from edged.web.app import make_app
            from edged.web.host import Host
        except ImportError as fault:
            raise ScreenError(
                f"web: the page needs starlette and uvicorn ({fault}); pip install 'edged[web]'"
            ) from fault
        languages = load_texts(self._settings.texts)
        self.problems = languages.problems
        app = make_app(
            self._stream,
            self._state,
            self._metrics,
            languages=languages.known,
            picture=self.picture,
            sound=self._settings.sound,
            installer=self._installer,
            answer=self._answer,
            read=self._read,
            pad=self._settings.pin_pad and self._read is not None,
            keys=self._keys if self._read is not None else (),
        )
        self._host = Host(app, self._listen(), "web")
        self._host.open()
        log.info("the page is at http://%s:%d/", _HOST, self._settings.port)

    def close(self) -> None:
        """Stop within seconds, whoever is connected; safe after a failed `open` and twice."""
        if self._host is not None:
            self._host.close()
            self._host = None

    def _listen(self) -> socket.socket:
        port = self._settings.port
        listening = socket.socket()
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Every connection inherits these: little is kept for a browser that does not read,
            # and after a while the kernel cuts it off.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MS)
            listening.bind((_HOST, port))
            listening.listen(128)
        except OSError as fault:
            listening.close()
            raise ScreenError(
                f"web.port: cannot listen on {_HOST}:{port} ({fault.strerror}); is another "
                "daemon running? choose another port"
            ) from fault
        return listening
