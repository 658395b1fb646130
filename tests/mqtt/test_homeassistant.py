"""What Home Assistant is told of a terminal, read as Home Assistant reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pytest

from edged.config.schema import HomeAssistant
from edged.mqtt.homeassistant import EVENTS, announcement
from edged.mqtt.topics import Topics

TOPICS = Topics("edged", "hq", "door.1")
DOCS = Path(__file__).parents[2] / "docs"
STATE = {
    "software": "0.1.0",
    "model": "m@1#ab",
    "door": {"mode": "normal", "relay": "on", "contact": "open", "alarms": ["forced"]},
    "gallery": {"people": 812},
    "waiting_events": 3,
    "degraded": {"camera": "no frames"},
    "timekeeping": {"source": "ntp"},
}
SHOWN = {
    "relay": "ON",
    "contact": "ON",
    "alarm": "ON",
    "problem": "ON",
    "mode": "normal",
    "people": "812",
    "waiting_events": "3",
    "software": "0.1.0",
    "model": "m@1#ab",
    "clock": "ntp",
}


def rendered(template: str, message: dict[str, Any]) -> str:
    world = jinja2.Environment(undefined=jinja2.StrictUndefined)  # no HTML
    world.filters["to_json"] = json.dumps  # Home Assistant's own
    return world.from_string(template).render(value_json=message)


def components(**settings: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = announcement(TOPICS, HomeAssistant(**settings))[1][
        "components"
    ]
    return found


@pytest.mark.parametrize("name", SHOWN)
def test_an_entity_shows_what_the_state_says(name: str) -> None:
    component = components()[name]
    assert component["state_topic"] == TOPICS.state
    assert rendered(component["value_template"], STATE) == SHOWN[name]


@pytest.mark.parametrize(("leaf", "shown"), [("closed", "OFF"), (None, "None")])
def test_a_door_that_nobody_sees_is_unknown(leaf: str | None, shown: str) -> None:
    template = components()["contact"]["value_template"]
    assert rendered(template, {"door": {"contact": leaf}}) == shown


def test_a_terminal_in_which_all_works_has_no_problem() -> None:
    template = components()["problem"]["value_template"]
    assert rendered(template, {"degraded": {}}) == "OFF"


@pytest.mark.parametrize("kind", [*EVENTS, "terminal.started"])
def test_only_what_concerns_people_is_told_as_an_event(kind: str) -> None:
    message = {"id": "5f", "type": kind, "time": "2025-03-01T08:00:00.000Z", "data": {"frames": 3}}
    component = components()["events"]
    told = json.loads(rendered(component["value_template"], message))
    assert told == (
        {"frames": 3, "event_type": kind, "id": "5f", "time": message["time"]}
        if kind in component["event_types"]
        else {}
    )


def test_history_is_no_event() -> None:
    assert components()["events"]["state_topic"] == f"{TOPICS.root}/event/+"


def test_a_lock_is_announced_on_request_only_and_orders_the_bridge_not_the_terminal() -> None:
    assert "lock" not in components()
    lock = components(lock=True)["lock"]
    assert lock["command_topic"] == f"{TOPICS.root}/bridge/lock"
    assert TOPICS.parse(lock["command_topic"]) is None
    assert not TOPICS.may_reply_to(lock["command_topic"])
    for relay, shown in (("on", "UNLOCKED"), ("rest", "LOCKED")):
        assert rendered(lock["value_template"], {"door": {"relay": relay}}) == shown


def test_two_terminals_never_share_an_entity() -> None:
    topic, document = announcement(TOPICS, HomeAssistant(prefix="ha"))
    assert topic == "ha/device/edged_hq_door_1/config"
    ids = {component["unique_id"] for component in document["components"].values()}
    assert len(ids) == len(document["components"])
    assert all(identity.startswith("edged_hq_door_1_") for identity in ids)


def test_the_flow_for_node_red_hears_live_events_and_retains_no_command() -> None:
    flow = json.loads((DOCS / "examples" / "node-red.json").read_text(encoding="utf-8"))
    nodes = {node["name"]: node for node in flow if "name" in node}
    assert nodes["events"]["topic"] == "edged/hq/+/event/#"
    sign = nodes["sign"]["func"]
    assert "msg.retain = false" in sign
    assert all(f"{claim}:" in sign for claim in ("aud", "iat", "exp", "jti", "cmd", "args"))
    known = {node["id"] for node in flow}
    assert all(
        target in known for node in flow for wire in node.get("wires", []) for target in wire
    )
