"""``desired``: durable settings from the site, over the YAML."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.config.load import load
from edged.decision.policy import FPIR, Policy
from edged.errors import ConfigError, DoorError, StorageError
from edged.mqtt.auth import Keyring
from edged.mqtt.sign import sign_claims
from edged.service.begin import begin
from edged.service.desired import (
    NOTE,
    TRIES,
    Standing,
    Stored,
    fallen_back,
    keep,
    laxer,
    merged,
    standing,
)
from edged.service.desired_orders import TYP, DesiredSettings
from edged.service.restart import Restart
from edged.service.state import State
from edged.types import RiskPoint
from tests.service.kit import AUDIENCE, PRIVATE_PEM, wait, written
from tests.service.manager import allowed, applied, desire, lives, publish_desired

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from edged.config.schema import Config
    from tests.service.kit import Door


def test_what_is_desired_holds_after_a_restart_and_is_answered_with_its_revision(
    open_door: Callable[..., Door],
) -> None:
    door = open_door(mqtt=allowed())
    assert "applied" not in door.site.state
    desire(door.site, 3, {"decision": {"profile": "high_security"}, "door": {"pulse_s": 0.5}})
    wait(lambda: lives(door) == 2)
    told = applied(door.site, 3, "applied")
    assert (told["reason"], told["in_force"]) == ("done", 3)
    wait(lambda: door.site.state["decision"]["profile"] == "high_security")
    assert door.site.event("settings.applied")["data"] == {"revision": 3, "key": "site"}
    assert door.site.event("terminal.restarting")["data"]["by"] == "settings"

    # the broker says it again on every connection: nothing follows
    seq = door.site.seq
    door.terminal.stop()
    door.terminal.start().ready()
    wait(lambda: door.site.state["decision"]["profile"] == "high_security")
    applied(door.site, 3, "applied")

    # a stranger changes nothing, and a replay of an older one is refused
    publish_desired(door.site, b"\xff\xfe")
    assert applied(door.site, None, "refused")["in_force"] == 3
    publish_desired(door.site, b"")
    desire(door.site, 2, {"decision": {"profile": "attendance"}})
    told = applied(door.site, 2, "refused")
    assert (told["reason"], told["in_force"]) == ("older", 3)
    refused = door.site.event("settings.refused", after=seq, revision=2)
    assert refused["data"]["key"] == "site"

    # what changes nothing needs no restart
    desire(door.site, 4, {"decision": {"profile": "high_security"}, "door": {"pulse_s": 0.5}})
    assert applied(door.site, 4, "applied")["in_force"] == 4
    assert lives(door) == 1
    assert not [e for e in door.site.events("settings.applied") if e["data"]["revision"] == 2]


class Notes:
    """Where the outbox would keep notes."""

    def __init__(self, stored: Stored | None = None) -> None:
        self.kept: dict[str, str] = {}
        self.broken = False
        self.full = False
        if stored is not None:
            keep(self, stored)

    def note(self, name: str) -> str | None:
        if self.broken:
            raise StorageError("no disk")
        return self.kept.get(name)

    def keep_note(self, name: str, value: str | None) -> None:
        if self.broken or self.full:
            raise StorageError("no disk")
        assert value is not None
        self.kept[name] = value

    @property
    def stage(self) -> str:
        return str(json.loads(self.kept[NOTE])["stage"])


STRICT = {"decision": {"profile": "high_security"}}


def stored(**changes: Any) -> Stored:
    return Stored(revision=5, settings=STRICT, key="site").model_copy(update=changes)


@pytest.fixture
def yaml(tmp_path: Path) -> Config:
    return load(written(tmp_path, 1883))


def test_settings_are_tried_before_they_are_good(yaml: Config) -> None:
    notes = Notes(stored())
    begun = standing(yaml, notes)
    assert begun.on_trial
    assert begun.config.decision.profile == "high_security"
    assert begun.applied is not None
    assert begun.applied.result == "pending"
    good = Notes(stored(stage="good"))
    begun = standing(yaml, good)
    assert not begun.on_trial
    assert begun.applied is not None
    assert (begun.applied.result, begun.applied.in_force) == ("applied", 5)


def test_a_terminal_that_is_never_ready_with_them_runs_without(yaml: Config) -> None:
    notes = Notes(stored())
    for _ in range(TRIES):
        assert standing(yaml, notes).on_trial  # killed each time before it was ready
    begun = standing(yaml, notes)
    assert begun.config == yaml
    assert begun.applied is not None
    assert (begun.applied.result, begun.applied.reason) == ("refused", "failed")
    assert begun.news
    assert notes.stage == "failed"
    again = standing(yaml, notes)
    assert again.config == yaml
    assert not again.news  # it was told


def test_a_terminal_that_cannot_begin_with_them_begins_without(yaml: Config) -> None:
    notes = Notes(stored())
    begun = fallen_back(standing(yaml, notes), DoorError("the relay is gone"))
    assert begun.config == yaml
    assert begun.stored is not None
    assert begun.stored.stage == "failed"
    assert notes.stage == "pending"  # it is their fault only if the YAML alone does begin


def test_a_recording_by_hand_tries_nothing(yaml: Config) -> None:
    notes = Notes(stored())
    begun = standing(yaml, notes, tries=False)
    assert begun.config == yaml
    assert begun.applied is not None
    assert begun.applied.result == "pending"
    assert json.loads(notes.kept[NOTE])["tries"] == 0


def test_when_the_yaml_changes_so_that_they_do_not_fit_the_yaml_wins(tmp_path: Path) -> None:
    page = {"gallery": {"enrolment_confirm": "page"}}
    notes = Notes(stored(stage="good", settings=page))
    with_page = load(written(tmp_path, 1883, web={"port": 8480}))
    assert standing(with_page, notes).config.gallery.enrolment_confirm == "page"
    without = load(written(tmp_path, 1883))
    begun = standing(without, notes)
    assert begun.config == without
    assert begun.applied is not None
    assert (begun.applied.revision, begun.applied.reason) == (5, "does_not_fit")
    assert begun.news
    assert standing(with_page, notes).config.gallery.enrolment_confirm == "page"  # mended


@pytest.mark.parametrize("note", ["", "{", "[]", '{"v": 2}', '{"revision": "5"}', "[" * 10_000])
def test_a_damaged_note_is_told_and_the_yaml_runs(yaml: Config, note: str) -> None:
    notes = Notes()
    notes.kept[NOTE] = note
    begun = standing(yaml, notes)
    assert begun.config == yaml
    assert begun.applied is not None
    assert (begun.applied.result, begun.applied.reason) == ("refused", "damaged")


def test_notes_that_cannot_be_read_or_written_are_told_and_the_yaml_runs(yaml: Config) -> None:
    notes = Notes(stored())
    notes.broken = True
    begun = standing(yaml, notes)
    assert begun.config == yaml
    assert begun.applied is not None
    assert begun.applied.reason == "storage"


def test_without_a_log_there_is_nothing_to_begin_with_and_none_is_made(yaml: Config) -> None:
    assert begin(yaml) == Standing(yaml, yaml)
    assert not yaml.events.path.exists()


def test_a_log_that_cannot_be_opened_is_told_and_the_yaml_runs(yaml: Config) -> None:
    yaml.events.path.write_bytes(b"no database" * 1000)
    begun = begin(yaml)
    assert begun.config == yaml
    assert begun.applied is not None
    assert (begun.applied.result, begun.applied.reason) == ("refused", "storage")


def test_a_number_beyond_all_numbers_is_refused_and_breaks_nothing(yaml: Config) -> None:
    endless = {"decision": {"fpir": json.loads("1e999")}}
    assert stored(settings=endless).digest != stored().digest
    with pytest.raises(ConfigError):
        merged(yaml, endless)


def test_a_revision_without_settings_is_the_yaml_again(yaml: Config) -> None:
    assert merged(yaml, {}) == yaml


def test_everything_else_stays_as_the_yaml_has_it(yaml: Config) -> None:
    settings = {
        "decision": {"fpir": 0.0005, "margin": None},
        "gallery": {"duplicates": "allow", "lookalike_margin": 0.2, "enrolment_views": 5},
        "door": {"pulse_s": 5},
        "log_level": "warning",
    }
    config = merged(yaml, settings)
    assert config.decision == yaml.decision.model_copy(update={"fpir": 0.0005})
    assert config.door == yaml.door.model_copy(update={"pulse_s": 5.0})
    assert config.log_level == "warning"
    assert config.gallery.duplicates == "allow"
    untouched = set(type(config).model_fields) - {"decision", "gallery", "door", "log_level"}
    assert all(getattr(config, name) == getattr(yaml, name) for name in untouched)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["fpir", "path", "pulse_s", "adaptation", "x"]), inner)
    ),
    max_leaves=6,
)
SECTIONS = st.sampled_from(["decision", "gallery", "door", "log_level", "mqtt", "key", "terminal"])


@given(st.dictionaries(SECTIONS, JSON, max_size=4))
def test_whatever_is_wished_only_what_may_be_set_is(settings: dict[str, Any]) -> None:
    yaml = YAML()
    try:
        config = merged(yaml, settings)
    except ConfigError:
        return
    for name in set(type(config).model_fields) - {"decision", "gallery", "door", "log_level"}:
        assert getattr(config, name) == getattr(yaml, name)
    assert config.gallery.path == yaml.gallery.path
    assert type(config.door) is type(yaml.door)


def YAML() -> Config:  # noqa: N802
    from edged.config.load import parse

    return parse(
        "site: hq\nterminal: door-1\ncamera: {driver: replay, source: x}\nkey: {env: KEY}\n"
        "door: {driver: simulated}\n"
    )


class Bench:
    """The daemon's side of it, with a clock and a person at the door that are ours."""

    def __init__(self, yaml: Config, begun: Standing | None = None) -> None:
        self.notes = Notes()
        self.state = State()
        self.recorded: list[tuple[str, dict[str, Any]]] = []
        self.up_s = 1000.0
        self.served = False
        self.begun = begun or Standing(yaml, yaml)
        self.restart = Restart(self.notes, self, boot=lambda: "one", up=lambda: self.up_s)  # type: ignore[arg-type]
        self.desired = DesiredSettings(
            self.begun,
            self.notes,
            self,  # type: ignore[arg-type]
            self.state,
            self.restart,
            audience=AUDIENCE,
            too_lax=lambda c: "too lax" if (c.decision.fpir or 0) > 0.01 else None,
            serving=lambda: self.served,
            monotonic=lambda: self.up_s,
        )
        assert yaml.mqtt is not None
        keyring = Keyring(yaml.mqtt.commands)
        self.desired.verified = lambda payload: keyring.verified(payload, "maintainer", TYP)

    def record(self, type: str, **data: Any) -> object:  # noqa: A002
        self.recorded.append((type, data))
        return data

    def wish(self, payload: bytes | None = None, **changes: Any) -> dict[str, Any]:
        """Send it, let it be judged, and see what the state says of it."""
        self.desired.take(signed(**changes) if payload is None else payload)
        self.desired.tick()
        found: dict[str, Any] = self.state.document().get("applied", {})
        return found

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [data for type_, data in self.recorded if type_ == kind]

    def wait(self, seconds: float) -> bool:
        """Let time pass; whether it restarts now."""
        self.up_s += seconds
        self.desired.tick()
        self.up_s += 1
        return self.restart.due


