"""The interlock of two doors: never both unlocked or open, whatever becomes of the words."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest

from edged.door.interlock import GRACE_S, HEARTBEAT_S, STALE_BEATS, Side, Word

SETTLE_S, DWELL_S = 3.0, 0.3
LAG_S = 0.2  # of a contact that is debounced
STALE_S = STALE_BEATS * HEARTBEAT_S


def side(me: str = "a", other: str = "b", boot: str = "boot-a", now_s: float = 0.0) -> Side:
    made = Side(me, other, boot, now_s, settle_s=SETTLE_S, dwell_s=DWELL_S)
    made.door(shut_and_locked=True, now_s=now_s)
    return made


def exchange(a: Side, b: Side, now_s: float, rounds: int = 3) -> None:
    """Words go to and fro, and all arrive."""
    for _ in range(rounds):
        b.hear(a.say(now_s), now_s)
        a.hear(b.say(now_s), now_s)


def pair(now_s: float = 10.0) -> tuple[Side, Side]:
    """Two that have heard each other, and whose doors are shut for long."""
    a, b = side(), side("b", "a", "boot-b")
    exchange(a, b, now_s)
    assert a.heard(now_s)
    assert b.heard(now_s)
    return a, b


def held(a: Side, b: Side, now_s: float) -> None:
    """One of them has the door."""
    assert a.ask(now_s) is None
    exchange(a, b, now_s)
    assert a.holding
    assert b.yielding


def test_a_claim_is_answered_in_one_round_trip() -> None:
    a, b = pair()
    assert a.ask(10) is None
    assert a.asking
    assert b.hear(a.say(10), 10)
    assert a.hear(b.say(10), 10)
    assert a.holding
    assert a.blocked(10) is None
    assert b.blocked(10) == "other_passing"


def test_a_word_that_answers_what_was_said_long_ago_counts_for_nothing() -> None:
    a, b = pair()
    assert a.ask(10) is None
    b.hear(a.say(10), 10)
    late = b.say(10)
    assert late.yields is not None
    a.hear(late, 10 + STALE_S + 0.1)
    assert not a.holding
    assert not a.heard(10 + STALE_S + 0.1)


def test_who_yields_stays_locked_until_it_hears_that_the_other_is_shut_however_long() -> None:
    a, b = pair()
    held(a, b, 10)
    a.door(shut_and_locked=False, now_s=10)
    for now_s in range(11, 200):
        assert not b.holding
        assert b.ask(now_s) == ("unheard" if now_s > 10 + STALE_S else "other_passing")
    exchange(a, b, 200)
    assert b.blocked(200) == "other_passing"
    a.door(shut_and_locked=True, now_s=200)
    assert not a.tick(200)  # shut for no longer than a contact takes to tell
    assert a.tick(200 + DWELL_S)
    exchange(a, b, 201)
    assert b.blocked(201) is None
    held(b, a, 201)


def test_a_claim_that_is_not_used_is_over_after_a_moment() -> None:
    a, b = pair()
    held(a, b, 10)
    assert not a.tick(11)
    assert a.tick(10 + GRACE_S)
    exchange(a, b, 13)
    held(b, a, 13)


def test_who_holds_already_is_let_through_again_and_has_another_moment() -> None:
    a, b = pair()
    held(a, b, 10)
    assert a.ask(11.5) is None
    assert not a.tick(10 + GRACE_S)
    assert a.holding
    a.give_up()  # only what is asked for can be given up
    assert a.holding


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_when_both_ask_at_once_the_first_name_wins(order: str) -> None:
    a, b = pair()
    assert a.ask(10) is None
    assert b.ask(10) is None
    words = {"a": a.say(10), "b": b.say(10)}
    for sender in order:
        (b if sender == "a" else a).hear(words[sender], 10)
    assert not b.asking
    exchange(a, b, 10)
    assert a.holding
    assert not b.holding


def test_who_gives_up_lets_the_other_go() -> None:
    a, b = pair()
    assert a.ask(10) is None
    b.hear(a.say(10), 10)
    assert b.yielding
    late = b.say(10)
    a.give_up()
    b.hear(a.say(10), 10)
    assert not b.yielding
    held(b, a, 10)
    a.hear(late, 10)
    assert not a.holding  # a yes to a claim that is over


def test_a_door_that_is_not_shut_yields_to_nobody_and_says_so() -> None:
    a, b = pair()
    b.door(shut_and_locked=False, now_s=10)
    assert a.ask(10) is None  # nothing is known of it yet
    exchange(a, b, 10)
    assert a.asking
    assert not b.yielding
    a.give_up()
    assert a.ask(10) == "other_open"
    b.door(shut_and_locked=True, now_s=11)
    exchange(a, b, 11)
    assert a.ask(11) == "other_open"
    exchange(a, b, 12)
    held(a, b, 12)


def test_a_yes_does_not_count_when_the_door_was_opened_since() -> None:
    a, b = pair()
    assert a.ask(10) is None
    b.hear(a.say(10), 10)
    b.door(shut_and_locked=False, now_s=10)  # somebody forces it
    a.hear(b.say(10), 10)
    assert not a.holding


@pytest.mark.parametrize("yields", [("boot-a", 1), ("boot-x", 2), ("boot-a", 3)])
def test_a_yes_to_another_claim_does_not_count(yields: tuple[str, int]) -> None:
    a, b = pair()
    assert a.ask(10) is None
    a.give_up()
    assert a.ask(10) is None
    b.hear(a.say(10), 10)
    a.hear(replace(b.say(10), yields=yields), 10)
    assert not a.holding
    a.hear(b.say(10), 10)
    assert a.holding


def test_fire_is_told_and_overrides_without_a_claim() -> None:
    a, b = pair()
    b.door(shut_and_locked=False, now_s=10, fire=True)
    exchange(a, b, 10)
    assert a.blocked(10) == "other_fire"


def test_a_start_neither_asks_nor_yields_before_it_has_settled_and_heard() -> None:
    a, b = side(), side("b", "a", "boot-b", now_s=10)
    assert b.ask(11) == "starting"
    exchange(a, b, 11)
    assert a.ask(11) is None
    exchange(a, b, 12)
    assert not a.holding
    assert b.ask(12.5) == "starting"
    exchange(a, b, 10 + SETTLE_S)
    assert a.holding
    alone = side()
    assert alone.ask(100) == "unheard"


def test_after_a_restart_the_yielder_waits_for_the_new_start_to_say_that_it_is_shut() -> None:
    a, b = pair()
    held(a, b, 10)
    a = side(boot="boot-a2", now_s=20)
    a.door(shut_and_locked=False, now_s=20)  # it stands open
    exchange(a, b, 20)
    assert b.yielding
    a.door(shut_and_locked=True, now_s=21)
    exchange(a, b, 22)
    assert not b.yielding
    exchange(a, b, 24)
    held(b, a, 24)


def test_a_start_that_forgot_what_it_yielded_to_does_not_open() -> None:
    a, b = pair()
    held(a, b, 10)
    a.door(shut_and_locked=False, now_s=10)
    b = side("b", "a", "boot-b2", now_s=10)
    exchange(a, b, 14)
    assert b.ask(14) == "other_passing"


def test_who_holds_yields_to_nobody_also_before_the_door_is_unlocked() -> None:
    a, b = pair()
    held(b, a, 10)
    a = side(now_s=0, boot="boot-a2")  # it forgot, and its name comes first
    exchange(a, b, 10)
    assert a.ask(10) == "other_passing"
    a.hear(replace(b.say(10), claim=None, holds=False), 10)
    assert a.ask(10) is None
    exchange(a, b, 10)
    assert b.holding
    assert not b.yielding
    assert not a.holding


def test_a_word_that_was_kept_and_comes_again_never_counts() -> None:
    a, b = pair()
    kept = [b.say(10)]
    held(b, a, 10)
    kept.append(b.say(10))
    b.door(shut_and_locked=False, now_s=10)
    exchange(a, b, 11)
    before = (a.blocked(11), a.heard(11))
    for word in kept:
        assert a.hear(word, 11)  # it is answered, for the other may be new
        assert (a.blocked(11), a.heard(11)) == before
    kept.append(b.say(11))
    b = side("b", "a", "boot-b2", now_s=12)
    exchange(a, b, 12.5)
    assert a.blocked(12.5) is None
    for word in kept:  # a start that is over does not come to life again
        a.hear(word, 12.5)
        assert a.blocked(12.5) is None


def test_a_late_word_never_counts() -> None:
    a, b = pair()
    late = b.say(10)
    b.door(shut_and_locked=False, now_s=10)
    a.say(10 + STALE_S)
    a.hear(late, 10.1 + STALE_S)
    assert not a.heard(10.1 + STALE_S)


@pytest.mark.parametrize("echo", [None, ("boot-x", 1), ("boot-a", 10**9), ("boot-a", -1)])
def test_what_answers_nothing_that_was_said_never_counts(echo: tuple[str, int] | None) -> None:
    a, b = side(), side("b", "a", "boot-b")
    b.hear(a.say(10), 10)
    assert a.hear(replace(b.say(10), echo=echo), 10)
    assert not a.heard(10)


def test_what_was_said_long_ago_is_forgotten() -> None:
    a, b = pair()
    b.hear(a.say(10), 10)
    word = b.say(10)
    for _ in range(1000):
        a.say(10)
    a.hear(replace(word, number=99), 10)
    assert len(a._said) < 200


# --- both sides, a network that does what it likes, and doors that people walk through


@dataclass
class Room:
    """A door with its terminal: unlocked only by a claim that is held, and opened by people."""

    name: str
    other: str
    core: Side
    unlocked: bool = False
    open: bool = False
    starts: int = 0
    unlock_until_s: float = 0.0
    opened_s: float = 0.0
    shut_and_locked: bool | None = None

    @property
    def busy(self) -> bool:
        return self.unlocked or self.open

    def told(self, now_s: float) -> None:
        """The relay is known at once, the contact a little later."""
        seen = self.open and now_s - self.opened_s >= LAG_S
        shut_and_locked = not (self.unlocked or seen)
        if shut_and_locked is not self.shut_and_locked:
            self.shut_and_locked = shut_and_locked
            self.core.door(shut_and_locked, now_s)

    def restart(self, now_s: float) -> None:
        self.starts += 1
        self.unlocked, self.shut_and_locked = False, None
        boot = f"{self.name}{self.starts}"
        self.core = Side(self.name, self.other, boot, now_s, settle_s=SETTLE_S, dwell_s=DWELL_S)
        self.told(now_s)


@dataclass
class World:
    """What may happen, at random; `kept` is all that was ever said."""

    dice: random.Random
    now_s: float = 0.0
    passed: int = 0
    rooms: list[Room] = field(default_factory=list)
    wire: list[tuple[int, Word]] = field(default_factory=list)
    kept: list[tuple[int, Word]] = field(default_factory=list)

    def begin(self, calm: bool) -> None:
        for name, other in (("a", "b"), ("b", "a")):
            core = Side(name, other, f"{name}0", 0.0, settle_s=SETTLE_S, dwell_s=DWELL_S)
            self.rooms.append(Room(name, other, core))
            self.rooms[-1].told(0.0)
        if calm:  # they know each other already
            self.now_s = 10.0
            exchange(self.rooms[0].core, self.rooms[1].core, 10.0)

    def step(self) -> None:
        dice = self.dice.random()
        at = self.dice.getrandbits(1)
        room = self.rooms[at]
        if dice < 0.30:
            self.say(at)
        elif dice < 0.62:
            self.deliver()
        elif dice < 0.76:
            room.core.ask(self.now_s)
        elif dice < 0.86:
            self.people(room)
        elif dice < 0.95:
            self.now_s += self.dice.choice((0.05, 0.4, 0.4, 1.0, 4.0))
        elif dice < 0.965:
            room.core.give_up()
        elif dice < 0.985:
            self.again()
        else:
            room.restart(self.now_s)
        self.settle()

    def say(self, at: int) -> None:
        word = self.rooms[at].core.say(self.now_s)
        self.kept.append((1 - at, word))
        self.wire.append((1 - at, word))

    def deliver(self) -> None:
        """In any order; some are lost, some come twice."""
        if not self.wire:
            return
        last = len(self.wire) - 1
        place = last if self.dice.random() < 0.6 else self.dice.randint(0, last)
        to, word = self.wire[place]
        fate = self.dice.random()
        if fate > 0.1:
            del self.wire[place]
        if fate < 0.9:
            self.hear(to, word)

    def again(self) -> None:
        if self.kept:
            self.hear(*self.dice.choice(self.kept))

    def hear(self, to: int, word: Word) -> None:
        if self.rooms[to].core.hear(word, self.now_s):
            self.say(to)

    def people(self, room: Room) -> None:
        if room.open:
            room.open = self.dice.random() < 0.3
        elif room.unlocked:
            room.open, room.opened_s = True, self.now_s

    def settle(self) -> None:
        """What the door's control does at once."""
        for room in self.rooms:
            core = room.core
            if core.holding and not core._used and not room.busy:
                room.unlocked, room.unlock_until_s = True, self.now_s + 0.8
                self.passed += 1
            elif room.unlocked and self.now_s >= room.unlock_until_s:
                room.unlocked = False
            room.told(self.now_s)
            core.tick(self.now_s)


