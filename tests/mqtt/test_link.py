"""The link on a real broker."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.schema import SimulatedDoor
from edged.door import make_door
from edged.errors import BrokerError
from edged.events.types import Event, Head
from edged.mqtt import Commands, Link, Reply, Topics, sign_command
from edged.mqtt.auth import WallTime
from edged.mqtt.streams import is_fresh
from tests.mosquitto import Mosquitto, free_port
from tests.mqtt.conftest import OPERATOR, SIGNER, TOPICS, Site, connected, numbers, settings
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.events.outbox import Outbox
    from tests.certificates import Certificates

CHILD = """
import sys, threading
from edged.config.schema import Mqtt
from edged.events.outbox import Outbox
from edged.mqtt import Link, Topics
from edged.vault.secret import Secret
from pathlib import Path
outbox = Outbox(Path(sys.argv[2]), Secret(bytes(32)), 1000)
outbox.open()
settings = Mqtt(host="127.0.0.1", port=int(sys.argv[1]), protocol=sys.argv[3])
Link(settings, Topics("edged", "hq", "door-1"), outbox, print).open()
threading.Event().wait()
"""


PROTOCOLS = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


@PROTOCOLS
def test_status_is_retained_online_and_after_a_clean_stop_offline(
    mosquitto: Mosquitto, site: Site, make_link: Any, make_site: Any, protocol: str
) -> None:
    link = connected(make_link(mosquitto.port, protocol=protocol))
    (online,) = until(lambda: site.on(TOPICS.status))
    assert online["status"] == "online"
    assert (online["model"], online["gallery"]) == ("rts-1", 7)
    assert online.keys() >= {"v", "time", "clock", "software"}
    link.close()
    until(lambda: len(site.on(TOPICS.status)) == 3)
    assert [m["status"] for m in site.on(TOPICS.status)] == ["online", "stopping", "offline"]
    late = make_site()
    (kept,) = until(lambda: late.on(TOPICS.status))
    assert kept["status"] == "offline"
    assert not link.status().connected


@PROTOCOLS
def test_a_killed_process_leaves_its_last_will(
    mosquitto: Mosquitto, site: Site, tmp_path: Path, protocol: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(mosquitto.port), str(tmp_path / "e.db"), protocol]
    )
    until(lambda: site.on(TOPICS.status))
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    until(lambda: len(site.on(TOPICS.status)) == 2)
    assert site.on(TOPICS.status)[-1] == {
        "v": 1,
        "status": "offline",
        "reason": "connection lost",
    }


def test_state_is_sent_on_connect_and_on_change_only(
    mosquitto: Mosquitto, site: Site, make_link: Any, make_site: Any
) -> None:
    link = make_link(mosquitto.port)
    link.set_state({"relay": False})
    until(lambda: site.on(TOPICS.state))
    link.set_state({"relay": False})
    link.set_state({"relay": True})
    until(lambda: len(site.on(TOPICS.state)) == 2)
    assert [state["relay"] for state in site.on(TOPICS.state)] == [False, True]
    late = make_site()
    (kept,) = until(lambda: late.on(TOPICS.state))
    assert kept["relay"] is True
    assert kept.keys() == {"v", "time", "clock", "relay"}


def test_a_storm_of_states_is_coalesced_and_ends_with_the_newest(
    mosquitto: Mosquitto, site: Site, make_link: Any
) -> None:
    link = connected(make_link(mosquitto.port))
    for number in range(5000):
        link.set_state({"n": number})
    until(lambda: site.on(TOPICS.state) and site.on(TOPICS.state)[-1]["n"] == 4999)
    assert len(site.on(TOPICS.state)) < 2500


@PROTOCOLS
def test_events_are_live_when_they_are_new_and_backlog_when_they_waited(
    mosquitto: Mosquitto, site: Site, make_link: Any, outbox: Outbox, protocol: str
) -> None:
    for number in range(30):
        outbox.append("access.granted", {"n": number})
    connected(make_link(mosquitto.port, protocol=protocol))
    until(lambda: outbox.depth == 0)
    for number in range(30, 60):
        outbox.append("access.denied", {"n": number})
    until(lambda: len(site.below(f"{TOPICS.root}/event")) == 30)
    late = site.on(TOPICS.event("access.granted", historical=True))
    live = site.on(TOPICS.event("access.denied"))
    assert numbers(late) == list(range(30))
    assert numbers(live) == list(range(30, 60))
    assert all(message["historical"] is True for message in late)
    assert all(message["historical"] is False for message in live)
    until(lambda: outbox.depth == 0)


@pytest.mark.parametrize(
    ("time", "fresh"),
    [
        ("2025-03-01T07:59:51.000Z", True),
        ("2025-03-01T07:59:49.000Z", False),
        ("2025-03-01T08:00:20.000Z", False),
        ("1970-01-01T00:00:00.000Z", False),
    ],
)
def test_an_old_event_is_not_live_and_neither_is_one_from_the_future(
    time: str, fresh: bool
) -> None:
    now = datetime.fromisoformat("2025-03-01T08:00:00Z")
    assert is_fresh(Event("a", 1, "access.granted", time, "synced", {}), now, 10) is fresh


def test_no_event_is_lost_or_unordered_when_the_broker_is_killed(
    mosquitto: Mosquitto, site: Site, make_link: Any, outbox: Outbox
) -> None:
    link = connected(make_link(mosquitto.port))
    mosquitto.save()
    for number in range(50):
        outbox.append("access.granted", {"n": number})
    until(lambda: len(numbers(site.below(TOPICS.root))) == 50 and outbox.depth == 0)
    mosquitto.kill()
    for number in range(50, 100):
        outbox.append("access.granted", {"n": number})
    until(lambda: not link.status().connected)
    mosquitto.start()
    until(lambda: set(numbers(site.below(TOPICS.root))) == set(range(100)))
    assert numbers(site.below(f"{TOPICS.root}/backlog")) == list(range(50, 100))
    until(lambda: outbox.depth == 0)


def test_what_was_not_acknowledged_before_a_kill_in_mid_burst_comes_again_in_order(
    mosquitto: Mosquitto, site: Site, make_link: Any, outbox: Outbox
) -> None:
    connected(make_link(mosquitto.port))
    mosquitto.save()
    writer = threading.Thread(
        target=lambda: [outbox.append("access.granted", {"n": number}) for number in range(400)]
    )
    writer.start()
    until(lambda: len(numbers(site.below(TOPICS.root))) > 40)
    mosquitto.kill()
    writer.join()
    waiting = {event.seq: event.id for event in outbox.pending(limit=1000)}
    assert waiting
    mosquitto.start()
    until(lambda: outbox.depth == 0)
    until(lambda: waiting.keys() <= {message.get("seq") for message in site.below(TOPICS.root)})
    first: dict[int, str] = {}
    for message in site.below(f"{TOPICS.root}/backlog"):
        assert first.setdefault(message["seq"], message["id"]) == message["id"]
        assert waiting.get(message["seq"], message["id"]) == message["id"]
    assert list(first) == sorted(first)


def test_an_unreachable_broker_is_no_error(make_link: Any, outbox: Outbox) -> None:
    link = make_link(free_port())
    outbox.append("access.granted", {"n": 1})
    until(lambda: "cannot be reached" in str(link.status().problem))
    assert outbox.depth == 1


def test_a_broker_that_hangs_up_again_and_again_is_told_once(
    make_link: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        make_link(listener.getsockname()[1])
        for _ in range(4):
            listener.accept()[0].close()
    assert sum("no link to the site" in record.message for record in caplog.records) == 1


def test_a_broker_that_comes_late_gets_everything(
    mosquitto: Mosquitto, make_link: Any, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    mosquitto.kill()
    link = make_link(mosquitto.port)
    outbox.append("access.granted", {"n": 1})
    until(lambda: link.status().problem)
    mosquitto.start()
    until(lambda: outbox.depth == 0)
    assert sum("linked to the site" in record.message for record in caplog.records) == 1


class SilentBroker:
    """Says yes to CONNECT (MQTT 3.1.1) and then never acknowledges anything."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.got = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        link, _ = self._listener.accept()
        with link:
            link.recv(65536)
            link.sendall(b"\x20\x02\x00\x00")
            while data := link.recv(65536):
                self.got += len(data)

    def close(self) -> None:
        self._listener.close()
        self._thread.join(10)


