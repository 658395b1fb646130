"""Measuring a bundle on a folder of people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.decision.policy import similarity_at
from edged.errors import EvaluationError
from edged.evaluation.acquire import acquire, acquisition
from edged.evaluation.comparisons import genuine_pairs, impostors, unit
from edged.evaluation.damage import damages
from edged.evaluation.document import SCHEMA, plain, protocol
from edged.evaluation.files import shown
from edged.evaluation.identify import identify
from edged.evaluation.rates import Curve, Draws, supported, tail_from
from edged.evaluation.reference import side_by_side
from edged.evaluation.scores import discards, passed_shares, reliability

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.bundle.manifest import Recogniser
    from edged.evaluation.acquire import Acquired
    from edged.evaluation.comparisons import Impostors
    from edged.evaluation.files import People
    from edged.evaluation.instrument import Instrument
    from edged.evaluation.scores import Measured

MOST_PER_PERSON = 10
PROMISED_FMR = 1e-4  # what the bundles' qualities are promises about
_FEW_PEOPLE = 30
WORST = 12
_MORE_THAN_EXPECTED = 3
STRICTEST_FMR = 1e-6
_GALLERIES = (10, 50, 200, 1000)


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure.

    Attributes:
        galleries: sizes for the search; empty takes what the people allow.
        enrolled_photos: of each person of a gallery.
        damage: "all" levels of every kind, "quick" for the middle one on fewer views, "none".
    """

    galleries: tuple[int, ...] = ()
    enrolled_photos: int = 1
    damage: str = "all"
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Case:
    """A comparison or a view that is worth a look."""

    what: str
    value: float
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Found:
    """The document, and the files of the worst cases."""

    document: dict[str, Any]
    cases: list[Case]


def check(people: People, options: Options) -> None:
    """Raises EvaluationError where the people cannot give what is asked for."""
    counts = np.bincount([number for number, _ in people.images])
    enough = int((counts > options.enrolled_photos).sum())
    for size in options.galleries:
        if enough < size:
            raise EvaluationError(
                f"{shown(people.root)}: a gallery of {size} needs as many people with more than "
                f"{options.enrolled_photos} images; there are {enough}"
            )
    if counts.max() < 2:
        raise EvaluationError(
            f"{shown(people.root)}: nobody has two images, so nobody can be compared with "
            "themselves"
        )


def measure(instrument: Instrument, people: People, options: Options) -> Found:
    """Measure everything that the people allow.

    Raises:
        EvaluationError: too few of the images can be used.
        RuntimeFault: an inference runtime failed.
    """
    acquired = acquire(instrument, people.images, distinct=True)
    views = acquired.views
    pairs = genuine_pairs(labels(views), MOST_PER_PERSON)
    if not len(pairs):
        raise EvaluationError(
            f"{shown(people.root)}: nobody has two usable images ({len(views)} of "
            f"{acquired.attempts} are usable), so nobody can be compared with themselves"
        )
    if len(np.unique(views.people)) < 2:
        raise EvaluationError(
            f"{shown(people.root)}: the usable images all show one person; impostors are needed"
        )
    manifest = instrument.engine.manifest
    draws = Draws(len(people.names), options.seed)
    faces = unit(views.embeddings)
    genuine = (faces[pairs[:, 0]] * faces[pairs[:, 1]]).sum(1)
    lowest = manifest.similarity.false_match[0].similarity
    strangers = impostors(
        views.embeddings, labels(views), min(tail_from(faces, views.people), lowest)
    )
    promise = similarity_at(PROMISED_FMR, manifest.similarity.risk)
    passed = passed_shares(views.embeddings, np.arange(len(views)), views, promise)
    document = {
        "schema": SCHEMA,
        "what": "people",
        "protocol": protocol(instrument, options.seed)
        | {
            "people": len(np.unique(views.people)),
            "genuine": f"every two of a person's first {MOST_PER_PERSON} views",
            "impostor": "every view with every view of every other person",
            "bounds": "95 %; by drawing people where it says people, and with them the thresholds "
            "that come from them, else as if independent; of a search for the one gallery drawn",
        },
        "acquisition": acquisition(acquired, people.root)
        | {
            "outside_of_people": people.outside,
            "other_files": people.ignored,
            "folders_linked_twice": [shown(path) for path in people.looped],
        },
        **matching(genuine, pairs, strangers, views, manifest, draws),
        "discard": {
            "threshold": promise,
            "curves": discards(genuine >= promise, pairs, views.badness),
        },
        "reliability": {
            "threshold": promise,
            "undamaged": reliability(views.quality, passed, views.people, draws),
        },
        "identification": _galleries(acquired, manifest, options, draws),
    }
    if options.damage != "none":
        document |= damages(instrument, acquired, promise, options.damage, draws, options.seed)
    if acquired.reference is not None:
        document["reference"] = side_by_side(acquired, pairs, strangers, promise, draws)
    document["notes"] = _notes(people, acquired, document, options)
    return Found(plain(document), _worst(acquired, pairs, genuine, strangers))


