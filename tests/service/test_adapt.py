"""Templates follow people who agreed to it: slowly, not far, and not for good."""

from __future__ import annotations

from math import acos, cos
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.config.schema import Gallery as Settings
from edged.decision.outcome import Kind, Outcome, Phase, Step
from edged.decision.policy import similarity_at
from edged.errors import GalleryError
from edged.events.outbox import Outbox
from edged.gallery.choose import ADAPTED
from edged.gallery.people import Enrolment
from edged.gallery.profile import Consent, Profile
from edged.gallery.sealed import Kept
from edged.gallery.store import Gallery
from edged.gallery.vectors import agreement
from edged.service.adapt import APART_S, Adapter, Granted, beyond_doubt, followed, revert
from edged.service.journal import Journal
from edged.service.state import State
from edged.testing.builders import policy
from edged.types import Candidate, FusedMatch, Match
from edged.vault.secret import Secret
from tests.gallery.faces import embeddings
from tests.gallery.test_neighbours import near
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.types import Floats

MODEL, SIZE = "net@1.0.0#0123456789ab", 64
POLICY = policy()
PEOPLE = 10
GRANT = POLICY.thresholds(PEOPLE).grant
QUALITY = 0.85
BAR = 0.75
NOW = 1_800_000_000.0
FACE = embeddings(1, SIZE)[0]
AGREED = Profile(consent=Consent(basis="consent", adaptation=True))


def unit(vector: Any) -> Floats:
    return (np.asarray(vector) / np.linalg.norm(vector)).astype(np.float32)


def seen(template: Floats, bar: float = BAR) -> Granted:
    return Granted("alice", template, 0.9, 0.95, bar)


def kept(embedding: Floats, source: str = "photo", created: str = "2026-01-01T00:00:00Z") -> Kept:
    return Kept(embedding, 0.9, source, created)


def enrolled(number: int, cosine: float = 0.85) -> list[Kept]:
    """So many templates around a face."""
    return [kept(near(FACE, cosine, seed=seed)) for seed in range(number)]


def row_of(templates: list[Kept]) -> Floats:
    return unit(np.sum([one.embedding for one in templates], axis=0, dtype=np.float64))


def sources(templates: list[Kept] | None) -> list[str]:
    assert templates is not None
    return [one.source for one in templates]


# what may be learnt from


def grant(**changes: Any) -> Step:
    facts: dict[str, Any] = {
        "kind": Kind.GRANTED,
        "reason": "matched",
        "person_id": "alice",
        "similarity": 0.95,
        "runner_up": 0.1,
        "threshold": GRANT,
        "implied_fpir": 0.003,
        "people": PEOPLE,
        "quality": 0.95,
        "frames": 3,
        "duration_s": 0.4,
        "instructions": (),
    }
    return Step(Phase.GRANTED, outcome=Outcome(**(facts | changes)))


def evidence(
    similarity: float = 0.95,
    quality: float = 0.95,
    *,
    template: Floats | None = FACE,
    lookalike: bool = False,
    claimed: bool = False,
) -> FusedMatch:
    best = Candidate("alice", similarity, lookalike)
    return FusedMatch(Match((best,), PEOPLE, claimed), quality, 3, template)


def test_a_clear_grant_may_be_learnt_from() -> None:
    found = beyond_doubt(evidence(), grant(), POLICY, QUALITY)
    assert found is not None
    assert found.person_id == "alice"
    assert GRANT < found.bar < 0.95


@pytest.mark.parametrize(
    ("fused", "step"),
    [
        (None, grant()),
        (evidence(template=None), grant()),
        (evidence(claimed=True), grant()),
        (evidence(), Step(Phase.GATHERING)),
        (evidence(), grant(kind=Kind.SECOND_FACTOR)),
        (evidence(), grant(kind=Kind.REVIEW)),
        (evidence(), grant(lookalike=True)),
        (evidence(lookalike=True), grant()),
        (evidence(), grant(threshold=None)),
        (evidence(similarity=GRANT + 0.01), grant()),
        (evidence(similarity=float("nan")), grant()),
        (evidence(similarity=1.5), grant()),
        (evidence(quality=0.84), grant()),
        (evidence(quality=float("nan")), grant()),
    ],
)
def test_nothing_less_is_learnt_from(fused: FusedMatch | None, step: Step) -> None:
    assert beyond_doubt(fused, step, POLICY, QUALITY) is None


@given(st.integers(1, 100_000))
def test_the_bar_lies_beyond_the_threshold_whatever_the_number_of_people(people: int) -> None:
    threshold = POLICY.thresholds(people).grant
    found = beyond_doubt(evidence(1.0), grant(threshold=threshold), POLICY, QUALITY)
    assert found is not None
    assert found.bar > threshold or threshold == 1.0
    assert found.bar == pytest.approx(
        similarity_at(
            10 ** np.log10(POLICY.implied_fpir(people) / 1.3 / people) / 100, POLICY.curve
        ),
        abs=0.02,
    )


# how far it goes


