"""A bundle, opened and run as the terminal would, before a door depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edged.service.engine import Engine

if TYPE_CHECKING:
    from edged.bundle.load import Bundle
    from edged.bundle.selftest import Outcome
    from edged.config import schema
    from edged.runtime.base import RunnerInfo


@dataclass(frozen=True, slots=True)
class Trial:
    """What ran the recogniser, and how its self-test went (None: it has none)."""

    ran: RunnerInfo
    selftest: Outcome | None


def try_out(bundle: Bundle, model: schema.Model, limits: schema.Vision) -> Trial:
    """Open a recogniser or a detector with its other half, and run every network once.

    Raises:
        BundleError: it is not trusted, does not fit its manifest or fails its self-test.
        RuntimeFault: the runtime refuses it.
    """
    role = "detector" if bundle.manifest.kind == "detector" else "bundle"
    # by its path: nothing may stand in for it
    settings = model.model_copy(update={role: str(bundle.folder.resolve())})
    with Engine(settings, limits) as engine:
        engine.warm_up(np.full((480, 640, 3), 128, np.uint8))
        return Trial(engine.runner_info, engine.selftest if role == "bundle" else None)
