"""The desk on real parts, without a camera: what readers may send, and what then happens."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from edged.access.request import Reading
from edged.config.load import lines_of, load
from edged.decision.outcome import Kind, Outcome, Rule
from edged.decision.presentation import Phase
from edged.door.table import make_door
from edged.events.outbox import make_outbox
from edged.events.trusted import TrustedTime
from edged.gallery.store import make_gallery
from edged.service.access import AccessParts, House
from edged.service.access_desk import AccessDesk
from edged.service.display import Display
from edged.service.door_mode import DoorMode
from edged.service.doorway import Doorway
from edged.service.guesses import NOTE
from edged.service.journal import Journal
from edged.service.metrics import Metrics
from edged.service.policy import make_policy
from edged.service.state import State
from edged.vault.identity import Identity
from edged.vault.keys import load_key
from tests.service.kit import Terminal as Home
from tests.service.kit import wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.service.engine import Engine

CARD, PIN, FORCED = "A1B2", "2469", "8643"
RULES = [
    {"name": "faceless", "groups": ["faceless"], "factors": [["card", "pin"]]},
    {"name": "card", "groups": ["card"], "factors": [["card"]]},
]
ACCESS: dict[str, Any] = {"rules": RULES, "pins": {"tries": 3, "rest_s": 15}}
IDLE = Display(Phase.IDLE)


class Bench:
    """A desk with everything around it, and a clock that stands still."""

    def __init__(self, home: Home, engine: Engine, stack: ExitStack) -> None:
        self.home = home
        self.config = config = load(home.config)
        self.now_s = 0.0
        key = load_key(config.key)
        self.outbox = make_outbox(config.events, key)
        self.time = TrustedTime(self.outbox)
        self.gallery = make_gallery(config.gallery, key, self.time.now)
        self.door = make_door(config.door)
        for part in (self.door, self.outbox, self.gallery, self.time):
            stack.callback(part.close)
            part.open()
        self.state = State()
        self.journal = Journal(self.outbox, self.state)
        policy = make_policy(config.decision, engine.manifest, config.gallery)
        mode = DoorMode(
            self.outbox, self.door, self.journal, self.state, self.time, may_forget=False,
            settings=config.door,
        )  # fmt: skip
        self.mode = mode
        stack.callback(mode.close)
        mode.open()
        size = engine.manifest.outputs.embedding.size
        self.house = House(
            config=config,
            lines=lines_of(home.config),
            key=key,
            identity=Identity(key),
            outbox=self.outbox,
            time=self.time,
            gallery=self.gallery,
            index=self.gallery.index(engine.identity, size),
            policy=policy,
            mode=mode,
            journal=self.journal,
            state=self.state,
            doorway=Doorway(
                config, digest="0" * 12, model=lambda: engine.identity, gallery=self.gallery,
                journal=self.journal, metrics=Metrics(),
            ),
        )  # fmt: skip
        self.parts = AccessParts(self.house)
        stack.callback(self.parts.close)
        self.parts.open()
        self.begin_anew()

    def begin_anew(self) -> None:
        """As after a restart."""
        self.desk = AccessDesk(self.house, self.parts, lambda: self.now_s)
        self.desk.open()

    def read(self, kind: Any, value: str, after_s: float = 1.0, reader: str = "keypad") -> None:
        self.now_s += after_s
        self.desk.read(Reading(reader, kind, value, "in", self.now_s))

    def tick(self, after_s: float) -> None:
        self.now_s += after_s
        self.desk.tick()

    def told(self, kind: str = "access.denied") -> list[dict[str, Any]]:
        return [event.data for event in self.outbox.pending(limit=10_000) if event.type == kind]

    @property
    def reasons(self) -> list[str]:
        return [data["reason"] for data in self.told()]

    @property
    def shown(self) -> Display:
        return self.desk.dress(IDLE)

    def face(self, kind: Kind, person: str | None = None, claim: str | None = None) -> bool:
        reason = "matched" if kind is Kind.GRANTED else "doubtful"
        outcome = Outcome(
            kind, reason, person, 0.9, 0.1, 0.6, 0.003, 2, 0.9, 3, 0.4, (), rule=Rule.CLEAR_MATCH
        )
        return self.desk.judged(outcome, claim)


@pytest.fixture
def bench(tmp_path: Path, engine: Engine, views: Any) -> Iterator[Callable[..., Bench]]:
    with ExitStack() as stack:

        def make(groups: tuple[str, ...] = ("faceless",), **changes: Any) -> Bench:
            changes.setdefault("access", ACCESS)
            keypad = {"keypad": {"driver": "simulated", "pipe": "keypad"}}
            home = Home(tmp_path, readers=keypad, **changes)
            home.enrol(views)
            with home.gallery() as gallery:
                profile = gallery.profile("eileen")
                given = {"groups": groups, "cards": [CARD], "pin": PIN, "duress_pin": FORCED}
                gallery.set_profile("eileen", type(profile).model_validate(given))
            return Bench(home, engine, stack)

        yield make


# what a reader may send


BAD_CARDS = [
    "9" * 10_240,
    "9" * 5000,
    "",
    " ",
    "\x00\x01\x1b[2J",
    "12\n34",
    "\udcff\udcfe",
    "١٢٣٤",
    "'; DROP TABLE people; --",
    "../../etc/passwd",
    "💳" * 100,
    "0x",
]
BAD_PINS = ["9" * 10_240, "", "12a4", "١٢٣٤", "-123", "\x00", "1" * 17, "²³"]


def test_whatever_a_reader_takes_for_a_card_is_refused_and_told(
    bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    it = bench()
    for number, card in enumerate(BAD_CARDS, 1):
        it.read("card", card, reader=f"reader-{number}")
        assert it.reasons == ["unknown_card"] * number
        assert (it.shown.phase, it.shown.why) == (Phase.DENIED, "wrong_factor")
        if len(card.strip()) > 2:
            assert card not in caplog.text
            assert card not in str(it.told())


def test_whatever_a_reader_takes_for_a_pin_is_refused_and_told(bench: Callable[..., Bench]) -> None:
    it = bench()
    for number, pin in enumerate(BAD_PINS, 1):
        reader = f"reader-{number}"
        it.read("card", CARD, reader=reader)
        it.read("pin", pin, reader=reader)
        assert it.reasons == ["bad_reading"] * number
        assert it.shown.ask == "pin"  # what was asked for still is
        it.read("pin", PIN, reader=reader)
        assert len(it.told("access.granted")) == number


def test_cards_of_other_houses_keep_nobody_out(bench: Callable[..., Bench]) -> None:
    it = bench()
    for number in range(14):
        it.read("card", f"77{number}", 1)
    it.read("card", CARD, 1)
    it.read("pin", PIN, 1)
    assert len(it.told("access.granted")) == 1
    assert it.told("access.locked_out") == []


def test_a_flood_of_garbage_is_told_a_few_times_and_not_for_each(
    bench: Callable[..., Bench],
) -> None:
    it = bench()
    for number in range(2000):
        it.read("card", f"{number}", 0.2)  # 400 s
    kinds = [event.type for event in it.outbox.pending(limit=10_000)]
    assert kinds.count("access.denied") <= 15 * kinds.count("access.locked_out") + 15
    assert kinds.count("access.locked_out") == 5  # 15, 30, 60, 120, 240 s
    last = it.told("access.locked_out")[-1]
    assert last["unseen"] > 500
    assert last["what"] == "reader"


def test_of_a_reader_that_babbles_only_so_much_is_looked_at(bench: Callable[..., Bench]) -> None:
    it = bench(("card",))
    for _ in range(1000):
        it.read("card", CARD, 0.0)
    assert len(it.told("access.granted")) == 10
    it.read("card", CARD, 1.0)
    assert len(it.told("access.granted")) == 11


def test_a_reader_that_babbles_on_is_logged_once(
    bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    it = bench(("card",))
    for _ in range(300):
        it.read("key", "in", 0.05)
    assert caplog.text.count("reads too much") == 1
    it.read("key", "in", 2.0)
    for _ in range(30):
        it.read("key", "in", 0.05)
    assert caplog.text.count("reads too much") == 2


def test_one_reader_that_babbles_is_no_matter_for_another(bench: Callable[..., Bench]) -> None:
    it = bench(("card",))
    for _ in range(100):
        it.read("card", "77", 0.0)
    it.read("card", CARD, 0.0, reader="other")
    assert it.told("access.granted")


def test_keys_that_mean_nothing_here_do_nothing_and_cancel_ends_an_attempt(
    bench: Callable[..., Bench],
) -> None:
    it = bench()
    it.read("key", "self-destruct")
    it.read("key", "cancel")
    it.read("card", CARD)
    it.read("key", "cancel")
    assert it.reasons == ["cancelled"]


def test_a_code_where_none_are_taken(bench: Callable[..., Bench]) -> None:
    it = bench()
    it.read("qr", "EDGED1:" + "A" * 5000)
    assert it.reasons == ["code_unknown_key"]


def test_a_gallery_that_cannot_be_read_knows_no_card(bench: Callable[..., Bench]) -> None:
    it = bench(("card",))
    it.gallery.close()
    it.read("card", CARD)
    assert it.reasons == ["unknown_card"]


# guessing


def test_nothing_tells_a_right_pin_from_a_wrong_one_during_a_rest(
    bench: Callable[..., Bench],
) -> None:
    it = bench()
    for _ in range(3):
        it.read("card", CARD)
        it.read("pin", "0000")
    assert len(it.told("access.locked_out")) == 2
    events = len(it.outbox.pending(limit=10_000))
    seen = []
    for pin in ("0000", PIN, FORCED):
        it.read("card", CARD)
        it.read("pin", pin)
        seen.append((it.shown, len(it.outbox.pending(limit=10_000)), it.door.relay))
    assert seen == [seen[0]] * 3
    assert seen[0][1:] == (events, False)
    assert it.told("access.duress") == []
    it.read("card", CARD, 20)
    it.read("pin", PIN)
    assert it.told("access.granted")


def test_a_person_rests_at_every_reader(bench: Callable[..., Bench]) -> None:
    it = bench()
    for reader in ("keypad", "page", "third"):
        it.read("card", CARD, reader=reader)
        it.read("pin", "0000", reader=reader)
    assert [data["what"] for data in it.told("access.locked_out")] == ["person"]
    it.read("card", CARD, reader="fourth")
    it.read("pin", PIN, reader="fourth")
    assert it.told("access.granted") == []
    assert it.reasons == ["wrong_pin"] * 3


def test_a_restart_ends_no_rest(bench: Callable[..., Bench]) -> None:
    it = bench()
    for _ in range(3):
        it.read("card", CARD)
        it.read("pin", "0000")
    it.begin_anew()
    it.read("card", CARD, 5)
    it.read("pin", PIN)
    assert it.told("access.granted") == []
    assert "eileen" not in str(it.outbox.note(NOTE))


def test_a_damaged_note_is_forgotten(bench: Callable[..., Bench]) -> None:
    it = bench(("card",))
    it.outbox.keep_note(NOTE, "garbage")
    it.begin_anew()
    it.read("card", CARD)
    assert it.told("access.granted")


def test_guessing_is_counted_where_nothing_can_be_kept(bench: Callable[..., Bench]) -> None:
    it = bench()
    it.outbox.close()
    it.begin_anew()
    for _ in range(20):
        it.read("card", "77", 1)
    it.read("card", CARD)
    assert it.desk.claimed is None
    assert it.shown.phase is Phase.DENIED


# what opens, and what does not


def test_an_event_that_cannot_be_recorded_keeps_the_door_shut(bench: Callable[..., Bench]) -> None:
    it = bench(("card",))
    it.outbox.close()
    it.read("card", CARD)
    assert not it.door.relay
    assert it.shown.phase is Phase.DENIED


def test_a_relay_that_does_not_obey_is_told_and_nobody_is_shown_a_green_light(
    bench: Callable[..., Bench],
) -> None:
    it = bench(("card",))
    it.door.close()
    it.read("card", CARD)
    assert it.told("door.fault")
    assert it.shown.phase is Phase.DENIED
    assert wait(lambda: it.told("access.not_entered"))


def test_in_a_lockdown_nothing_is_asked_for_and_named_groups_are_let_in(
    bench: Callable[..., Bench],
) -> None:
    door = {"driver": "simulated", "lockdown_groups": ["faceless"]}
    it = bench(door=door)
    lock_down(it)
    it.read("card", CARD)
    assert it.shown.ask == "pin"
    it.read("pin", PIN)
    assert it.told("access.granted")
    with it.home.gallery() as gallery:
        gallery.change_profile("eileen", lambda one: one.model_copy(update={"groups": ("x",)}))
    it.read("card", CARD, 5)
    assert it.reasons == ["no_rule"]
    with it.home.gallery() as gallery:
        gallery.change_profile("eileen", lambda one: one.model_copy(update={"groups": ("card",)}))
    it.read("card", CARD, 5)
    assert it.reasons == ["no_rule", "locked_down"]


def lock_down(it: Bench) -> None:
    from edged.mqtt.catalogue import Context, SetMode

    order = SetMode(mode="locked_down")
    assert it.mode.handlers()["door.mode"](order, Context("door.mode", "1", "site")).result == "ok"


def test_forced_and_kept_out_is_told_all_the_same(bench: Callable[..., Bench]) -> None:
    it = bench()
    it.read("card", CARD)
    it.read("pin", FORCED, 0.5)
    assert [one["opened"] for one in it.told("access.duress")] == [True]
    lock_down(it)
    it.read("pin", FORCED, 5)
    it.read("card", CARD, 0.5)
    assert [one["opened"] for one in it.told("access.duress")] == [True, False]
    assert it.reasons == ["locked_down"]


def test_somebody_who_is_not_in_force_any_more(bench: Callable[..., Bench]) -> None:
    it = bench(("card",))
    with it.home.gallery() as gallery:
        gallery.change_profile("eileen", lambda one: one.model_copy(update={"valid_until": 1.0}))
    it.read("card", CARD)
    assert it.reasons == ["unknown_card"]
    it.face(Kind.GRANTED, "eileen")
    assert it.reasons == ["unknown_card", "not_in_force"]


def test_what_is_asked_for_ends_by_itself(bench: Callable[..., Bench]) -> None:
    it = bench()
    changed: list[None] = []
    it.desk.on_change = lambda: changed.append(None)
    it.read("card", CARD)
    assert it.shown.ask == "pin"
    it.tick(14)
    assert it.shown.ask == "pin"
    it.tick(2)
    assert it.reasons == ["factor_missing"]
    assert (it.shown.phase, it.shown.why) == (Phase.DENIED, "timeout")
    it.tick(4)
    assert it.shown == IDLE
    assert len(changed) == 4


def test_a_pin_of_nobody_is_asked_whose_it_is_and_forgotten(bench: Callable[..., Bench]) -> None:
    it = bench()
    it.read("pin", PIN)
    assert it.shown.ask == "face"
    it.tick(16)
    assert (it.shown, it.told()) == (IDLE, [])


# without a section `access`


def test_without_rules_a_doubtful_face_is_left_to_the_site(bench: Callable[..., Bench]) -> None:
    it = bench(access=None)
    assert it.face(Kind.SECOND_FACTOR, "eileen")
    assert [data["person_id"] for data in it.told("access.second_factor")] == ["eileen"]
    assert it.desk.dress(Display(Phase.SECOND_FACTOR)) == Display(Phase.SECOND_FACTOR)
    it.tick(60)
    assert it.told() == []


def test_without_rules_a_known_face_is_let_in_also_where_the_gallery_cannot_be_read(
    bench: Callable[..., Bench],
) -> None:
    it = bench(access=None)
    it.gallery.close()
    assert it.face(Kind.GRANTED, "eileen")
    (told,) = it.told("access.granted")
    assert (told["by"], told["factors"]) == (None, ["face"])
    assert it.door.relay


def test_with_rules_a_gallery_that_cannot_be_read_lets_nobody_in(
    bench: Callable[..., Bench],
) -> None:
    it = bench(("card",))
    it.gallery.close()
    it.face(Kind.GRANTED, "eileen")
    assert it.reasons == ["not_in_force"]


@pytest.mark.parametrize("kind", [Kind.DENIED, Kind.REVIEW, Kind.RETAKE])
def test_what_comes_of_a_face_that_is_not_let_in_is_told_as_ever(
    bench: Callable[..., Bench], kind: Kind
) -> None:
    it = bench()
    assert it.face(kind, None)
    (told,) = it.told(kind.value)
    assert (told["by"], told["factors"], told["reader"]) == (None, [], None)


def test_a_door_that_did_not_open_for_a_face_is_said_to_whoever_asked(
    bench: Callable[..., Bench],
) -> None:
    it = bench(access=None)
    it.door.close()
    assert not it.face(Kind.GRANTED, "eileen")


def test_what_still_opens_without_a_camera(bench: Callable[..., Bench]) -> None:
    assert bench().desk.blind_but_open == "card, or card and pin"


def test_without_a_camera_only_what_needs_none_is_asked_for(bench: Callable[..., Bench]) -> None:
    rules = [{"name": "all", "factors": [["card", "face"], ["card", "pin"]]}]
    it = bench(access={"rules": rules})
    it.read("card", CARD)
    assert it.desk.claimed == "eileen"
    assert it.shown.ask == "face"
    it.read("key", "cancel")
    it.state.degrade("camera", "unplugged")
    it.read("card", CARD)
    assert it.shown.ask == "pin"
