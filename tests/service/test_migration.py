"""A move from one bundle to the next, on real networks, a real gallery and real frames."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pytest

from edged.camera.images import read_image
from edged.config.load import load
from edged.door.table import make_door
from edged.gallery.people import Enrolment
from edged.service import move_record
from edged.service.journal import Journal
from edged.service.metrics import Metrics
from edged.service.migration import Migration
from edged.service.mover import Compared
from edged.service.movers import SOURCE, drop, left_behind
from edged.service.moving import APART_S, Tally
from edged.service.next_network import NextNetwork
from edged.service.policy import make_policy
from edged.service.state import State
from edged.service.terminal import Terminal
from edged.types import Frame, RiskPoint
from tests.service.bundles import derived
from tests.service.kit import PERSON, wait
from tests.service.kit import Terminal as Home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.gallery.store import Gallery
    from edged.service.display import Display
    from edged.service.engine import Engine
    from edged.types import Image
    from tests.service.kit import Door, Views


@pytest.fixture(scope="session")
def next_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another network with other numbers, that knows people as well as the shipped one."""
    return derived(tmp_path_factory.mktemp("bundles") / "next")


class Clock:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s

    def later(self, seconds: float) -> None:
        self.s += seconds


class Bench:
    """A terminal with a move on the bench: shown frames, asked what it says."""

    def __init__(self, home: Home, engine: Engine, gallery: Gallery, outbox: Any) -> None:
        config = load(home.config)
        self.gallery, self.outbox, self.engine = gallery, outbox, engine
        self.door = make_door(config.door)
        self.shown: list[Display] = []
        self.state, self.clock = State(), Clock()
        journal = Journal(outbox, self.state)
        policy = make_policy(config.decision, engine.manifest, config.gallery)
        index = gallery.index(engine.identity, engine.manifest.outputs.embedding.size)
        self.move = Migration(
            config, engine, policy, gallery, index, journal, self.state, self.clock
        )
        self.move.open()
        self.vision = engine.vision(policy, self.move.again)
        self.terminal = Terminal(
            config,
            policy,
            identity=engine.identity,
            quality=engine.manifest.quality.quality,
            enrolment_quality=0.5,
            gallery=gallery,
            index=index,
            door=self.door,
            journal=journal,
            metrics=Metrics(),
            on_display=self.shown.append,
            on_step=lambda _observation, _fused, step: self.move.step(step),
            move=self.move if self.move.configured else None,
        )
        self._seq, self._t_s = 1, 0.0

    def __enter__(self) -> Self:
        self.door.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.move.close()
        self.door.close()

    def visit(self, image: Image, frames: int = 3, after_s: float = 20.0) -> dict[str, Any]:
        """Somebody comes and is decided about; what was recorded of it."""
        self._t_s += after_s
        for _ in range(frames):
            self._t_s += 0.1
            self._seq += 5
            self.terminal.process(Frame(image, self._t_s, self._seq), self.vision)
        return self.events("access.granted")[-1]

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        return [event.data for event in self.outbox.pending() if event.type in kinds]

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = self.state.document().get("model_move", {})
        return found

    def moving(self) -> str:
        """Wait until the move is under way; the identity of the next bundle."""
        wait(lambda: self.move.identity)
        assert self.move.identity is not None
        return self.move.identity

    def moved(self, number: int) -> None:
        wait(lambda: self.told.get("moved") == number)


@pytest.fixture
def bench(tmp_path: Path, engine: Engine, views: Views, next_bundle: Path) -> Iterator[Any]:
    with ExitStack() as stack:

        def make(enrolled: bool = True, model: dict[str, Any] | None = None, **more: Any) -> Bench:
            settings = {"next": str(next_bundle), "allow_unsigned": ["next-rts"]}
            changes = {"gallery": {"enrolment_confirm": "none"}} | more
            home = Home(tmp_path, model=settings | (model or {}), **changes)
            if enrolled and not (tmp_path / "gallery.db").exists():
                home.enrol(views)
            inner = stack.enter_context(ExitStack())
            made = Bench(
                home,
                engine,
                inner.enter_context(home.gallery()),
                inner.enter_context(home.outbox()),
            )
            inner.enter_context(made)
            made.end = inner.close  # type: ignore[attr-defined]  # for a start after it
            return made

        yield make


