"""Does the door open for the enrolled, and only for them? On recorded webcam sessions.

Protocol. The gallery holds one template of every distractor (a folder a person, first photo)
and, in turn, each webcam person enrolled at the terminal from one day's session. Every other
session of that person is then shown as presentations of `window` frames at 15 frames a second.
As a stranger each person is shown without being enrolled, while everybody else is. Frames go
through the daemon's own `Terminal`, gallery and outbox; what counts is the event it records.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.bench.rig import Rig
from edged.camera.images import read_image
from edged.decision.presentation import Kind
from edged.errors import NoUsableFace
from edged.gallery.people import Enrolment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edged.decision.policy import Policy
    from edged.service.engine import Engine
    from edged.types import Image

WINDOW_FRAMES = 15

Sessions = dict[str, dict[str, "list[Image]"]]  # of each person, by day


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


def run(
    engine: Engine,
    policy: Policy,
    data: Path,
    others: Iterable[Enrolment] | None = None,
) -> dict[str, Any]:
    """The whole protocol; counts by person and session. `others` are the distractors, if they
    were made before."""
    sessions = {
        person.name: {
            day.name: read_session(day) for day in sorted(person.iterdir()) if day.is_dir()
        }
        for person in sorted((data / "webcam-dev" / "live").iterdir())
    }
    with (
        tempfile.TemporaryDirectory(prefix="edged-bench-") as folder,
        Rig(engine, policy, Path(folder)) as rig,
    ):
        others = distractors(engine, data / "lfw-train") if others is None else others
        rig.gallery.add_many(others, limit=1)
        people = len(rig.index)
        return {
            "distractors": people,
            "threshold": policy.thresholds(people + 1).grant,
            "enrolled": _show_enrolled(rig, sessions),
            "strangers": _show_strangers(rig, sessions),
        }


def distractors(engine: Engine, folder: Path) -> Iterator[Enrolment]:
    """Everybody in a folder of people, by the first photo of each in which a face is found."""
    for person in sorted(folder.iterdir()):
        for photo in sorted(person.iterdir()):
            try:
                found = engine.extract(read_image(photo)).embedded
            except NoUsableFace:
                continue
            yield Enrolment(person.name, found.embedding, engine.identity, found.quality, "photo")
            break


def _show_enrolled(rig: Rig, sessions: Sessions) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for person, days in sessions.items():
        for day in days if len(days) > 1 else ():
            if not rig.enrol(person, days[day]):
                told[f"{person} {day}"] = "could not be enrolled"
                continue
            for other in days:
                if other != day:
                    tally = _show(rig, days[other], person)
                    told[f"{person} {day} → {other}"] = tally.summary()
            rig.gallery.remove(person)
    return told


def _show_strangers(rig: Rig, sessions: Sessions) -> dict[str, Any]:
    told: dict[str, Any] = {}
    first = {person: next(iter(days.values())) for person, days in sessions.items()}
    for person, images in first.items():
        rig.enrol(person, images)
    for person, days in sessions.items():
        rig.gallery.remove(person)
        for day, images in days.items():
            told[f"{person} {day}"] = _show(rig, images, None).summary()
        rig.enrol(person, first[person])
    return told


def read_session(day: Path) -> list[Image]:
    """A session's frames in order."""
    return [read_image(path) for path in sorted(day.glob("*.jpg"))]


def _show(rig: Rig, images: Sequence[Image], person: str | None) -> Tally:
    tally = Tally()
    for start in range(0, max(1, len(images) - WINDOW_FRAMES // 2), WINDOW_FRAMES):
        _present(rig, images[start : start + WINDOW_FRAMES], person, tally)
    return tally


def _present(rig: Rig, images: Sequence[Image], person: str | None, tally: Tally) -> None:
    """One presentation, until it is decided or its frames are over."""
    tally.shown += 1
    asked = False
    for number, event in rig.present(images):
        if event.type == Kind.RETAKE:
            asked = True
            continue
        if event.type == Kind.GRANTED:
            if person is not None and event.data["person_id"] == person:
                tally.right += 1
                tally.frames_to_grant.append(number)
            else:
                tally.wrong += 1
        elif event.type == Kind.REVIEW:
            tally.review += 1
        else:
            tally.denied += 1
        return
    if asked:
        tally.retake += 1
    else:
        tally.undecided += 1
