from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edged.bundle.load import find_bundle, load_bundle
from edged.config.schema import Decision
from edged.decision.policy import FPIR
from edged.service.policy import make_policy, policy_digest

if TYPE_CHECKING:
    from edged.bundle.manifest import Recogniser


@pytest.fixture(scope="module")
def manifest() -> Recogniser:
    return load_bundle(find_bundle("mobilefacenet-rts")).recogniser


def decided(**settings: Any) -> Decision:
    return Decision.model_validate(settings)


@pytest.mark.parametrize("profile", ["attendance", "access", "high_security"])
def test_a_profile_brings_its_risk_and_its_quality(manifest: Recogniser, profile: str) -> None:
    policy = make_policy(decided(profile=profile), manifest)
    assert policy.fpir == FPIR[profile]
    assert policy.minimum_quality == getattr(manifest.quality.minimum, profile)
    assert policy.one_person == (profile == "high_security")
    assert policy.curve == manifest.similarity.risk


def test_a_stricter_profile_is_never_laxer_in_anything(manifest: Recogniser) -> None:
    profiles = ("attendance", "access", "high_security")
    policies = [make_policy(decided(profile=profile), manifest) for profile in profiles]
    for people in (1, 100, 10_000):
        grants = [policy.thresholds(people).grant for policy in policies]
        assert grants == sorted(grants)
    qualities = [policy.minimum_quality for policy in policies]
    assert qualities == sorted(qualities)


def test_the_installer_has_the_last_word(manifest: Recogniser) -> None:
    policy = make_policy(decided(fpir=1e-4, minimum_quality=0, similarity=0.7), manifest)
    assert policy.fpir == 1e-4
    assert policy.minimum_quality == 0
    assert policy.thresholds(1000).grant == 0.7


def test_every_time_and_count_is_taken_over(manifest: Recogniser) -> None:
    given = {
        "review_fpir_factor": 7,
        "evidence_frames": 2,
        "denial_frames": 9,
        "retake_after_s": 1.5,
        "gone_after_s": 2.5,
        "cool_down_s": 3.5,
        "instruction_delay_s": 0.25,
        "instruction_hold_s": 0.75,
    }
    policy = make_policy(decided(**given), manifest)
    assert {name: getattr(policy, name) for name in given} == given


def test_a_digest_stands_for_everything_that_sets_a_decision(manifest: Recogniser) -> None:
    def digest(model: str = "net@1.0.0#0123456789ab", **settings: Any) -> str:
        decision = decided(**settings)
        return policy_digest(make_policy(decision, manifest), decision.profile, model)

    assert digest() == digest()
    others: list[dict[str, Any]] = [
        {"profile": "high_security"},
        {"fpir": 0.002},
        {"similarity": 0.6},
        {"margin": 0.031},
        {"minimum_quality": 0.61},
        {"evidence_frames": 4},
        {"doubtful": "retake"},
        {"cool_down_s": 9},
        {"model": "net@1.0.0#ba9876543210"},
    ]
    digests = {digest(**changes) for changes in [{}, *others]}
    assert len(digests) == len(others) + 1
