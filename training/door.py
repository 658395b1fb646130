"""A check, not a calibration: would the derived threshold open the right doors at webcams?

People of the webcam set are enrolled from one day, among all LFW people as distractors, and
present themselves on other days in windows of five frames. The threshold is not tuned on it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edged.evaluation.comparisons import unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.evaluation.outputs import Outputs
    from training.detect import Floats

WINDOW = 5


@dataclass(frozen=True)
class Check:
    """Counts of windows by outcome, and the similarities behind them."""

    gallery: int
    threshold: float
    counts: dict[str, dict[str, int]]
    similarities: dict[str, list[float]]


def fuse(faces: Outputs) -> Floats:
    """One unit vector from several views, weighted by exp(-log_variance)."""
    weights = np.exp(-(faces.log_variance - faces.log_variance.min()))[:, None]
    total = (unit(faces.embeddings) * weights).sum(0, keepdims=True)
    vector: Floats = unit(total)[0]
    return vector


def distractors(faces: Outputs, people: NDArray[np.str_]) -> Floats:
    """One template a person from all their photos, (people, d)."""
    return np.stack([fuse(faces.take(people == p)) for p in np.unique(people)])


def enrol(faces: Outputs) -> Floats:
    """The five best views of a session, as an enrolment keeps them."""
    return fuse(faces.take(np.argsort(faces.log_variance, kind="stable")[:WINDOW]))


def check(
    faces: Outputs,
    sessions: NDArray[np.str_],
    quality: Floats,
    others: Floats,
    threshold: float,
    minimum: float,
) -> Check:
    """Present every session to galleries in which its person is, and to one in which they aren't.

    Args:
        faces: outputs for all frames, in time order within a session.
        sessions: "live/personNN/sessionMM" or "print/..." for each frame.
        quality: 0..1 for each frame.
        others: unit templates of the distractors, (n, d).
        threshold: similarity at which a door opens.
        minimum: a window of lower mean quality is answered with a retake.

    Returns:
        Outcome counts: "mate" granted / refused / wrong person / retake, "stranger" and "print"
        granted / refused / retake.
    """
    names = np.unique(sessions)
    windows = {str(n): _windows(faces.take(sessions == n), quality[sessions == n]) for n in names}
    live = [n for n in windows if n.startswith("live/")]
    templates = {n: enrol(faces.take(sessions == n)) for n in live}
    counts: dict[str, Counter[str]] = {k: Counter() for k in ("mate", "stranger", "print")}
    similarities: dict[str, list[float]] = {k: [] for k in counts}

    def present(kind: str, vector: Floats, seen: float, own: str | None, rest: list[str]) -> None:
        known = np.stack([templates[r] for r in rest])
        best = max(float((others @ vector).max()), float((known @ vector).max(initial=-1)))
        mate = float(templates[own] @ vector) if own else -1.0
        similarities[kind].append(mate if own else best)
        if seen < minimum:
            counts[kind]["retake"] += 1
        elif max(mate, best) < threshold:
            counts[kind]["refused"] += 1
        else:
            counts[kind]["granted" if mate >= best or not own else "wrong person"] += 1

    for name, rows in windows.items():
        kind, person, _ = name.split("/")
        rest = [s for s in live if person not in s and s.endswith("session01")]
        days = [s for s in live if person in s and s != name]
        for vector, seen in rows:
            if kind == "print":
                for day in days:
                    present("print", vector, seen, day, rest)
                continue
            present("stranger", vector, seen, None, rest)
            for day in days:
                present("mate", vector, seen, day, rest)
    return Check(
        len(others) + len({n.split("/")[1] for n in live}),
        threshold,
        {k: dict(v) for k, v in counts.items()},
        similarities,
    )


def _windows(faces: Outputs, quality: Floats) -> list[tuple[Floats, float]]:
    """Fused non-overlapping windows and their mean quality."""
    starts = range(0, len(faces.log_variance) - WINDOW + 1, WINDOW)
    rows = [np.arange(s, s + WINDOW) for s in starts]
    return [(fuse(faces.take(r)), float(quality[r].mean())) for r in rows]
