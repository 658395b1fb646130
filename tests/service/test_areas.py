"""Who is where, kept and rebuilt: with a real log of events and a real file."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from edged.access.request import Ruling, Subject
from edged.config.load import load
from edged.errors import StorageError
from edged.events.outbox import make_outbox
from edged.mqtt.catalogue import Context, SetArea
from edged.service.areas import Areas
from edged.service.areas_store import areas_path
from edged.service.journal import Journal
from edged.service.state import State
from edged.vault.keys import load_key
from tests.service.kit import wait, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ANYBODY = Ruling(allowed=True, reason="permitted", rule="staff")
PAIR = Ruling(allowed=True, reason="permitted", rule="vault", two_people=True)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
YEAR_S = 365 * 86_400
HARD = {"name": "lab", "most": 10, "passback": {"mode": "hard"}}
CONTEXT = Context("area.set", "jti", "controller")


class Clock:
    """Both clocks; neither moves by itself."""

    def __init__(self) -> None:
        self.wall_s, self.count_s, self.trusted = NOON, 100.0, True

    def now(self) -> float:
        return self.wall_s

    def count(self) -> float:
        return self.count_s

    def go_on(self, seconds: float) -> None:
        self.wall_s += seconds
        self.count_s += seconds


class Here:
    """One terminal's areas on its files, as often as it is started."""

    def __init__(self, folder: Path, area: dict[str, Any] | None = None, **changes: Any) -> None:
        access = {"area": HARD if area is None else area}
        settings = {"access": access, "time_zone": "Europe/Berlin", **changes}
        self.config = load(written(folder, **settings))
        self.key = load_key(self.config.key)
        self.clock = Clock()
        self.started: list[Areas] = []
        self.start()

    def start(self) -> Areas:
        """Begin anew; nobody told the one before, which a kill does not do either."""
        self.state = State()
        self.outbox = make_outbox(self.config.events, self.key, self.clock.now)
        self.outbox.open()
        self.journal = Journal(self.outbox, self.state)
        self.areas = Areas(
            self.config,
            self.key,
            self.outbox,
            self.journal,
            self.state,
            self.clock,
            self.clock.count,
        )
        self.areas.open()
        self.started.append(self.areas)
        return self.areas

    def close(self) -> None:
        for areas in self.started:
            areas.close()
            areas.close()
        self.outbox.close()

    def reason(self, name: str, direction: Any = "in", ruling: Ruling = ANYBODY) -> str | None:
        found = self.areas.objection(Subject(name), ruling, direction, self.clock.now())
        return None if found is None else found.reason

    def passes(self, name: str, direction: Any = "in") -> None:
        self.clock.go_on(1)
        subject = Subject(name, frozenset({"staff"}))
        assert self.areas.objection(subject, ANYBODY, direction, self.clock.now()) is None
        before = len(self.events("access.passed"))
        self.areas.granted(subject, ANYBODY, direction, self.clock.now()).entered()
        wait(lambda: len(self.events("access.passed")) > before and not self.on_their_way)
        wait(lambda: self.state.document()["area"]["inside"] == self.inside)

    @property
    def on_their_way(self) -> int:
        return self.areas._threshold.entering

    @property
    def inside(self) -> int:
        return self.areas._log.presence.inside("lab")

    @property
    def kept(self) -> set[str] | None:
        """Of whom the file says something; None while it is made anew."""
        try:
            presence, _ = self.areas._log._store.read()
        except StorageError:
            return None
        return {person for person, _ in presence.people()}

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [event.data for event in self.outbox.events() if event.type == kind]

    def set(self, **args: Any) -> Any:
        return self.areas.handlers()["area.set"](SetArea(**args), CONTEXT)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Here]]:
    made: list[Here] = []

    def one(*args: Any, **changes: Any) -> Here:
        made.append(Here(tmp_path, *args, **changes))
        return made[-1]

    yield one
    for here in made:
        here.close()


def test_who_passed_is_recorded_and_inside_and_kept_out(make: Callable[..., Here]) -> None:
    here = make()
    here.passes("ada")
    (event,) = here.events("access.passed")
    assert event.pop("order") >= int(NOON * 1000)
    assert event == {
        "person_id": "ada",
        "direction": "in",
        "area": "lab",
        "groups": ["staff"],
        "passback": False,
    }
    assert here.reason("ada") == "anti_passback"
    assert here.state.document()["area"] == {"name": "lab", "inside": 1, "most": 10}
    here.passes("ada", "out")
    assert here.events("access.passed")[-1]["area"] == "outside"
    assert here.reason("ada") is None


def test_who_does_not_go_through_is_where_they_were(make: Callable[..., Here]) -> None:
    here = make()
    assert here.reason("ada") is None
    passing = here.areas.granted(Subject("ada"), ANYBODY, "in", here.clock.now())
    passing.not_entered()
    passing.entered()  # too late
    wait(lambda: here.events("access.not_entered"))
    assert here.events("access.not_entered") == [{"person_id": "ada", "direction": "in"}]
    assert here.events("access.passed") == []
    assert (here.inside, here.on_their_way) == (0, 0)


