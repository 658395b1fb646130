"""The work of the vision thread, frame by frame, on real parts; time comes with the frames."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from edged.camera.images import read_image
from edged.config.load import load
from edged.decision.presentation import Phase
from edged.door.table import make_door
from edged.service.journal import Journal
from edged.service.metrics import Metrics
from edged.service.policy import make_policy
from edged.service.state import State
from edged.service.terminal import Display, EnrolmentRequest, Terminal
from edged.types import Frame
from tests.service.kit import PERSON
from tests.service.kit import Terminal as Home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.events.outbox import Outbox
    from edged.service.engine import Engine
    from edged.types import Image
    from tests.service.kit import Views


class Bench:
    """A terminal on the bench: shown scenes at times, asked what it recorded."""

    def __init__(self, home: Home, engine: Engine, outbox: Outbox, gallery: Any) -> None:
        config = load(home.config)
        self.home = home
        self.outbox = outbox
        self.door = make_door(config.door)
        self.shown: list[Display] = []
        self.vision = engine.vision()
        self._seq = 1
        self._t_s = 0.0
        self.terminal = Terminal(
            config,
            make_policy(config.decision, engine.manifest),
            identity=engine.identity,
            quality=engine.manifest.quality.quality,
            enrolment_quality=0.5,
            gallery=gallery,
            index=gallery.index(engine.identity, engine.manifest.outputs.embedding.size),
            door=self.door,
            journal=Journal(outbox, State()),
            metrics=Metrics(),
            on_display=self.shown.append,
        )

    def see(self, image: Image, frames: int, after_s: float = 0.1) -> None:
        self._t_s += after_s - 0.1
        for _ in range(frames):
            self._t_s += 0.1
            self._seq += 5
            self.terminal.process(Frame(image, self._t_s, self._seq), self.vision)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.outbox.pending()]


@pytest.fixture
def bench(tmp_path: Path, engine: Engine, views: Views) -> Iterator[Callable[..., Bench]]:
    from contextlib import ExitStack

    with ExitStack() as stack:

        def make(enrolled: bool = True, **changes: Any) -> Bench:
            home = Home(tmp_path, **changes)
            if enrolled:
                home.enrol(views, name="Eileen")
            made = Bench(
                home,
                engine,
                stack.enter_context(home.outbox()),
                stack.enter_context(home.gallery()),
            )
            stack.callback(made.door.close)
            made.door.open()
            return made

        yield make


@pytest.fixture
def near(views: Views) -> Image:
    return read_image(views.scenes["near"][0])


def test_three_views_let_in(bench: Callable[..., Bench], near: Image) -> None:
    it = bench()
    it.see(near, 3)
    assert it.types == ["access.granted"]
    assert it.door.relay
    assert it.shown[-1].phase is Phase.GRANTED


def test_evidence_of_before_the_camera_was_away_does_not_count_for_who_stands_there_now(
    bench: Callable[..., Bench], near: Image
) -> None:
    it = bench()
    it.see(near, 2)
    it.see(near, 2, after_s=10)
    assert it.types == []
    it.see(near, 1)
    assert it.types == ["access.granted"]


def request(**changes: Any) -> EnrolmentRequest:
    given = {"person_id": "new", "name": None, "views": 1, "timeout_s": 60.0, "command_id": "c"}
    return EnrolmentRequest(**given | changes)


def test_views_of_before_the_camera_was_away_are_not_enrolled_with_those_of_after(
    bench: Callable[..., Bench], near: Image
) -> None:
    it = bench(enrolled=False)
    assert it.terminal.request_enrolment(request(views=3))
    it.see(near, 6)
    assert it.shown[-1].views == 2
    it.see(near, 10, after_s=10)
    assert "enrol.failed" in it.types
    assert "enrol.completed" not in it.types
    assert not it.terminal.enrolling


def test_an_enrolment_is_on_record_before_it_is_completed(
    bench: Callable[..., Bench], near: Image
) -> None:
    it = bench(enrolled=False)
    assert it.terminal.request_enrolment(request())
    assert not it.terminal.request_enrolment(request())
    it.see(near, 1)
    assert it.types == ["enrol.started", "enrol.completed"]


@pytest.mark.parametrize("frames", [0, 1])
def test_an_enrolment_whose_time_is_up_fails_whether_a_frame_comes_or_not(
    bench: Callable[..., Bench], near: Image, frames: int
) -> None:
    it = bench(enrolled=False)
    it.terminal.request_enrolment(request(asked_s=time.monotonic() - 61))
    it.see(near, frames)
    it.terminal.idle()
    assert it.types == ["enrol.started", "enrol.failed"]
    assert not it.terminal.enrolling


def test_an_enrolment_whose_time_is_not_up_goes_on(bench: Callable[..., Bench]) -> None:
    it = bench(enrolled=False)
    it.terminal.request_enrolment(request())
    it.terminal.idle()
    assert it.terminal.enrolling


@pytest.mark.parametrize(("choice", "opens"), [("deny", False), ("grant", True)])
def test_an_event_that_cannot_be_recorded_leaves_the_choice_to_the_installer(
    bench: Callable[..., Bench], near: Image, choice: str, opens: bool
) -> None:
    it = bench(events={"on_write_failure": choice})
    it.outbox.close()
    it.see(near, 6)
    assert it.door.relay is opens
    assert (Phase.GRANTED in {display.phase for display in it.shown}) is opens


def test_a_relay_that_cannot_be_driven_is_told_and_is_no_end(
    bench: Callable[..., Bench], near: Image
) -> None:
    it = bench()
    it.door.close()
    it.see(near, 6)
    assert it.types == ["access.granted", "door.fault"]
    assert Phase.GRANTED not in {display.phase for display in it.shown}


def test_the_next_in_the_queue_is_noticed_whatever_frames_are_dropped(
    bench: Callable[..., Bench], near: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = bench()
    asked: list[bool] = []
    observe = it.vision.observe

    def watched(frame: Frame, *, embed: bool, done: bool) -> Any:
        asked.append(embed)
        return observe(frame, embed=embed, done=done)

    monkeypatch.setattr(it.vision, "observe", watched)
    it.see(near, 3)
    assert it.types == ["access.granted"]
    asked.clear()
    it.see(near, 20)  # every fifth of what the camera captured
    assert asked.count(True) == 4


def test_a_name_is_told_only_where_the_installer_wants_it(
    bench: Callable[..., Bench], near: Image
) -> None:
    it = bench(names_in_events=True)
    it.see(near, 3)
    data = it.outbox.pending()[0].data
    assert (data["person_id"], data["name"]) == (PERSON, "Eileen")