@pytest.fixture
def near(views: Views) -> Image:
    return read_image(views.scenes["near"][0])


def test_two_visits_apart_move_a_person_and_the_third_is_matched_by_the_next_network(
    bench: Callable[..., Bench], near: Image, engine: Engine
) -> None:
    it = bench()
    new = it.moving()
    assert it.visit(near)["model"] == engine.identity
    wait(lambda: len(it.gallery.kept(PERSON, new)) == 1)
    it.moved(0)
    it.clock.later(APART_S)
    assert it.visit(near)["model"] == engine.identity
    it.moved(1)
    third = it.visit(near)
    assert (third["model"], third["person_id"]) == (new, PERSON)
    assert third["similarity"] > 0.8
    assert {one.source for one in it.gallery.kept(PERSON, new)} == {SOURCE}
    kinds = ("model.move_started", "model.moved", "model.move_completed")
    wait(lambda: len(it.events(*kinds)) == 3)
    assert it.events("model.moved")[0] == {
        "from": engine.identity,
        "to": new,
        "people": 1,
        "moved": 1,
        "percent": 100,
    }
    assert (it.told["status"], it.told["waiting"], it.told["people"]) == ("completed", 0, 1)


def test_a_second_visit_of_the_same_hour_is_no_second_template(
    bench: Callable[..., Bench], near: Image
) -> None:
    it = bench()
    new = it.moving()
    it.visit(near)
    wait(lambda: len(it.gallery.kept(PERSON, new)) == 1)
    it.clock.later(APART_S - 1)
    it.visit(near)
    it.clock.later(1)
    it.visit(near)
    wait(lambda: len(it.gallery.kept(PERSON, new)) == 2)


def test_who_is_granted_but_not_beyond_doubt_waits_on(
    bench: Callable[..., Bench], near: Image
) -> None:
    """An enrolment photo with little in common with how they look today."""
    it = bench(enrolled=False)
    new = it.moving()
    seen = it.engine.extract(near).embedded.embedding
    other = np.random.default_rng(1).normal(size=seen.shape)
    other -= (other @ seen) * seen
    aged = 0.5 * seen + np.sqrt(1 - 0.5**2) * other / np.linalg.norm(other)
    it.gallery.add(
        PERSON,
        aged.astype(np.float32),
        model=it.engine.identity,
        quality=0.9,
        source="photo",
        limit=5,
    )
    assert 0.45 < it.visit(near)["similarity"] < 0.53
    it.clock.later(APART_S)
    it.visit(near)
    it.move.close()
    assert it.gallery.kept(PERSON, new) == []


def test_who_is_enrolled_meanwhile_gets_templates_of_both_at_once(
    bench: Callable[..., Bench], near: Image, engine: Engine
) -> None:
    from edged.service.guided import EnrolmentRequest

    it = bench(enrolled=False)
    new = it.moving()
    it.terminal.enrolling.begin(EnrolmentRequest("zoe", 3, 60.0, "c", turn_s=0.2))
    with pytest.raises(IndexError):  # nobody is let in
        it.visit(near, 40)
    assert it.events("enrol.completed"), it.outbox.pending()
    assert len(it.gallery.kept("zoe", engine.identity)) == 3
    assert len(it.gallery.kept("zoe", new)) == 3
    it.moved(1)
    assert it.visit(near, after_s=100)["model"] == new


def test_a_start_in_the_middle_goes_on_where_it_stopped(
    bench: Callable[..., Bench], near: Image
) -> None:
    it = bench()
    new = it.moving()
    it.visit(near)
    wait(lambda: len(it.gallery.kept(PERSON, new)) == 1)
    since = it.told["since"]
    it.end()
    it = bench()
    it.moving()
    it.visit(near)  # when the first was made nobody knows any more
    it.clock.later(APART_S)
    it.visit(near)
    it.moved(1)
    assert it.told["since"] == since
    assert len(it.events("model.move_started")) == 1


