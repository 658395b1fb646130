"""The installer's settings over the bundle's calibration."""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from edged.decision.policy import FPIR, MARGIN, Policy

if TYPE_CHECKING:
    from edged.bundle.manifest import IsotonicQuality, LogisticQuality, Similarity
    from edged.config.schema import Decision, Gallery


class Calibrated(Protocol):
    """A bundle's manifest, or what a recording kept of it."""

    @property
    def similarity(self) -> Similarity:
        """What a similarity means."""

    @property
    def quality(self) -> LogisticQuality | IsotonicQuality:
        """What a log variance means."""


def make_policy(decision: Decision, manifest: Calibrated, gallery: Gallery | None = None) -> Policy:
    """Everything that the decision needs to know, as plain values.

    Args:
        gallery: its settings; None where nobody in it is marked as a lookalike.
    """
    rule = manifest.similarity.verification
    profile = decision.profile
    minimum = decision.minimum_quality
    return Policy(
        curve=manifest.similarity.risk,
        fpir=decision.fpir if decision.fpir is not None else FPIR[profile],
        floor_same=rule.same,
        floor_different=rule.different,
        minimum_quality=(
            minimum if minimum is not None else getattr(manifest.quality.minimum, profile)
        ),
        similarity=decision.similarity,
        view_quality=decision.view_quality,
        review_fpir_factor=decision.review_fpir_factor,
        margin=decision.margin if decision.margin is not None else MARGIN[profile],
        doubtful=decision.doubtful,
        one_person=(
            decision.one_person if decision.one_person is not None else profile == "high_security"
        ),
        evidence_frames=decision.evidence_frames,
        denial_frames=decision.denial_frames,
        denial_after_s=decision.denial_after_s,
        retake_after_s=decision.retake_after_s,
        gone_after_s=decision.gone_after_s,
        cool_down_s=decision.cool_down_s,
        serve_again_after_s=decision.serve_again_after_s,
        instruction_delay_s=decision.instruction_delay_s,
        instruction_hold_s=decision.instruction_hold_s,
        lookalikes=gallery.lookalikes if gallery is not None else "off",
        lookalike_margin=gallery.lookalike_margin if gallery is not None else 0.0,
    )


def policy_digest(policy: Policy, profile: str, model: str) -> str:
    """Tells one set of thresholds and rules from another: the same digits, the same decisions.

    Args:
        model: identity of the bundle, whose calibrations are part of it.

    Returns:
        12 hex digits.
    """
    told = json.dumps([asdict(policy), profile, model], sort_keys=True)
    return sha256(told.encode()).hexdigest()[:12]