def signed(typ: str = TYP, kid: str = "site", **changes: Any) -> bytes:
    claims = {"aud": AUDIENCE, "iat": time.time(), "revision": 7, "settings": STRICT}
    return sign_claims(PRIVATE_PEM, kid, claims | changes, typ).encode()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(load(written(tmp_path, 1883, mqtt=allowed())))


WRONG = {
    "binary": (b"\xff\xfe", "not_text"),
    "unsigned": (b'{"revision": 7}', "malformed"),
    "a command": (signed("JWT"), "wrong_type"),
    "altered": (signed()[:-4] + b"AAAA", "bad_signature"),
    "stranger": (signed(kid="thief"), "unknown_key"),
    "oversized": (signed(settings={"x": "y" * 40_000}), "oversized"),
    "another terminal's": (signed(aud="hq/door-2"), "wrong_audience"),
    "revision 0": (signed(revision=0), "bad_claims"),
    "revision as text": (signed(revision="7"), "bad_claims"),
    "more claims": (signed(more=1), "bad_claims"),
    "privacy": (signed(settings={"names_in_events": True}), "bad_settings"),
    "network": (signed(settings={"mqtt": {"host": "evil"}}), "bad_settings"),
    "no object": (signed(settings={"decision": 7}), "bad_settings"),
    "out of bounds": (signed(settings={"decision": {"fpir": 0.5}}), "bad_settings"),
    "contradiction": (
        signed(settings={"decision": {"denial_frames": 1, "evidence_frames": 9}}),
        "bad_settings",
    ),
    "without a page": (signed(settings={"gallery": {"enrolment_confirm": "page"}}), "bad_settings"),
    "a file": (signed(settings={"gallery": {"path": "/etc/passwd"}}), "bad_settings"),
    "no word": (signed(settings={"log_level": {"door": 1}}), "bad_settings"),
    "no number": (signed(settings={"door": {"pulse_s": True}}), "bad_settings"),
    "too lax": (signed(settings={"decision": {"fpir": 0.02}}), "too_lax"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_forged_or_unfit_is_refused_with_its_reason_once(bench: Bench, name: str) -> None:
    payload, reason = WRONG[name]
    told = bench.wish(payload)
    assert (told["result"], told["reason"], told["in_force"]) == ("refused", reason, 0)
    bench.wish(payload)  # on the next connection
    assert [event["reason"] for event in bench.events("settings.refused")] == [reason]
    assert NOTE not in bench.notes.kept
    assert not bench.wait(100)


def test_who_may_do_other_things_may_not_set_anything(tmp_path: Path) -> None:
    assert Bench(load(written(tmp_path, 1883))).wish()["reason"] == "wrong_role"


def test_a_flood_of_forgeries_leaves_few_events(bench: Bench) -> None:
    for n in range(500):
        bench.wish(b"\xff" + str(n).encode())
    assert len(bench.events("settings.refused")) <= 21
    assert bench.wish()["result"] == "pending"


def test_it_restarts_when_nobody_is_served_and_in_a_minute_in_any_case(bench: Bench) -> None:
    bench.served = True
    assert bench.wish()["result"] == "pending"
    assert not bench.wait(30)
    assert bench.wait(30)
    assert bench.events("terminal.restarting")[0]["by"] == "settings"


def test_it_restarts_at_once_where_nobody_is(bench: Bench) -> None:
    bench.wish()
    assert bench.wait(0)


def test_a_stream_of_revisions_is_no_way_to_keep_a_door_from_working(bench: Bench) -> None:
    bench.wish()
    assert bench.wait(0)
    again = Bench(bench.begun.yaml, standing(bench.begun.yaml, bench.notes))
    again.notes.kept, again.up_s = bench.notes.kept, bench.up_s
    again.restart._notes = again.notes
    assert again.wish(revision=8, settings={})["result"] == "pending"
    assert not again.wait(30)
    assert again.wait(30)


def test_a_revision_is_accepted_once_and_the_newest_counts(bench: Bench) -> None:
    bench.served = True
    assert bench.wish(revision=7)["result"] == "pending"
    bench.desired.take(signed(revision=7))
    bench.desired.tick()
    assert bench.events("settings.refused") == []  # the same again
    assert bench.wish(revision=7, settings={})["reason"] == "conflict"
    assert bench.wish(revision=6)["reason"] == "older"
    assert bench.wish(revision=8, settings={})["result"] == "applied"  # as the YAML has it
    assert not bench.wait(100)


def test_what_is_older_is_refused_also_when_the_notes_could_not_be_read_at_the_start(
    bench: Bench,
) -> None:
    keep(bench.notes, stored(revision=9, stage="good"))  # that nobody saw at the start
    assert bench.wish(revision=8)["reason"] == "older"
    bench.notes.kept[NOTE] = "{garbage"
    assert Bench(bench.begun.yaml).wish(revision=1)["result"] == "pending"


def test_what_cannot_be_kept_is_not_accepted(bench: Bench) -> None:
    payload = signed()
    bench.notes.broken = True
    assert bench.wish(payload)["reason"] == "storage"
    bench.notes.broken, bench.notes.full = False, True
    assert bench.wish(payload)["reason"] == "storage"
    assert "settings" in bench.state.degraded
    assert not bench.wait(100)
    bench.notes.full = False
    assert bench.wish(payload)["result"] == "pending"  # the broker says it again
    assert bench.state.degraded == {}


@pytest.mark.parametrize("again", [True, False])
def test_being_ready_settles_the_trial(bench: Bench, again: bool) -> None:
    bench.wish()
    begun = standing(bench.begun.yaml, bench.notes)
    if again:
        begun = fallen_back(begun, DoorError("gone"))
    next_life = Bench(bench.begun.yaml, begun)
    next_life.notes.kept = bench.notes.kept
    next_life.desired.tick()
    next_life.desired.tick()
    told = next_life.state.document()["applied"]
    if again:
        assert (told["result"], told["reason"], told["in_force"]) == ("refused", "failed", 0)
        assert [e["reason"] for e in next_life.events("settings.refused")] == ["failed"]
        assert bench.notes.stage == "failed"
    else:
        assert (told["result"], told["in_force"]) == ("applied", 7)
        assert next_life.events("settings.applied") == [{"revision": 7, "key": "site"}]
        assert bench.notes.stage == "good"


CURVE = tuple(RiskPoint(10.0**-n, 0.1 * n) for n in range(1, 8))


def policy(**changes: Any) -> Policy:
    return replace(Policy(CURVE, FPIR["access"], 0.3, 0.2, 0.0), **changes)


@pytest.mark.parametrize(
    ("wished", "own", "fine"),
    [
        (policy(fpir=0.0001), policy(), True),
        (policy(fpir=FPIR["attendance"]), policy(), True),
        (policy(fpir=0.011), policy(), False),
        (policy(fpir=0.011), policy(fpir=0.05), True),
        (policy(fpir=0.06), policy(fpir=0.05), False),
        (policy(similarity=0.3), policy(), False),
        (policy(similarity=0.69), policy(), True),
        (policy(minimum_quality=0.3), policy(minimum_quality=0.6), True),
        (policy(minimum_quality=0.2), policy(minimum_quality=0.6), False),
        (policy(minimum_quality=0.2), policy(minimum_quality=0.2), True),
        (policy(evidence_frames=1), policy(), False),
        (policy(evidence_frames=1), policy(evidence_frames=1), True),
        (policy(margin=0.02), policy(margin=0.06), True),
        (policy(margin=0.0), policy(margin=0.06), False),
        (policy(lookalikes="off"), policy(lookalikes="second_factor"), False),
        (policy(lookalikes="margin"), policy(lookalikes="second_factor"), True),
        (policy(lookalikes="off"), policy(lookalikes="off"), True),
        (policy(lookalike_margin=0.0), policy(lookalike_margin=0.2), False),
    ],
)
def test_from_afar_a_door_is_made_stricter_but_not_laxer(
    wished: Policy, own: Policy, fine: bool
) -> None:
    least = policy(fpir=FPIR["attendance"], minimum_quality=0.3, margin=0.02, lookalikes="margin")
    assert (laxer(wished, own, least, 1000) is None) == fine


def test_what_became_too_lax_since_does_not_count_until_that_is_mended(
    open_door: Callable[..., Door],
) -> None:
    lax = {"fpir": 0.05, "cool_down_s": 60}
    door = open_door(mqtt=allowed(), decision=lax)
    desire(door.site, 3, {"decision": {"fpir": 0.04}})
    wait(lambda: lives(door) == 2)
    assert applied(door.site, 3, "applied")["in_force"] == 3
    door.terminal.stop()
    written(door.terminal.folder, door.site.port, mqtt=allowed(), decision={"fpir": 0.001})
    door.terminal.start().ready()
    told = applied(door.site, 3, "refused")
    assert (told["reason"], told["in_force"]) == ("too_lax", 0)
    wait(lambda: door.site.state["decision"]["fpir"] == 0.001)
    assert door.site.event("settings.refused", revision=3)["data"]["reason"] == "too_lax"
    door.terminal.stop()
    written(door.terminal.folder, door.site.port, mqtt=allowed(), decision=lax)
    door.terminal.start().ready()
    assert applied(door.site, 3, "applied")["in_force"] == 3
