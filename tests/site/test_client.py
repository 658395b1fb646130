from __future__ import annotations

import base64
import datetime as dt
import gc
import json
import queue
import threading
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edged.config.schema import Mqtt
from edged.errors import BrokerError
from edged.site.authority import Authority
from edged.site.client import SiteClient
from edged.site.keys import read_tls
from edged.site.orders import Orders
from tests.mosquitto import PROGRAM, Mosquitto
from tests.site.terminal import Virtual
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.certificates import Certificates
    from tests.site.kit import Office


def broker(port: int, **more: Any) -> Mqtt:
    return Mqtt.model_validate({"host": "127.0.0.1", "port": port, "reconnect_max_s": 1, **more})


@pytest.fixture(params=["5", "3.1.1"])
def settings(request: pytest.FixtureRequest, mosquitto: Mosquitto) -> Mqtt:
    return broker(mosquitto.port, protocol=request.param)


def test_what_was_subscribed_is_heard_after_a_reconnection_too(
    settings: Mqtt, mosquitto: Mosquitto
) -> None:
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    back = threading.Event()
    with SiteClient(settings) as client:
        client.hear(["a/+"], lambda message: heard.put(message.payload))
        client.publish("a/b", b"before")
        assert heard.get(timeout=20) == b"before"
        client.on_back = back.set
        mosquitto.kill()
        until(lambda: not client.connected)
        with pytest.raises(BrokerError, match="no connection"):
            client.publish("a/b", b"meanwhile")
        mosquitto.start()
        assert back.wait(30)
        until(lambda: client.connected)
        client.hear(["c"], lambda message: heard.put(message.payload))
        client.publish("a/b", b"after")
        assert heard.get(timeout=20) == b"after", "what could not be sent then is not sent later"


def test_a_taker_that_fails_ends_nothing(settings: Mqtt) -> None:
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def take(message: Any) -> None:
        if message.payload == b"bad":
            raise ValueError
        heard.put(message.payload)

    with SiteClient(settings) as client:
        client.hear(["a"], take)
        client.publish("a", b"bad")
        client.publish("a", b"good")
        assert heard.get(timeout=20) == b"good"


def test_it_closes_twice_and_after_a_failure(settings: Mqtt, mosquitto: Mosquitto) -> None:
    client = SiteClient(settings)
    client.close()
    client.open()
    client.close()
    client.close()
    client.open()
    client.close()
    mosquitto.kill()
    with pytest.raises(BrokerError, match="cannot be reached"):
        client.open()
    client.close()


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker with one user, who may use ``mine/#`` and nothing else."""
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    (tmp_path / "acl").write_text("user office\ntopic readwrite mine/#\n")
    hashed = (
        "$7$101$KyaeASsDzJMm2QNr$Knq3tzH0J9cmvnKLqZ0V5b9hAj3WbxRUnHv9Cus6h+RCkqw3sDDSmCMCNT9MZqVUkk"
        "0KgYgBzqLa0MZbrYk2ag=="
    )
    (tmp_path / "users").write_text(f"office:{hashed}\n")
    extra = f"allow_anonymous false\npassword_file {tmp_path}/users\nacl_file {tmp_path}/acl"
    made = Mosquitto(tmp_path, None, extra)
    try:
        made.start()
        yield made
    finally:
        made.kill()


