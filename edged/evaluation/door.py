"""The false match table of a door: the strictest of what can meet there, with its bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.errors import EvaluationError
from edged.evaluation import risk
from edged.evaluation.comparisons import impostors, impostors_between
from edged.evaluation.fusing import FEWEST_FUSED, Line, fit_line, templates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.evaluation.comparisons import Counts, Impostors
    from edged.evaluation.outputs import Outputs
    from edged.evaluation.risk import Tail

FEWEST_PEOPLE = 10
_LABEL_ERROR_FMR = 1e-8


@dataclass(frozen=True)
class Risk:
    """The manifest's table and what it is made of.

    Attributes:
        rows: the table, for `similarity.false_match`, each with its 95 % interval.
        single: the table between single photos.
        photos: comparisons between photos.
        fused: comparisons of fused templates with photos, and with fused probes; none where
            fewer than ten people have two photos.
        line: what fusing one side does; None as above.
        unusable: views left out since their output is not finite.
        suspects: pairs of people at or above the similarity at FMR 1e-8 between photos: mostly
            one person under two names or twins. They are counted like everybody else.
    """

    rows: list[dict[str, Any]]
    single: list[dict[str, Any]]
    photos: Impostors
    tail: Tail
    fused: tuple[Impostors, Impostors] | None
    line: Line | None
    people: int
    fused_people: int
    unusable: int
    suspects: int


def measure(faces: Outputs, people: NDArray[np.str_], seed: int, number: int = risk.DRAWS) -> Risk:
    """Count, fit and bound the table on everybody; people are the unit of every bound.

    Raises:
        EvaluationError: too few people or comparisons, or similarities that do not differ.
    """
    usable = faces.usable
    views, whose = faces.take(usable), people[usable]
    names = np.unique(whose)
    if len(names) < FEWEST_PEOPLE:
        raise EvaluationError(
            f"{len(names)} people with a usable photo ({int((~usable).sum())} of {len(usable)} "
            f"views are not usable): a false match table needs {FEWEST_PEOPLE} or more"
        )
    photos = impostors(views.embeddings, whose)
    fused_rows, fused_whose = templates(views, whose)
    probes, _ = templates(views, whose, weighted=True)
    enough = len(fused_whose) >= FEWEST_FUSED
    sets: tuple[Impostors, Impostors] | None = None
    if enough:
        sets = (
            impostors_between((fused_rows, fused_whose), (views.embeddings, whose)),
            impostors_between((fused_rows, fused_whose), (probes, fused_whose)),
        )
    single, strict, tail, line = _table(photos, sets)
    again = [risk.Resampled.of(photos, names, whose)]
    if sets is not None:
        again += [
            risk.Resampled.of(sets[0], names, fused_whose, whose),
            risk.Resampled.of(sets[1], names, fused_whose, fused_whose),
        ]
    bounds = _bounds(again, [float(row["fmr"]) for row in strict], len(names), (seed, number))
    limit = tail.similarity_at(_LABEL_ERROR_FMR)
    return Risk(
        rows=_bounded(strict, bounds, lasting=len(risk.counted(photos)) == len(risk.MEASURED_FMR)),
        single=single,
        photos=photos,
        tail=tail,
        fused=sets,
        line=line,
        people=len(names),
        fused_people=len(fused_whose),
        unusable=int((~usable).sum()),
        suspects=len(np.unique(_who(photos, whose)[photos.similarities >= limit], axis=0)),
    )


def _table(
    photos: Counts, fused: tuple[Counts, Counts] | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Tail, Line | None]:
    """Between photos; the strictest; the tail; the line."""
    tail = risk.fit_tail(photos, risk.window(photos.count))
    single = risk.false_match_table(photos, tail)
    if fused is None:
        return single, single, tail, None
    line = fit_line(photos, fused[0])
    counted = [risk.counted(counts) for counts in fused]
    rows = []
    for row in single:
        fmr, similarity = float(str(row["fmr"])), float(str(row["similarity"]))
        found = [
            counts.similarity_at(fmr)
            for counts, at in zip(fused, counted, strict=True)
            if fmr in at
        ]
        # Templates against probes are too few in a small set: the line stands in for them.
        basis = str(row["basis"]) if fmr in counted[0] else "extrapolated"
        rows.append((fmr, max([line.strictest(similarity), *found]), basis))
    return single, risk.rising(rows), tail, line


def _bounds(
    again: list[risk.Resampled], fmrs: list[float], people: int, drawn: tuple[int, int]
) -> dict[float, tuple[float, float]]:
    """The whole table made anew in every draw: counts, tail and line."""
    found: dict[float, list[float]] = {f: [] for f in fmrs}
    for weight in risk.draws(people, *drawn):
        counts = [one.counts(weight) for one in again]
        try:
            rows = _table(counts[0], (counts[1], counts[2]) if len(counts) > 1 else None)[1]
        except EvaluationError:  # a draw that shows next to nobody says: anything
            rows = []
        table = {float(row["fmr"]): float(row["similarity"]) for row in rows}
        for f in fmrs:
            found[f].append(table.get(f, 1.0))
    ends = {f: np.quantile(values, [0.025, 0.975]) for f, values in found.items()}
    return {f: (float(low), float(high)) for f, (low, high) in ends.items()}


def _bounded(
    rows: list[dict[str, Any]], bounds: dict[float, tuple[float, float]], *, lasting: bool
) -> list[dict[str, Any]]:
    """Rows with their intervals. What a small set extrapolates holds its upper bound."""
    chosen = []
    for row in rows:
        upper = bounds[row["fmr"]][1]
        guess = row["basis"] == "extrapolated" and not lasting
        chosen.append((row["fmr"], max(row["similarity"], upper if guess else -1.0), row["basis"]))
    table: list[dict[str, Any]] = risk.rising(chosen)
    for row in table:
        low, high = bounds[row["fmr"]]
        ends = (min(low, row["similarity"]), max(high, row["similarity"]))
        row["interval"] = [round(end, 4) for end in ends]
    return table


def _who(pairs: Impostors, whose: NDArray[np.str_]) -> NDArray[np.intp]:
    """The two people of each comparison that was kept, the smaller number first."""
    labels = np.unique(whose, return_inverse=True)[1]
    found: NDArray[np.intp] = np.sort(labels[pairs.pairs], axis=1)
    return found