def test_a_next_network_of_another_size_is_moved_to(
    bench: Callable[..., Bench], near: Image, tmp_path: Path
) -> None:
    small = derived(tmp_path / "small", size=160, name="small")
    it = bench(model={"next": str(small), "allow_unsigned": ["small"]})
    new = it.moving()
    it.visit(near)
    it.clock.later(APART_S)
    wait(lambda: len(it.gallery.kept(PERSON, new)) == 1)
    it.visit(near)
    it.moved(1)
    assert len(it.gallery.kept(PERSON, new)[0].embedding) == 160
    assert it.visit(near)["model"] == new


def test_a_view_that_was_cut_out_in_another_way_is_cut_out_anew(
    bench: Callable[..., Bench], near: Image, tmp_path: Path, engine: Engine
) -> None:
    marks = [[x + 3, y + 3] for x, y in engine.manifest.alignment.landmarks]
    other = derived(tmp_path / "other", alignment={"landmarks": marks})
    it = bench(model={"next": str(other)})
    it.moving()
    face = engine.extract(near)
    second = it.move.again(near, face.face.landmarks, face.chip)
    assert second is not None
    direct = it.move.again(near, face.face.landmarks, np.zeros_like(face.chip))
    assert direct is not None
    np.testing.assert_array_equal(second.embedding, direct.embedding)


def test_worse_similarities_undo_the_move_for_good(
    bench: Callable[..., Bench], near: Image, engine: Engine
) -> None:
    it = bench()
    new = it.moving()
    it.visit(near)
    it.clock.later(APART_S)
    wait(lambda: len(it.gallery.kept(PERSON, new)) == 1)
    it.visit(near)
    it.moved(1)
    # what a worse network would bring in a few days
    for number in range(6):
        for _ in range(5):
            it.clock.later(APART_S)
            it.move._mover._jobs.put(Compared(f"p{number}", it.clock.s, Tally(worse=1)))
    wait(lambda: it.told["status"] == "rolled_back")
    wait(lambda: it.gallery.kept(PERSON, new) == [])
    (told,) = it.events("model.move_rolled_back")
    assert (told["reason"], told["to"]) == ("similarity", new)
    assert told["figures"]["similarity"]["worse"] == 30
    assert it.move.identity is None
    assert it.visit(near)["model"] == engine.identity
    it.end()
    it = bench()
    wait(lambda: it.told.get("status") == "rolled_back")
    it.clock.later(APART_S)
    assert it.visit(near)["model"] == engine.identity
    it.move.close()
    assert it.gallery.kept(PERSON, new) == []
    assert len(it.events("model.move_rolled_back")) == 1


def test_a_rollback_that_was_cut_short_is_told_and_done_at_the_next_start(
    bench: Callable[..., Bench], near: Image
) -> None:
    it = bench()
    new = it.moving()
    it.visit(near)
    wait(lambda: len(it.gallery.kept(PERSON, new)) == 1)
    it.end()
    it = bench(model={"next": None})
    record = move_record.read(it.gallery, new)
    assert record is not None
    undone = record.changed(status="rolled_back", reason="refused", announced=False)
    move_record.write(it.gallery, new, undone)
    it.end()
    it = bench()
    wait(lambda: it.events("model.move_rolled_back"))
    wait(lambda: it.gallery.kept(PERSON, new) == [])
    assert it.move.identity is None


def test_people_whom_only_the_old_network_knows_are_counted_as_missed(
    bench: Callable[..., Bench], near: Image
) -> None:
    it = bench()
    new = it.moving()
    stranger = np.random.default_rng(3).normal(size=192).astype(np.float32)
    stranger /= np.linalg.norm(stranger)
    it.gallery.add_many([Enrolment(PERSON, stranger, new, 0.9, SOURCE) for _ in range(2)], limit=5)
    it.moved(1)
    with pytest.raises(IndexError):  # the next network does not know them
        it.visit(near, 40)
    assert it.events("access.denied")
    wait(lambda: it.told["figures"]["granted"]["missed"] == 1)