def test_two_people_pass_by_one_opening(make: Callable[..., Here]) -> None:
    here = make()
    assert here.reason("ada", ruling=PAIR) == "second_person"
    assert here.reason("bob", ruling=PAIR) is None
    passing = here.areas.granted(Subject("bob"), PAIR, "in", here.clock.now())
    assert passing.together == ("ada",)
    passing.ended(opened=True)
    wait(lambda: here.inside == 2)
    assert [event["person_id"] for event in here.events("access.passed")] == ["ada", "bob"]


def test_ten_threads_at_once_get_the_one_place_that_is_left(make: Callable[..., Here]) -> None:
    here = make()
    for number in range(9):
        here.passes(f"p{number}")
    begin, let_in = threading.Barrier(10), []

    def ask(name: str) -> None:
        subject = Subject(name)
        begin.wait()
        if here.areas.objection(subject, ANYBODY, "in", NOON) is None:
            let_in.append(here.areas.granted(subject, ANYBODY, "in", NOON))

    threads = [threading.Thread(target=ask, args=(f"q{number}",)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(let_in) == 1


def test_after_a_kill_before_anything_was_kept_the_log_says_who_is_where(
    make: Callable[..., Here], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = make()
    here.passes("ada")
    monkeypatch.setattr(here.areas._log._store, "keep", lambda *_args, **_more: None)
    here.passes("bob")
    here.passes("ada", "out")
    here.start()
    assert (here.reason("ada"), here.reason("bob")) == (None, "anti_passback")
    assert here.inside == 1
    assert here.state.document()["area"]["inside"] == 1


def test_without_its_file_who_is_where_is_read_from_the_log(make: Callable[..., Here]) -> None:
    here = make()
    here.passes("ada")
    here.areas.close()
    areas_path(here.config).unlink()
    here.start()
    assert here.reason("ada") == "anti_passback"
    assert here.state.degraded == {}


def test_a_file_that_cannot_be_used_is_told_and_the_door_works_on(
    make: Callable[..., Here],
) -> None:
    here = make()
    here.passes("ada")
    here.areas.close()
    path = areas_path(here.config)
    path.write_bytes(b"garbage" * 1000)
    here.start()
    assert "areas.db" in here.state.degraded["areas"]
    assert here.reason("ada") == "anti_passback"
    here.passes("bob")
    assert here.reason("bob") == "anti_passback"


def test_another_log_than_before_is_read_from_its_beginning(make: Callable[..., Here]) -> None:
    here = make()
    here.passes("ada")
    here.areas.close()
    here.outbox.close()
    for file in here.config.events.path.parent.glob("events.db*"):
        file.unlink()
    here.start()
    assert here.reason("ada") == "anti_passback"
    here.passes("bob")
    assert here.inside == 2


def test_who_passed_is_inside_also_where_that_cannot_be_recorded(
    make: Callable[..., Here],
) -> None:
    here = make()
    assert here.reason("ada") is None
    passing = here.areas.granted(Subject("ada"), ANYBODY, "in", here.clock.now())
    here.outbox.close()
    passing.entered()
    wait(lambda: here.inside == 1)
    assert "events" in here.state.degraded
    assert here.reason("ada") == "anti_passback"
    here.areas.close()
    here.outbox.open()
    here.start()
    assert here.reason("ada") == "anti_passback"


def test_somebody_who_was_erased_is_nowhere(make: Callable[..., Here]) -> None:
    here = make()
    here.passes("ada")
    here.passes("bob")
    here.outbox.append("gallery.erased", {"person_id": "ada"})  # whichever process did it
    here.outbox.redact("ada")
    wait(lambda: here.inside == 1)
    wait(lambda: here.kept == {"bob"})
    here.start()
    assert here.inside == 1


def test_who_has_been_outside_for_a_month_is_kept_no_more(make: Callable[..., Here]) -> None:
    here = make()
    here.passes("ada")
    here.passes("bob")
    here.passes("bob", "out")
    here.clock.go_on(32 * 86_400)
    wait(lambda: here.kept == {"ada"})
    assert here.reason("ada") == "anti_passback"


def test_a_wipe_of_the_gallery_takes_all_places_with_it(make: Callable[..., Here]) -> None:
    here = make()
    here.passes("ada")
    here.outbox.append("gallery.wiped", {"reason": "command"})
    wait(lambda: here.inside == 0)
    assert here.reason("ada") is None
    wait(lambda: here.kept == set())
    here.passes("ada")
    here.start()
    assert here.reason("ada") == "anti_passback"


# --- corrections


def test_an_operator_says_where_somebody_is(make: Callable[..., Here]) -> None:
    here = make()
    here.passes("ada")
    reply = here.set(person_id="ada")
    assert reply.data == {"person_id": "ada", "area": None, "before": "lab"}
    assert here.reason("ada") is None
    assert here.set(person_id="bob", area="lab").data["before"] is None
    assert here.reason("bob") == "anti_passback"
    event = here.events("area.changed")[0]
    assert event.pop("order") > here.events("access.passed")[0]["order"]
    assert event == {
        "person_id": "ada",
        "area": None,
        "by": "command",
        "command": "jti",
        "key": "controller",
    }
    assert here.set(everybody=True).result == "ok"
    assert here.inside == 0


def test_what_is_said_at_the_terminal_itself_is_followed_from_the_log(
    make: Callable[..., Here],
) -> None:
    here = make()
    other = make_outbox(here.config.events, here.key)
    other.open()
    data = {"person_id": "eve", "area": "lab", "by": "terminal", "command": None, "key": None}
    other.append("area.changed", {**data, "order": int(NOON * 1000) + 5})
    other.append("area.changed", {**data, "order": "garbage"})
    other.append("access.passed", {"person_id": "eve", "direction": "up", "order": 7})
    other.close()
    wait(lambda: here.inside == 1)
    assert here.reason("eve") == "anti_passback"


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"area": "lab"},
        {"everybody": True, "area": "lab"},
        {"everybody": True, "person_id": "x"},
    ],
)
def test_a_correction_that_says_not_who_is_refused(args: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="person_id"):
        SetArea(**args)


