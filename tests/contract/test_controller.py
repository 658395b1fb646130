"""A controller that knows nothing but docs/asyncapi.json runs a door."""

from __future__ import annotations

import ast
import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from tests.certificates import make_certificates
from tests.conformance.documented import block
from tests.contract.controller import Contract, Controller
from tests.contract.reading import DOCUMENT
from tests.mosquitto import PROGRAM, Mosquitto
from tests.service.conftest import engine, make_terminal, stage, views  # fixtures
from tests.service.kit import wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.contract.proof import Proof
    from tests.service.kit import Stage, Terminal, Views

__all__ = ["engine", "make_terminal", "stage", "views"]
HERE = Path(__file__).parent
LEVELS = {"prefix": "edged", "site": "hq", "terminal": "door-1"}
REPLIES = "edged/hq/controller/replies"
KEY = Ed25519PrivateKey.generate()
ROLES = ["operator", "enroller", "maintainer", "auditor"]


class Site:
    """A broker with TLS and the rules of docs/brokers.md, and who has a certificate there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = make_certificates(folder, "door-1", "controller", "stranger")
        rules = folder / "acl"
        own = f"user door-1\ntopic write {REPLIES}\n"
        rules.write_text(f"{block('acl')}\n{own}")
        rules.chmod(0o600)
        self.broker = Mosquitto(folder, self._authority, f"allow_anonymous false\nacl_file {rules}")

    def certificate(self, name: str) -> tuple[Path, Path, Path]:
        """The authority, and the certificate and key of somebody."""
        return self._authority.ca, self._folder / f"{name}.pem", self._folder / f"{name}_key.pem"


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    made = Site(tmp_path_factory.mktemp("site"))
    try:
        made.broker.start()
        yield made
    finally:
        made.broker.kill()


@pytest.fixture
def terminal(
    site: Site, stage: Stage, tmp_path: Path, make_terminal: Callable[..., Terminal]
) -> Terminal:
    authority, certificate, key = map(str, site.certificate("door-1"))
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    commands = {
        "unsynced_clock": "accept",
        "keys": [{"id": "controller", "roles": ROLES, "public_key": public.decode()}],
    }
    return make_terminal(
        tmp_path,
        site.broker.port,
        mqtt={
            "tls": {"ca_file": authority, "cert_file": certificate, "key_file": key},
            "commands": commands,
        },
    )


def identity_of(terminal: Terminal) -> str:
    """The terminal's public key, taken from the terminal itself."""
    argv = [sys.executable, "-m", "edged", "gallery", "identity", "--json"]
    told = subprocess.run(
        [*argv, "-c", str(terminal.config)], check=True, capture_output=True, timeout=60
    )
    return str(json.loads(told.stdout)["signing"]["public_key"])


def photo(views: Views) -> str:
    """A portrait small enough for a command."""
    image = cv2.imread(str(views.scenes["near"][0]))
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert done
    assert data.size <= 45_000
    return base64.b64encode(data.tobytes()).decode()


def controller(site: Site, **more: Any) -> Controller:
    return Controller(
        Contract(DOCUMENT),
        site.broker.port,
        site.certificate("controller"),
        levels=LEVELS,
        kid="controller",
        private_pem=KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        **more,
    )


@pytest.mark.parametrize("name", ["controller", "proof"])
def test_the_controller_is_written_without_a_line_of_the_projects_code(name: str) -> None:
    tree = ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
                for alias in node.names}  # fmt: skip
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {module for module in imported if module.split(".")[0] == "edged"}
    assert {m for m in imported if m.startswith("tests")} <= {"tests.contract.proof"}


