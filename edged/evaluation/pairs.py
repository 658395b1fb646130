"""Measuring a bundle on a list of pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.decision.policy import FPIR, Verdict, similarity_at, verify
from edged.errors import EvaluationError
from edged.evaluation.acquire import acquire, acquisition
from edged.evaluation.comparisons import unit
from edged.evaluation.document import SCHEMA, plain, protocol
from edged.evaluation.outputs import agreement
from edged.evaluation.people import PROMISED_FMR, STRICTEST_FMR, WORST, Case, Found
from edged.evaluation.rates import (
    Curve,
    impostors_of,
    independent,
    misses_of_pairs,
    supported,
)
from edged.evaluation.scores import discards

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.bundle.manifest import Recogniser
    from edged.evaluation.acquire import Acquired
    from edged.evaluation.files import Pairs
    from edged.evaluation.instrument import Instrument


@dataclass(frozen=True)
class _Rows:
    """The pairs both of whose images were measured: rows of views, similarity, and the truth."""

    views: NDArray[np.int64]
    similarity: NDArray[np.float32]
    same: NDArray[np.bool_]
    fold: NDArray[np.int64]


def measure(instrument: Instrument, pairs: Pairs, seed: int) -> Found:
    """Measure every pair whose two images can be measured; the others are counted.

    Raises:
        EvaluationError: of one kind of pairs none is left.
        RuntimeFault: an inference runtime failed.
    """
    acquired = acquire(instrument, list(enumerate(pairs.images)), distinct=False)
    rows = _rows(pairs, acquired)
    genuine, impostor = rows.similarity[rows.same], rows.similarity[~rows.same]
    if not len(genuine) or not len(impostor):
        raise EvaluationError(
            f"{len(genuine)} pairs of the same person and {len(impostor)} of different ones can be "
            f"measured ({len(acquired.failures)} images give nothing); both kinds are needed"
        )
    manifest = instrument.engine.manifest
    strangers = impostors_of(impostor, rows.views[~rows.same].astype(np.int32))
    curve = Curve(genuine, strangers)
    promise = similarity_at(PROMISED_FMR, manifest.similarity.risk)
    used, times = np.unique(rows.views, return_counts=True)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "what": "pairs",
        "protocol": protocol(instrument, seed)
        | {
            "list": pairs.form,
            "folds": pairs.folds,
            "bounds": "95 %, as if the pairs were independent; where a threshold comes from the "
            "pairs, it is drawn again with them",
        },
        "acquisition": acquisition(acquired, None)
        | {
            "pairs": len(pairs.rows),
            "pairs_measured": len(rows.same),
            "pairs_not_measured": len(pairs.rows) - len(rows.same),
            "lines_repeated": pairs.repeated,
        },
        "comparisons": {"genuine": len(genuine), "impostor": len(impostor)},
        "thresholds": [
            {
                "promised_fmr": row.fmr,
                "basis": row.basis,
                "similarity": row.similarity,
                "fmr": _share(impostor >= row.similarity),
                "fnmr": _share(genuine < row.similarity),
            }
            for row in manifest.similarity.false_match
            if row.fmr >= STRICTEST_FMR
        ],
        "at_fmr": [
            {
                "fmr": fmr,
                "similarity": strangers.similarity_at(fmr),
                "similarity_bounds": None,
                "fnmr": misses_of_pairs(genuine, impostor, fmr, seed),
            }
            for fmr in supported(strangers)
        ],
        "equal_error": curve.equal_error(),
        "det": curve.points(strangers.count),
        "verification": _verification(rows, acquired, manifest),
        "accuracy": _accuracy(rows, pairs.folds),
        "discard": {
            "threshold": promise,
            "curves": discards(genuine >= promise, rows.views[rows.same], acquired.views.badness),
        },
        "notes": _notes(pairs, int((times > 1).sum()), len(used), len(impostor)),
    }
    if acquired.reference is not None:
        document["reference"] = _reference(rows, acquired, seed)
    return Found(plain(document), _worst(rows, acquired))


def _rows(pairs: Pairs, acquired: Acquired) -> _Rows:
    place = np.full(len(pairs.images), -1)
    place[acquired.numbers] = np.arange(len(acquired.numbers))
    table = np.array(pairs.rows, np.int64)
    views = place[table[:, :2]]
    kept = (views >= 0).all(1)
    views, table = views[kept], table[kept]
    faces = unit(acquired.views.embeddings)
    similarity = (faces[views[:, 0]] * faces[views[:, 1]]).sum(1)
    return _Rows(views, similarity, table[:, 2].astype(bool), table[:, 3])


def _share(events: NDArray[np.bool_]) -> Any:
    return independent(int(events.sum()), len(events))


def _verification(rows: _Rows, acquired: Acquired, manifest: Recogniser) -> list[dict[str, Any]]:
    """What `edged compare` would answer, by profile."""
    rule = manifest.similarity.verification
    quality = acquired.views.quality[rows.views]
    told = []
    for profile in FPIR:
        least = getattr(manifest.quality.minimum, profile)
        verdicts = np.array(
            [
                verify(
                    float(similarity),
                    (float(left), float(right)),
                    same=rule.same,
                    different=rule.different,
                    minimum_quality=least,
                ).value
                for similarity, (left, right) in zip(rows.similarity, quality, strict=True)
            ]
        )
        told.append(
            {
                "profile": profile,
                "minimum_quality": least,
                "same": rule.same,
                "different": rule.different,
                **{
                    kind: {v.value: int((verdicts[of] == v.value).sum()) for v in Verdict}
                    for kind, of in (("genuine", rows.same), ("impostor", ~rows.same))
                },
            }
        )
    return told


def _accuracy(rows: _Rows, folds: int) -> dict[str, Any] | None:
    """LFW's figure: each fold judged by the threshold that is best on the others."""
    if folds < 2:
        return None
    shares = []
    for fold in range(folds):
        held = rows.fold == fold
        if not held.any() or held.all():
            continue
        best = _best_threshold(rows.similarity[~held], rows.same[~held])
        right = (rows.similarity[held] >= best) == rows.same[held]
        shares.append(float(right.mean()))
    if len(shares) < 2:
        return None
    error = float(np.std(shares, ddof=1) / np.sqrt(len(shares)))
    return {"folds": len(shares), "mean": float(np.mean(shares)), "standard_error": error}


