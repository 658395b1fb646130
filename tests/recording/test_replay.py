"""A day decided again: the same under its own policy, and what another would have changed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from edged.errors import ConfigError, StorageError
from edged.service.replay import alike, calibration, changed_policy
from edged.service.whatif import Pseudonyms, document, lines
from tests.recording.lobby import GOOD, POOR, Lobby, header

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from edged.recording.file import RecordingFile
    from edged.recording.items import Header
    from edged.service.replay import Replay

    Recording = Callable[..., AbstractContextManager[Lobby]]
    Replayed = Callable[..., Replay]

ALICE, BOB, STRANGER, MIDDLING = 1, 4, 8, 5


def another(**changes: Any) -> Callable[[Header], Any]:
    return lambda about: changed_policy(about, changes)


def a_morning(lobby: Lobby) -> None:
    lobby.enrol(alice=ALICE, bob=BOB)
    lobby.comes(ALICE, track=1)
    lobby.comes(STRANGER, track=2)
    lobby.comes(BOB, track=3, frames=4)
    lobby.comes(ALICE, track=4, frames=3, doubt=0.1)  # quality 0.45: below access, not attendance


def test_its_own_policy_gives_what_was_recorded(recording: Recording, replayed: Replayed) -> None:
    with recording() as lobby:
        a_morning(lobby)
    result = replayed()
    assert [one.outcome for one in result.own] == lobby.outcomes
    assert result.compared() == (len(lobby.outcomes), len(lobby.outcomes), 0, None)
    assert sum(result.own_endings.values()) == len(lobby.summaries)
    assert result.other is None


def test_who_was_compared_with_one_person_alone_is_so_again(
    recording: Recording, replayed: Replayed
) -> None:
    with recording() as lobby:
        lobby.enrol(alice=ALICE, bob=BOB)
        lobby.claim = "bob"
        lobby.comes(BOB, track=1)
        lobby.comes(ALICE, track=2)
        lobby.claim = None
        lobby.comes(ALICE, track=3)
    kinds = [(one.kind.value, one.people) for one in lobby.outcomes]
    assert kinds == [("access.granted", 1), ("access.denied", 1), ("access.granted", 2)]
    result = replayed()
    assert [one.outcome for one in result.own] == lobby.outcomes
    assert result.compared() == (3, 3, 0, None)
    larger = replayed(people=10_000_000).other
    assert larger is not None
    assert [one.outcome.people for one in larger][:1] == [1]  # a claim is one of one


def test_a_difference_is_told_with_both_sides(
    file: RecordingFile, recording: Recording, replayed: Replayed
) -> None:
    with recording() as lobby:
        a_morning(lobby)
    with file._database.transaction() as connection:
        connection.execute("DELETE FROM templates WHERE person = 1")  # as if a row were lost
    total, same, apart, difference = replayed().compared()
    assert same < total
    assert apart == 0
    assert difference is not None
    told = document(replayed(), Pseudonyms())
    then, _ = told["as_recorded"]["first_difference"]
    assert then["kind"] == "access.granted"
    text = "\n".join(lines(told))
    assert "first difference: recorded access.granted p1" in text


def test_a_stricter_policy_changes_what_it_should(recording: Recording, replayed: Replayed) -> None:
    with recording() as lobby:
        a_morning(lobby)
    told = document(replayed(policy=another(evidence_frames=5)), Pseudonyms())
    assert told["moves"] == {"access.granted -> undecided": 1}
    (change,) = told["changes"]
    assert change["then"]["person"] == "p1"
    assert change["now"] is None
    assert told["later"] == 1
    assert told["sooner"] == 0
    assert told["median_shift_s"] == pytest.approx(2 / 15, abs=1e-3)
    assert told["now"]["access.granted"] == told["then"]["access.granted"] - 1
    text = "\n".join(lines(told))
    assert "access.granted -> undecided: 1" in text


def test_a_laxer_policy_lets_somebody_in_sooner_or_at_all(
    recording: Recording, replayed: Replayed
) -> None:
    with recording() as lobby:
        a_morning(lobby)
    told = document(replayed(policy=another(profile="attendance", evidence_frames=1)), Pseudonyms())
    assert told["moves"] == {"undecided -> access.granted": 1}
    assert told["sooner"] == 2


def test_a_larger_gallery_asks_for_more(recording: Recording, replayed: Replayed) -> None:
    with recording() as lobby:
        a_morning(lobby)
    result = replayed(people=10_000_000)
    assert result.other is not None
    assert {one.outcome.people for one in result.other} == {10_000_000}
    for then, now in zip(result.own, result.other, strict=False):
        assert then.outcome.threshold is not None
        assert now.outcome.threshold is not None
        assert now.outcome.threshold > then.outcome.threshold


def test_another_gallery_is_searched_instead(recording: Recording, replayed: Replayed) -> None:
    with recording() as lobby:
        a_morning(lobby)
    others = Lobby()
    others.enrol(stranger=STRANGER)
    result = replayed(search=lambda _: lambda probe: others.index.search(probe, 2))
    assert result.other is not None
    granted = [one.outcome.person_id for one in result.other if one.outcome.person_id]
    assert granted == ["stranger"]
    assert {one.outcome.people for one in result.other} == {1}


def test_the_same_recording_gives_the_same_bytes(recording: Recording, replayed: Replayed) -> None:
    with recording() as lobby:
        a_morning(lobby)

    def account() -> str:
        result = replayed(policy=another(profile="high_security"))
        return json.dumps(document(result, Pseudonyms()), allow_nan=False)

    assert account() == account()


def test_people_have_pseudonyms_unless_their_ids_are_asked_for(
    recording: Recording, replayed: Replayed
) -> None:
    with recording() as lobby:
        a_morning(lobby)
    result = replayed(policy=another(evidence_frames=5))
    for show_ids, there, missing in ((False, "p1", "bob"), (True, "bob", "p1")):
        told = document(result, Pseudonyms(show_ids))
        text = json.dumps(told) + "\n".join(lines(told))
        assert there in text
        assert missing not in text


def test_a_part_of_the_day_stands_by_itself(recording: Recording, replayed: Replayed) -> None:
    with recording() as lobby:
        a_morning(lobby)
        whole = list(lobby.outcomes)
    starts = [one.wall - one.outcome.duration_s for one in replayed().own]
    result = replayed(begin=starts[1] - 0.01, end=starts[2] - 0.01)
    assert [one.outcome for one in result.own] == whole[1:2]
    assert result.compared()[3] is None
    assert replayed(begin=1e12).visits == 0


def test_quality_too_low_then_and_now(recording: Recording, replayed: Replayed) -> None:
    with recording() as lobby:
        lobby.enrol(alice=ALICE)
        lobby.stands(ALICE, 50, track=1, doubt=POOR)
        lobby.stands(ALICE, 5, track=1, doubt=GOOD)
    result = replayed()
    assert [one.outcome.kind.value for one in result.own] == ["capture.retake", "access.granted"]
    assert result.compared()[:2] == (2, 2)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"evidence_frames": 0}, "decision.evidence_frames: input should be greater"),
        ({"doubtful": "maybe"}, "decision.doubtful: "),
        ({"lenience": 1}, "decision.lenience: unknown setting"),
        ({"denial_frames": 1}, "denial_frames must not be below evidence_frames"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        changed_policy(header(), changes)


def test_a_calibration_of_another_form_is_refused() -> None:
    with pytest.raises(StorageError, match="the recorded calibration is of another form"):
        calibration(replace(header(), quality={"method": "guess"}))


def test_outcomes_are_alike_but_for_rounding(recording: Recording) -> None:
    with recording() as lobby:
        a_morning(lobby)
    one = lobby.outcomes[0]
    nan = float("nan")
    assert one.similarity is not None
    assert alike(one, replace(one, similarity=one.similarity + 1e-7))
    assert not alike(one, replace(one, similarity=one.similarity + 1e-3))
    assert not alike(one, replace(one, similarity=None))
    assert not alike(one, replace(one, similarity=nan))
    assert alike(replace(one, similarity=nan), replace(one, similarity=nan))
    assert not alike(one, replace(one, frames=one.frames + 1))