def test_a_broker_that_never_acknowledges_gets_a_window_of_events_and_no_more(
    outbox: Outbox, make_link: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.mqtt.client._GOODBYE_S", 0.2)
    broker = SilentBroker()
    for _ in range(500):
        outbox.append("access.granted", {"pad": "x" * 1000})
    link = connected(make_link(broker.port, protocol="3.1.1"))
    until(lambda: broker.got > 10_000)
    for number in range(2000):
        link.set_state({"n": number})
    link.close()
    assert broker.got < 25 * 1300
    assert outbox.depth == 500
    broker.close()


@PROTOCOLS
def test_bad_credentials_are_told_and_tried_again(
    tmp_path: Path, make_link: Any, protocol: str
) -> None:
    broker = Mosquitto(tmp_path, extra="allow_anonymous false")
    broker.start()
    secret = tmp_path / "password"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    link = make_link(broker.port, protocol=protocol, username="door", password_file=secret)
    until(lambda: link.status().problem)
    problem = str(link.status().problem)
    assert "refuses the connection" in problem
    assert "mqtt.password_file" in problem
    assert "wrong" not in problem
    broker.kill()


def test_a_broker_that_refuses_the_event_topic_is_told_and_nothing_is_lost(
    tmp_path: Path, make_link: Any, outbox: Outbox
) -> None:
    rules = tmp_path / "acl"
    rules.write_text(f"topic write {TOPICS.status}\ntopic read {TOPICS.commands}\n")
    broker = Mosquitto(tmp_path, extra=f"allow_anonymous true\nacl_file {rules}")
    broker.start()
    outbox.append("access.granted", {"n": 1})
    link = make_link(broker.port)
    until(lambda: "refuses events" in str(link.status().problem))
    assert outbox.depth == 1
    broker.kill()


@PROTOCOLS
def test_tls_with_a_client_certificate(
    mosquitto_tls: Mosquitto,
    certificates: Certificates,
    make_link: Any,
    outbox: Outbox,
    protocol: str,
) -> None:
    tls = {
        "ca_file": certificates.ca,
        "cert_file": certificates.client,
        "key_file": certificates.client_key,
    }
    connected(make_link(mosquitto_tls.port, protocol=protocol, tls=tls))
    outbox.append("access.granted", {"n": 1})
    until(lambda: outbox.depth == 0)


@pytest.mark.filterwarnings(
    # paho leaves the socket of a failed handshake to the garbage collector
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)
def test_tls_without_the_client_certificate_or_with_another_authority_is_told(
    mosquitto_tls: Mosquitto, certificates: Certificates, make_link: Any
) -> None:
    bare = make_link(mosquitto_tls.port, tls={"ca_file": certificates.ca})
    until(lambda: "client certificate" in str(bare.status().problem))
    stranger = make_link(mosquitto_tls.port, tls={"ca_file": certificates.client})
    until(lambda: "TLS failed" in str(stranger.status().problem))


def write(path: Path, text: str | bytes, mode: int) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def test_unusable_credentials_are_told_at_open(
    tmp_path: Path, certificates: Certificates, outbox: Outbox
) -> None:
    loose = write(tmp_path / "loose", "secret\n", 0o644)
    empty = write(tmp_path / "empty", "\n", 0o600)
    binary = write(tmp_path / "binary", b"\xff\xfe", 0o600)
    fine = write(tmp_path / "fine", "secret\n", 0o600)
    key = write(tmp_path / "key", certificates.client_key.read_bytes(), 0o644)
    junk = write(tmp_path / "junk", "junk", 0o600)
    pair = {"cert_file": certificates.client, "key_file": certificates.client_key}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"password_file": loose, "username": "a"}, "can be read by others; run: chmod"),
        ({"password_file": empty, "username": "a"}, "must hold one line"),
        ({"password_file": binary, "username": "a"}, "cannot be read"),
        ({"password_file": tmp_path / "none", "username": "a"}, "cannot be read"),
        ({"password_file": fine, "protocol": "3.1.1"}, r"needs mqtt\.username"),
        ({"tls": {"ca_file": junk}}, "no readable PEM certificate"),
        ({"tls": {"ca_file": tmp_path / "none"}}, "no readable PEM certificate"),
        ({"tls": pair | {"key_file": key}}, "can be read by others"),
        ({"tls": pair | {"cert_file": junk}}, "no readable pair"),
        ({"tls": pair | {"key_file": tmp_path / "none"}}, "cannot be read"),
    ]
    for more, says in cases:
        link = Link(settings(1, **more), TOPICS, outbox, lambda _: None)
        with pytest.raises(BrokerError, match=says) as caught:
            link.open()
        assert "secret" not in str(caught.value)
        link.close()


