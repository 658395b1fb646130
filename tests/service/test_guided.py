"""Enrolment at the terminal, frame by frame, on real parts; time comes with the frames."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edged.decision.agreement import Asked
from edged.decision.presentation import Phase
from edged.demo import scenes
from edged.errors import EnrolmentRefused
from edged.gallery.people import Enrolment
from edged.gallery.profile import Consent, Profile, read_profile
from edged.service.guided import EnrolmentRequest, agreed, how_to_ask
from edged.testing.builders import observation
from tests.service.test_terminal import Bench, bench, near

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.service.engine import Engine
    from edged.types import Image, Observation

__all__ = ["bench", "near"]  # fixtures

LOBBY = scenes.Lobby()


def request(**changes: Any) -> EnrolmentRequest:
    given = {"person_id": "new", "views": 1, "timeout_s": 60.0, "command_id": "c"}
    return EnrolmentRequest(**given | changes)


@cache
def looking(frame: int) -> Image:
    return LOBBY.draw(scenes.LOOKING, frame / 10)


def look_about(it: Bench, seconds: float) -> None:
    """Somebody before the camera turns the head to both sides, again and again."""
    start = getattr(it, "looked", 0)
    it.looked = start + round(seconds * 10)
    for frame in range(start, it.looked):
        if it.terminal.enrolling.request is None:
            return
        it.see(looking(frame % 60), 1)  # they do the same again every six seconds


def told(it: Bench) -> dict[str, Any]:
    """What the last event says."""
    return it.outbox.pending()[-1].data


@pytest.fixture
def it(bench: Callable[..., Bench]) -> Bench:
    return bench(enrolled=False, web={"port": 8480})


@pytest.mark.parametrize("asked", [Asked.TURN_LEFT, Asked.TURN_RIGHT])
def test_who_turns_the_head_as_asked_is_enrolled_from_three_sides(it: Bench, asked: Asked) -> None:
    profile = read_profile(
        {"groups": ["staff"], "valid_until": "2099-01-01", "consent": {"basis": "contract"}}
    )
    it.terminal.enrolling.begin(request(asked=asked, views=3, profile=profile))
    look_about(it, 40)
    assert it.types == ["enrol.started", "enrol.completed"]
    assert told(it)["confirmed"] == "turn"
    assert sorted(told(it)["kinds"]) == ["frontal", "left", "right"]
    stored = it.terminal.enrolling._gallery.profile("new")
    assert (stored.groups, stored.valid_until) == (profile.groups, profile.valid_until)
    assert stored.consent.confirmed == "turn"
    assert abs(stored.consent.given - time.time()) < 100
    asks = [d.prompt for d in it.shown if d.prompt]
    assert {(p.person_id, p.name, p.how) for p in asks} == {("new", None, asked)}


def test_a_still_picture_is_never_enrolled_where_a_turn_is_asked(it: Bench, near: Image) -> None:
    it.terminal.enrolling.begin(request(asked=Asked.TURN_LEFT, timeout_s=10))
    it.see(near, 110)
    assert it.types[:2] == ["enrol.started", "enrol.failed"]
    data = next(e.data for e in it.outbox.pending() if e.type == "enrol.failed")
    assert data["reason"] == "not_confirmed"
    assert "agree" in data["text"]
    assert it.terminal.enrolling._gallery.people() == []


@pytest.mark.parametrize("agrees", [True, False])
def test_a_button_answers_for_who_stands_there(it: Bench, near: Image, agrees: bool) -> None:
    asked = request(asked=Asked.PAGE)
    it.terminal.enrolling.begin(asked)
    assert not it.terminal.enrolling.answer(asked.token, agrees)  # nobody has been asked yet
    it.see(near, 10)
    assert it.shown[-1].prompt is not None
    assert it.shown[-1].prompt.token == asked.token
    assert not it.terminal.enrolling.answer("guessed", agrees)
    assert not it.terminal.enrolling.answer("gueßt", agrees)
    assert it.terminal.enrolling.answer(asked.token, agrees)
    assert not it.terminal.enrolling.answer(asked.token, True)
    it.see(near, 3)
    assert it.types == ["enrol.started", "enrol.completed" if agrees else "enrol.failed"]
    assert told(it)["confirmed" if agrees else "reason"] == ("page" if agrees else "declined")
    assert not it.terminal.enrolling.answer(asked.token, True)
    ended = "enrolled" if agrees else "not_enrolled"
    it.see(near, 5)
    assert (it.shown[-1].phase, it.shown[-1].ended) == (Phase.HELD, ended)
    assert it.types[2:] == []  # and nobody is refused at the door for having declined


def seen(t_s: float, quality: float, yaw_deg: float = 0.0) -> Observation:
    """A view of one person, whether or not it can tell who it is."""
    embedding = np.eye(1, 192, dtype=np.float32)[0]
    return replace(observation(t_s, quality=quality, yaw_deg=yaw_deg), embedding=embedding)


@pytest.mark.parametrize("asked", [Asked.PAGE, Asked.TURN_LEFT])
def test_nobody_agrees_who_could_not_be_told_from_whoever_steps_in_next(
    it: Bench, asked: Asked
) -> None:
    """In the dark a face has a place and no more: the next one there would be enrolled instead."""
    enrolling, order = it.terminal.enrolling, request(asked=asked)
    enrolling.begin(order)
    yaw = lambda n: 30.0 if n % 20 in range(8, 14) else 0.0  # noqa: E731  # there and back
    for n in range(60):
        enrolling.step(order, seen(n / 10, 0.05, yaw(n)))
        if n == 20 and asked is Asked.PAGE:
            assert enrolling.answer(order.token, True)
    assert it.shown[-1].prompt is not None  # they are still asked
    for n in range(60, 120):
        if it.shown[-1].prompt is not None:
            enrolling.step(order, seen(n / 10, 0.95, yaw(n)))
    assert it.shown[-1].prompt is None
    assert "enrol.failed" not in it.types


def test_who_declines_in_the_dark_is_heard(it: Bench) -> None:
    enrolling, order = it.terminal.enrolling, request(asked=Asked.PAGE)
    enrolling.begin(order)
    for n in range(20):
        enrolling.step(order, seen(n / 10, 0.05))
    assert enrolling.answer(order.token, False)
    enrolling.step(order, seen(2.0, 0.05))
    assert told(it)["reason"] == "declined"


def test_no_button_answers_for_a_turn(it: Bench, near: Image) -> None:
    asked = request(asked=Asked.TURN_LEFT)
    it.terminal.enrolling.begin(asked)
    it.see(near, 10)
    assert not it.terminal.enrolling.answer(asked.token, True)


def test_a_name_is_shown_only_where_the_installer_allows_it(
    bench: Callable[..., Bench], near: Image
) -> None:
    it = bench(enrolled=False, web={"port": 8480, "names": True})
    it.terminal.enrolling.begin(request(asked=Asked.PAGE, profile=Profile(name="Ada")))
    it.see(near, 10)
    assert it.shown[-1].prompt is not None
    assert it.shown[-1].prompt.name == "Ada"


@pytest.mark.parametrize("frames", [0, 1, 10])
def test_a_cancelled_enrolment_ends_whether_a_frame_comes_or_not(
    it: Bench, near: Image, frames: int
) -> None:
    it.terminal.enrolling.begin(request(asked=Asked.PAGE))
    it.see(near, frames)
    assert not it.terminal.enrolling.cancel("somebody-else")
    assert it.terminal.enrolling.cancel("new")
    it.see(near, min(frames, 1))
    it.terminal.idle()
    assert it.types == ["enrol.started", "enrol.failed"]
    assert told(it)["reason"] == "cancelled"
    assert not it.terminal.enrolling.cancel(None)


def test_a_cancelled_enrolment_stores_nothing_of_the_last_view(it: Bench, near: Image) -> None:
    it.terminal.enrolling.begin(request())
    assert it.terminal.enrolling.cancel(None)
    it.see(near, 1)
    assert told(it)["reason"] == "cancelled"
    assert it.terminal.enrolling._gallery.people() == []


def test_views_of_before_the_camera_was_away_are_not_enrolled_with_those_of_after(
    it: Bench, near: Image
) -> None:
    it.terminal.enrolling.begin(request(views=3))
    it.see(near, 6)
    assert it.shown[-1].views == 1
    it.see(near, 2, after_s=10)
    assert it.types == ["enrol.started", "enrol.failed"]
    assert told(it)["reason"] == "camera"
    assert it.terminal.enrolling.request is None


def test_an_agreement_of_before_the_camera_was_away_does_not_count(it: Bench, near: Image) -> None:
    asked = request(asked=Asked.PAGE)
    it.terminal.enrolling.begin(asked)
    it.see(near, 10)
    assert it.terminal.enrolling.answer(asked.token, True)
    it.see(near, 2, after_s=10)
    assert it.types == ["enrol.started", "enrol.failed"]


def test_who_gets_another_number_while_in_view_is_known_by_the_face(it: Bench) -> None:
    it.terminal.enrolling.begin(request(asked=Asked.TURN_LEFT, views=3))
    look_about(it, 1.8)  # asked
    empty = LOBBY.draw(scenes.EMPTY, 0.0)
    it.see(empty, 13)  # for so long that the place is forgotten
    look_about(it, 40)
    assert it.types == ["enrol.started", "enrol.completed"]


def test_an_enrolment_is_on_record_before_it_is_completed(it: Bench, near: Image) -> None:
    it.terminal.enrolling.begin(request())
    with pytest.raises(EnrolmentRefused, match="under way") as refused:
        it.terminal.enrolling.begin(request())
    assert refused.value.reason == "enrolment_running"
    it.see(near, 1)
    assert it.types == ["enrol.started", "enrol.completed"]


@pytest.mark.parametrize("frames", [0, 1])
def test_an_enrolment_whose_time_is_up_fails_whether_a_frame_comes_or_not(
    it: Bench, near: Image, frames: int
) -> None:
    it.terminal.enrolling.begin(request(asked_s=time.monotonic() - 61))
    it.see(near, frames)
    it.terminal.idle()
    assert it.types == ["enrol.started", "enrol.failed"]
    assert it.terminal.enrolling.request is None


def test_an_enrolment_whose_time_is_not_up_goes_on(it: Bench) -> None:
    it.terminal.enrolling.begin(request())
    it.terminal.idle()
    assert it.terminal.enrolling.request is not None


def test_a_terminal_that_stops_says_so(it: Bench) -> None:
    it.terminal.enrolling.begin(request())
    it.terminal.close()
    it.terminal.close()
    assert it.types == ["enrol.started", "enrol.failed"]
    assert told(it)["reason"] == "stopped"


def test_without_a_ground_nobody_is_enrolled_where_the_site_wants_one(
    bench: Callable[..., Bench], near: Image
) -> None:
    it = bench(enrolled=False, gallery={"require_consent": True})
    with pytest.raises(EnrolmentRefused) as refused:
        it.terminal.enrolling.begin(request(profile=Profile(groups=("staff",))))
    assert refused.value.reason == "consent_missing"
    assert it.types == []
    consented = Profile(consent=Consent(basis="contract", given=5.0))
    it.terminal.enrolling.begin(request(profile=consented))
    it.see(near, 1)
    assert it.types == ["enrol.started", "enrol.completed"]
    it.terminal.enrolling.begin(request())  # of whom one is on record already
    it.see(near, 20)
    kept = it.terminal.enrolling._gallery.profile("new")
    assert kept.consent == Consent(basis="contract", given=5.0, confirmed="none")


def test_a_name_alone_leaves_the_rest_of_what_is_known(it: Bench, near: Image) -> None:
    it.terminal.enrolling.begin(request(profile=Profile(groups=("staff",))))
    it.see(near, 1)
    it.terminal.enrolling.begin(request(profile=Profile(name="Ada")))
    it.see(near, 20)
    kept = it.terminal.enrolling._gallery.profile("new")
    assert kept == Profile(name="Ada", groups=("staff",))


def test_a_gallery_that_cannot_be_written_is_told_by_a_code(it: Bench, near: Image) -> None:
    it.terminal.enrolling.begin(request())
    it.terminal.enrolling._gallery.close()
    it.see(near, 1)
    assert it.types == ["enrol.started", "enrol.failed"]
    assert told(it)["reason"] == "storage"


def test_the_side_is_not_to_be_foreseen() -> None:
    assert {how_to_ask("turn") for _ in range(100)} == {Asked.TURN_LEFT, Asked.TURN_RIGHT}
    assert how_to_ask("page") is Asked.PAGE
    assert how_to_ask("none") is None
    assert len({request().token for _ in range(10)}) == 10
    assert request().token not in repr(request())


def test_a_consent_keeps_its_date_and_none_is_made_up() -> None:
    assert agreed(Profile(), "turn") == Profile()
    dated = Profile(consent=Consent(basis="contract", given=5.0, confirmed="forged"))
    assert agreed(dated, "page").consent == Consent(basis="contract", given=5.0, confirmed="page")


@pytest.mark.parametrize(("alike", "ended"), [(0.40, "enrol.failed"), (0.55, "enrol.completed")])
def test_who_may_be_somebody_else_is_not_enrolled_under_an_id_that_is_known_well(
    it: Bench, engine: Engine, near: Image, alike: float, ended: str
) -> None:
    face = engine.extract(near).embedded.embedding
    other = np.roll(face, 1) - float(np.roll(face, 1) @ face) * face
    row = alike * face + math.sqrt(1 - alike**2) * other / np.linalg.norm(other)
    stored = [Enrolment("new", row, engine.identity, 0.9, "photo")] * 2
    gallery = it.terminal.enrolling._gallery
    gallery.add_many(stored, limit=5)
    it.terminal.enrolling.begin(request())
    it.see(near, 10)
    assert it.types == ["enrol.started", ended]
    assert told(it).get("reason") == ("incoherent" if ended == "enrol.failed" else None)
    assert len(gallery.kept("new", engine.identity)) == (2 if ended == "enrol.failed" else 3)
