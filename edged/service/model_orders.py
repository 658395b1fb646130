"""``model.chunk``, ``model.install`` and ``model.rollback``: a bundle that comes over MQTT.

What is long is done by a thread of its own, so that no other command waits: the reply says that
it has begun, an event how it ended.
"""

from __future__ import annotations

import base64
import logging
import os
import shutil
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from edged.bundle.install import install, rollback
from edged.errors import BundleError, EdgedError, RuntimeFault, StorageError
from edged.mqtt.catalogue import Reply
from edged.service.incoming import Incoming
from edged.service.trial import try_out
from edged.service.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.bundle.install import Change
    from edged.bundle.load import Bundle
    from edged.config.schema import Config
    from edged.mqtt.catalogue import Context, Handler, InstallModel, ModelChunk, RollBackModel
    from edged.service.incoming import Part
    from edged.service.journal import Journal

log = logging.getLogger(__name__)

FOLDER = ".incoming"  # no name of a bundle begins with a dot
_NICE = 10
_LONGEST_END_S = 5.0
_BUSY = Reply("refused", "busy", "another installation is under way; wait for its event")


class ModelOrders:
    """Called by `edged.mqtt.commands`, in its thread."""

    def __init__(self, config: Config, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._incoming = Incoming(config.model.store / FOLDER)
        self._worker: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being installed."""
        return self._worker is not None and self._worker.is_alive()

    def arriving(self) -> dict[str, object] | None:
        """What is on its way, for who asks; any thread."""
        part = self._incoming.part()
        return None if part is None else part.document()

    def close(self) -> None:
        """Wait a moment for what is under way; what is cut changes nothing. Safe twice."""
        if self._worker is not None:
            self._worker.join(_LONGEST_END_S)

    def handlers(self) -> dict[str, Handler]:
        """By the command's name."""
        return {
            "model.chunk": self._chunk,
            "model.install": self._install,
            "model.rollback": self._roll_back,
        }

    def _chunk(self, args: ModelChunk, _context: Context) -> Reply:
        if self.busy:
            return _BUSY
        try:
            data = base64.b64decode(args.data, validate=True)
        except ValueError:
            return Reply("refused", "bad_args", "data: not base64")
        part = self._incoming.part()
        if part is None or (part.sha256 != args.sha256 and args.offset == 0):
            if args.offset + len(data) > args.size:
                return Reply("refused", "bad_args", "the piece lies beyond the archive's end")
            part = self._incoming.begin(args.sha256, args.size)
        elif part.sha256 != args.sha256:
            text = "another archive is on its way; the piece at offset 0 takes its place"
            return Reply("refused", "another_archive", text, part.document())
        elif part.size != args.size:
            return Reply("refused", "bad_args", f"size: it was {part.size} before")
        try:
            part = self._incoming.add(part, args.offset, data)
        except BundleError as fault:
            return Reply("refused", "bad_args", str(fault), part.document())
        except StorageError:
            if not self._incoming.archive(part).exists():
                self._incoming.clear()  # somebody tidied up; begin again
            raise
        return Reply(data=part.document())

    def _install(self, args: InstallModel, context: Context) -> Reply:
        if self.busy:
            return _BUSY
        part = self._incoming.part()
        if part is None or part.sha256 != args.sha256:
            data = {} if part is None else part.document()
            return Reply("refused", "no_archive", "no piece of this archive is here", data)
        if not part.complete:
            text = f"{part.size - part.received} bytes are missing"
            return Reply("refused", "incomplete", text, part.document())
        return self._begin("install", context, lambda: self._installed(part, older=args.older))

    def _roll_back(self, args: RollBackModel, context: Context) -> Reply:
        if self.busy:
            return _BUSY
        name = args.name or self._config.model.bundle
        settings = self._config.model
        return self._begin("rollback", context, lambda: rollback(name, settings, self._trial))

    def _begin(self, action: str, context: Context, work: Callable[[], Change]) -> Reply:
        self._worker = threading.Thread(
            target=self._work, args=(action, context, work), name="model-orders", daemon=True
        )
        self._worker.start()
        text = "it has begun; the event model.installed or model.install_failed tells how it ended"
        return Reply("ok", "started", text)

    def _installed(self, part: Part, *, older: bool) -> Change:
        """See `install`. The archive stays until it is installed, or proves to be another one:
        what was only refused need not be sent again."""
        if not self._incoming.is_whole(part):
            self._incoming.clear()
            raise BundleError("the archive is not what its digest says; send it again")
        folder = self._incoming.folder / "unpacked"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            source = unpack(self._incoming.archive(part), folder)
            change = install(source, self._config.model, self._trial, older=older)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._incoming.clear()
        return change

    def _trial(self, bundle: Bundle) -> object:
        return try_out(bundle, self._config.model, self._config.vision)

    def _work(self, action: str, context: Context, work: Callable[[], Change]) -> None:
        """The worker's thread; whoever stands at the door comes first."""
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        told: dict[str, Any] = {"action": action, "command": context.id, "key": context.key_id}
        try:
            change = work()
        except EdgedError as fault:
            self._failed(told, _reason(fault), str(fault))
        except Exception:  # the edge of the thread
            log.exception("a bundle cannot be installed, in a way that nobody foresaw")
            self._failed(told, "internal", "the terminal failed; see its log")
        else:
            self._done(told, change)

    def _done(self, told: dict[str, Any], change: Change) -> None:
        bundle, before = change.bundle, change.before
        model = self._config.model
        used = bundle.manifest.name in (model.bundle, model.detector, model.next)
        log.info("bundle %s is in force after a restart: %s", bundle.identity, used)
        self._journal.record(
            "model.installed",
            **told,
            identity=bundle.identity,
            before=None if before is None else before.identity,
            changed=change.changed,
            used=used,
        )

    def _failed(self, told: dict[str, Any], reason: str, text: str) -> None:
        log.error("a bundle is not installed: %s", text)
        self._journal.record("model.install_failed", **told, reason=reason, text=text[:1000])


def _reason(fault: EdgedError) -> str:
    if isinstance(fault, StorageError):
        return "storage"
    return "runtime" if isinstance(fault, RuntimeFault) else "bundle"
