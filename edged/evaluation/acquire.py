"""Every image of a folder or list, measured; what gave nothing is counted and named."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edged.errors import EvaluationError
from edged.evaluation.files import shown
from edged.evaluation.outputs import Outputs
from edged.evaluation.progress import progress
from edged.evaluation.rates import independent
from edged.evaluation.scores import Measured

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.bundle.manifest import Recogniser
    from edged.evaluation.cache import Reading
    from edged.evaluation.instrument import Instrument
    from edged.evaluation.rates import Rate

WORDS = {
    "unreadable": "not a readable image",
    "no_face": "no face found",
    "no_numbers": "the network gives no numbers for the face",
    "duplicate": "the same file again, for the same person",
}


@dataclass(frozen=True)
class Acquired:
    """The views that could be measured, row by row, and the files that could not.

    Attributes:
        numbers: which of the images each row is.
        views: what the network says of them.
        several: whether another face was about as prominent.
        reference: the second network's outputs for the rows `both`, or None.
        failures: file and reason.
        shared: files of different people that are the same, byte for byte.
        with_several: how many photos show several prominent faces; one of them was taken.
    """

    paths: list[Path]
    numbers: NDArray[np.int64]
    digests: list[str]
    views: Measured
    several: NDArray[np.bool_]
    log_variance: NDArray[np.float32]
    reference: Outputs | None
    both: NDArray[np.int64]
    failures: list[tuple[Path, str]]
    shared: list[tuple[Path, Path]]

    @property
    def outputs(self) -> Outputs:
        """What the network said, as the maths of comparisons takes it."""
        return Outputs(self.views.embeddings, self.log_variance)

    @property
    def attempts(self) -> int:
        """Files that were tried, without those that were there twice."""
        return len(self.paths) + sum(why != "duplicate" for _, why in self.failures)

    @property
    def failure_to_acquire(self) -> Rate:
        """The share of files that gave no view."""
        return independent(self.attempts - len(self.paths), self.attempts)


def acquire(
    instrument: Instrument, images: Sequence[tuple[int, Path]], *, distinct: bool
) -> Acquired:
    """Measure every image.

    Args:
        instrument: open.
        images: number of the person, and the file.
        distinct: leave out a person's second copy of a file; a list of pairs names its files.

    Raises:
        EvaluationError: none of them shows a face.
        RuntimeFault: an inference runtime failed.
    """
    rows: list[tuple[int, int, Path, Reading, str]] = []
    others: list[tuple[int, Reading]] = []
    failures: list[tuple[Path, str]] = []
    shared: list[tuple[Path, Path]] = []
    owners: dict[str, tuple[int, Path]] = {}
    seen: set[tuple[str, int]] = set()
    for number, (person, path) in enumerate(progress(images, "measuring")):
        reading, other, digest = instrument.read(path)
        if reading.failure:
            failures.append((path, reading.failure))
            continue
        if distinct:
            if (digest, person) in seen:
                failures.append((path, "duplicate"))
                continue
            seen.add((digest, person))
            owner, earlier = owners.setdefault(digest, (person, path))
            if owner != person:
                shared.append((earlier, path))
        if other is not None and not other.failure:
            others.append((len(rows), other))
        rows.append((number, person, path, reading, digest))
    if not rows:
        raise EvaluationError(
            f"none of the {len(images)} images can be measured: {counted(failures)}; crops that "
            "are aligned already need --aligned"
        )
    log_variance = np.array([row[3].log_variance for row in rows], np.float32)
    return Acquired(
        [row[2] for row in rows],
        np.array([row[0] for row in rows]),
        [row[4] for row in rows],
        measured(
            [row[3] for row in rows],
            np.array([row[1] for row in rows]),
            instrument.engine.manifest,
        ),
        np.array([row[3].several for row in rows]),
        log_variance,
        _reference(others),
        np.array([row for row, _ in others], np.int64),
        failures,
        shared,
    )


def measured(
    readings: Sequence[Reading], people: NDArray[np.int64], manifest: Recogniser
) -> Measured:
    """Readings, none of them failed, as columns."""
    embeddings = np.stack([reading.embedding for reading in readings])
    numbers = np.array([reading.numbers for reading in readings], np.float32)
    badness = {
        "score": numbers[:, 0],
        "norm": -np.linalg.norm(embeddings, axis=1),
        "sharpness": -numbers[:, 1],
    }
    if not np.isnan(numbers[:, 2]).any():
        badness["detector"] = -numbers[:, 2]
    quality = np.array([manifest.quality.quality(r.log_variance) for r in readings], np.float32)
    return Measured(embeddings, badness, quality, people)


def _reference(others: list[tuple[int, Reading]]) -> Outputs | None:
    if not others:
        return None
    return Outputs(
        np.stack([reading.embedding for _, reading in others]),
        np.array([reading.log_variance for _, reading in others], np.float32),
    )


def counted(failures: Sequence[tuple[Path, str]]) -> str:
    """Failures by reason, in words."""
    counts = Counter(why for _, why in failures)
    return ", ".join(f"{count} × {WORDS[why]}" for why, count in sorted(counts.items())) or "none"


def acquisition(acquired: Acquired, root: Path | None) -> dict[str, object]:
    """What was tried and what failed, for the report."""

    def name(path: Path) -> str:
        return shown(path.relative_to(root) if root is not None else path)

    return {
        "files": acquired.attempts,
        "views": len(acquired.paths),
        "failure_to_acquire": acquired.failure_to_acquire,
        "by_reason": dict(sorted(Counter(why for _, why in acquired.failures).items())),
        "several_faces": int(acquired.several.sum()),
        "failures": [{"file": name(path), "reason": why} for path, why in acquired.failures],
        "same_file_of_two_people": [[name(a), name(b)] for a, b in acquired.shared],
    }