def test_it_enrols_sees_the_grant_unlocks_sets_and_proves_the_log(
    site: Site, terminal: Terminal, stage: Stage, views: Views
) -> None:
    with controller(site) as hq:
        terminal.start().ready()
        hq.wait("status", lambda status: status["status"] == "online")

        enrolled = hq.command("enrol.photo", person_id="eileen", image=photo(views))
        assert (enrolled["result"], enrolled["data"]["views"]) == ("ok", 1)
        hq.event("enrol.completed", person_id="eileen")
        hq.state(lambda state: state["gallery"]["people"] == 1)

        stage.show("near")
        granted = hq.event("access.granted", person_id="eileen")
        assert granted["data"]["similarity"] >= granted["data"]["threshold"]
        stage.show("empty")
        wait(lambda: terminal.relay[-1] == "off")

        pulses = terminal.relay.count("on")
        reply = hq.command("door.unlock", duration_s=1, cause="parcel")
        assert reply["result"] == "ok"
        hq.event("door.unlocked", command=reply["id"], cause="parcel")
        hq.state(lambda state: state["door"]["relay"] == "on")
        assert terminal.relay.count("on") == pulses + 1

        hq.desire(1, {"door": {"pulse_s": 2.5}})
        hq.state(lambda s: s.get("applied", {}).get("result") == "applied")
        hq.event("settings.applied", late=True, revision=1)
        refused = hq.command("gallery.remove", person_id="nobody")
        assert (refused["result"], refused["reason"]) == ("refused", "not_enrolled")

        assert terminal.stop() == 0
        hq.wait("status", lambda status: status["status"] == "offline")
        last = max(hq.heard("audit"), key=lambda said: said["seq"])
        hq.all_of_log(last["seq"])
        proof = hq.audit(identity_of(terminal))
        assert proof.problems() == []
        assert hq.wrong == []
        assert_found(proof)


def assert_found(proof: Proof) -> None:
    """Whatever is done to the capture is found."""
    events = sorted(proof.events, key=lambda event: event["seq"])
    for at, event in enumerate(events):
        altered = event | {"data": {**event["data"], "person_id": "mallory"}}
        assert proof.of([*events[:at], altered, *events[at + 1 :]]).problems(), event["type"]
        others = [other for other in events if other["seq"] != event["seq"]]
        assert proof.of(others).problems(), event["type"]


def test_it_is_answered_on_a_topic_of_its_own(site: Site, terminal: Terminal) -> None:
    with controller(site, replies=REPLIES) as hq:
        terminal.start().ready()
        hq.wait("status", lambda status: status["status"] == "online")
        assert hq.command("diagnostics")["data"]["software"]
        assert hq.wrong == []


def test_a_stranger_with_a_certificate_hears_nothing_and_is_not_heard(
    site: Site, terminal: Terminal
) -> None:
    with controller(site) as hq:
        terminal.start().ready()
        hq.wait("status", lambda status: status["status"] == "online")
        codes: list[Any] = []
        heard: list[str] = []
        stranger = Client(CallbackAPIVersion.VERSION2, "stranger", protocol=MQTTv5)
        stranger.tls_set(*map(str, site.certificate("stranger")))
        stranger.on_message = lambda _c, _d, message: heard.append(message.topic)
        stranger.on_publish = lambda _c, _d, _mid, code, _p: codes.append(code)
        stranger.connect("127.0.0.1", site.broker.port)
        stranger.loop_start()
        try:
            stranger.subscribe("edged/hq/door-1/#", qos=1)
            contract = Contract(DOCUMENT)
            for channel, more in (("command", {"command": "door.unlock"}), ("desired", {})):
                stranger.publish(contract.address(channel, **LEVELS, **more), b"x", qos=1)
            wait(lambda: len(codes) == 2)
        finally:
            stranger.disconnect()
            stranger.loop_stop()
        assert [code.is_failure for code in codes] == [True, True]
        assert hq.command("door.unlock")["result"] == "ok"
        assert heard == []
        assert not [e for e in hq.heard("event") if e["type"] == "command.refused"]


def test_without_a_certificate_nobody_gets_in(site: Site) -> None:
    nobody = Client(CallbackAPIVersion.VERSION2, "nobody", protocol=MQTTv5)
    nobody.tls_set(str(site.certificate("controller")[0]))
    connected: list[Any] = []
    nobody.on_connect = lambda _c, _d, _f, code, _p: connected.append(code)
    ended: list[Any] = []
    nobody.on_disconnect = lambda *_: ended.append(True)
    try:
        nobody.connect("127.0.0.1", site.broker.port)
        nobody.loop_start()
        wait(lambda: ended)
    except OSError:
        ended.append(True)
    finally:
        nobody.disconnect()
        nobody.loop_stop()
    assert not [code for code in connected if not code.is_failure]
