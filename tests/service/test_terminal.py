"""The work of the vision thread, frame by frame, on real parts; time comes with the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import pytest

from edged.camera.images import read_image
from edged.config.load import load
from edged.decision.presentation import Phase
from edged.door.table import make_door
from edged.service.journal import Journal
from edged.service.metrics import Metrics
from edged.service.policy import make_policy
from edged.service.state import State
from edged.service.terminal import Terminal
from edged.types import Frame
from tests.service.kit import PERSON
from tests.service.kit import Terminal as Home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.decision.presentation import Step
    from edged.events.outbox import Outbox
    from edged.service.display import Display
    from edged.service.engine import Engine
    from edged.types import FusedMatch, Image, Observation
    from tests.service.kit import Views


class Bench:
    """A terminal on the bench: shown scenes at times, asked what it recorded."""

    def __init__(self, home: Home, engine: Engine, outbox: Outbox, gallery: Any) -> None:
        config = load(home.config)
        self.home = home
        self.outbox = outbox
        self.door = make_door(config.door)
        self.shown: list[Display] = []
        self.saw: list[tuple[Observation, FusedMatch | None, Step]] = []
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
            on_step=lambda *saw: self.saw.append(saw),
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


@pytest.mark.parametrize(
    ("choice", "types"),
    [
        ("review", ["access.review"]),
        ("second_factor", ["access.second_factor"]),
        ("retake", ["capture.retake", "access.review"]),
    ],
)
def test_in_doubt_the_door_stays_shut_and_the_site_hears_who_it_may_be(
    bench: Callable[..., Bench], near: Image, choice: str, types: list[str]
) -> None:
    it = bench(decision={"doubtful": choice, "similarity": 0.99, "review_fpir_factor": 1000})
    it.see(blurred(near), 40)
    assert it.types == types
    assert not it.door.relay
    data = it.outbox.pending()[-1].data
    assert (data["person_id"], data["reason"]) == (PERSON, "doubtful")
    assert data["similarity"] < data["threshold"] == 0.99
    assert "person_id" not in it.outbox.pending()[0].data or len(types) == 1
    assert it.shown[-1].phase.value == types[-1].removeprefix("access.")


def blurred(image: Image) -> Image:
    """Not quite the picture that was enrolled."""
    return cv2.GaussianBlur(image, (0, 0), 1.5)


def test_what_is_shown_comes_nearer_to_a_decision(bench: Callable[..., Bench], near: Image) -> None:
    it = bench(enrolled=False)
    it.see(near, 20)
    progress = [display.progress for display in it.shown]
    assert progress == sorted(progress)
    assert (it.shown[-1].phase, progress[-1]) == (Phase.DENIED, 1.0)
    assert len(set(progress)) > 5


def test_everything_the_decision_saw_is_handed_on(bench: Callable[..., Bench], near: Image) -> None:
    it = bench()
    it.see(near, 4)
    assert [saw.outcome is not None for _, _, saw in it.saw] == [False, False, True, False]
    assert [fused.views if fused else None for _, fused, _ in it.saw] == [1, 2, 3, None]
    summary = it.saw[2][2].summary
    assert summary is not None
    assert (summary.ended, summary.views) == ("granted", 3)
