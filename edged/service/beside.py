"""For commands that enrol from photos: templates of the next bundle too, while people move."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from edged.errors import EdgedError
from edged.service import move_record
from edged.service.next_network import NextNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.config.schema import Config
    from edged.gallery.people import Enrolment
    from edged.gallery.store import Gallery
    from edged.service.engine import Engine
    from edged.types import Image, Point, Second

log = logging.getLogger(__name__)


def twinned(
    enrolment: Enrolment, second: Second | None, identity: str | None, least: float
) -> list[Enrolment]:
    """An enrolment, and the same by the next network where that trusts the view.

    Args:
        identity: of the next bundle; None: nobody moves.
        least: the quality that it asks of an enrolled view.
    """
    if identity is None or second is None or not second.quality >= least:
        return [enrolment]
    other = replace(enrolment, embedding=second.embedding, model=identity, quality=second.quality)
    return [enrolment, other]


class Beside:
    """The next network beside a command's engine. Where there is none, it cannot be used or its
    move was undone, people are enrolled with the one in use, and move later."""

    def __init__(self, config: Config, engine: Engine, gallery: Gallery | None) -> None:
        self._config = config
        self._gallery = gallery
        self._network = NextNetwork(config, engine, lambda why: log.warning("%s", why))
        self._identity: str | None = None
        self._least = 1.0

    def __enter__(self) -> Self:
        name = self._config.model.next
        if name is not None and self._gallery is not None:
            try:
                self._open(name, self._gallery)
            except EdgedError as fault:
                self._network.close()
                log.warning("the next bundle is not used: %s", "; ".join(str(fault).splitlines()))
        return self

    def __exit__(self, *_: object) -> None:
        self._network.close()

    def _open(self, name: str, gallery: Gallery) -> None:
        manifest = self._network.open(name)
        if manifest is None:
            return
        record = move_record.read(gallery, self._network.identity)
        if record is not None and record.status == "rolled_back":
            self._network.close()
            return
        self._identity = self._network.identity
        self._least = manifest.quality.minimum.access
        self._network.active = True

    def again(self, image: Image, landmarks: Sequence[Point], chip: Image) -> Second | None:
        """What the next network makes of a view; see `Vision`."""
        return self._network.see(image, landmarks, chip)

    def twin(self, enrolment: Enrolment, second: Second | None) -> list[Enrolment]:
        """What is stored of a view; also when this is closed."""
        return twinned(enrolment, second, self._identity, self._least)
