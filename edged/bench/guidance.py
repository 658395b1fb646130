"""Is the right thing said, soon enough, and does following it open the door?

Protocol. Every person of the recorded webcam sessions is enrolled from one day and shown on
another, at 15 frames a second, to the daemon's own `Terminal` before a gallery of distractors.
In each presentation the first second's frames carry a defect of `edged.bench.variants`; then
the same recording goes on as it was taken, as if the person had done what was asked; who has to
come closer or to the middle is on the way for half a second. It counts
whether the right instruction (`RIGHT`) is on the screen within half a second of the first
frame, and after how many frames without the defect the person is granted. Who has one day only
is shown as a stranger, for the instruction.

Strengths are chosen for each session, on five of its frames: *just* is the weakest of a row at
which the quality falls below `_UNUSABLE` (overexposed: `_NEARLY_UNUSABLE`), *worst* the
strongest at which the face is still found. Who is decided about in spite of the defect needed
no instruction and is counted apart, as are sessions in which no strength spoils the view before
the face is lost. Sessions also run unmodified: whatever is said there is a false hint.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edged.bench import variants
from edged.bench.rig import Rig
from edged.bench.webcam import read_session
from edged.decision.presentation import Kind, Phase
from edged.types import Defect, Frame, Instruction
from edged.vision.pipeline import as_face
from edged.vision.tone import toned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from edged.decision.policy import Policy
    from edged.gallery.people import Enrolment
    from edged.service.engine import Engine
    from edged.types import Box, Image

SPOILT_FRAMES = 15
MENDED_FRAMES = 30
WITHIN_FRAMES = 8  # the eighth frame comes within half a second of the first
STRENGTHS: dict[str, tuple[float, ...]] = {
    "dark": (0.4, 0.28, 0.2, 0.14, 0.1, 0.07, 0.05, 0.035),
    "bright": (1.7, 2.2, 2.6, 3, 3.5, 4, 4.5, 5, 5.5, 6, 7),
    "backlit": (0.5, 0.35, 0.25, 0.18, 0.13, 0.1, 0.08, 0.06),
    "out_of_focus": (1, 1.5, 2, 2.5, 3, 4, 5),
    "moving": (5, 8, 11, 15, 19, 24),
    "far": (66, 60, 54),
    "cut_off": (0.15, 0.2, 0.25, 0.3, 0.35),
}
RIGHT: dict[str, frozenset[Instruction]] = {
    "dark": frozenset({Instruction.MORE_LIGHT}),
    "bright": frozenset({Instruction.AVOID_BACKLIGHT}),
    "backlit": frozenset({Instruction.AVOID_BACKLIGHT}),
    "out_of_focus": frozenset({Instruction.HOLD_STILL}),
    "moving": frozenset({Instruction.HOLD_STILL}),
    "far": frozenset({Instruction.COME_CLOSER}),
    "cut_off": frozenset({Instruction.CENTER_FACE}),
}
_WAY_FRAMES = 8
_ON_THE_WAY = frozenset({"far", "cut_off"})
_UNUSABLE = 0.4
_NEARLY_UNUSABLE = 0.65  # for light that hides a face from the detector before it spoils the view
_FOUND = 0.8  # of the frames that are looked at
_LOOKED_AT = 5

# A recording that has this defect itself may rightly be answered by that instruction instead.
_ITS_OWN = {Defect.BACKLIT: Instruction.AVOID_BACKLIGHT, Defect.TOO_DARK: Instruction.MORE_LIGHT}


@dataclass(frozen=True, slots=True)
class Session:
    """One day of one person: its frames, where the face was in each, its own defects."""

    person: str
    day: str
    half: int
    images: list[Image]
    boxes: list[Box]
    defects: frozenset[Defect]


@dataclass
class Tally:
    """Presentations of one variant at one strength."""

    shown: int = 0
    decided_anyway: int = 0
    right: int = 0
    wrong: int = 0
    nothing: int = 0
    unseen: int = 0
    enrolled: int = 0
    granted: int = 0
    refused: int = 0
    wrongly_granted: int = 0
    frames_to_grant: list[int] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    said: dict[str, int] = field(default_factory=dict)

    @property
    def asked(self) -> int:
        """Presentations that needed an instruction."""
        return self.shown - self.decided_anyway

    def __add__(self, other: Tally) -> Tally:
        said = {k: self.said.get(k, 0) + other.said.get(k, 0) for k in self.said | other.said}
        numbers = {k: v + vars(other)[k] for k, v in vars(self).items() if k != "said"}
        return Tally(**numbers, said=said)


def wilson(events: int, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson, 1927), as if the trials were independent."""
    if trials == 0:
        return 0.0, 1.0
    z, share = 1.96, events / trials
    middle = share + z * z / (2 * trials)
    spread = z * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    whole = 1 + z * z / trials
    return max(0.0, float(middle - spread) / whole), min(1.0, float(middle + spread) / whole)


Told = dict[tuple[str, str, int], Tally]  # by variant, strength and half of the people


def run(
    engine: Engine,
    policy: Policy,
    data: Path,
    others: Iterable[Enrolment],
    *,
    kinds: Sequence[str] = tuple(STRENGTHS),
    every: int = SPOILT_FRAMES,
) -> Told:
    """The whole protocol; a presentation begins at every `every`-th frame of a session."""
    told: Told = {}
    sessions = list(read_sessions(engine, data / "webcam-dev" / "live"))
    with (
        tempfile.TemporaryDirectory(prefix="edged-bench-") as folder,
        Rig(engine, policy, Path(folder)) as rig,
    ):
        rig.gallery.add_many(others, limit=1)
        for session in sessions:
            enrolled = any(
                rig.enrol(session.person, other.images)
                for other in sessions
                if other.person == session.person and other.day != session.day
            )
            for kind in ("none", *kinds):
                for name, strength in chosen(engine, session, kind).items():
                    tally = told.setdefault((kind, name, session.half), Tally())
                    if strength is not None:
                        _show(rig, session, kind, strength, every, enrolled, tally)
                    else:
                        tally.unseen += 1
            rig.gallery.remove(session.person)
    return told


