"""From a tolerated risk to a similarity threshold, and the 1:1 rule."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import expm1, isfinite, log1p, log10
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.types import Candidate, RiskPoint

DAYS_PER_YEAR = 365.25
_ROUNDING = 1 + 1e-6

Doubtful = Literal["review", "retake", "second_factor"]
Lookalikes = Literal["margin", "second_factor", "off"]

FPIR = {"attendance": 0.01, "access": 0.003, "high_security": 0.001}
"""Tolerated share of impostor presentations that are granted, by profile."""

MARGIN = {"attendance": 0.02, "access": 0.03, "high_security": 0.06}
"""By how much the best candidate must be ahead of the second, by profile."""

LOOKS = 1.3
"""By how much looking after every frame raises the FPIR of a presentation above that of one look
at its end: 1.2 to 1.5 measured with three views or more (docs/decide.md, "What fusing gives")."""

DUPLICATE_FPIR = 0.001
"""Tolerated share of new people who are taken for somebody who is enrolled already. With three
views each, 99 % of those who really are were found among 5,000 (docs/lookalikes.md)."""

LOOKALIKE_SHARE = 0.03
"""The level of lookalikes is where at most this share of people has somebody above it; 1 to 2 %
had among 2,500 and 5,000 (docs/lookalikes.md)."""


def false_match_rate(fpir: float, people: int) -> float:
    """The FMR a single comparison may have so that a search of `people` keeps `fpir`.

    With independent comparisons FPIR = 1 - (1 - FMR)^N (ISO/IEC 19795-1).
    """
    return -expm1(log1p(-fpir) / max(people, 1))


def false_positive_rate(fmr: float, people: int) -> float:
    """The FPIR of a search of `people` whose comparisons have `fmr`; the inverse of the above."""
    return -expm1(max(people, 0) * log1p(-fmr))


def similarity_at(fmr: float, curve: Sequence[RiskPoint]) -> float:
    """The similarity that a share `fmr` of impostor comparisons reaches.

    Linear in log10(FMR) between the points of the calibration; beyond its strict end the last
    slope goes on, and beyond its lax end the first point holds: never less strict than known.
    """
    if fmr >= curve[0].fmr:
        return curve[0].similarity
    lax, strict = curve[-2], curve[-1]
    for lower, upper in pairwise(curve):
        if lower.fmr >= fmr >= upper.fmr:
            lax, strict = lower, upper
            break
    share = (log10(lax.fmr) - log10(fmr)) / (log10(lax.fmr) - log10(strict.fmr))
    return min(1.0, lax.similarity + share * (strict.similarity - lax.similarity))


def fmr_at(similarity: float, curve: Sequence[RiskPoint]) -> float:
    """The FMR at a similarity, by the same lines; for stating the risk of a fixed threshold."""
    if similarity <= curve[0].similarity:
        return curve[0].fmr
    lax, strict = curve[-2], curve[-1]
    for lower, upper in pairwise(curve):
        if lower.similarity <= similarity <= upper.similarity:
            lax, strict = lower, upper
            break
    share = (similarity - lax.similarity) / (strict.similarity - lax.similarity)
    exponent = log10(lax.fmr) + share * (log10(strict.fmr) - log10(lax.fmr))
    return float(10**exponent)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Similarities for a gallery of a certain size: at or above `grant` the person is let in,
    at or above `review` the case is doubtful."""

    grant: float
    review: float


