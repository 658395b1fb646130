"""What fusing photos does to impostors: it takes away noise that kept look-alikes apart.

A door compares a template fused from several photos with a probe fused from several frames. To
fuse one side moves the similarity at every FMR along a straight line; to fuse both moves it along
the same line twice. The line is fitted where fused templates meet single photos, where there are
many times more comparisons than between templates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edged.evaluation.comparisons import rows_of, unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.evaluation.comparisons import Counts
    from edged.evaluation.outputs import Outputs
    from edged.types import Floats

MOST_FUSED = 5
FEWEST_FUSED = 10  # people with two photos, below which nothing is said about fusing
_FEWEST_COUNTED = 10


@dataclass(frozen=True)
class Line:
    """similarity of a template to a photo = offset + slope * similarity of two photos."""

    offset: float
    slope: float

    def once(self, similarity: float) -> float:
        """A template against a photo, at the FMR at which two photos have `similarity`."""
        return self.offset + self.slope * similarity

    def twice(self, similarity: float) -> float:
        """A template against a fused probe."""
        return self.once(self.once(similarity))

    def strictest(self, similarity: float) -> float:
        """Whatever meets at the door: never less than two photos."""
        return max(similarity, self.once(similarity), self.twice(similarity))


def templates(
    faces: Outputs, people: NDArray[np.str_], *, weighted: bool = False
) -> tuple[Floats, NDArray[np.str_]]:
    """One unit row for each person with two usable views or more, of their first five.

    Args:
        weighted: by exp(-log variance), as a door fuses frames; else equally, as its index fuses
            templates.

    Returns:
        The rows and whose they are.
    """
    usable = faces.usable
    vectors = unit(faces.embeddings)
    weight = np.exp(-np.clip(np.nan_to_num(faces.log_variance, nan=20.0), -20, 20))
    found, names = [np.empty((0, vectors.shape[1]), np.float32)], []
    for whole in rows_of(people):
        rows = whole[usable[whole]][:MOST_FUSED]
        if len(rows) < 2:
            continue
        total = (vectors[rows] * (weight[rows, None] if weighted else 1)).sum(0, keepdims=True)
        found.append(unit(total))
        names.append(str(people[rows[0]]))
    return np.concatenate(found), np.array(names, dtype=people.dtype)


def fit_line(photos: Counts, fused: Counts) -> Line:
    """From similarities at the same FMRs, 1e-2 to 1e-4 where the counts carry that."""
    fewest = min(photos.count, fused.count)
    strict = min(1e-2, max(1e-4, _FEWEST_COUNTED / fewest))
    fmr = np.geomspace(min(0.05, 100 * strict), strict, 21)
    x = np.array([photos.similarity_at(f) for f in fmr])
    y = np.array([fused.similarity_at(f) for f in fmr])
    if not np.ptp(x) > 0:
        return Line(0.0, 1.0)
    slope, offset = np.polyfit(x, y, 1)
    return Line(float(offset), float(slope))