def test_one_template_is_added_to_those_that_were_enrolled() -> None:
    before = enrolled(3)
    after = followed(before, seen(near(FACE, 0.9, seed=9)), NOW, 5)
    assert sources(after) == ["photo", "photo", "photo", ADAPTED]
    assert after is not None
    assert after[:3] == before


def test_only_one_a_day() -> None:
    template = near(FACE, 0.9, seed=9)
    first = followed(enrolled(3), seen(template), NOW, 5)
    assert first is not None
    assert followed(first, seen(template), NOW + APART_S - 1, 5) is None
    assert followed(first, seen(template), NOW + APART_S, 5) is not None


def test_with_a_clock_that_was_set_back_nothing_is_learnt() -> None:
    template = near(FACE, 0.9, seed=9)
    first = followed(enrolled(3), seen(template), NOW, 5)
    assert first is not None
    assert followed(first, seen(template), NOW - 10 * APART_S, 5) is None


def test_the_newest_replaces_the_one_before() -> None:
    templates = enrolled(3)
    new = [near(FACE, 0.9, seed=20 + day) for day in range(4)]
    for day, template in enumerate(new):
        after = followed(templates, seen(template), NOW + day * APART_S, 5)
        assert after is not None
        templates = after
    assert [one.embedding.tobytes() for one in templates[3:]] == [new[-1].tobytes()]


@pytest.mark.parametrize("number", [0, 5, 6])
def test_where_there_is_no_place_beside_enrolled_ones_nothing_is_learnt(number: int) -> None:
    assert followed(enrolled(number), seen(FACE), NOW, 5) is None


def test_what_is_near_to_adapted_ones_only_is_not_taken() -> None:
    base = enrolled(3)
    adapted = near(row_of(base), BAR + 0.001, seed=5)
    templates = followed(base, seen(adapted), NOW, 5)
    assert templates is not None
    # nearer to the row as it is now than to what was enrolled
    further = unit(adapted * 1.3 - row_of(base) * 0.3)
    assert float(further @ row_of(templates)) > float(further @ row_of(base))
    assert float(further @ row_of(base)) < BAR
    assert followed(templates, seen(further), NOW + APART_S, 5) is None


def test_enrolled_templates_that_hardly_agree_teach_nothing() -> None:
    assert followed([kept(FACE), kept(near(FACE, -0.9))], seen(FACE, 0.1), NOW, 5) is None


@given(
    number=st.integers(1, 5),
    limit=st.integers(1, 9),
    cosine=st.floats(0.6, 0.999),
    bar=st.floats(0.3, 0.99),
    attack=st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 3)), max_size=40),
)
def test_no_impostor_turns_a_row_by_more_than_half_the_angle_of_the_bar(
    number: int, limit: int, cosine: float, bar: float, attack: list[tuple[float, int]]
) -> None:
    """Whoever comes however often, always the same or not, and is let in each time."""
    base = enrolled(number, cosine)
    start = row_of(base)
    templates = base
    for day, (similarity, direction) in enumerate(attack):
        template = near(start, similarity, seed=100 + direction)
        after = followed(templates, seen(template, bar), NOW + day * APART_S, limit)
        assert after is None or [one for one in after if one.source != ADAPTED] == base
        templates = after or templates
    turned = acos(min(1.0, float(row_of(templates).astype(np.float64) @ start)))
    assert turned <= acos(bar) / 2 + 1e-3
    assert sum(one.source == ADAPTED for one in templates) <= 1


@given(st.floats(0.0, 0.74), st.integers(1, 60))
def test_an_impostor_below_the_bar_is_never_taken_in(similarity: float, days: int) -> None:
    base = enrolled(3)
    template = near(row_of(base), similarity, seed=3)
    for day in range(days):
        assert followed(base, seen(template), NOW + day * APART_S, 5) is None


def test_a_row_with_everything_that_may_be_adapted_still_agrees() -> None:
    base = enrolled(3, 0.8)
    templates = base
    for day in range(5):
        template = near(row_of(base), BAR + 0.001, seed=7)
        templates = followed(templates, seen(template), NOW + day * APART_S, 5) or templates
    assert agreement(np.stack([one.embedding for one in templates])) > POLICY.floor_different
    assert float(row_of(templates) @ row_of(base)) >= cos(acos(BAR) / 2)


# in the gallery


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    gallery = Gallery(tmp_path / "gallery.db", Secret(bytes(32)))
    gallery.open()
    yield gallery
    gallery.close()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "events.db", Secret(bytes(32)), 100)
    outbox.open()
    yield outbox
    outbox.close()


@pytest.fixture
def adapter(gallery: Gallery, outbox: Outbox) -> Iterator[Callable[..., Adapter]]:
    made: list[Adapter] = []

    def make(*, adaptation: bool = True, clock: Callable[[], float] = lambda: NOW) -> Adapter:
        one = Adapter(
            Settings(adaptation=adaptation),
            POLICY,
            gallery,
            gallery.index(MODEL, SIZE),
            Journal(outbox, State()),
            quality=QUALITY,
            clock=clock,
        )
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()
        one.close()


