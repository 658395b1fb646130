"""What is known is bounded, right, and free of names and faces unless they are allowed."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import replace
from math import inf, isfinite, nan
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.config.schema import Vision
from edged.decision.presentation import Kind, Outcome, Phase, Step, Summary
from edged.testing.builders import face, fused, match, observation
from edged.types import Box, Defect, Face, Frame, Instruction, Measures, Pose
from edged.web.installer.desk import BUCKETS, OUTCOMES, PICTURES, Desk
from edged.web.installer.feed import Feed
from tests.web.installer.conftest import MEASURES, Clock, frame

if TYPE_CHECKING:
    from edged.types import Observation

ODD = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -1.0, nan, inf, -inf, 1e300, -1e300]),
)


def seen(n: int = 0, track_id: int | None = 1, quality: float | None = 0.9) -> Observation:
    made = observation(n / 15, quality=quality, track_id=track_id)
    return replace(made, seq=n, measures=MEASURES if track_id is not None else None)


def outcome(kind: Kind = Kind.GRANTED, person_id: str | None = "E1042") -> Outcome:
    return Outcome(
        kind, "matched", person_id, 0.81, 0.3, 0.45, 0.003, 7, 0.9, 3, 0.4,
        (Instruction.COME_CLOSER,), 0.95, 0.03,
    )  # fmt: skip


def feed(desk: Desk, *, images: bool = False) -> Feed:
    return Feed(desk, Vision(), 0.6, 15.0, images=images)


def everything(desk: Desk, *, images: bool = False) -> str:
    told = feed(desk, images=images)
    return json.dumps([told.now(), told.trend(), told.last()], allow_nan=False)


def show(desk: Desk, clock: Clock, count: int, start: int = 0, **kind: object) -> None:
    image = frame(0).image
    for n in range(start, start + count):
        clock.now_s += 1 / 15
        desk.look(Frame(image, n / 15, n), seen(n, **kind))


def test_before_the_first_frame_there_is_something_to_say(clock: Clock) -> None:
    desk = Desk(now=clock)
    clock.now_s += 9
    told = feed(desk).now()
    assert [hint["code"] for hint in told["hints"]] == ["no_picture"]
    assert json.loads(everything(desk))


def test_the_newest_frame_is_told(clock: Clock) -> None:
    desk = Desk(now=clock)
    show(desk, clock, 45)
    told = feed(desk).now()
    assert told["size"] == [640, 480]
    assert told["view"]["quality"] == 0.9
    assert told["view"]["width_px"] == 150
    assert told["face"]["box"][0] == pytest.approx(245 / 640, abs=1e-3)
    assert told["rates"]["seen_hz"] == pytest.approx(15, rel=0.01)
    assert told["hints"] == []


def test_the_last_two_minutes_are_told_oldest_first(clock: Clock) -> None:
    desk = Desk(now=clock)
    show(desk, clock, 15 * 60, quality=0.2)
    show(desk, clock, 15 * 60, start=1000, quality=0.8)
    history = feed(desk).trend()["history"]
    assert len(history["quality"]) == BUCKETS
    assert history["quality"][10] == pytest.approx(0.2)
    assert history["quality"][-10] == pytest.approx(0.8)
    assert history["level"][-10] == 120
    clock.now_s += 60
    history = feed(desk).trend()["history"]
    assert history["quality"][-1] is None
    assert history["quality"][BUCKETS // 4] == pytest.approx(0.8)
    clock.now_s += 1e6
    assert set(feed(desk).trend()["history"]["quality"]) == {None}


def test_the_histogram_counts_the_last_views(clock: Clock) -> None:
    desk = Desk(now=clock)
    for n, quality in enumerate([0.0, 0.04, 0.5, 1.0, nan, None, -3.0, 7.0]):
        desk.look(frame(n), seen(n, quality=quality))
    counts = desk.histogram()
    assert (counts[0], counts[10], counts[19]) == (3, 1, 2)
    assert sum(counts) == 6


def test_a_slow_terminal_is_told_from_a_slow_camera(clock: Clock) -> None:
    for step, code in ((3, "slow_terminal"), (1, "slow_camera")):
        desk = Desk(now=clock)
        for n in range(20):
            clock.now_s += 0.2
            desk.look(frame(n * step), seen(n))
        assert code in {hint["code"] for hint in feed(desk).now()["hints"]}


@pytest.mark.parametrize("rate_hz", [0.5, 15.0, 1000.0])
def test_the_rate_is_right_at_any_rate(clock: Clock, rate_hz: float) -> None:
    desk = Desk(now=clock)
    image = frame(0).image
    for n in range(int(8 * rate_hz)):
        clock.now_s += 1 / rate_hz
        desk.look(Frame(image, n / rate_hz, n), seen(n))
    rates = desk.rates()
    assert rates.seen_hz == pytest.approx(rate_hz, rel=0.05)
    assert rates.camera_hz == pytest.approx(rate_hz, rel=0.05)


def test_time_of_capture_that_stands_still_is_noticed(clock: Clock) -> None:
    desk = Desk(now=clock)
    for n in range(90):
        clock.now_s += 1 / 15
        desk.look(frame(n, t_s=7.0), seen(n))
    assert desk.rates().clock_still_s == pytest.approx(6, rel=0.05)
    assert "clock_still" in {hint["code"] for hint in feed(desk).now()["hints"]}


def test_visitors_are_told_apart_and_passers_by_are_none(clock: Clock) -> None:
    desk = Desk(now=clock)
    for track_id in range(10):
        show(desk, clock, 20, track_id=track_id)
        show(desk, clock, 5, track_id=None)
    show(desk, clock, 2, track_id=99)
    show(desk, clock, 2, track_id=100)
    assert len(desk.visitors()) == 10


def test_outcomes_are_told_with_their_rule_newest_first(clock: Clock) -> None:
    desk = Desk(now=clock)
    left = Summary("left", 2.0, 40, 0, 0.3, {Defect.TOO_FAR: 30, Defect.TURNED: 5}, ())
    for n, step in enumerate(
        [Step(Phase.GRANTED, outcome=outcome()), Step(Phase.IDLE, summary=left)]
    ):
        saw = seen(n)
        desk.look(frame(n), saw)
        desk.step(saw, fused(match(0.8)), step)
    newest, before = feed(desk).last()["last"]
    assert newest["kind"] == "left"
    assert newest["rule"] == "went before a decision; too far in 75 % of the pictures"
    assert before["rule"] == (
        "similar enough, far enough ahead, good enough: similarity 0.81 ≥ 0.45, "
        "0.51 ahead of the next (needs 0.03), evidence 0.95 from 3 views"
    )
    assert before["instructions"] == ["come_closer"]


@pytest.mark.parametrize("person_ids", [False, True])
@pytest.mark.parametrize("images", [False, True])
def test_names_and_faces_are_kept_only_where_allowed(
    clock: Clock, images: bool, person_ids: bool
) -> None:
    desk = Desk(images=images, person_ids=person_ids, now=clock)
    saw = seen(1)
    desk.look(frame(1), saw)
    desk.step(saw, fused(match(0.8, "E1042")), Step(Phase.GRANTED, outcome=outcome()))
    told = everything(desk, images=images)
    assert ("E1042" in told) == person_ids
    assert ("jpeg" in told) == images
    assert (desk.face(1) is not None) == images
    if not person_ids:
        assert "E1042" not in repr(desk.outcomes())


def test_a_face_that_is_kept_is_small_and_a_copy(clock: Clock) -> None:
    desk = Desk(images=True, now=clock)
    for n in range(50):
        saw = seen(n)
        shown = frame(n)
        desk.look(shown, saw)
        desk.step(saw, None, Step(Phase.DENIED, outcome=outcome(Kind.DENIED, None)))
        kept = desk.face(n + 1)
        assert kept is not None
        assert kept.shape == (96, 96, 3)
        assert not np.shares_memory(kept, shown.image)
    assert sum(told.face is not None for told in desk.outcomes()) == PICTURES
    assert desk.face(30) is None
    assert desk.face(31) is not None


@pytest.mark.slow
def test_a_million_frames_leave_no_more_than_the_last_ones(clock: Clock) -> None:
    desk = Desk(images=True, now=clock)
    image = np.zeros((48, 64, 3), np.uint8)
    here = [seen(n, track_id=n) for n in range(5)]
    decided = Step(Phase.GRANTED, outcome=outcome())
    for n in range(1_000_000):
        clock.now_s += 0.001
        saw = here[n // 100 % 5]
        desk.look(Frame(image, n / 15, n), saw)
        if n % 1000 == 0:
            desk.step(saw, None, decided)
    kept = [part for part in vars(desk).values() if hasattr(part, "maxlen")]
    assert len(kept) >= 6
    assert all(part.maxlen is not None and part.maxlen <= 2000 for part in kept)
    assert len(desk.outcomes()) == OUTCOMES
    assert len(everything(desk)) < 60_000
    assert sys.getsizeof(desk.history()) < 10_000


def test_a_step_of_another_frame_is_no_business_of_this_one(clock: Clock) -> None:
    desk = Desk(now=clock)
    desk.step(seen(0), None, Step(Phase.GRANTED, outcome=outcome()))
    desk.look(frame(1), seen(1))
    desk.step(seen(0), None, Step(Phase.GRANTED, outcome=outcome()))
    assert desk.outcomes() == []


@settings(max_examples=150, deadline=None)
@given(numbers=st.lists(ODD, min_size=16, max_size=16), t_s=ODD, width=st.integers(1, 30))
def test_no_number_however_odd_breaks_the_page(
    numbers: list[float], t_s: float, width: int
) -> None:
    desk = Desk(images=True, now=Clock())
    a, b, c, d, e, f, g, h, i, j, k, r, m, n, o, p = numbers
    odd = Face(Box(a, b, c, d), ((e, f), (g, h), (a, d), (b, c), (i, j)), k, Pose(r, m, n))
    saw = replace(
        seen(1), face=odd, quality=o, measures=Measures(a, b, c, d, e, f, g), log_variance=p
    )
    shown = Frame(np.zeros((9, width, 3), np.uint8), t_s, 1)
    result = replace(
        outcome(), similarity=a, runner_up=b, threshold=c, duration_s=d, fused_quality=e
    )
    for _ in range(8):
        desk.look(shown, saw)
        desk.step(saw, fused(match(p), o), Step(Phase.DENIED, progress=n, outcome=result))
    assert json.loads(everything(desk, images=True))
    assert all(isfinite(value) for row in desk.history() for value in row if value is not None)


def test_browsers_read_while_the_vision_thread_writes() -> None:
    desk = Desk()
    told = feed(desk)
    image = frame(0).image
    stop = threading.Event()
    faults: list[BaseException] = []

    def write() -> None:
        n = 0
        try:
            while not stop.is_set():
                n += 1
                saw = seen(n, track_id=n // 7)
                desk.look(Frame(image, n / 15, n), saw)
                desk.step(saw, None, Step(Phase.GRANTED, outcome=outcome()))
        except BaseException as fault:  # noqa: BLE001 - told to the test
            faults.append(fault)

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(200):
        told.now(), told.trend(), told.last()
    stop.set()
    writer.join()
    assert faults == []


def test_a_face_at_the_edge_is_cut_there(clock: Clock) -> None:
    desk = Desk(images=True, now=clock)
    for n, box in enumerate(
        [Box(-80, -80, 40, 40), Box(600, 440, 900, 900), Box(900, 900, 990, 990)]
    ):
        saw = replace(seen(n), face=replace(face(), box=box))
        desk.look(frame(n), saw)
        desk.step(saw, None, Step(Phase.DENIED, outcome=outcome(Kind.DENIED)))
    assert [told.face is not None for told in desk.outcomes()] == [False, True, True]