@pytest.fixture
def terminal(mosquitto: Mosquitto, outbox: Outbox, request: Any) -> Iterator[Any]:
    """A linked terminal with a simulated door; the parameter is the protocol."""
    door = make_door(SimulatedDoor(driver="simulated"))
    door.open()

    def unlock(args: Any, context: Any) -> Reply:
        door.pulse(args.duration_s)
        return Reply("ok", "unlocked", "the door is unlocked")

    config = settings(mosquitto.port, protocol=request.param)
    handlers = {"door.unlock": unlock}
    commands = Commands(config.commands, TOPICS, outbox, handlers, WallTime(lambda: "synced"))
    commands.open()
    link = Link(config, TOPICS, outbox, commands.submit)
    link.open()
    connected(link)
    yield door
    link.close()
    commands.close()
    door.close()


BOTH = pytest.mark.parametrize("terminal", ["5", "3.1.1"], indirect=True)
UNLOCK = TOPICS.command("door.unlock")
RESULT = TOPICS.result("door.unlock")


def order(args: dict[str, Any] | None = None) -> str:
    return sign_command(OPERATOR.private, "operator", TOPICS.audience, "door.unlock", args or {})


@BOTH
def test_unlock_reaches_the_relay_and_is_answered_once(terminal: Any, site: Site) -> None:
    site.send(UNLOCK, order({"duration_s": 60}))
    until(lambda: terminal.relay)
    until(lambda: site.on(RESULT))
    site.send(UNLOCK, order({"duration_s": 1}))
    until(lambda: len(site.on(RESULT)) == 2)
    assert [reply["result"] for reply in site.on(RESULT)] == ["ok", "ok"]
    assert len({reply["id"] for reply in site.on(RESULT)}) == 2


