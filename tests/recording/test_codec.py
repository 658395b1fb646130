"""What is written comes back as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.decision.presentation import Kind, Outcome, Phase, Rule
from edged.errors import StorageError
from edged.recording.codec import (
    has_embedding,
    read_item,
    read_policy,
    write_item,
    write_policy,
)
from edged.recording.items import Forgot, Gap, Held, Item, Seen
from edged.testing.builders import policy
from edged.types import (
    Box,
    Candidate,
    Defect,
    Face,
    FusedMatch,
    Instruction,
    Match,
    Measures,
    Observation,
    Pose,
)

FLOAT = st.floats(width=64)
SOME = st.none() | FLOAT
POINT = st.tuples(FLOAT, FLOAT)
FACE = st.builds(
    Face,
    st.builds(Box, FLOAT, FLOAT, FLOAT, FLOAT),
    st.tuples(POINT, POINT, POINT, POINT, POINT),
    FLOAT,
    st.builds(Pose, FLOAT, FLOAT, FLOAT),
)
EMBEDDING = st.none() | st.lists(st.floats(width=32), min_size=4, max_size=4).map(
    lambda values: np.array(values, np.float32)
)
OBSERVATION = st.builds(
    Observation,
    t_s=FLOAT,
    seq=st.integers(0, 2**53),
    faces=st.integers(0, 1000),
    track_id=st.none() | st.integers(0, 2**53),
    face=st.none() | FACE,
    defects=st.lists(st.sampled_from(Defect), unique=True).map(tuple),
    embedding=EMBEDDING,
    log_variance=SOME,
    quality=SOME,
    gains=st.lists(FLOAT, max_size=5).map(tuple),
    measures=st.none() | st.builds(Measures, FLOAT, FLOAT, FLOAT, FLOAT, FLOAT, FLOAT, SOME),
)
IDS = st.text(min_size=1, max_size=8)
FUSED = st.none() | st.builds(
    FusedMatch,
    st.builds(
        Match,
        st.lists(st.builds(Candidate, IDS, FLOAT, st.booleans()), max_size=2).map(tuple),
        st.integers(0, 10**6),
    ),
    FLOAT,
    st.integers(0, 10**6),
)
OUTCOME = st.none() | st.builds(
    Outcome,
    kind=st.sampled_from(Kind),
    reason=st.text(max_size=10),
    person_id=st.none() | IDS,
    similarity=SOME,
    runner_up=SOME,
    threshold=SOME,
    implied_fpir=SOME,
    people=st.none() | st.integers(0, 10**6),
    quality=SOME,
    frames=st.integers(0, 10**6),
    duration_s=FLOAT,
    instructions=st.lists(st.sampled_from(Instruction), unique=True).map(tuple),
    fused_quality=SOME,
    margin=FLOAT,
    lookalike=st.booleans(),
    rule=st.none() | st.sampled_from(Rule),
    review_threshold=SOME,
    minimum_quality=FLOAT,
    seen=st.integers(0, 10**6),
    defects=st.dictionaries(st.sampled_from(Defect), st.integers(0, 10**6)),
)
SEEN = st.builds(
    Seen,
    wall=FLOAT,
    observation=OBSERVATION,
    fused=FUSED,
    phase=st.sampled_from(Phase),
    outcome=OUTCOME,
    people=st.integers(0, 10**6),
    revision=st.integers(0, 2**53),
)
ITEM = st.one_of(
    SEEN,
    st.builds(Held, st.floats(allow_nan=False), st.none() | IDS),
    st.builds(Forgot),
    st.builds(Gap, st.integers(0, 10**9)),
)


def there_and_back(item: Item) -> Item:
    """Through text and a file of float32."""
    document = json.loads(json.dumps(write_item(item, str)))
    assert has_embedding(document) == (
        isinstance(item, Seen) and item.observation.embedding is not None
    )
    body = item.observation.embedding.tobytes() if has_embedding(document) else None  # type: ignore[union-attr]
    return read_item(document, str, None if body is None else np.frombuffer(body, np.float32))


def same(one: object, other: object) -> bool:
    """Bit for bit, where a NaN is a NaN."""
    return repr(one) == repr(other)


@given(ITEM)
def test_an_item_comes_back_as_it_was(item: Item) -> None:
    back = there_and_back(item)
    if isinstance(item, Seen) and item.observation.embedding is not None:
        assert isinstance(back, Seen)
        found = back.observation.embedding
        assert found is not None
        assert found.dtype == np.float32
        assert found.tobytes() == item.observation.embedding.tobytes()
        back = replace(back, observation=replace(back.observation, embedding=None))
        item = replace(item, observation=replace(item.observation, embedding=None))
    assert same(back, item)


@pytest.mark.parametrize("defect", Defect)
def test_every_defect_can_be_written(defect: Defect) -> None:
    seen = Seen(0, Observation(0, 0, 1, 1, None, (defect,)), None, Phase.IDLE, None, 0, 0)
    assert there_and_back(seen) == seen


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_what_is_no_number_stays_none(value: float) -> None:
    seen = Observation(0.0, 0, 1, 1, None, (), None, value, value, (value,))
    back = there_and_back(Seen(0.0, seen, None, Phase.IDLE, None, 0, 0))
    assert isinstance(back, Seen)
    assert same(back.observation, seen)


def test_numbers_of_numpy_are_written_too() -> None:
    number = np.float32(0.5)
    box = Box(number, number, number, number)  # type: ignore[arg-type]
    points = ((number, number),) * 5
    face = Face(box, points, number, Pose(number, number, number))  # type: ignore[arg-type]
    seen = Observation(0, 0, 1, 1, face, (), None, number, number)  # type: ignore[arg-type]
    back = there_and_back(Seen(0.0, seen, None, Phase.IDLE, None, 0, 0))
    assert isinstance(back, Seen)
    assert back.observation == seen


def test_a_policy_comes_back_as_it_was() -> None:
    one = policy(view_quality=0.3, similarity=0.61, serve_again_after_s=9.5, doubtful="retake")
    assert read_policy(json.loads(json.dumps(write_policy(one)))) == one


def test_a_policy_of_older_software_gets_the_defaults() -> None:
    document = write_policy(policy())
    del document["cool_down_s"]
    assert read_policy(document) == policy()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"lenience": 3}, "the recorded policy has lenience, which this software does not know"),
        ({"curve": None}, "the recorded policy cannot be read"),
    ],
)
def test_a_policy_that_is_none_is_refused(change: dict[str, object], problem: str) -> None:
    with pytest.raises(StorageError, match=problem):
        read_policy(write_policy(policy()) | change)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"is": "weather"},
        {"is": "held"},
        {"is": "gap", "frames": "many"},
        {"is": "seen", "wall": 1},
        {"is": "seen", "wall": 1, "t": 0, "seq": 0, "faces": 0, "defects": ["ugly"]},
    ],
)
def test_what_is_no_item_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(StorageError, match=r"record anew|update edged"):
        read_item(document, str, None)
