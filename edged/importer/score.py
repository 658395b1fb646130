"""What a network's raw score is: which way it points, on which scale, and whether it is any good.

Nothing is believed: published texts call one and the same output a variance and a quality. Clean
faces are compared with the same faces damaged, and the figures decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edged.errors import BundleError
from edged.evaluation.comparisons import auroc
from edged.importer.graph import Form

if TYPE_CHECKING:
    from edged.types import Floats

LEAST_EACH = 0.70
LEAST_MEAN = 0.85
_LARGEST_LOG = 10.0  # a log variance beyond this is on another scale; fusing frames ends at 20


@dataclass(frozen=True, slots=True)
class Separation:
    """By kind of damage: how often a damaged view has a larger log variance than a clean one."""

    auroc: dict[str, float]

    @property
    def mean(self) -> float:
        return float(np.mean(list(self.auroc.values())))

    @property
    def enough(self) -> bool:
        return self.mean >= LEAST_MEAN and min(self.auroc.values()) >= LEAST_EACH

    def require(self, what: str) -> None:
        """Raises BundleError with every figure where a score does not separate."""
        if self.enough:
            return
        text = (
            f"{what} does not tell damaged faces from clean ones; with it nobody could be asked "
            f"to try again. Needed: AUROC {LEAST_MEAN:.2f} in the mean and {LEAST_EACH:.2f} for "
            f"each kind; measured: {self.mean:.3f} in the mean, and"
        )
        lines = [text]
        for kind, value in self.auroc.items():
            lines.append(f"  {kind:<16} {value:.3f}" + ("  too low" if value < LEAST_EACH else ""))
        raise BundleError("\n".join(lines))


def separation(clean: Floats, damaged: dict[str, Floats]) -> Separation:
    """AUROC of log variances (n,), of clean views against every kind of damage."""
    return Separation({kind: auroc(clean, values) for kind, values in damaged.items()})


def find_form(
    clean: Floats, damaged: dict[str, Floats], *, logarithm: bool = False
) -> tuple[Form, str]:
    """How to turn raw scores (n, k) into a log variance, and what that makes of them, in words.

    A score that is positive for every view, clean or damaged, is a variance, or a quality where
    it falls with damage: its logarithm is taken. One of both signs is a log already; it is
    brought to a spread of one where its scale is another. With `logarithm` it is known to be one.
    """
    everything = np.concatenate([clean, *damaged.values()])
    smallest = float(everything.min())
    floor = smallest / 1000 if smallest > 0 and not logarithm else None
    plain = Form(1 / clean.shape[1], floor=floor)
    mean = separation(
        plain.apply(clean), {kind: plain.apply(values) for kind, values in damaged.items()}
    ).mean
    falls = mean < 0.5
    sign = -1 if falls else 1
    if floor is not None:
        return Form(sign * plain.weight, floor=floor), "quality" if falls else "variance"
    name = "log of a quality" if falls else "log variance"
    raw = plain.apply(everything)
    if float(np.abs(raw).max()) <= _LARGEST_LOG:
        return Form(sign * plain.weight), name
    usual = plain.apply(clean)
    spread = max(float(usual.std()), 1e-6)
    scaled = sign / spread
    return (
        Form(scaled * plain.weight, offset=-scaled * float(np.median(usual))),
        f"{name}, rescaled",
    )


def check_norm(embeddings: Floats) -> None:
    """Raises BundleError where the length of every embedding (n, d) is the same."""
    lengths = np.linalg.norm(embeddings, axis=1)
    if float(lengths.std()) <= 1e-3 * float(lengths.mean()):
        raise BundleError(
            f"the network has no uncertainty output and gives every embedding the length "
            f"{lengths.mean():.3g}, so nothing says how far to trust a view; name an output with "
            "--uncertainty, or export the network without its last normalisation"
        )
