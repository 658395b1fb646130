"""Photos read and embedded in several threads, each with networks of its own."""

from __future__ import annotations

import hashlib
import queue
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from edged.camera.images import decode_image, read_bytes
from edged.errors import ImageError
from edged.service.beside import Beside
from edged.service.engine import Engine
from edged.service.photos import Refused, View, look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from edged.config.schema import Config
    from edged.gallery.store import Gallery
    from edged.service.ledger import Entry
    from edged.service.sources import Photo, Someone

    Settled = Callable[[str, str], Entry | Refused | None]

_AHEAD = 8  # photos a worker that may wait to be decided about


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What was found in a photo: a view, why there is none, or what is settled already; and the
    digest of its bytes, where they could be read."""

    photo: Photo
    found: View | Refused | Entry
    digest: str | None = None


class Workers:
    """Engines of one thread each and the threads to use them: the networks compute without
    Python's lock, so threads do what processes would.

    Args:
        gallery: open by then; says whether people move to another network.
    """

    def __init__(self, config: Config, number: int, gallery: Gallery | None = None) -> None:
        self._config = config
        self._gallery = gallery
        self._number = number
        self._stack = ExitStack()
        self._idle: queue.SimpleQueue[tuple[Engine, Beside]] = queue.SimpleQueue()
        self.engine: Engine
        self.beside: Beside

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Open the networks; `engine` is one of them, for what is to be known of the model, and
        `beside` what goes with it.

        Raises:
            BundleError, RuntimeFault: they do not open.
        """
        model = self._config.model.model_copy(update={"threads": 1})
        config = self._config.model_copy(update={"model": model})
        try:
            for _ in range(self._number):
                self.engine = self._stack.enter_context(Engine(model, config.vision))
                self.beside = self._stack.enter_context(Beside(config, self.engine, self._gallery))
                self._idle.put((self.engine, self.beside))
            self._pool = ThreadPoolExecutor(self._number, thread_name_prefix="import")
            self._stack.callback(self._pool.shutdown, cancel_futures=True)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End what is under way; safe after a failed `open`, and twice."""
        self._stack.close()

    def look(
        self, people: Iterable[Someone], floor: float, settled: Settled
    ) -> Iterator[tuple[Someone, list[Looked]]]:
        """Everybody with all their photos, in order, while the workers run ahead.

        Args:
            floor: the least quality of a view.
            settled: what is known of an image, by the person's id and its digest; None: it is
                to be looked at. Called in the workers' threads.

        Raises:
            RuntimeFault: an inference runtime failed.
        """
        waiting: deque[tuple[Someone, list[Future[Looked]]]] = deque()
        ahead = 0
        for someone in people:
            futures = [
                self._pool.submit(self._look, someone.id, photo, floor, settled)
                for photo in someone.photos
            ]
            waiting.append((someone, futures))
            ahead += len(futures)
            while ahead > _AHEAD * self._number:
                first, futures = waiting.popleft()
                ahead -= len(futures)
                yield first, [future.result() for future in futures]
        for first, futures in waiting:
            yield first, [future.result() for future in futures]

    def _look(self, person_id: str, photo: Photo, floor: float, settled: Settled) -> Looked:
        if photo.refused is not None:
            return Looked(photo, Refused(*photo.refused))
        digest = None
        try:
            data = read_bytes(photo.path)
            digest = hashlib.sha256(data).hexdigest()
            known = settled(person_id, digest)
            if known is not None:
                return Looked(photo, known, digest)
            image = decode_image(data, str(photo.path))
        except ImageError as fault:
            text = str(fault).removeprefix(f"{photo.path}: ")
            return Looked(photo, Refused("unreadable", text), digest)
        engine, beside = self._idle.get()
        try:
            return Looked(photo, look(engine, image, floor, beside.again), digest)
        finally:
            self._idle.put((engine, beside))