@pytest.mark.parametrize("terminal", ["5"], indirect=True)
def test_the_response_topic_and_correlation_data_are_used(terminal: Any, site: Site) -> None:
    site.send(UNLOCK, order(), "edged/hq/controller/replies", b"\x01\x02")
    until(lambda: site.on("edged/hq/controller/replies"))
    (message,) = [m for m in site.seen if m.topic == "edged/hq/controller/replies"]
    assert message.properties is not None
    assert message.properties.CorrelationData == b"\x01\x02"
    assert site.on(RESULT) == []


@BOTH
def test_hostile_payloads_leave_the_relay_still_and_the_link_up(terminal: Any, site: Site) -> None:
    for payload in (b"\x00" * 1_000_000, b"\xff\xfe", b"{" * 60_000, b"", b"x.y.z"):
        site.send(UNLOCK, payload)
    site.send(f"{TOPICS.root}/cmd/\u00e9vil name", b"x")
    until(lambda: len(site.on(RESULT)) == 5)
    assert [reply["reason"] for reply in site.on(RESULT)] == [
        "oversized",
        "not_text",
        "too_deep",
        "malformed",
        "malformed",
    ]
    assert not terminal.relay
    until(lambda: len(site.on(TOPICS.event("command.refused"))) == 6)
    site.send(UNLOCK, order())
    until(lambda: terminal.relay)


def test_a_retained_command_is_refused_fresh_or_stale(
    mosquitto: Mosquitto, site: Site, request: pytest.FixtureRequest
) -> None:
    site.send(UNLOCK, order(), retain=True)

    outbox = request.getfixturevalue("outbox")
    seen: list[Any] = []
    commands = Commands(settings(1).commands, TOPICS, outbox, {}, WallTime(lambda: "synced"))
    commands.open()

    def take(incoming: Any) -> None:
        seen.append(incoming)
        commands.submit(incoming)

    link = Link(settings(mosquitto.port), TOPICS, outbox, take)
    link.open()
    until(lambda: site.on(RESULT))
    site.send(UNLOCK, order(), retain=True)
    until(lambda: len(site.on(RESULT)) == 2)
    assert [reply["reason"] for reply in site.on(RESULT)] == ["retained", "retained"]
    assert all(incoming.retained for incoming in seen)
    link.close()
    commands.close()


@pytest.mark.parametrize("terminal", ["5"], indirect=True)
def test_the_door_keeps_working_in_a_flood(terminal: Any, site: Site, outbox: Outbox) -> None:
    for _ in range(5000):
        site.client.publish(UNLOCK, b"flood", qos=0)
    terminal.pulse(0.2)
    assert terminal.relay
    until(lambda: not terminal.relay)
    until(lambda: site.on(RESULT))
    until(lambda: outbox.depth == 0, 60)
    before = len(site.on(RESULT))
    site.send(UNLOCK, order())
    until(lambda: any(reply["result"] == "ok" for reply in site.on(RESULT)[before:]))
    assert len(site.on(TOPICS.event("command.refused"))) <= 22


