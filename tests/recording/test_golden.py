"""Presentations as they were seen, decided as they always were.

See `tests.recording.golden` for what to do after a change that is meant.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from edged.recording.items import Seen
from tests.recording.golden import FOLDER, POLICIES, decide, names, read


def agree(found: Any, expected: Any) -> bool:
    """The same, but for the rounding of another processor."""
    if isinstance(found, float) and isinstance(expected, float):
        return abs(found - expected) <= 0.002 or found == expected
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            agree(found[name], expected[name]) for name in found
        )
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(agree, found, expected))
    return bool(found == expected)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", names())
def test_a_golden_recording_is_decided_as_it_always_was(name: str, policy: str) -> None:
    expected = json.loads((FOLDER / f"{name}.expected.json").read_text())[policy]
    found = decide(name)[policy]
    assert agree(found, expected), json.dumps({"found": found, "expected": expected}, indent=1)


@pytest.mark.parametrize("name", names())
def test_deciding_twice_gives_the_same_bytes(name: str) -> None:
    assert json.dumps(decide(name)) == json.dumps(decide(name))


def kinds(name: str, policy: str = "own") -> list[tuple[str, str]]:
    return [(one["kind"], one["reason"]) for one in decide(name)[policy]["outcomes"]]


GRANTED = ("access.granted", "matched")


@pytest.mark.parametrize(
    ("name", "outcomes"),
    [
        ("walk_in", [GRANTED]),
        ("stranger", [("access.denied", "not_enrolled")]),
        ("lookalike", [("access.review", "lookalike")]),
        ("bystander", [GRANTED]),
        ("lost_for_a_moment", [GRANTED]),
        ("door_jammed", [GRANTED, GRANTED]),
        ("camera_lost", [GRANTED]),
    ],
)
def test_the_stories_end_as_they_are_meant_to(name: str, outcomes: list[tuple[str, str]]) -> None:
    assert kinds(name) == outcomes


@pytest.mark.parametrize(
    ("name", "instruction"),
    [
        ("dark_then_better", "more_light"),
        ("far_then_near", "come_closer"),
        ("blurred", "hold_still"),
    ],
)
def test_a_bad_view_is_guided_and_then_let_in(name: str, instruction: str) -> None:
    told = decide(name)["own"]
    assert instruction in [shown for _, shown in told["instructions"]]
    assert kinds(name)[-1] == GRANTED


@pytest.mark.parametrize("policy", POLICIES)
def test_garbage_opens_no_door(policy: str) -> None:
    assert "access.granted" not in [kind for kind, _ in kinds("garbage", policy)]


def test_golden_recordings_stay_small_and_whole() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.json*")) < 300_000
    assert len(names()) >= 10
    for name in names():
        assert any(isinstance(item, Seen) for item in read(name)[2])
