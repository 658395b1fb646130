"""When the gallery destroys itself, and what the terminal says and does then.

The event ``gallery.wiped`` is recorded after the destruction, so that it never claims what is not
so, and once: its id is that of the wipe, and whoever starts the terminal next makes up for it.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from edged.door.tamper import make_tamper
from edged.errors import EdgedError, GalleryError, StorageError, WrongKey
from edged.events.outbox import Outbox, make_outbox
from edged.gallery import wipe as ending
from edged.gallery.store import make_gallery
from edged.mqtt.catalogue import Reply
from edged.service.areas_store import areas_path
from edged.vault.files import replaced
from edged.vault.keys import load_key
from edged.vault.note import note_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack
    from pathlib import Path

    from edged.config.schema import Config
    from edged.gallery.store import Gallery
    from edged.mqtt.catalogue import Context, Handler, WipeGallery
    from edged.service.state import State

log = logging.getLogger(__name__)


class Wiping:
    """The terminal's side of it. Any thread may call `wipe`.

    Args:
        end_recording: ends the recording of what is decided, which holds templates; safe twice.
    """

    def __init__(
        self,
        config: Config,
        gallery: Gallery,
        outbox: Outbox,
        state: State,
        end_recording: Callable[[], None],
    ) -> None:
        self._config = config
        self._gallery = gallery
        self._outbox = outbox
        self._state = state
        self._end_recording = end_recording
        self._lock = threading.Lock()
        self._settled = False

    def open_gallery(self) -> None:
        """Open the gallery, after making an end of a wipe that was interrupted.

        Raises:
            WrongKey: the key does not open it; so many of them in a row wipe it, where
                ``gallery.wipe.wrong_keys`` says so.
            StorageError: as `Gallery.open`.
        """
        try:
            with self._lock:
                _finish(self._config)
        except StorageError as fault:  # nobody opens it all the same, and `tick` tries again
            log.error("the gallery cannot be wiped: %s", fault)
        try:
            self._gallery.open()
        except WrongKey as fault:
            if not self._one_too_many():
                raise
            raise WrongKey(
                f"{fault}; it was the last of {self._config.gallery.wipe.wrong_keys} starts in a "
                "row with a wrong key, so the gallery was wiped"
            ) from fault
        self._counter.unlink(missing_ok=True)

    def watch(self, stack: ExitStack) -> None:
        """Heed the switch at the case until the stack unwinds; one that is open now counts."""
        settings = self._config.gallery.wipe.tamper
        if settings is None:
            return
        tamper = make_tamper(settings, self._tampered, self._line_changed)
        stack.callback(tamper.close)
        tamper.open()

    def wipe(self, reason: str) -> ending.Wiped:
        """Destroy the gallery; from the first moment nobody is found any more.

        Raises:
            StorageError: something is still there; it is tried again.
        """
        wiped = self._gallery.wipe(reason)
        self._settle(wiped)
        return wiped

    def tick(self) -> None:
        """After a wipe, whoever ordered it: see that nothing is left, and tell; else nothing."""
        wiped = self._gallery.wiped
        if wiped is None or self._settled:
            return
        try:
            self._settle(wiped)
        except StorageError as fault:
            if self._state.degrade("wipe", str(fault)):
                log.error("the gallery is wiped, and that is not all: %s", fault)
        else:
            self._state.restore("wipe")

    def _settle(self, wiped: ending.Wiped) -> None:
        self._state.degrade("gallery", ending.describe(wiped))
        with self._lock:
            self._end_recording()
            _finish(self._config)
            found = ending.read_wiped(self._config.gallery.path)
            self._settled = found is None or tell(self._config, self._outbox)

    def handlers(self) -> dict[str, Handler]:
        """By the command's name."""
        return {"gallery.wipe": self._ordered}

    def _ordered(self, args: WipeGallery, _context: Context) -> Reply:
        here = f"{self._config.site}/{self._config.terminal}"
        if args.confirm != here:
            return Reply("refused", "not_confirmed", f"this is {here}; confirm says another name")
        if self._gallery.wiped is not None:
            return Reply(text="it was wiped before", data={"people": 0})
        wiped = self.wipe("command")
        return Reply(text="nobody is enrolled any more", data={"people": wiped.people})

    def _tampered(self) -> None:
        if self._gallery.wiped is None:
            log.error("the case was opened: the gallery destroys itself")
        try:
            self.wipe("tamper")
        except StorageError as fault:
            log.error("the gallery cannot be wiped: %s", fault)
            self._state.degrade("gallery", str(fault))

    def _line_changed(self, fault: str | None) -> None:
        if fault is None:
            if self._state.restore("tamper"):
                log.warning("the switch at the case can be read again")
        elif self._state.degrade("tamper", fault):
            log.error("the switch at the case cannot be read: %s", fault)

    @property
    def _counter(self) -> Path:
        path = self._config.gallery.path
        return path.with_name(path.name + ".wrong-keys")

    def _one_too_many(self) -> bool:
        """Count a start with a wrong key; whether the gallery was wiped for it."""
        settings = self._config.gallery
        most = settings.wipe.wrong_keys
        if most is None or note_of(settings.keys_path).exists():  # a key that is being changed
            return False
        before = _read_count(self._counter)
        count = before + 1 if 0 < before < most else 1
        log.error("start %d of %d in a row with a wrong key", count, most)
        if count < most:
            with replaced(self._counter) as draft:
                draft.write_text(f"{count}\n", encoding="ascii")
            return False
        ending.wipe(settings.path, settings.keys_path, ending.new_wipe("wrong_keys", None))
        _finish(self._config)
        self._counter.unlink(missing_ok=True)
        return True