@pytest.mark.parametrize("terminal", ["5"], indirect=True)
def test_a_command_sent_while_offline_is_never_obeyed(
    terminal: Any, site: Site, mosquitto: Mosquitto, request: pytest.FixtureRequest
) -> None:
    outbox = request.getfixturevalue("outbox")
    heard: list[Any] = []
    other = settings(mosquitto.port, client_id="other-terminal")
    topics = type(TOPICS)("edged", "hq", "door-2")
    link = connected_link(other, topics, outbox, heard)
    link.close()
    site.send(topics.command("door.unlock"), order())
    link = connected_link(other, topics, outbox, heard)
    site.send(topics.command("door.unlock"), b"after")
    until(lambda: heard)
    assert [incoming.payload for incoming in heard] == [b"after"]
    link.close()


def connected_link(config: Any, topics: Any, outbox: Any, heard: list[Any]) -> Link:
    class Quiet:
        """The other terminal's outbox: nothing happens there."""

        head = Head("0" * 16, 0, "", "")

        def __init__(self) -> None:
            self._news = threading.Event()

        def pending(
            self, after_seq: int = 0, limit: int = 100, until_seq: int | None = None
        ) -> list[Any]:
            return []

        def acknowledge(self, seqs: Any) -> None: ...

        def wait(self, timeout_s: float | None = None) -> bool:
            woken = self._news.wait(timeout_s)
            self._news.clear()
            return woken

        def wake(self) -> None:
            self._news.set()

    link = Link(config, topics, Quiet(), heard.append)
    link.open()
    return connected(link)


def test_close_is_quick_and_safe_without_a_broker(outbox: Outbox) -> None:
    link = Link(settings(free_port()), TOPICS, outbox, lambda _: None)
    link.close()
    link.open()
    link.close()
    link.close()
    assert json.dumps(link.status().problem) == "null"


