"""The recorder of a terminal, made of its parts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edged import __version__
from edged.recording.codec import write_policy
from edged.recording.file import RecordingFile
from edged.recording.items import Header
from edged.recording.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from edged.bundle.manifest import Recogniser
    from edged.config.schema import Config
    from edged.decision.policy import Policy
    from edged.gallery.search import Index
    from edged.gallery.store import Gallery
    from edged.vault.secret import Secret

log = logging.getLogger(__name__)

LOOK_ON_S = 2.0
"""How long a recorded terminal looks on after a decision, so that a replay can ask for more."""

_DAY_S = 86_400.0


def header_of(config: Config, policy: Policy, manifest: Recogniser, identity: str) -> Header:
    """What a replay needs to know, so that it needs no bundle."""
    return Header(
        software=__version__,
        terminal=f"{config.site}/{config.terminal}",
        model=identity,
        size=manifest.outputs.embedding.size,
        decision=config.decision.model_dump(mode="json"),
        policy=write_policy(policy),
        similarity=manifest.similarity.model_dump(mode="json"),
        quality=manifest.quality.model_dump(mode="json"),
    )


def open_recorder(
    config: Config,
    key: Secret,
    header: Header,
    *,
    floor: float,
    index: Index,
    gallery: Gallery,
    on_fault: Callable[[str], object],
    stack: ExitStack,
) -> Recorder | None:
    """The recorder that the configuration asks for, at work until the stack unwinds.

    Raises:
        StorageError: it cannot be; a door without its recording is still a door.
    """
    settings = config.recording
    if settings is None:
        return None
    file = RecordingFile(settings.path, key)
    stack.callback(file.close)
    file.open(make=True)
    recorder = Recorder(
        file,
        header,
        floor=floor,
        index=index,
        enrolled=lambda: {person.id for person in gallery.people()},
        keep_s=settings.keep_days * _DAY_S,
        largest_bytes=settings.largest_mb << 20,
        on_fault=on_fault,
    )
    stack.callback(recorder.close)
    recorder.open()
    log.info("recording what is decided to %s", settings.path)
    return recorder