def wipe_from_outside(config: Config, reason: str) -> ending.Wiped:
    """Destroy a terminal's gallery, whether the terminal runs or not, with its key or without.

    Raises:
        GalleryError: there is none.
        StorageError: something is still there.
    """
    settings = config.gallery
    if ending.read_wiped(settings.path) is None:
        if not settings.path.exists() and not settings.keys_path.exists():
            raise GalleryError(f"{settings.path}: there is no gallery to be wiped")
        made = ending.new_wipe(reason, _headcount(config))
        ending.wipe(settings.path, settings.keys_path, made)
    wiped = _finish(config)
    assert wiped is not None  # noqa: S101  # it was begun
    _tell_from_outside(config)
    return wiped


def begin_anew(config: Config) -> bool:
    """Before a gallery is made: make an end of a wipe, and take its note away; whether there was
    one.

    Raises:
        StorageError: something of the old gallery is still there, or the event about its end
            cannot be recorded.
    """
    path = config.gallery.path
    if _finish(config) is None:
        return False
    outbox = make_outbox(config.events, load_key(config.key))
    try:
        outbox.open()
        tell(config, outbox)
    finally:
        outbox.close()
    ending.forget_wipe(path)
    return True


def tell(config: Config, outbox: Outbox) -> bool:
    """Record the event about a wipe that is done, once; whether that is so now.

    Raises:
        StorageError: not yet.
    """
    wiped = ending.read_wiped(config.gallery.path)
    if wiped is None or not wiped.done:
        return False
    if not wiped.told:
        data = {"reason": wiped.reason, "at": wiped.at, "people": wiped.people}
        outbox.append_once("gallery.wiped", data, wiped.id)
        ending.note_told(config.gallery.path, wiped)
    return True


def _finish(config: Config) -> ending.Wiped | None:
    also = [areas_path(config)]
    also += [] if config.recording is None else [config.recording.path]
    return ending.finish(config.gallery.path, config.gallery.keys_path, also)


def _headcount(config: Config) -> int | None:
    try:
        gallery = make_gallery(config.gallery, load_key(config.key))
        try:
            gallery.open()
            return len(gallery.people())
        finally:
            gallery.close()
    except EdgedError:
        return None


def _tell_from_outside(config: Config) -> None:
    """Where that cannot be, the terminal does it when it starts."""
    try:
        if not config.events.path.exists():
            return
        outbox = make_outbox(config.events, load_key(config.key))
        try:
            outbox.open()
            tell(config, outbox)
        finally:
            outbox.close()
    except EdgedError as fault:
        log.warning("the event about it is for the next start: %s", fault)


def _read_count(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii")[:10])
    except (OSError, ValueError):
        return 0
