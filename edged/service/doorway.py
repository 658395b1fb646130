"""The last steps of every decision, whoever made it: recorded, then acted upon."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from edged.decision.outcome import Kind
from edged.errors import DoorError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edged.config.schema import Config
    from edged.decision.outcome import Outcome
    from edged.gallery.store import Gallery
    from edged.service.journal import Journal
    from edged.service.metrics import Metrics

log = logging.getLogger(__name__)


class Doorway:
    """Any thread may act; whoever opens sees to it that two do not at once.

    Args:
        digest: of the policy that decides about faces.
        model: identity of the network that spoke last.
    """

    def __init__(
        self,
        config: Config,
        *,
        digest: str,
        model: Callable[[], str],
        gallery: Gallery,
        journal: Journal,
        metrics: Metrics,
    ) -> None:
        self._config = config
        self._digest = digest
        self._model = model
        self._gallery = gallery
        self._journal = journal
        self._metrics = metrics

    def act(
        self, outcome: Outcome, let_in: Callable[[], None], more: Mapping[str, Any] | None = None
    ) -> bool:
        """Record it, and let them in where that was decided; False: they should have been, and
        were not.

        Args:
            let_in: drives the relay, or raises `DoorError`.
            more: beside what is said of the face.
        """
        done = True
        self._metrics.count(outcome.kind.value)
        event = self._journal.record(outcome.kind.value, **self._told(outcome), **(more or {}))
        if outcome.kind is Kind.GRANTED:
            if event is None and self._config.events.on_write_failure == "deny":
                log.error("door kept shut: the event could not be recorded")
                done = False
            else:
                done = self._open(let_in)
        log.info(
            "presentation outcome=%s reason=%s similarity=%s threshold=%s quality=%s frames=%d "
            "duration_s=%.2f people=%s",
            outcome.kind.value,
            outcome.reason,
            _short(outcome.similarity),
            _short(outcome.threshold),
            _short(outcome.quality),
            outcome.frames,
            outcome.duration_s,
            outcome.people,
        )
        return done

    def greeting(self, person_id: str | None) -> str | None:
        """The name to be shown to who is let in, where the installer allows it."""
        web = self._config.web
        if person_id is None or web is None or not web.names:
            return None
        return self._name_of(person_id)

    def _open(self, let_in: Callable[[], None]) -> bool:
        try:
            let_in()
        except DoorError as fault:
            log.error("the door cannot be opened: %s", fault)
            self._journal.record("door.fault", reason=str(fault))
            return False
        return True

    def _told(self, outcome: Outcome) -> dict[str, Any]:
        told: dict[str, Any] = {
            "reason": outcome.reason,
            "rule": outcome.rule and outcome.rule.value,
            "similarity": _round(outcome.similarity),
            "runner_up": _round(outcome.runner_up),
            "threshold": _round(outcome.threshold),
            "review_threshold": _round(outcome.review_threshold),
            "implied_fpir": outcome.implied_fpir and float(f"{outcome.implied_fpir:.3g}"),
            "people": outcome.people,
            "margin": outcome.margin,
            "lookalike": outcome.lookalike,
            "quality": _round(outcome.quality),
            "fused_quality": _round(outcome.fused_quality),
            "minimum_quality": _round(outcome.minimum_quality),
            "frames": outcome.frames,
            "seen": outcome.seen,
            "defects": {defect.value: frames for defect, frames in outcome.defects.items()},
            "duration_s": round(outcome.duration_s, 3),
            "instructions": [instruction.value for instruction in outcome.instructions],
            "profile": self._config.decision.profile,
            "policy": self._digest,
            "model": self._model(),
        }
        if outcome.person_id is not None:
            told["person_id"] = outcome.person_id
            if self._config.names_in_events:
                told["name"] = self._name_of(outcome.person_id)
        return told

    def _name_of(self, person_id: str) -> str | None:
        try:
            return self._gallery.name_of(person_id)
        except StorageError as fault:
            log.warning("a name cannot be read: %s", fault)
            return None


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