def read_sessions(engine: Engine, folder: Path) -> Iterator[Session]:
    """Every session, with what the terminal's own pipeline saw in it as it is."""
    for number, person in enumerate(sorted(folder.iterdir())):
        for day in sorted(person.iterdir()):
            vision = engine.vision()
            images, boxes, seen = [], [], []
            for n, image in enumerate(read_session(day)):
                found = vision.observe(Frame(image, n / 15, n), embed=False)
                if found.face is not None:
                    images.append(image)
                    boxes.append(found.face.box)
                    seen.append(found.defects)
            own = {d for d in Defect if sum(d in defects for defects in seen) > 0.1 * len(seen)}
            yield Session(person.name, day.name, number % 2, images, boxes, frozenset(own))


def chosen(engine: Engine, session: Session, kind: str) -> dict[str, float | None]:
    """The strengths to show this session with, by name; None where there is none such."""
    if kind == "none":
        return {"": 0.0}
    row = STRENGTHS[kind]
    if kind == "far":
        return {"just": row[0], "worst": row[-1]}
    qualities = {strength: _quality(engine, session, kind, strength) for strength in row}
    bound = _NEARLY_UNUSABLE if kind == "bright" else _UNUSABLE
    spoilt = [s for s, quality in qualities.items() if quality is not None and quality < bound]
    if kind == "cut_off":  # never matched, however good the rest of it
        spoilt = [s for s, quality in qualities.items() if quality is not None]
    return {"just": spoilt[0] if spoilt else None, "worst": spoilt[-1] if spoilt else None}


def _quality(engine: Engine, session: Session, kind: str, strength: float) -> float | None:
    """Median over some frames; None where the face is not found in most."""
    detector, found = engine.detector(), []
    looked = np.linspace(0, len(session.images) - 1, _LOOKED_AT).astype(int)
    for n in looked:
        image = spoil(session, kind, strength, n)
        faces = detector.detect(toned(image))
        if faces:
            face = as_face(max(faces, key=lambda f: f.box.area))
            chip = engine.embedder.chip(image, face.landmarks)
            found.append(engine.embedder.embed(chip).quality)
    return float(np.median(found)) if len(found) >= _FOUND * len(looked) else None


def spoil(session: Session, kind: str, strength: float, n: int) -> Image:
    """The session's `n`-th frame with a defect."""
    if kind == "none":
        return session.images[n]
    make: Callable[..., Image] = getattr(variants, kind)
    return make(session.images[n], session.boxes[n], strength)


def _frame(session: Session, kind: str, strength: float, start: int, n: int) -> Image:
    """The `n`-th frame of a presentation that begins with frame `start`."""
    gone = n - start - SPOILT_FRAMES
    if gone < 0:
        return spoil(session, kind, strength, n)
    if gone >= _WAY_FRAMES or kind not in _ON_THE_WAY:
        return session.images[n]
    end = session.boxes[n].width if kind == "far" else -0.5
    way = (gone + 1) / _WAY_FRAMES
    return spoil(session, kind, strength + (end - strength) * way, n)


def _show(
    rig: Rig,
    session: Session,
    kind: str,
    strength: float,
    every: int,
    enrolled: bool,
    tally: Tally,
) -> None:
    right = RIGHT.get(kind, frozenset())
    if kind == "dark":
        right |= {_ITS_OWN[defect] for defect in session.defects & _ITS_OWN.keys()}
    last = len(session.images) - SPOILT_FRAMES - every // 2
    for start in range(0, max(1, last), every):
        stop = min(len(session.images), start + SPOILT_FRAMES + MENDED_FRAMES)
        frames = (_frame(session, kind, strength, start, n) for n in range(start, stop))
        before = tally.right + tally.decided_anyway
        _present(rig, frames, session.person if enrolled else None, right, tally)
        if right and tally.right + tally.decided_anyway == before:
            tally.missed.append(f"{session.person} {session.day} frame {start} at {strength}")


def _present(
    rig: Rig,
    frames: Iterable[Image],
    person: str | None,
    right: frozenset[Instruction],
    tally: Tally,
) -> None:
    """One presentation, until it is granted or its frames are over."""
    tally.shown += 1
    tally.enrolled += person is not None
    in_time: list[Instruction] = []
    decided = False
    for number, (display, events) in enumerate(rig.watch(frames), start=1):
        shown = display.instruction
        if shown is not None and number <= WITHIN_FRAMES and shown not in in_time:
            in_time.append(shown)
            tally.said[shown.value] = tally.said.get(shown.value, 0) + 1
        if any(e.type == Kind.GRANTED and e.data["person_id"] == person for e in events):
            tally.granted += 1
            tally.frames_to_grant.append(max(0, number - SPOILT_FRAMES))
        decided = display.phase not in (Phase.IDLE, Phase.GATHERING)
        if decided:
            tally.refused += person is not None and display.phase is not Phase.GRANTED
            tally.wrongly_granted += person is None and display.phase is Phase.GRANTED
            break
    if decided and number <= SPOILT_FRAMES and not in_time:
        tally.decided_anyway += 1
    elif right & set(in_time):
        tally.right += 1
    elif in_time:
        tally.wrong += 1
    else:
        tally.nothing += 1