def test_templates_that_do_not_fit_each_other_begin_anew(
    bench: Callable[..., Bench], near: Image
) -> None:
    it = bench()
    new = it.moving()
    stranger = np.random.default_rng(3).normal(size=192).astype(np.float32)
    stranger /= np.linalg.norm(stranger)
    it.gallery.add_many([Enrolment(PERSON, stranger, new, 0.9, SOURCE)], limit=5)
    it.clock.later(APART_S)
    it.visit(near)
    wait(lambda: it.gallery.kept(PERSON, new)[0].embedding @ stranger < 0.5)
    assert len(it.gallery.kept(PERSON, new)) == 1


def test_who_was_removed_meanwhile_is_not_enrolled_again(
    bench: Callable[..., Bench], near: Image
) -> None:
    from edged.service.mover import Recognised

    it = bench()
    new = it.moving()
    assert it.gallery.remove(PERSON)
    found = it.engine.extract(near).embedded.embedding
    it.move._mover.put(Recognised(PERSON, it.clock.s, found, 0.9, found))
    it.moved(0)
    it.move.close()
    assert it.gallery.people() == []
    assert it.gallery.kept(PERSON, new) == []


@pytest.mark.parametrize("same", [False, True])
def test_who_has_the_id_of_somebody_who_was_removed_meanwhile_gets_no_template_of_theirs(
    bench: Callable[..., Bench], near: Image, same: bool
) -> None:
    from edged.service.mover import Recognised

    it = bench()
    new = it.moving()
    found = it.engine.extract(near).embedded.embedding
    it.gallery.remove(PERSON)
    now = found if same else -found
    it.gallery.add_many([Enrolment(PERSON, now, it.engine.identity, 0.9, "photo")], limit=5)
    it.move._mover._keep(Recognised(PERSON, it.clock.s, found, 0.9, found))
    assert len(it.gallery.kept(PERSON, new)) == same


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"next": "nowhere"}, "no model bundle"),
        ({"allow_unsigned": []}, "sign"),
        ({"next": "mtcnn"}, "kind"),
    ],
    ids=["missing", "not trusted", "a detector"],
)
def test_a_next_bundle_that_cannot_be_used_is_told_and_the_door_works_on(
    bench: Callable[..., Bench], near: Image, engine: Engine, model: dict[str, Any], says: str
) -> None:
    it = bench(model=model)
    assert says in it.state.degraded["model.next"]
    assert not it.move.configured
    assert it.visit(near)["model"] == engine.identity


def test_a_next_bundle_that_is_the_one_in_use_is_no_fault(bench: Callable[..., Bench]) -> None:
    it = bench(model={"next": "mobilefacenet-rts"})
    assert it.state.degraded == {}
    assert it.told == {"status": "none", "reason": "it is the bundle in use"}


def test_who_moved_is_matched_by_the_old_network_where_the_next_one_is_gone(
    bench: Callable[..., Bench], near: Image, engine: Engine
) -> None:
    it = bench()
    it.moving()
    it.visit(near)
    it.clock.later(APART_S)
    wait(lambda: it.gallery.kept(PERSON, it.move.identity or ""))
    it.visit(near)
    it.moved(1)
    it.end()
    it = bench(model={"next": "nowhere"})
    assert it.visit(near)["model"] == engine.identity


def risk(*points: tuple[float, float]) -> dict[str, Any]:
    rows = [{"fmr": fmr, "similarity": s, "basis": "measured"} for fmr, s in points]
    return {"verification": {"same": 0.45, "different": 0.35}, "false_match": rows}


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ([(0.3, 0.1), (0.1, 0.2)], "no rate in common"),
        ([(1e-2, 0.3), (5e-3, 0.4)], "ends before the rate"),
    ],
)
def test_a_table_that_does_not_reach_where_people_are_let_in_moves_nobody(
    bench: Callable[..., Bench], tmp_path: Path, near: Image, points: Any, says: str
) -> None:
    short = derived(tmp_path / "short", similarity=risk(*points))
    it = bench(model={"next": str(short)})
    wait(lambda: says in it.state.degraded.get("model.next", ""))
    it.visit(near)
    assert it.move.identity is None


