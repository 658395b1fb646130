"""What similarities mean: the false match table, and misses of held-out people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.evaluation import risk
from edged.evaluation.comparisons import Impostors, genuine_pairs, impostors, unit
from edged.evaluation.outcomes import MOST_PER_PERSON

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.evaluation.outputs import Outputs

TAIL_FROM = 0.2
BOUNDED_FMR = [1e-2, 1e-3, 1e-4, 1e-5]


@dataclass(frozen=True)
class Matching:
    """The manifest's table with everything behind it."""

    people: int
    images: int
    comparisons: int
    false_match: list[dict[str, Any]]
    intervals: dict[str, tuple[float, float]]
    tail: dict[str, float]
    earlier: dict[str, float]
    closest_pairs: list[float]


def measure(faces: Outputs, people: NDArray[np.str_], seed: int) -> tuple[Matching, Impostors]:
    """Compare everybody with everybody else and fit the tail."""
    pairs = impostors(faces.embeddings, people, TAIL_FROM)
    tail = risk.fit_tail(pairs)
    bounds = risk.bootstrap(pairs, people, BOUNDED_FMR, seed)
    earlier = risk.fit_tail(pairs, (1e-2, 1e-4))
    matching = Matching(
        people=len(np.unique(people)),
        images=len(people),
        comparisons=pairs.count,
        false_match=risk.false_match_table(pairs, tail),
        intervals={f"{fmr:.0e}": ends for fmr, ends in bounds.items()},
        tail=asdict(tail) | {"normal_1e-9": tail.normal(1e-9), "pareto_1e-9": tail.pareto(1e-9)},
        # Both tails fitted one decade earlier and asked for 1e-5, beside what was counted there.
        earlier={
            "counted": pairs.similarity_at(1e-5),
            "normal": earlier.normal(1e-5),
            "pareto": earlier.pareto(1e-5),
        },
        closest_pairs=np.sort(pairs.similarities)[::-1][:100].round(3).tolist(),
    )
    return matching, pairs


def false_non_matches(
    faces: Outputs, reference: Outputs, people: NDArray[np.str_], pairs: Impostors
) -> list[dict[str, Any]]:
    """Failed genuine comparisons at three false match rates, of `faces` and of `reference`."""
    genuine = genuine_pairs(people, MOST_PER_PERSON)
    rows = []
    for fmr in (1e-3, 1e-4, 1e-5):
        limit = pairs.similarity_at(fmr)
        row: dict[str, Any] = {"fmr": fmr, "threshold": round(limit, 4), "tried": len(genuine)}
        for name, outputs in (("failed", faces), ("failed_float", reference)):
            vectors = unit(outputs.embeddings)
            similarity = (vectors[genuine[:, 0]] * vectors[genuine[:, 1]]).sum(1)
            row[name] = int((similarity < limit).sum())
        rows.append(row)
    return rows