def test_the_example_of_the_documentation_unlocks_a_door(
    mosquitto: Mosquitto, outbox: Outbox, tmp_path: Path
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "mqtt.md").read_text(encoding="utf-8")
    script = tmp_path / "unlock.py"
    script.write_text(text.split("```python\n")[1].split("```")[0])
    key = tmp_path / "controller.pem"
    key.write_text(OPERATOR.private)
    keys = [{"id": "controller", "public_key": OPERATOR.public, "roles": ["operator"]}]
    config = settings(mosquitto.port, commands={"keys": keys})
    done: list[float] = []

    def unlock(args: Any, context: Any) -> Reply:
        done.append(args.duration_s)
        return Reply("ok", "unlocked")

    commands = Commands(
        config.commands, TOPICS, outbox, {"door.unlock": unlock}, WallTime(lambda: "synced")
    )
    commands.open()
    link = Link(config, TOPICS, outbox, commands.submit)
    link.open()
    connected(link)
    where = ["127.0.0.1", str(mosquitto.port), str(key), TOPICS.audience]
    said = subprocess.run(
        [sys.executable, str(script), *where],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert json.loads(said.stdout)["reason"] == "unlocked"
    assert done == [5]
    link.close()
    commands.close()


def test_desired_settings_are_handed_on_retained_or_not_and_nothing_else_is(
    mosquitto: Mosquitto, site: Site, make_link: Any
) -> None:
    commands: list[Any] = []
    wished: list[bytes] = []
    site.send(TOPICS.desired, b"kept", retain=True)
    connected(make_link(mosquitto.port, commands.append, parts={"on_desired": wished.append}))
    until(lambda: wished)
    until(lambda: site.on(TOPICS.status))
    site.client.publish(TOPICS.desired, b"", qos=1, retain=True)
    site.send(TOPICS.desired, b"now")
    until(lambda: len(wished) == 2)
    assert wished == [b"kept", b"now"]
    assert commands == []


def test_a_flood_of_desired_settings_is_not_listened_to_and_the_retained_ones_come_again(
    mosquitto: Mosquitto, site: Site, make_link: Any
) -> None:
    heard: list[bytes] = []
    link = make_link(mosquitto.port, parts={"on_desired": heard.append})
    connected(link)
    site.client.publish(TOPICS.desired, b"the last word", qos=1, retain=True)
    until(lambda: heard)
    for _ in range(5000):
        site.client.publish(TOPICS.desired, b"flood", qos=0)
    until(lambda: heard[-1:] == [b"the last word"] and len(heard) > 1)
    assert len(heard) < 1000
    assert link.status().connected


def test_who_wants_no_desired_settings_does_not_listen_to_them(
    mosquitto: Mosquitto, site: Site, make_link: Any
) -> None:
    commands: list[Any] = []
    connected(make_link(mosquitto.port, commands.append))
    until(lambda: site.on(TOPICS.status))
    site.send(TOPICS.desired, b"x")
    site.send(UNLOCK, b"fence")
    until(lambda: commands)
    assert [incoming.payload for incoming in commands] == [b"fence"]


def test_what_an_earlier_life_left_at_the_broker_is_replaced_at_once(
    mosquitto: Mosquitto, site: Site, make_link: Any, make_site: Any
) -> None:
    site.send(TOPICS.status, b'{"status":"online","model":"long-ago"}', retain=True)
    site.send(TOPICS.state, b'{"relay":true}', retain=True)
    site.send(TOPICS.audit, b'{"seq":99}', retain=True)
    link = make_link(mosquitto.port, parts={"signer": SIGNER})
    link.set_state({"relay": False})
    topics = (TOPICS.status, TOPICS.state, TOPICS.audit)
    until(lambda: all(len(site.on(topic)) >= 2 for topic in topics))
    late = make_site()
    status, state, audit = (until(lambda t=topic: late.on(t))[0] for topic in topics)
    assert (status["status"], status["model"]) == ("online", "rts-1")
    assert state["relay"] is False
    assert audit["seq"] == 0


def test_a_broker_that_refuses_checkpoints_gets_everything_else(
    tmp_path: Path, make_link: Any, outbox: Outbox
) -> None:
    rules = tmp_path / "acl"
    allowed = (TOPICS.status, f"{TOPICS.root}/event/#", f"{TOPICS.root}/backlog/#")
    rules.write_text("".join(f"topic write {topic}\n" for topic in allowed))
    broker = Mosquitto(tmp_path, extra=f"allow_anonymous true\nacl_file {rules}")
    broker.start()
    troubles: list[str | None] = []
    parts = {"signer": SIGNER, "on_trouble": troubles.append}
    link = make_link(broker.port, parts=parts)
    outbox.append("access.granted", {})
    until(lambda: outbox.depth == 0)
    until(lambda: troubles and TOPICS.audit in str(troubles[-1]))
    assert link.status().connected
    broker.kill()


def test_announcements_are_retained_as_they_are(
    mosquitto: Mosquitto, site: Site, make_link: Any, make_site: Any
) -> None:
    topic = "homeassistant/device/edged/config"
    parts = {"announcements": {topic: {"device": {"name": "door-1"}}}}
    connected(make_link(mosquitto.port, parts=parts))
    until(lambda: site.on(topic))
    late = make_site()
    assert until(lambda: late.on(topic)) == [{"device": {"name": "door-1"}}]


def test_a_reply_that_comes_while_the_link_is_down_does_no_harm(
    mosquitto: Mosquitto, site: Site, make_link: Any
) -> None:
    heard: list[Any] = []
    link = connected(make_link(mosquitto.port, heard.append))
    until(lambda: site.on(TOPICS.status))
    site.send(UNLOCK, b"x")
    until(lambda: heard)
    mosquitto.kill()
    until(lambda: not link.status().connected)
    heard[0].answer(RESULT, {"n": 1}, None)
    assert not link.publish_sync("pull", b"x")


@PROTOCOLS
def test_topics_with_dashes_work_both_ways(
    mosquitto: Mosquitto, site: Site, outbox: Outbox, protocol: str
) -> None:
    topics = Topics("edged", "hq", "door-1", dash=True)
    config = settings(mosquitto.port, protocol=protocol)
    commands = Commands(
        config.commands, topics, outbox, {"door.unlock": lambda *_: Reply("ok", "unlocked")}
    )
    commands.open()
    link = Link(config, topics, outbox, commands.submit)
    link.open()
    until(lambda: site.on(topics.status))
    outbox.append("access.granted", {})
    (event,) = until(lambda: site.on("edged/hq/door-1/event/access-granted"))
    assert event["type"] == "access.granted"
    site.send("edged/hq/door-1/cmd/door-unlock", order())
    (reply,) = until(lambda: site.on("edged/hq/door-1/cmd/door-unlock/result"))
    assert reply["command"] == "door.unlock"
    link.close()
    commands.close()