def test_a_wrong_password_is_told(strict: Mosquitto, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.touch(0o600)
    secret.write_text("wrong\n")
    wrong = broker(strict.port, username="office", password_file=str(secret))
    with pytest.raises(BrokerError, match=r"refuses the connection.*broker\.username"):
        SiteClient(wrong).open()
    with pytest.raises(BrokerError, match="refuses the connection"):
        SiteClient(broker(strict.port)).open()


def test_a_password_that_others_can_read_is_not_used(mosquitto: Mosquitto, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("secret\n")
    secret.chmod(0o644)
    with pytest.raises(BrokerError, match=r"broker\.password_file .* can be read by others"):
        SiteClient(broker(mosquitto.port, username="u", password_file=str(secret))).open()


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker where everybody may use ``mine/#`` and nothing else."""
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    (tmp_path / "acl").write_text("topic readwrite mine/#\n")
    made = Mosquitto(tmp_path, None, f"acl_file {tmp_path}/acl")
    try:
        made.start()
        yield made
    finally:
        made.kill()


def test_what_the_broker_does_not_let_us_send_is_told(deaf: Mosquitto) -> None:
    with SiteClient(broker(deaf.port)) as client:
        client.publish("mine/a", b"")
        with pytest.raises(BrokerError, match=r"refuses theirs/a.*access rules"):
            client.publish("theirs/a", b"")


def test_without_our_certificate_there_is_no_connection(
    mosquitto_tls: Mosquitto, certificates: Certificates
) -> None:
    tls = {"ca_file": str(certificates.ca)}
    with pytest.raises(BrokerError):
        SiteClient(broker(mosquitto_tls.port, tls=tls)).open()
    tls |= {"cert_file": str(certificates.client), "key_file": str(certificates.client_key)}
    with SiteClient(broker(mosquitto_tls.port, tls=tls)) as client:
        client.publish("a", b"b")


def test_a_certificate_of_ours_that_ended_is_told(
    tmp_path: Path, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    monkeypatch.setattr("edged.site.client._CONNECT_S", 2.0)
    certificates = office.authority()
    key = read_tls(certificates.client_key)
    public: Any = key.public_key()
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=9)
    ended = Authority.load(office.folder / "ca").issue_client(public, "office", long_ago, 1)
    certificates.client.write_bytes(ended.public_bytes(Encoding.PEM))
    tls = {
        "ca_file": str(certificates.ca),
        "cert_file": str(certificates.client),
        "key_file": str(certificates.client_key),
    }
    strict = Mosquitto(tmp_path, certificates)
    try:
        strict.start()
        with pytest.raises(BrokerError, match=r"our certificate .* ended on 20"):
            SiteClient(broker(strict.port, tls=tls)).open()
    finally:
        strict.kill()


# paho leaves the socket of a handshake that failed to the collector
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)
def test_a_broker_of_another_authority_is_not_believed(
    mosquitto_tls: Mosquitto, certificates: Certificates
) -> None:
    tls = {"cert_file": str(certificates.client), "key_file": str(certificates.client_key)}
    with pytest.raises(BrokerError, match="TLS failed"):
        SiteClient(broker(mosquitto_tls.port, tls=tls)).open()
    gc.collect()


@pytest.mark.parametrize("dots", ["dot", "dash"])
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_orders_reach_their_terminal_and_their_reply_comes_back(
    tmp_path: Path, mosquitto: Mosquitto, office: Office, protocol: str, dots: str
) -> None:
    office.set_up(mosquitto.port, tls=False)
    public = (office.folder / "office.key.pub").read_text()
    private = (office.folder / "office.key").read_bytes()
    style = {"protocol": protocol, "topic_dots": dots}
    settings = broker(mosquitto.port, **style)
    with (
        Virtual(tmp_path / "a", mosquitto.port, public, "door-1", **style),
        Virtual(tmp_path / "b", mosquitto.port, public, "door-2", **style),
        SiteClient(settings) as client,
    ):
        orders = Orders(client, settings, "hq", "office", private)
        replies = orders.send_all(["door-1", "door-2", "door-3"], "diagnostics", lambda _: {}, 3)
        assert replies["door-3"] is None
        for name in ("door-1", "door-2"):
            reply = replies[name]
            assert reply is not None
            assert reply["result"] == "ok"
        stranger = Orders(client, settings, "hq", "stranger", private)
        assert stranger.send("door-1", "diagnostics", {}, 10)["reason"] == "unknown_key"
        with pytest.raises(BrokerError, match="no reply"):
            orders.send("door-3", "diagnostics", {}, 0.3)


@pytest.fixture
def partly_deaf(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that lets nobody command door-2."""
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    rules = ["read edged/#", "write edged/hq/door-1/#", "write edged/hq/door-3/#"]
    (tmp_path / "acl").write_text("".join(f"topic {rule}\n" for rule in rules))
    made = Mosquitto(tmp_path, None, f"acl_file {tmp_path}/acl")
    try:
        made.start()
        yield made
    finally:
        made.kill()


def test_one_terminal_that_may_not_be_commanded_keeps_an_order_from_no_other(
    tmp_path: Path, partly_deaf: Mosquitto, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.set_up(partly_deaf.port, tls=False)
    public = (office.folder / "office.key.pub").read_text()
    private = (office.folder / "office.key").read_bytes()
    settings = broker(partly_deaf.port)
    with (
        Virtual(tmp_path / "a", partly_deaf.port, public, "door-1"),
        Virtual(tmp_path / "b", partly_deaf.port, public, "door-3"),
        SiteClient(settings) as client,
    ):
        orders = Orders(client, settings, "hq", "office", private)
        names = ["door-1", "door-2", "door-3"]
        replies = orders.send_all(names, "diagnostics", lambda _: {}, 10)
        assert list(replies) == names
        assert replies["door-2"] is None
        for name in ("door-1", "door-3"):
            assert (replies[name] or {}).get("result") == "ok"
        assert "door-2: not sent" in caplog.text
        with pytest.raises(BrokerError, match="refuses edged/hq/door-2"):
            orders.send_all(["door-2"], "diagnostics", lambda _: {}, 10)


def test_how_far_an_order_came_is_told_when_the_broker_goes(
    mosquitto: Mosquitto, office: Office
) -> None:
    office.set_up(mosquitto.port, tls=False)
    private = (office.folder / "office.key").read_bytes()
    settings = broker(mosquitto.port)
    with SiteClient(settings) as client:
        orders = Orders(client, settings, "hq", "office", private)

        def arguments(terminal: str) -> dict[str, Any]:
            if terminal == "door-3":
                mosquitto.kill()
                until(lambda: not client.connected)
            return {}

        names = ["door-1", "door-2", "door-3", "door-4"]
        with pytest.raises(BrokerError, match="went to 2 of 4 terminals, until door-3"):
            orders.send_all(names, "door.unlock", arguments, 10)


def test_replies_of_others_and_garbage_are_no_replies(mosquitto: Mosquitto, office: Office) -> None:
    office.set_up(mosquitto.port, tls=False)
    private = (office.folder / "office.key").read_bytes()
    settings = broker(mosquitto.port)
    with SiteClient(settings) as client, SiteClient(settings) as other:
        orders = Orders(client, settings, "hq", "office", private)
        orders.listen(["door-1"])

        def shout(message: Any) -> None:
            claims = message.payload.split(b".")[1]
            nonce = json.loads(base64.urlsafe_b64decode(claims + b"=="))["jti"]
            odd = json.dumps({"id": nonce, "result": "ok", "data": [1]}).encode()
            for payload in (
                odd,
                b"",
                b"\xff",
                b"[]",
                b"[" * 50_000,
                b'{"id": "other"}',
                b'{"id": []}',
            ):
                other.publish("edged/hq/door-1/cmd/diagnostics/result", payload, wait_s=0)

        other.hear(["edged/hq/door-1/cmd/+"], shout)
        assert orders.send_all(["door-1"], "diagnostics", lambda _: {}, 1) == {"door-1": None}


def test_a_command_that_waits_at_the_broker_expires_there(
    mosquitto: Mosquitto, office: Office
) -> None:
    office.set_up(mosquitto.port, tls=False)
    private = (office.folder / "office.key").read_bytes()
    settings = broker(mosquitto.port)
    heard: list[bytes] = []
    late = SiteClient(settings, client_id="late", session_s=3600)
    with late:
        late.hear(["edged/hq/door-1/cmd/+"], lambda message: heard.append(message.payload))
    with SiteClient(settings) as client:
        orders = Orders(client, settings, "hq", "office", private)
        with pytest.raises(BrokerError):
            orders.send("door-1", "diagnostics", {}, 2.5, valid_s=1)
    with late:
        late.publish("edged/hq/door-1/cmd/x", json.dumps("after"))
        until(lambda: heard)
    assert heard == [b'"after"']