def test_what_is_kept_of_a_move_and_cannot_be_read_stops_it(
    bench: Callable[..., Bench], near: Image
) -> None:
    it = bench()
    new = it.moving()
    it.end()
    it = bench(model={"next": None})
    it.gallery.set_fact(f"model.move {new}", "{}")
    it.end()
    it = bench()
    assert "retry" in it.state.degraded["model.next"]
    assert it.visit(near)["person_id"] == PERSON


def test_a_network_that_fails_while_it_runs_leaves_the_door_working(
    bench: Callable[..., Bench], near: Image, engine: Engine
) -> None:
    it = bench()
    it.moving()
    network = it.move._network
    assert isinstance(network, NextNetwork)
    assert network._engine is not None
    network._engine.close()  # as if its device had gone
    assert it.visit(near)["model"] == engine.identity
    assert "model.next" in it.state.degraded
    it.clock.later(31)
    wait(lambda: it.state.degraded == {})
    assert it.moving()


def test_templates_of_a_bundle_are_dropped_unless_they_are_all_that_somebody_has(
    bench: Callable[..., Bench], engine: Engine
) -> None:
    it = bench(model={"next": None})
    unit = np.eye(1, 192, dtype=np.float32)[0]
    both = [
        Enrolment("ann", unit, engine.identity, 0.9, "photo"),
        Enrolment("ann", unit, "other", 0.9, SOURCE),
        Enrolment("ben", unit, "other", 0.9, "photo"),
    ]
    it.gallery.add_many(both, limit=5)
    assert left_behind(it.gallery, engine.identity) == ["ben"]
    assert drop(it.gallery, "other") == 1
    assert it.gallery.kept("ann", "other") == []
    assert len(it.gallery.kept("ann", engine.identity)) == 1
    assert len(it.gallery.kept("ben", "other")) == 1
    assert left_behind(it.gallery, "other") == ["ann", PERSON]


def test_risk_points_of_the_shipped_bundle_reach_a_hundred_thousand_people(
    engine: Engine,
) -> None:
    """Else nobody could move at such a site."""
    from edged.decision.policy import false_match_rate

    curve: tuple[RiskPoint, ...] = engine.manifest.similarity.risk
    assert curve[-1].fmr < false_match_rate(0.001 / 1.3, 100_000)


def test_a_daemon_that_is_killed_in_the_middle_of_a_move_goes_on_with_it(
    open_door: Callable[..., Door], views: Views, next_bundle: Path
) -> None:
    settings = {"next": str(next_bundle), "allow_unsigned": ["next-rts"]}
    door = open_door(lambda terminal: terminal.enrol(views), model=settings)
    wait(lambda: door.site.state.get("model_move", {}).get("status") == "moving")
    new = door.site.state["model_move"]["to"]
    door.stage.show("near")
    granted = door.site.event("access.granted", person_id=PERSON)
    assert granted["data"]["model"] == views.model

    def templates() -> int:
        with door.terminal.gallery() as gallery:
            return len(gallery.kept(PERSON, new))

    wait(lambda: templates() == 1)
    door.terminal.kill()
    door.stage.show("empty")
    assert templates() == 1
    seq = door.site.seq
    door.terminal.start().ready()
    door.site.event("terminal.started", after=seq)
    wait(lambda: door.site.state.get("model_move", {}).get("status") == "moving")
    assert door.site.state["model_move"]["to"] == new
    assert door.site.state["degraded"] == {}
    door.stage.show("near")
    door.site.event("access.granted", after=seq, person_id=PERSON)
    assert len(door.site.events("model.move_started")) == 1
    assert door.terminal.stop() == 0
    assert templates() == 1


def test_while_two_networks_decide_nothing_is_recorded_and_the_state_says_so(
    open_door: Callable[..., Door], views: Views, next_bundle: Path
) -> None:
    settings = {"next": str(next_bundle), "allow_unsigned": ["next-rts"]}
    door = open_door(
        lambda terminal: terminal.enrol(views), model=settings, recording={"path": "recording.db"}
    )
    wait(lambda: "paused" in door.site.state.get("model_move", {}).get("recording", ""))
    assert not (door.terminal.folder / "recording.db").exists()
