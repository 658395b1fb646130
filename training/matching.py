"""What similarities mean: the false match table, and misses of held-out people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.evaluation import door, risk
from edged.evaluation.comparisons import Impostors, genuine_pairs, unit
from edged.evaluation.outcomes import MOST_PER_PERSON

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edged.evaluation.outputs import Outputs

SHOWN_FMR = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


@dataclass(frozen=True)
class Matching:
    """The manifest's table with everything behind it.

    `false_match` is the door's table with its bounds, `single` the one between single photos;
    `kinds` has what was counted at `SHOWN_FMR` by what meets what, beside what the line says.
    """

    people: int
    images: int
    unusable: int
    fused_people: int
    comparisons: int
    false_match: list[dict[str, Any]]
    single: list[dict[str, Any]]
    kinds: dict[str, dict[str, Any]]
    line: dict[str, float]
    tail: dict[str, float]
    earlier: dict[str, float]
    suspects: int
    closest_pairs: list[float]


def measure(faces: Outputs, people: NDArray[np.str_], seed: int) -> tuple[Matching, Impostors]:
    """Compare everybody with everybody else, photo by photo and fused, and fit the tail."""
    found = door.measure(faces, people, seed)
    pairs, tail, line = found.photos, found.tail, found.line
    if found.fused is None or line is None:
        raise RuntimeError(f"{found.fused_people} people with two photos: none to fuse")
    earlier = risk.fit_tail(pairs, (1e-2, 1e-4))
    kinds: dict[str, tuple[Impostors, Callable[[float], float]]] = {
        "photo and photo": (pairs, float),
        "template and photo": (found.fused[0], line.once),
        "template and fused probe": (found.fused[1], line.twice),
    }
    matching = Matching(
        people=found.people,
        images=len(people) - found.unusable,
        unusable=found.unusable,
        fused_people=found.fused_people,
        comparisons=pairs.count,
        false_match=found.rows,
        single=found.single,
        kinds={
            name: {
                "comparisons": counts.count,
                "counted": [round(counts.similarity_at(f), 4) for f in SHOWN_FMR],
                "line": [round(says(pairs.similarity_at(f)), 4) for f in SHOWN_FMR],
            }
            for name, (counts, says) in kinds.items()
        },
        line=asdict(line),
        tail=asdict(tail) | {"normal_1e-9": tail.normal(1e-9), "pareto_1e-9": tail.pareto(1e-9)},
        # Both tails fitted one decade earlier and asked for 1e-5, beside what was counted there.
        earlier={
            "counted": pairs.similarity_at(1e-5),
            "normal": earlier.normal(1e-5),
            "pareto": earlier.pareto(1e-5),
        },
        suspects=found.suspects,
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
            row[name] = int((~(similarity >= limit)).sum())
        rows.append(row)
    return rows
