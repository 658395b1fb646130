"""docs/asyncapi.json is what the code says, valid, and complete."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
import pytest
import rfc8785
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jsonschema import Draft7Validator
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import edged
from edged.cli.main import main
from edged.decision.outcome import Kind
from edged.mqtt.catalogue import CATALOGUE
from edged.mqtt.contract.condition import PARTS
from edged.mqtt.contract.control import DESIRED_REFUSALS
from edged.mqtt.contract.document import text
from edged.mqtt.contract.orders import GALLERY
from edged.mqtt.contract.replies import ANSWERS, EVERY
from edged.mqtt.contract.table import EVENTS
from edged.service.desired import OF_ANY_NAME, SETTABLE
from tests.contract.reading import DOCUMENT, document, problems, resolved, validator

if TYPE_CHECKING:
    from collections.abc import Iterator

OFFICIAL = Path(__file__).parents[1] / "contract" / "asyncapi" / "3.0.0.json"
PACKAGE = Path(edged.__file__).parent
# docs/sync.md and docs/configure.md say what is in them
IN_OTHER_PAGES = {"Batch", "Chunk", "Head", "Offer", "Pull", "Refused", "Snapshot"}
IN_OTHER_PAGES |= {"DesiredDecision", "DesiredDoor", "DesiredGallery"}
TYPES = {"command": None, "desired": "edged-desired"}
ROOT = "edged/hq/door-1"


def source() -> str:
    """All code, but that of the contract itself."""
    paths = (path for path in PACKAGE.rglob("*.py") if "contract" not in path.parts)
    return "".join(path.read_text(encoding="utf-8") for path in paths)


def messages(*channels: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for channel in channels or document()["channels"]:
        for name, message in document()["channels"][channel]["messages"].items():
            yield f"{channel}: {name}", resolved(message)


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for inner in node.values():
            yield from nodes(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from nodes(inner)


def example_key() -> Any:
    return load_pem_public_key(document()["x-example-key"]["public_key"].encode())


def attached(message: dict[str, Any], rule: dict[str, Any]) -> dict[str, Any]:
    """The header of the signature that a message bears, if that is good."""
    payload = rfc8785.dumps({name: message[name] for name in rule["members"]})
    header, _, signature = message[rule["member"]].split(".")
    token = ".".join([header, jwt.utils.base64url_encode(payload).decode(), signature])
    found = jwt.PyJWS().decode_complete(token, example_key(), algorithms=["EdDSA"])
    return dict(found["header"])


def test_the_published_document_is_not_stale() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == text(), "edged contract > docs/asyncapi.json"


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract"]) == 0
    assert capsys.readouterr().out == text()
    assert main(["contract", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(text())


def test_it_is_an_asyncapi_document_by_the_official_schema() -> None:
    official = Draft7Validator(json.loads(OFFICIAL.read_text(encoding="utf-8")))
    assert [error.message[:300] for error in official.iter_errors(document())] == []


def test_every_reference_leads_somewhere_and_no_two_schemas_share_a_name() -> None:
    for node in nodes(document()):
        if "$ref" in node:
            resolved(node)
    assert not [name for name in document()["components"]["schemas"] if "__" in name]


def test_every_field_is_described_for_whoever_writes_a_controller() -> None:
    lacking = [
        f"{name}.{field}"
        for name, schema in document()["components"]["schemas"].items()
        for field, about in schema.get("properties", {}).items()
        if "description" not in resolved(about) | about and name not in IN_OTHER_PAGES
    ]
    assert lacking == []


def test_a_consumer_is_never_told_that_nothing_will_be_added() -> None:
    """What terminals say may grow; what they obey is exact."""
    named = document()["components"]["schemas"]
    assert named["Event"]["x-chain"]["members"] == named["Event"]["x-signature"]["members"]
    obeyed = {name for name, schema in named.items() if "additionalProperties" in schema}
    closed = {name for name in obeyed if named[name]["additionalProperties"] is False}
    assert not closed & {"Event", "State", "Status", "Reply", "Access", "Checkpoint", "Gap"}
    assert {"DoorUnlockClaims", "Unlock", "DesiredClaims", "Header"} <= closed


@pytest.mark.parametrize("channel", list(document()["channels"]))
def test_every_example_is_valid_to_the_letter(channel: str) -> None:
    for name, message in messages(channel):
        check = validator(message["payload"])
        for example in message.get("examples", []):
            errors = [error.message[:300] for error in check.iter_errors(example["payload"])]
            assert errors == [], name


@pytest.mark.parametrize("channel", TYPES)
def test_every_signed_example_says_what_its_schemas_say(channel: str) -> None:
    for name, message in messages(channel):
        payload = message["payload"]
        for example in message["examples"]:
            token = example["payload"]
            found = jwt.PyJWS().decode_complete(token, example_key(), algorithms=["EdDSA"])
            claims = json.loads(found["payload"])
            assert claims == payload["x-jws-example"], name
            header = {key: value for key, value in found["header"].items() if value is not None}
            assert header.get("typ") in (TYPES[channel], "JWT")
            for part, value in (("header", header), ("claims", claims)):
                errors = list(validator(payload[f"x-jws-{part}"]).iter_errors(value))
                assert not errors, (name, errors[0].message)


def test_the_examples_of_all_events_are_one_signed_chain_that_begins_after_a_declared_gap() -> None:
    rules = document()["components"]["schemas"]["Event"]
    log = [message["examples"][0]["payload"] for _, message in messages("event")]
    gap = next(event["data"] for event in log if event["type"] == "events.gap")
    seq, prev = gap["to_seq"], gap["last_hash"]
    for event in log:
        assert (event["seq"], event["prev"]) == (seq + 1, prev)
        header = attached(event, rules["x-signature"])
        assert header == rules["x-signature"]["header"] | {"kid": document()["x-example-key"]["id"]}
        content = rfc8785.dumps({name: event[name] for name in rules["x-chain"]["members"]})
        seq, prev = event["seq"], hashed(content)
    _, checkpoint = next(messages("audit"))
    said = checkpoint["examples"][0]["payload"]
    rule = document()["components"]["schemas"]["Checkpoint"]["x-signature"]
    assert (said["seq"], said["hash"]) == (seq, prev)
    assert attached(said, rule)["typ"] == rule["header"]["typ"] == "edged-checkpoint"


def hashed(content: bytes) -> str:
    import hashlib

    return jwt.utils.base64url_encode(hashlib.sha256(content).digest()).decode()


def test_every_type_of_event_that_is_recorded_has_a_model_and_no_other_has() -> None:
    recorded = re.findall(r"\b(?:record|append|append_once)\(\s*\"([a-z]+\.[a-z_]+)\"", source())
    assert set(EVENTS) == {*recorded, *(kind.value for kind in Kind), "events.gap"}


def test_every_command_has_claims_and_an_answer() -> None:
    channels = document()["channels"]
    assert set(ANSWERS) == set(CATALOGUE) == set(channels["command"]["messages"])
    assert set(channels["result"]["messages"]) == {*CATALOGUE, "unknown"}
    for name, answer in ANSWERS.items():
        CATALOGUE[name].args.model_validate(answer.example)
        operation = document()["operations"][name]
        assert operation["x-role"] == CATALOGUE[name].role
        assert operation["summary"]


def test_every_code_of_a_refusal_is_known() -> None:
    """A code that nobody finds in the document is no help to whoever gets it."""
    told = re.findall(r"Refusal\(\s*\"(\w+)\"", source())
    told += re.findall(r"Reply\(\s*\"(?:refused|failed)\",\s*\"(\w+)\"", source())
    known = {*EVERY, *DESIRED_REFUSALS}.union(*(answer.reasons for answer in ANSWERS.values()))
    assert set(told) - known == set()


def test_every_part_that_may_be_degraded_is_known() -> None:
    told = re.findall(r"\bdegrade\(\s*\"([\w.]+)\"", source())
    told += re.findall(r"^PART = \"([\w.]+)\"", source(), re.MULTILINE)
    assert set(told) <= set(PARTS)


def test_what_can_be_desired_is_what_can_be_set() -> None:
    named = document()["components"]["schemas"]
    for section, fields in SETTABLE.items():
        assert set(named[f"Desired{section.capitalize()}"]["properties"]) == fields
    assert set(named["Settings"]["properties"]) == {*SETTABLE, *OF_ANY_NAME, "log_level"}
    assert set(GALLERY) == SETTABLE["gallery"]


def status(**more: Any) -> bytes:
    _, message = next(messages("status"))
    return json.dumps(message["examples"][0]["payload"] | more).encode()


def test_a_strict_reader_takes_an_example_and_nothing_more() -> None:
    assert problems(f"{ROOT}/status", status()) == []
    assert problems(f"{ROOT}/status", status(mood="good")) != []
    assert problems(f"{ROOT}/status", status(v=2)) != []
    assert problems(f"{ROOT}/status", status(gallery="2")) != []
    assert problems(f"{ROOT}/moods", status()) != []


@pytest.mark.parametrize("level", ["door.unlocked", "door-unlocked"])
@pytest.mark.parametrize("prefix", ["edged", "a/b"])
def test_an_event_is_found_by_its_topic_in_both_spellings(level: str, prefix: str) -> None:
    event = next(m for name, m in messages("event") if name.endswith("door.unlocked"))
    sent = event["examples"][0]["payload"]
    root = f"{prefix}/hq/door-1"
    assert problems(f"{root}/event/{level}", json.dumps(sent).encode()) == []
    assert problems(f"{root}/backlog/{level}", json.dumps(sent).encode()) != []
    late = json.dumps(sent | {"historical": True}).encode()
    assert problems(f"{root}/backlog/{level}", late) == []
    assert problems(f"{root}/event/access.granted", json.dumps(sent).encode()) != []


@pytest.mark.parametrize(
    ("named", "value", "good"),
    [
        ("historical", "false", True),
        ("historical", "true", False),
        ("seq", "1", False),
        ("mood", "good", False),
    ],
)
def test_user_properties_say_the_same_as_the_message(named: str, value: str, good: bool) -> None:
    event = next(m for name, m in messages("event") if name.endswith("door.unlocked"))
    sent = event["examples"][0]["payload"]
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType = "application/json"
    properties.UserProperty = [("id", sent["id"]), ("log", sent["log"]), (named, value)]
    topic, payload = f"{ROOT}/event/door.unlocked", json.dumps(sent).encode()
    assert (problems(topic, payload, properties) == []) is good
    properties.ContentType = "text/plain"
    assert problems(topic, payload, properties) != []
