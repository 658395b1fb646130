"""The network of `model.next`: opened beside the one in use, and no worry of the door's."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from edged.errors import BundleError, RuntimeFault
from edged.service.engine import Engine
from edged.service.moving import overlap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edged.bundle.manifest import Recogniser
    from edged.config.schema import Config
    from edged.types import Image, Point, RiskPoint, Second

log = logging.getLogger(__name__)

_REOPEN_S = 30.0


def check_next(engine: Engine, curve: Sequence[RiskPoint]) -> None:
    """Refuse an open engine that nobody can move to.

    Args:
        engine: of the next bundle.
        curve: the risk curve of the one in use.

    Raises:
        BundleError: it merely stands in, or its similarities cannot be compared.
    """
    if engine.passed_over:
        raise BundleError("\n".join(engine.passed_over))
    if not overlap(engine.manifest.similarity.risk, curve):
        raise BundleError(
            f"{engine.identity}: its table of false matches and that of the bundle in use have no "
            "rate in common; measure it anew"
        )


class NextNetwork:
    """A second recogniser that is given what the first one was; `see` is the vision thread's.

    Args:
        engine: of the bundle in use, open.
        on_fault: called with why the network does not run any more.

    Attributes:
        active: whether it is looked with; false until somebody sets it.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        on_fault: Callable[[str], object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._first = engine
        self._on_fault = on_fault
        self._now = now
        self._running = threading.Lock()  # while it runs, and while it is closed or opened
        self._engine: Engine | None = None
        self._tried_s = now()
        self.identity = ""
        self.active = False
        self.lost = False

    def open(self, name: str) -> Recogniser | None:
        """Open, test and warm it; None: it is the bundle in use.

        Raises:
            BundleError: it is not trusted, unfit, or has no risk in common with the first.
            RuntimeFault: the runtime refuses it.
        """
        settings = self._config.model.model_copy(update={"bundle": name})
        engine = self._engine = Engine(settings, self._config.vision, detects=False)
        try:
            engine.open()
            check_next(engine, self._first.manifest.similarity.risk)
        except BaseException:
            self.close()
            raise
        self.identity = engine.identity
        if engine.identity == self._first.identity:
            self.close()
            return None
        form = engine.manifest.input
        engine.embedder.embed(np.full((form.height_px, form.width_px, 3), 127, np.uint8))
        return engine.manifest

    def close(self) -> None:
        """Let go of it; safe at any time, and twice."""
        self.active = False
        with self._running:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.__exit__()

    def see(self, image: Image, landmarks: Sequence[Point], chip: Image) -> Second | None:
        """What it makes of a view that the first was given as `chip`; None while it rests."""
        if not self.active:
            return None
        try:
            with self._running:
                if self._engine is None:
                    return None
                return self._engine.see_again(image, landmarks, chip, self._first.embedder)
        except RuntimeFault as fault:
            self.active, self.lost = False, True
            self._on_fault(str(fault))
            return None

    def reopen(self) -> bool:
        """After a fault, now and then; whether it runs again."""
        if self._engine is None or self._now() - self._tried_s < _REOPEN_S:
            return False
        self._tried_s = self._now()
        try:
            with self._running:
                self._engine.close()
                self._engine.open()
        except (BundleError, RuntimeFault) as fault:
            self._on_fault(str(fault))
            return False
        self.lost = False
        log.warning("the next bundle runs again")
        return True