def test_a_correction_that_cannot_be_recorded_is_told(make: Callable[..., Here]) -> None:
    here = make()
    here.outbox.close()
    reply = here.set(person_id="ada", area="lab")
    assert (reply.result, reply.reason) == ("failed", "not_recorded")
    assert here.inside == 1


def test_a_terminal_without_an_area_corrects_nobody(make: Callable[..., Here]) -> None:
    here = make(access={"factors": [["face"]]})
    assert here.set(person_id="ada").reason == "not_allowed"
    assert "area" not in here.state.document()
    assert here.reason("ada") is None
    here.areas.granted(Subject("ada"), ANYBODY, "in", NOON).entered()
    (event,) = wait(lambda: here.events("access.passed"))
    assert event["area"] is None


def test_without_a_section_access_nothing_is_asked_and_nothing_recorded(
    make: Callable[..., Here], tmp_path: Path
) -> None:
    here = make()
    config = here.config.model_copy(update={"access": None})
    areas = Areas(config, here.key, here.outbox, here.journal, State(), here.clock)
    areas.open()
    assert areas.objection(Subject("ada"), PAIR, "in", NOON) is None
    areas.granted(Subject("ada"), PAIR, "in", NOON).entered()
    areas.tick()
    areas.close()
    assert here.events("access.passed") == []


# --- days and clocks

NIGHTLY = {"name": "lab", "passback": {"mode": "hard", "forgive_at": "04:00"}}


def test_every_night_it_is_forgotten_where_everybody_is(make: Callable[..., Here]) -> None:
    here = make(NIGHTLY)
    here.passes("ada")
    assert here.events("area.changed") == []
    here.clock.go_on(15 * 3600)  # four in the morning in Berlin
    (event,) = wait(lambda: here.events("area.changed"))
    assert (event["person_id"], event["by"]) == (None, "clock")
    wait(lambda: here.inside == 0)
    here.passes("ada")
    here.start()
    assert here.reason("ada") == "anti_passback"
    assert len(here.events("area.changed")) == 1


def test_a_night_that_was_slept_through_forgets_only_who_came_before_it(
    make: Callable[..., Here],
) -> None:
    here = make(NIGHTLY)
    here.passes("ada")
    here.areas.close()
    here.clock.go_on(20 * 3600)
    morning = int((NOON + 19.5 * 3600) * 1000)  # heard of another terminal, or set by hand
    data = {"by": "terminal", "command": None, "key": None, "area": "lab", "order": morning}
    here.outbox.append("area.changed", {"person_id": "bob", **data})
    here.start()
    assert (here.reason("ada"), here.reason("bob")) == (None, "anti_passback")


@pytest.mark.parametrize("trusted", [True, False])
def test_a_clock_that_is_set_by_a_year_and_back_does_no_harm(
    make: Callable[..., Here], trusted: bool
) -> None:
    here = make(HARD | {"passback": {"mode": "timed", "again_after_s": 600}})
    here.clock.trusted = trusted
    here.passes("ada")
    for step in (-YEAR_S, YEAR_S, YEAR_S, -YEAR_S):
        here.clock.wall_s += step
        here.passes("bob")
        assert here.reason("bob") == "anti_passback"
        here.passes("bob", "out")
        assert here.reason("bob") is None
        here.areas.withdrawn("bob")
    here.clock.go_on(601)
    assert here.reason("ada") is None
    orders = [event["order"] for event in here.events("access.passed")]
    assert orders == sorted(set(orders))


def test_set_back_by_a_year_it_is_forgotten_once_a_day_all_the_same(
    make: Callable[..., Here],
) -> None:
    here = make(NIGHTLY)
    here.clock.wall_s += YEAR_S
    wait(lambda: len(here.events("area.changed")) == 1)
    here.clock.wall_s -= YEAR_S
    wait(lambda: here.areas._log.forgiven < NOON)
    here.passes("ada")
    here.clock.go_on(15 * 3600)
    wait(lambda: len(here.events("area.changed")) == 2)
    wait(lambda: here.inside == 0)