def labels(views: Measured) -> NDArray[np.str_]:
    """The number of each view's person as text, which is what the maths of comparisons takes."""
    return np.char.zfill(views.people.astype(str), 7)


def matching(
    genuine: NDArray[np.float32],
    pairs: NDArray[np.int64],
    strangers: Impostors,
    views: Measured,
    manifest: Recogniser,
    draws: Draws,
) -> dict[str, Any]:
    """Error rates at the manifest's thresholds, at round false match rates, and along a curve."""
    owner = views.people[pairs[:, 0]]
    sizes = np.bincount(views.people, minlength=draws.people)
    curve = Curve(genuine, strangers)
    at = []
    for row in manifest.similarity.false_match:
        if row.fmr < STRICTEST_FMR:
            continue
        at.append(
            {
                "promised_fmr": row.fmr,
                "basis": row.basis,
                "similarity": row.similarity,
                "fmr": draws.false_matches(strangers, sizes, views.people, row.similarity),
                "fnmr": draws.share(genuine < row.similarity, owner),
            }
        )
    counted = supported(strangers)
    redrawn = draws.thresholds(strangers, views.people, counted)
    rounds = []
    for fmr, drawn in zip(counted, redrawn.T, strict=True):
        similarity = strangers.similarity_at(fmr)
        rounds.append(
            {
                "fmr": fmr,
                "similarity": similarity,
                "similarity_bounds": np.nanquantile(drawn, [0.025, 0.975]).tolist(),
                "fnmr": draws.misses(genuine, owner, similarity, drawn),
            }
        )
    return {
        "comparisons": {
            "genuine": len(genuine),
            "genuine_people": len(np.unique(owner)),
            "impostor": strangers.count,
        },
        "thresholds": at,
        "at_fmr": rounds,
        "equal_error": curve.equal_error(),
        "det": curve.points(strangers.count),
    }


def _galleries(
    acquired: Acquired, manifest: Recogniser, options: Options, draws: Draws
) -> list[Any]:
    views = acquired.views
    counts = np.bincount(views.people)
    enough, everybody = int((counts > options.enrolled_photos).sum()), int((counts > 0).sum())
    sizes = options.galleries or [
        size for size in _GALLERIES if size <= 0.8 * enough and 2 * size <= everybody
    ]
    if not sizes and enough >= 2:
        sizes = [enough // 2]
    found = [
        identify(
            views, acquired.several, manifest, size, options.enrolled_photos, draws, options.seed
        )
        for size in sizes
    ]
    return [one for one in found if one is not None]


def _notes(
    people: People, acquired: Acquired, document: dict[str, Any], options: Options
) -> list[str]:
    """What a reader must know before trusting a figure."""
    notes = []
    built = {found.gallery for found in document["identification"]}
    notes += [
        f"no gallery of {size}: too few people have a photo that enrolment takes, another to "
        "search with, and strangers beside them"
        for size in options.galleries
        if size not in built
    ]
    count = document["protocol"]["people"]
    if count < _FEW_PEOPLE:
        notes.append(f"{count} people: too few for a claim about others; the bounds cannot show it")
    if acquired.shared:
        notes.append(
            f"{len(acquired.shared)} files are byte for byte in two people's folders: each is a "
            "false match that is none; put the folders right"
        )
    reached = [row["fmr"] for row in document["at_fmr"]]
    if 1e-4 not in reached:
        notes.append(
            f"{document['comparisons']['impostor']} impostor comparisons do not show an FMR of "
            "1e-4; it takes 300,000"
        )
    if people.outside:
        notes.append(f"{people.outside} images lie outside of any person's folder: not measured")
    if people.looped:
        notes.append(f"{len(people.looped)} folders are linked twice: measured once")
    last = document["thresholds"][-1]
    expected = last["promised_fmr"] * last["fmr"].trials
    if last["fmr"].events > _MORE_THAN_EXPECTED * (expected + 1):
        notes.append(
            f"{last['fmr'].events} impostor comparisons pass a threshold at which {expected:.1g} "
            "are expected: look at the closest pairs (--thumbnails); they may be one person under "
            "two names"
        )
    return notes


def _worst(
    acquired: Acquired,
    pairs: NDArray[np.int64],
    genuine: NDArray[np.float32],
    strangers: Impostors,
) -> list[Case]:
    paths = acquired.paths
    cases = [
        Case("genuine", float(genuine[at]), (paths[pairs[at, 0]], paths[pairs[at, 1]]))
        for at in np.argsort(genuine, kind="stable")[:WORST]
    ]
    for at in np.argsort(-strangers.similarities, kind="stable")[:WORST]:
        left, right = strangers.pairs[at]
        value = float(strangers.similarities[at])
        cases.append(Case("impostor", value, (paths[left], paths[right])))
    quality = acquired.views.quality
    dimmest = np.argsort(quality, kind="stable")[:WORST]
    return cases + [Case("quality", float(quality[at]), (paths[at],)) for at in dimmest]
