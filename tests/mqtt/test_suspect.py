from __future__ import annotations

import pytest

from edged.mqtt.suspect import _LARGE, _SURE, Suspect


def broken(
    suspect: Suspect, seq: int, times: int, *, alone: bool = True, size: int = _LARGE
) -> None:
    for _ in range(times):
        suspect.ended(seq, size, alone=alone)


def test_an_event_of_ordinary_size_is_never_left_out() -> None:
    suspect = Suspect()
    broken(suspect, 7, 100, size=_LARGE - 1)
    assert not suspect.careful
    assert suspect.left_out() == set()


def test_after_a_broken_connection_the_next_one_is_sent_alone() -> None:
    suspect = Suspect()
    assert not suspect.careful
    broken(suspect, 7, 1, alone=False)
    assert suspect.careful
    assert suspect.left_out() == set()


def test_an_event_that_arrives_is_cleared() -> None:
    suspect = Suspect()
    broken(suspect, 7, _SURE - 1)
    suspect.passed(7)
    assert not suspect.careful
    broken(suspect, 7, 1)
    assert suspect.left_out() == set()


def test_connections_that_broke_with_others_on_their_way_prove_nothing() -> None:
    suspect = Suspect()
    broken(suspect, 7, 100, alone=False)
    assert suspect.left_out() == set()


def test_who_ended_many_is_left_out_and_is_guilty_when_another_passes() -> None:
    suspect = Suspect()
    broken(suspect, 7, _SURE)
    assert suspect.left_out() == {7}
    suspect.passed(8)
    assert not suspect.careful
    assert suspect.left_out() == {7}


def test_when_the_next_one_ends_the_connection_too_it_was_the_broker() -> None:
    suspect = Suspect()
    broken(suspect, 7, _SURE)
    broken(suspect, 8, 1, size=_LARGE - 1)
    assert suspect.left_out() == set()
    assert not suspect.careful


def test_two_that_follow_each_other_do_not_keep_the_others_waiting_in_turn() -> None:
    suspect = Suspect()
    broken(suspect, 7, _SURE)
    broken(suspect, 8, _SURE)
    assert suspect.left_out() == {7, 8}
    suspect.passed(9)
    assert not suspect.careful
    assert suspect.left_out() == {7, 8}


def test_another_that_passes_before_it_is_left_out_proves_nothing() -> None:
    suspect = Suspect()
    broken(suspect, 7, _SURE - 1)
    suspect.passed(8)
    assert suspect.careful
    broken(suspect, 7, 1)
    assert suspect.left_out() == {7}


@pytest.mark.parametrize("proven", [True, False])
def test_who_is_left_out_gets_another_chance(proven: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    suspect = Suspect()
    broken(suspect, 7, _SURE)
    if proven:
        suspect.passed(8)
    monkeypatch.setattr("edged.mqtt.suspect._AGAIN_S", 0.0)
    monkeypatch.setattr("edged.mqtt.suspect._TRIAL_S", 0.0)
    assert suspect.left_out() == set()
