"""Templates that follow people who agreed to it: slowly, not far, and not for good."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from edged.camera.mailbox import Mailbox
from edged.decision.policy import fmr_at, similarity_at
from edged.decision.presentation import Kind
from edged.errors import GalleryError, StorageError
from edged.gallery.choose import ADAPTED
from edged.gallery.neighbours import keep_lookalikes
from edged.gallery.sealed import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edged.config import schema
    from edged.decision.policy import Policy
    from edged.decision.presentation import Step
    from edged.gallery.search import Index
    from edged.gallery.store import Gallery
    from edged.service.journal import Journal
    from edged.types import Floats, FusedMatch

log = logging.getLogger(__name__)

BEYOND = 100.0
"""How many times rarer an impostor's similarity must be than the threshold asks, both to the
person's row and to what they were enrolled with."""

APART_S = 86_400.0
"""Between two adapted templates of a person."""

_END_S = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Granted:
    """Somebody was let in beyond doubt.

    Attributes:
        template: of all views, fused: unit-length float32 (d,).
        bar: the similarity to what they were enrolled with that the template must reach.
    """

    person_id: str
    template: Floats = field(repr=False)
    similarity: float
    quality: float
    bar: float


def beyond_doubt(
    fused: FusedMatch | None, step: Step, policy: Policy, quality: float
) -> Granted | None:
    """What may be learnt from a frame: from a grant by one network, of somebody who resembles
    nobody else, far above the threshold and of high quality.

    Args:
        fused: what the evidence said.
        step: what was decided.
        quality: the least of the evidence, 0-1.
    """
    outcome = step.outcome
    if fused is None or fused.template is None or outcome is None:
        return None
    if fused.match.claimed:  # a threshold for one person proves too little for that
        return None
    if outcome.kind is not Kind.GRANTED or outcome.threshold is None or outcome.lookalike:
        return None
    best = fused.match.candidates[0]
    bar = similarity_at(fmr_at(outcome.threshold, policy.curve) / BEYOND, policy.curve)
    if best.lookalike or not (bar <= best.similarity <= 1 and quality <= fused.quality <= 1):
        return None
    return Granted(best.person_id, fused.template, best.similarity, fused.quality, bar)


def followed(kept: Sequence[Kept], seen: Granted, now_s: float, limit: int) -> list[Kept] | None:
    """A person's templates with one that was adapted, which replaces the one before; None: they
    stay as they are.

    It is held against what was enrolled, never against what was adapted before, and does not
    weigh more than that. So the person's row never turns by more than half the angle whose
    cosine is the bar, however often and by whomever it is tried.

    Args:
        kept: what the person has of the model, the oldest first, in the network's space.
        now_s: Unix seconds.
        limit: templates that a person may have of a model.
    """
    enrolled = [one for one in kept if one.source != ADAPTED]
    adapted = [one for one in kept if one.source == ADAPTED]
    if not 0 < len(enrolled) < limit or any(
        now_s - _unix(one.created) < APART_S for one in adapted
    ):
        return None
    total = np.sum([one.embedding for one in enrolled], axis=0, dtype=np.float64)
    length = float(np.linalg.norm(total))
    if length < 1 or not float(seen.template @ total) >= seen.bar * length:
        return None
    new = Kept(seen.template, seen.quality, ADAPTED, _written(now_s))
    return [*enrolled, new]


def revert(gallery: Gallery, people: Iterable[str]) -> dict[str, int]:
    """Drop what was adapted of these people, of every model; by id how many templates that were.

    Raises:
        GalleryError: somebody is not enrolled, or was changed meanwhile.
        DiskFull, StorageError: those before were reverted, this one was not.
    """
    dropped: dict[str, int] = {}
    for person_id in people:
        revision, person = gallery.revision, gallery.person(person_id)
        if person is None:
            raise GalleryError(f"nobody is enrolled as {person_id!r}; see `edged gallery list`")
        for model in person.templates:
            kept = gallery.kept(person_id, model)
            stay = [one for one in kept if one.source != ADAPTED]
            if 0 < len(stay) < len(kept):
                gallery.replace_templates(person_id, model, stay, since=revision)
                revision = gallery.revision
                dropped[person_id] = dropped.get(person_id, 0) + len(kept) - len(stay)
    return dropped


class Adapter:
    """A thread that takes over what `step` saw of people who agreed to it; of several who were
    let in at once only the last. Nothing at all where the site has not switched it on.

    Args:
        index: who has templates of the model in use.
        quality: the least of the evidence, 0-1.
        clock: the wall clock, Unix seconds.
    """

    def __init__(
        self,
        settings: schema.Gallery,
        policy: Policy,
        gallery: Gallery,
        index: Index,
        journal: Journal,
        *,
        quality: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._gallery = gallery
        self._index = index
        self._journal = journal
        self._quality = quality
        self._clock = clock
        self._waiting: Mailbox[Granted] = Mailbox()
        self._thread: threading.Thread | None = None
        self._failing = False

    def open(self) -> None:
        """Begin, where `gallery.adaptation` says so."""
        if self._settings.adaptation and self._thread is None:
            self._thread = threading.Thread(target=self._work, name="adaptation", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Let the work at hand be done; safe before `open`, and twice."""
        self._waiting.close()
        if self._thread is not None:
            self._thread.join(_END_S)

    def step(self, fused: FusedMatch | None, step: Step) -> None:
        """From the vision thread: what was decided on a frame, and on what; never blocks."""
        if self._thread is None or step.outcome is None:
            return
        seen = beyond_doubt(fused, step, self._policy, self._quality)
        if seen is not None:
            self._waiting.put(seen)

    def _work(self) -> None:
        """The edge of the thread: the door works on without it."""
        try:
            while not self._waiting.closed:
                seen = self._waiting.take()
                if seen is not None:
                    self._take_over(seen)
        except Exception:
            log.exception("templates do not follow people any more")

    def _take_over(self, seen: Granted) -> None:
        try:
            self.learn(seen)
            self._failing = False
        except (GalleryError, StorageError) as fault:
            if not self._failing:
                log.warning("a template could not follow its person: %s", fault)
            self._failing = True

    def learn(self, seen: Granted) -> bool:
        """Give a person who agreed to it one more template, if it is time and near enough;
        whether that was so.

        Raises:
            GalleryError: they were removed or changed meanwhile.
            DiskFull, StorageError: it could not be written.
        """
        gallery, model, person_id = self._gallery, self._index.model, seen.person_id
        revision, profile = gallery.revision, gallery.profile(person_id)
        if profile is None or profile.consent is None or not profile.consent.adaptation:
            return False
        kept = gallery.kept(person_id, model)
        templates = followed(kept, seen, self._clock(), self._settings.templates_per_person)
        if templates is None:
            return False
        gallery.replace_templates(person_id, model, templates, since=revision)
        self._journal.record(
            "gallery.adapted",
            person_id=person_id,
            templates=len(templates),
            similarity=round(seen.similarity, 4),
            quality=round(seen.quality, 4),
        )
        if self._settings.lookalikes != "off":
            level = self._policy.nearness(len(self._index)).lookalike
            keep_lookalikes(gallery, self._index, [person_id], level)
        return True


def _written(now_s: float) -> str:
    moment = datetime.fromtimestamp(now_s, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _unix(created: str) -> float:
    return datetime.fromisoformat(created).timestamp()