@dataclass(frozen=True, slots=True)
class Nearness:
    """Similarities between the templates of two ids: at or above `duplicate` they are taken for
    one person's, at or above `lookalike` one may be taken for the other at the door."""

    duplicate: float
    lookalike: float


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything the decision needs to know, as plain values.

    Attributes:
        curve: the bundle's calibration, descending FMR.
        fpir: tolerated share of impostor presentations that are granted.
        floor_same, floor_different: the 1:1 rule; the door is never laxer than it.
        minimum_quality: evidence of a lower quality decides nothing, whatever its similarity.
        view_quality: a view below this is never matched; None: the same as of the evidence.
        similarity: a fixed threshold instead of the derived one, or None.
        margin: by how much the best candidate must be ahead of the second to be granted.
        doubtful: what becomes of a case between the thresholds, or of a lookalike.
        lookalikes: what more is asked of who resembles somebody else in the gallery: a lead of
            `lookalike_margin` instead, a second factor, or nothing.
        one_person: whether a second face at the door blocks the decision.
        evidence_frames: the fewest usable views that a decision rests on.
        denial_frames, denial_after_s: nobody is refused before so many independent views, or
            so long after the first of them.
        serve_again_after_s: who was granted and stays is served again; None: only once gone.
    """

    curve: tuple[RiskPoint, ...]
    fpir: float
    floor_same: float
    floor_different: float
    minimum_quality: float
    view_quality: float | None = None
    similarity: float | None = None
    review_fpir_factor: float = 30.0
    margin: float = 0.0
    doubtful: Doubtful = "review"
    one_person: bool = False
    evidence_frames: int = 3
    denial_frames: int = 10
    denial_after_s: float = 1.5
    retake_after_s: float = 3.0
    gone_after_s: float = 1.0
    cool_down_s: float = 8.0
    serve_again_after_s: float | None = None
    instruction_delay_s: float = 0.3
    instruction_hold_s: float = 1.0
    lookalikes: Lookalikes = "off"
    lookalike_margin: float = 0.1

    def thresholds(self, people: int) -> Thresholds:
        """The thresholds for a gallery of `people`."""
        derived = similarity_at(false_match_rate(self.fpir / LOOKS, people), self.curve)
        grant = max(self.floor_same, derived if self.similarity is None else self.similarity)
        lax = min(self.fpir * self.review_fpir_factor / LOOKS, 0.5)
        review = similarity_at(false_match_rate(lax, people), self.curve)
        return Thresholds(grant, min(grant, max(review, self.floor_different)))

    def nearness(self, people: int) -> Nearness:
        """The levels for somebody new among `people`; never laxer than the 1:1 rule."""
        duplicate = similarity_at(false_match_rate(DUPLICATE_FPIR, people), self.curve)
        lookalike = similarity_at(false_match_rate(LOOKALIKE_SHARE, people), self.curve)
        return Nearness(max(self.floor_same, duplicate), max(self.floor_same, lookalike))

    def guards(self, best: Candidate) -> bool:
        """Whether more is asked of this best candidate, who resembles somebody else."""
        return best.lookalike and self.lookalikes != "off"

    def lead(self, best: Candidate) -> float:
        """By how much this best candidate must be ahead of the second."""
        guarded = self.guards(best) and self.lookalikes == "margin"
        return max(self.margin, self.lookalike_margin) if guarded else self.margin

    def asks_factor(self, best: Candidate) -> bool:
        """Whether the face alone never lets this one in."""
        return self.guards(best) and self.lookalikes == "second_factor"

    @property
    def view_floor(self) -> float:
        """The quality from which a view counts as evidence."""
        return self.minimum_quality if self.view_quality is None else self.view_quality

    def implied_fpir(self, people: int) -> float:
        """The FPIR that the grant threshold really implies at this gallery size."""
        look = false_positive_rate(fmr_at(self.thresholds(people).grant, self.curve), people)
        return min(1.0, LOOKS * look)

    def above_target(self, people: int) -> bool:
        """Whether that is more than `fpir` asks for, as a fixed similarity may bring about."""
        return self.implied_fpir(people) > self.fpir * _ROUNDING


def false_accepts_per_year(fpir: float, strangers_per_day: float) -> float:
    """How many people who are not enrolled this door is expected to let in, a year.

    Args:
        fpir: of one presentation.
        strangers_per_day: presentations by people who are not enrolled.
    """
    return fpir * strangers_per_day * DAYS_PER_YEAR


class Verdict(StrEnum):
    """The answer of a 1:1 comparison."""

    SAME = "same"
    DOUBTFUL = "doubtful"
    DIFFERENT = "different"
    RETAKE = "retake"


def verify(
    similarity: float,
    qualities: tuple[float, float],
    *,
    same: float,
    different: float,
    minimum_quality: float,
) -> Verdict:
    """The 1:1 rule: quality first, then similarity above `same`, below `different`, or between.

    A quality that is too low, or anything that is no number, asks for a retake whatever the
    similarity says.
    """
    known = isfinite(similarity) and all(isfinite(quality) for quality in qualities)
    if not known or min(qualities) < minimum_quality:
        return Verdict.RETAKE
    if similarity > same:
        return Verdict.SAME
    return Verdict.DIFFERENT if similarity < different else Verdict.DOUBTFUL
