"""Which rule decided, in words and numbers; no names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.decision.presentation import Outcome, Summary
    from edged.types import Defect

_WORDS = {
    "matched": "similar enough, far enough ahead, good enough",
    "doubtful": "similar, but not enough to be sure",
    "lookalike": "similar enough, but somebody else is nearly as similar",
    "not_enrolled": "similar to nobody who is enrolled",
    "gallery_empty": "nobody is enrolled",
}


def rule(outcome: Outcome) -> str:
    """Why a presentation ended as it did."""
    words = _WORDS.get(outcome.reason)
    if words is None:
        return f"no usable view in time: {_spaced(outcome.reason)}"
    facts = [_against("similarity", outcome.similarity, outcome.threshold)]
    if outcome.similarity is not None and outcome.runner_up is not None:
        lead = outcome.similarity - outcome.runner_up
        facts.append(f"{lead:.2f} ahead of the next (needs {outcome.margin:.2f})")
    if outcome.fused_quality is not None:
        facts.append(f"evidence {outcome.fused_quality:.2f} from {outcome.frames} views")
    return f"{words}: {', '.join(fact for fact in facts if fact)}".rstrip(": ")


def left(summary: Summary) -> str:
    """Why a presentation that nobody decided came to nothing, as far as it shows."""
    worst = frequent(summary)
    if worst is None:
        return f"went before a decision; {summary.views} usable views"
    share = 100 * summary.defects[worst] / max(summary.frames, 1)
    return f"went before a decision; {_spaced(worst)} in {share:.0f} % of the pictures"


def frequent(summary: Summary) -> Defect | None:
    """The defect that was seen most often."""
    return max(summary.defects, key=lambda code: summary.defects[code], default=None)


def _against(name: str, value: float | None, needed: float | None) -> str:
    if value is None or needed is None:
        return ""
    sign = "≥" if value >= needed else "<"
    return f"{name} {value:.2f} {sign} {needed:.2f}"


def _spaced(code: str) -> str:
    return str(code).replace("_", " ")
