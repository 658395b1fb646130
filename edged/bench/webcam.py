"""Does the door open for the enrolled, and only for them? On recorded webcam sessions.

Protocol. The gallery holds one template of every distractor (a folder a person, first photo)
and, in turn, each webcam person enrolled at the terminal from one day's session. Every other
session of that person is then shown as presentations of `window` frames at 15 frames a second,
through the same detection, quality gate, fusion, search and state machine as at a door. As a
stranger each person is shown without being enrolled, while everybody else is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.camera.images import read_image
from edged.decision.enrolment import Enrolment, Progress
from edged.decision.presentation import Kind, Presentation
from edged.errors import EdgedError, NoUsableFace
from edged.gallery.search import Index
from edged.types import Frame
from edged.vision.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edged.decision.policy import Policy
    from edged.service.engine import Engine
    from edged.types import Floats, Image

RATE_HZ = 15.0
WINDOW_FRAMES = 15


def data_folder() -> Path:
    """Where the local face images are: $EDGED_DATA, or ../shared/data from the checkout."""
    named = os.environ.get("EDGED_DATA")
    return Path(named) if named else Path(__file__).parents[3] / "shared" / "data"


@dataclass
class Tally:
    """Presentations by how they ended."""

    shown: int = 0
    right: int = 0
    wrong: int = 0
    denied: int = 0
    review: int = 0
    retake: int = 0
    undecided: int = 0
    frames_to_grant: list[int] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Counts, and the median number of frames until a grant."""
        counts = {k: v for k, v in vars(self).items() if isinstance(v, int)}
        median = int(np.median(self.frames_to_grant)) if self.frames_to_grant else None
        return {**counts, "median_frames_to_grant": median}


def run(engine: Engine, policy: Policy, data: Path) -> dict[str, Any]:
    """The whole protocol; counts by person and session."""
    distractors = list(_distractors(engine, data / "lfw-train"))
    sessions = {
        person.name: sorted(p for p in person.iterdir() if p.is_dir())
        for person in sorted((data / "webcam-dev" / "live").iterdir())
    }
    templates = {
        (person, day.name): _enrol(engine, policy, day)
        for person in sessions
        for day in sessions[person]
    }
    enrolled: dict[str, Any] = {}
    strangers: dict[str, Any] = {}
    for person, days in sessions.items():
        for day in days if len(days) > 1 else ():
            views = templates[person, day.name]
            if not views:
                enrolled[f"{person} {day.name}"] = "could not be enrolled"
                continue
            index = _index(engine, distractors, {person: views})
            for other in days:
                if other != day:
                    tally = _show(engine, policy, index, other, person)
                    enrolled[f"{person} {day.name} → {other.name}"] = tally.summary()
        others = {p: templates[p, d[0].name] for p, d in sessions.items() if p != person}
        index = _index(engine, distractors, others)
        for day in days:
            tally = _show(engine, policy, index, day, None)
            strangers[f"{person} {day.name}"] = tally.summary()
    return {
        "distractors": len(distractors),
        "threshold": policy.thresholds(len(distractors) + 1).grant,
        "enrolled": enrolled,
        "strangers": strangers,
    }


def _distractors(engine: Engine, folder: Path) -> Iterator[tuple[str, Floats]]:
    for person in sorted(folder.iterdir()):
        try:
            found = engine.extract(read_image(min(person.iterdir())))
        except (NoUsableFace, EdgedError):
            continue
        yield person.name, found.embedded.embedding


def _index(
    engine: Engine, distractors: Sequence[tuple[str, Floats]], people: dict[str, list[Floats]]
) -> Index:
    rows = [*distractors, *((person, view) for person, views in people.items() for view in views)]
    index = Index(engine.identity, engine.manifest.outputs.embedding.size, len(rows))
    index.extend(range(len(rows)), [person for person, _ in rows], np.array([r for _, r in rows]))
    return index


def _frames(images: Iterable[Image]) -> Iterator[Frame]:
    for n, image in enumerate(images):
        yield Frame(image, n / RATE_HZ, n)


def _images(day: Path) -> list[Image]:
    return [read_image(path) for path in sorted(day.glob("*.jpg"))]


def _enrol(engine: Engine, policy: Policy, day: Path) -> list[Floats]:
    vision = engine.vision()
    enrolment = Enrolment(3, max(policy.minimum_quality, 0.5), 60.0)
    views: list[Floats] = []
    for frame in _frames(_images(day)):
        observation = vision.observe(frame, embed=True)
        step = enrolment.step(observation)
        if step.progress is Progress.RESTARTED:
            views = []
        taken = step.progress in (Progress.TAKEN, Progress.COMPLETED)
        if taken and observation.embedding is not None:
            views.append(observation.embedding)
        if step.progress is Progress.COMPLETED:
            break
    return views


def _show(engine: Engine, policy: Policy, index: Index, day: Path, person: str | None) -> Tally:
    tally = Tally()
    images = _images(day)
    for start in range(0, max(1, len(images) - WINDOW_FRAMES // 2), WINDOW_FRAMES):
        _present(engine, policy, index, images[start : start + WINDOW_FRAMES], person, tally)
    return tally


def _present(
    engine: Engine,
    policy: Policy,
    index: Index,
    images: Sequence[Image],
    person: str | None,
    tally: Tally,
) -> None:
    """One presentation, until it is decided or its frames are over."""
    vision, presentation, evidence = engine.vision(), Presentation(policy), Evidence()
    tally.shown += 1
    asked = False
    for number, frame in enumerate(_frames(images), 1):
        observation = vision.observe(frame, embed=True)
        match = None
        if (
            presentation.usable(observation)
            and observation.track_id is not None
            and observation.embedding is not None
            and observation.log_variance is not None
        ):
            fused = evidence.add(
                observation.track_id, observation.embedding, observation.log_variance
            )
            match = index.search(fused, 2)
        outcome = presentation.step(observation, match).outcome
        if outcome is None:
            continue
        if outcome.kind is Kind.RETAKE:
            asked = True
            continue
        if outcome.kind is Kind.GRANTED:
            if person is not None and outcome.person_id == person:
                tally.right += 1
                tally.frames_to_grant.append(number)
            else:
                tally.wrong += 1
        elif outcome.kind is Kind.REVIEW:
            tally.review += 1
        else:
            tally.denied += 1
        return
    if asked:
        tally.retake += 1
    else:
        tally.undecided += 1