def _best_threshold(similarity: NDArray[np.float32], same: NDArray[np.bool_]) -> float:
    order = np.argsort(-similarity, kind="stable")
    right = np.cumsum(np.where(same[order], 1, -1))
    return float(similarity[order[int(np.argmax(right))]])


def _reference(rows: _Rows, acquired: Acquired, seed: int) -> dict[str, Any]:
    assert acquired.reference is not None  # noqa: S101
    place = np.full(len(acquired.paths), -1)
    place[acquired.both] = np.arange(len(acquired.both))
    kept = (place[rows.views] >= 0).all(1)
    views, same, similarity = rows.views[kept], rows.same[kept], rows.similarity[kept]
    its = unit(acquired.reference.embeddings)
    other = (its[place[views[:, 0]]] * its[place[views[:, 1]]]).sum(1)
    ours, theirs = (
        impostors_of(values[~same], views[~same].astype(np.int32)) for values in (similarity, other)
    )
    return {
        "agreement": agreement(acquired.outputs.take(acquired.both), acquired.reference),
        "at_fmr": [
            {
                "fmr": fmr,
                "similarity": ours.similarity_at(fmr),
                "reference_similarity": theirs.similarity_at(fmr),
                "fnmr": misses_of_pairs(similarity[same], similarity[~same], fmr, seed),
                "reference_fnmr": misses_of_pairs(other[same], other[~same], fmr, seed),
            }
            for fmr in supported(ours)
        ],
    }


def _notes(pairs: Pairs, shared: int, images: int, impostors: int) -> list[str]:
    notes = []
    if shared:
        notes.append(
            f"{shared} of {images} images are in several pairs: the pairs are not independent, "
            "and the true bounds are wider"
        )
    if impostors < 300_000:
        notes.append(f"{impostors} impostor pairs do not show an FMR of 1e-4; it takes 300,000")
    if pairs.repeated:
        notes.append(f"{pairs.repeated} lines repeat a pair: each pair counts once")
    return notes


def _worst(rows: _Rows, acquired: Acquired) -> list[Case]:
    paths = acquired.paths
    cases = []
    for what, of, sign in (("genuine", rows.same, 1), ("impostor", ~rows.same, -1)):
        at = np.flatnonzero(of)
        for row in at[np.argsort(sign * rows.similarity[at], kind="stable")[:WORST]]:
            left, right = rows.views[row]
            cases.append(Case(what, float(rows.similarity[row]), (paths[left], paths[right])))
    quality = acquired.views.quality
    worst = np.argsort(quality, kind="stable")[:WORST]
    return cases + [Case("quality", float(quality[at]), (paths[at],)) for at in worst]