def enrol(gallery: Gallery, person_id: str = "alice", profile: Profile | None = AGREED) -> None:
    gallery.add_many(
        [Enrolment(person_id, one.embedding, MODEL, 0.9, "terminal") for one in enrolled(3)],
        limit=5,
        profiles={} if profile is None else {person_id: profile},
    )


def told(outbox: Outbox) -> list[dict[str, Any]]:
    return [event.data for event in outbox.pending() if event.type == "gallery.adapted"]


def test_a_grant_is_followed_off_the_vision_thread_and_told_without_the_template(
    gallery: Gallery, outbox: Outbox, adapter: Callable[..., Adapter]
) -> None:
    enrol(gallery)
    one = adapter()
    one.open()
    one.step(evidence(template=near(FACE, 0.95, seed=9)), grant())
    until(lambda: told(outbox), 20)
    assert told(outbox) == [
        {"person_id": "alice", "templates": 4, "similarity": 0.95, "quality": 0.95}
    ]
    assert sources(gallery.kept("alice", MODEL)) == ["terminal"] * 3 + [ADAPTED]
    row = gallery.index(MODEL, SIZE).row("alice")
    assert row is not None
    np.testing.assert_allclose(row[1], row_of(gallery.kept("alice", MODEL)), atol=1e-5)


@pytest.mark.parametrize(
    "profile",
    [
        None,
        Profile(),
        Profile(consent=Consent(basis="contract")),
        Profile(consent=Consent(basis="consent", adaptation=False)),
    ],
)
def test_who_did_not_agree_stays_as_they_are(
    gallery: Gallery, outbox: Outbox, adapter: Callable[..., Adapter], profile: Profile | None
) -> None:
    enrol(gallery, profile=profile)
    assert not adapter().learn(seen(near(FACE, 0.95)))
    assert len(gallery.kept("alice", MODEL)) == 3
    assert told(outbox) == []


def test_where_the_site_did_not_switch_it_on_nothing_happens(
    gallery: Gallery, adapter: Callable[..., Adapter]
) -> None:
    enrol(gallery)
    one = adapter(adaptation=False)
    one.open()
    one.step(evidence(), grant())
    one.close()
    assert len(gallery.kept("alice", MODEL)) == 3


def test_who_was_erased_meanwhile_does_not_come_back(
    gallery: Gallery, adapter: Callable[..., Adapter]
) -> None:
    enrol(gallery)
    gallery.remove("alice")
    assert not adapter().learn(seen(FACE))
    assert gallery.people() == []


def test_what_changed_meanwhile_is_not_overwritten(gallery: Gallery) -> None:
    enrol(gallery)
    revision, before = gallery.revision, gallery.kept("alice", MODEL)
    gallery.add("alice", FACE, model=MODEL, quality=0.9, source="photo", limit=5)
    with pytest.raises(GalleryError, match="changed meanwhile"):
        gallery.replace_templates("alice", MODEL, before, since=revision)
    assert len(gallery.kept("alice", MODEL)) == 4


def test_a_row_that_begins_to_resemble_somebody_is_marked(
    gallery: Gallery, adapter: Callable[..., Adapter]
) -> None:
    enrol(gallery)
    gallery.add("bob", near(FACE, 0.7, seed=50), model=MODEL, quality=0.9, source="p", limit=5)
    assert adapter().learn(seen(near(FACE, 0.95)))
    assert {who for pair in gallery.lookalikes() for who in pair} == {"alice", "bob"}


def test_a_new_enrolment_begins_anew(gallery: Gallery, adapter: Callable[..., Adapter]) -> None:
    enrol(gallery)
    assert adapter().learn(seen(near(FACE, 0.95)))
    gallery.add("alice", near(FACE, 0.9, seed=60), model=MODEL, quality=0.9, source="p", limit=5)
    assert ADAPTED not in sources(gallery.kept("alice", MODEL))


def test_reverting_gives_back_the_enrolled_row(
    gallery: Gallery, adapter: Callable[..., Adapter]
) -> None:
    enrol(gallery)
    enrol(gallery, "bob", Profile())
    index = gallery.index(MODEL, SIZE)
    before = index.row("alice")
    clock = iter([NOW, NOW + APART_S])
    one = adapter(clock=lambda: next(clock))
    assert one.learn(seen(near(FACE, 0.95)))
    assert one.learn(seen(near(FACE, 0.9, seed=8)))
    assert revert(gallery, ["alice", "bob"]) == {"alice": 1}
    after = index.row("alice")
    assert before is not None
    assert after is not None
    np.testing.assert_allclose(after[1], before[1], atol=1e-6)
    assert revert(gallery, ["alice", "bob"]) == {}


def test_reverting_a_stranger_is_refused(gallery: Gallery) -> None:
    with pytest.raises(GalleryError, match="nobody is enrolled as 'nobody'"):
        revert(gallery, ["nobody"])
