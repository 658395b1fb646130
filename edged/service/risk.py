"""What a door risks, stated: the threshold, the FPIR it implies, false accepts a year."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from edged.decision.policy import false_accepts_per_year

if TYPE_CHECKING:
    from edged.config.schema import Decision
    from edged.decision.policy import Policy

UNKNOWN = "unknown until a day has been measured"
SIZES = (10, 100, 1_000, 10_000, 50_000)
"""Gallery sizes for which a risk is told in advance."""


def stated_risk(
    decision: Decision, policy: Policy, people: int, measured_per_day: float | None
) -> dict[str, Any]:
    """What holds for a gallery of `people` at this door, fit for `state.decision`.

    Args:
        decision: the installer's settings; `strangers_per_day` goes before what was measured.
        policy: made of them.
        people: how many the gallery holds.
        measured_per_day: presentations a day that were not granted, or None where nobody knows
            yet; most of them are by strangers, so the risk is stated a little too high.
    """
    thresholds = policy.thresholds(people)
    implied = policy.implied_fpir(people)
    strangers, traffic = decision.strangers_per_day, "configured"
    if strangers is None:
        known = measured_per_day is not None and isfinite(measured_per_day)
        strangers = max(0.0, measured_per_day) if known and measured_per_day is not None else None
        traffic = UNKNOWN if strangers is None else "measured"
    accepts = None if strangers is None else false_accepts_per_year(implied, strangers)
    return {
        "profile": decision.profile,
        "people": people,
        "threshold": round(thresholds.grant, 4),
        "review": round(thresholds.review, 4),
        "margin": policy.margin,
        "doubtful": policy.doubtful,
        "fpir": policy.fpir,
        "implied_fpir": _digits(implied, 3),
        "strangers_per_day": None if strangers is None else _digits(strangers, 2),
        "traffic": traffic,
        "false_accepts_per_year": None if accepts is None else _digits(accepts, 2),
    }


def risk_table(policy: Policy) -> list[dict[str, Any]]:
    """Threshold and implied risk by gallery size; `above_target` where it is more than asked."""
    return [
        {
            "people": people,
            "threshold": round(policy.thresholds(people).grant, 4),
            "review": round(policy.thresholds(people).review, 4),
            "implied_fpir": _digits(policy.implied_fpir(people), 3),
            "above_target": policy.above_target(people),
        }
        for people in SIZES
    ]


def _digits(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