def test_in_100_000_histories_never_both_doors_are_unlocked_or_open() -> None:
    dice = random.Random(20260301)
    passed = idle = 0
    for _ in range(100_000):
        world = World(dice)
        world.begin(calm=dice.random() < 0.8)
        a, b = world.rooms
        for _ in range(24):
            world.step()
            assert not ((a.unlocked or a.open) and (b.unlocked or b.open))
        passed += world.passed
        idle += not world.passed
    assert passed > 20_000, "the histories show nothing when nobody passes"


def test_in_long_histories_both_doors_are_used_and_never_both_are_open() -> None:
    for seed in range(40):
        world = World(random.Random(seed))
        world.begin(calm=False)
        a, b = world.rooms
        for _ in range(3000):
            world.step()
            assert not (a.busy and b.busy)
        assert world.passed > 5


def test_after_any_history_a_claim_passes_once_words_arrive_again() -> None:
    """Nothing is locked for ever: two heartbeats each way free the way for either."""
    for seed in range(2000):
        world = World(random.Random(seed))
        world.begin(calm=True)
        for _ in range(30):
            world.step()
        for room in world.rooms:
            room.unlocked = room.open = False
            room.told(world.now_s)
        world.now_s += SETTLE_S + GRACE_S
        a, b = world.rooms[0].core, world.rooms[1].core
        for core in (a, b):
            core.give_up()
            core.tick(world.now_s)
        for _ in range(3):
            world.now_s += HEARTBEAT_S
            exchange(a, b, world.now_s, rounds=1)
            a.tick(world.now_s)
            b.tick(world.now_s)
        first, other = (a, b) if seed % 2 else (b, a)
        held(first, other, world.now_s)
