"""A daemon that cannot work says why and what to do, and leaves everything as it was; one that
works obeys nobody who may not command it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
import time
import uuid
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from edged.events.clock import boot_id, boottime_s
from edged.events.trusted import MARK, Mark, Sync, write_mark
from edged.mqtt.sign import prove_key
from edged.resources import shared
from tests.mosquitto import PROGRAM, Mosquitto
from tests.mqtt.conftest import OPERATOR, STRANGER
from tests.service.kit import (
    AUDIENCE,
    PRIVATE_PEM,
    PUBLIC_PEM,
    Door,
    Site,
    Stage,
    running,
    wait,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.service.kit import Terminal, Views

OTHER = "ab12" * 16
FAILED = {1, 2}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.db*")}


@pytest.fixture
def terminal(tmp_path: Path, make_terminal: Callable[..., Terminal]) -> Terminal:
    (tmp_path / "stage").mkdir()
    return make_terminal(tmp_path)


def test_a_wrong_key_leaves_every_file_as_it_is(terminal: Terminal, views: Views) -> None:
    terminal.enrol(views)
    with terminal.outbox() as outbox:
        outbox.append("terminal.started", {})
    (terminal.folder / "secret.key").write_text(OTHER)
    before = contents(terminal.folder)
    assert terminal.start().ended() in FAILED
    assert "the key does not open it" in terminal.log
    assert contents(terminal.folder) == before
    assert terminal.relay == ["rest", "rest"]
    assert "READY=1" not in terminal.told


@pytest.mark.parametrize("made", ["gallery", "outbox"])
def test_a_wrong_key_makes_no_file_that_the_right_one_would_not_open(
    terminal: Terminal, made: str
) -> None:
    with getattr(terminal, made)():
        pass
    (terminal.folder / "secret.key").write_text(OTHER)
    before = contents(terminal.folder)
    assert terminal.start().ended() in FAILED
    assert contents(terminal.folder) == before


def test_a_key_that_is_missing_is_asked_for(terminal: Terminal) -> None:
    (terminal.folder / "secret.key").unlink()
    assert terminal.start().ended() in FAILED
    assert "secret.key does not exist; make one with `edged gallery init`" in terminal.log


def test_a_key_that_others_can_read_is_not_used(terminal: Terminal) -> None:
    (terminal.folder / "secret.key").chmod(0o644)
    assert terminal.start().ended() in FAILED
    assert "run chmod 600" in terminal.log
    assert not (terminal.folder / "gallery.db").exists()


@pytest.mark.parametrize(
    ("file", "change", "named"),
    [
        ("model.onnx", lambda content: content[:-1] + bytes([content[-1] ^ 1]), "model.onnx"),
        ("manifest.yaml", lambda content: content.replace(b"embedding", b"embeding"), "embeding"),
    ],
)
def test_a_model_that_was_altered_is_named_with_what_is_wrong(
    tmp_path: Path,
    make_terminal: Callable[..., Terminal],
    file: str,
    change: Callable[[bytes], bytes],
    named: str,
) -> None:
    bundle = tmp_path / "altered"
    shutil.copytree(shared("models") / "mobilefacenet-rts", bundle)
    (bundle / file).write_bytes(change((bundle / file).read_bytes()))
    (tmp_path / "stage").mkdir()
    terminal = make_terminal(tmp_path, model={"bundle": str(bundle)})
    assert terminal.start().ended() in FAILED
    assert str(bundle) in terminal.log
    assert named in terminal.log
    assert terminal.relay == ["rest", "rest"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"door": {"driver": "gpio", "chip": "/dev/none"}}, "/dev/none"),
        ({"door": {"driver": "simulated", "record": "secret.key/x"}}, "door.record"),
        ({"mqtt": {"host": "127.0.0.1", "password_file": "none"}}, "none"),
        ({"mqtt": {"host": "h", "commands": {"keys": [{"id": "a", "roles": ["operator"],
          "public_key": PUBLIC_PEM.replace("MCow", "MCox")}]}}}, "key"),
        ({"model": {"runtime": "onnxruntime", "device": "warp-drive"}}, "warp"),
        ({"camera": {"driver": "replay", "source": "stage", "rate": 3}}, "rate_hz"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_named(
    tmp_path: Path,
    make_terminal: Callable[..., Terminal],
    changes: dict[str, Any],
    words: str,
) -> None:
    (tmp_path / "stage").mkdir()
    terminal = make_terminal(tmp_path, **changes)
    assert terminal.start().ended() in FAILED
    assert words in terminal.log
    assert "Traceback" not in terminal.log


# what nobody may do on the command path, at a running terminal whose clock is to be trusted


def believed(terminal: Terminal, ahead_s: float = 0.0) -> None:
    """The terminal remembers that its clock was right a moment ago; or that it was later then."""
    now_s, count_s, boot = time.time() + ahead_s, boottime_s(), boot_id()
    sync = None if ahead_s else Sync(now_s - count_s, count_s, 0.1)
    with terminal.outbox() as outbox:
        outbox.keep_note(MARK, write_mark(Mark(now_s, count_s, boot, sync)))


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory, views: Views) -> Iterator[Door]:
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    folder = tmp_path_factory.mktemp("judge")
    broker = Mosquitto(tmp_path_factory.mktemp("judge-broker"))
    stage = Stage(folder / "stage", views)
    terminals = running([])
    try:
        broker.start()
        terminal = next(terminals)(folder, broker.port)
        believed(terminal)
        with Site(broker.port) as site:
            terminal.start().ready()
            site.status("online")
            yield Door(terminal, stage, site)
    finally:
        terminals.close()
        broker.kill()


def signed(header: dict[str, Any] | None = None, key: bytes = PRIVATE_PEM, **more: Any) -> bytes:
    now_s = time.time()
    claims = {"aud": AUDIENCE, "iat": now_s, "exp": now_s + 30, "jti": uuid.uuid4().hex}
    content = json.dumps(claims | {"cmd": "door.unlock", "args": {}} | more).encode()
    return token(content, header, key)


def token(content: bytes, header: dict[str, Any] | None = None, key: bytes = PRIVATE_PEM) -> bytes:
    headers = {"kid": "site"} | (header or {})
    return jwt.PyJWS().encode(content, key, algorithm="EdDSA", headers=headers).encode()


def part(data: Any) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=")


def with_public_key_as_secret() -> bytes:
    body = part({"alg": "HS256", "kid": "site"}) + b"." + signed().split(b".")[1]
    mac = hmac.new(PUBLIC_PEM.encode(), body, hashlib.sha256).digest()
    return body + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")


REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "unsigned": ("unsigned", lambda: json.dumps({"cmd": "door.unlock", "args": {}}).encode()),
    "an unknown key": ("unknown_key", lambda: signed({"kid": "stranger"})),
    "a wrong key": ("bad_signature", lambda: signed(key=STRANGER.private.encode())),
    "another terminal": ("wrong_audience", lambda: signed(aud="hq/door-2")),
    "expired": ("expired", lambda: signed(iat=time.time() - 40, exp=time.time() - 10)),
    "from the future": ("from_future", lambda: signed(iat=time.time() + 60, exp=time.time() + 90)),
    "valid too long": ("too_long", lambda: signed(exp=time.time() + 3600)),
    "a megabyte": ("oversized", lambda: b"x" * 1_000_000),
    "deep JSON": ("too_deep", lambda: b"[" * 50_000),
    "deep JSON, signed": ("too_deep", lambda: token(b'{"args":' + b"[" * 5000)),
    "invalid UTF-8": ("not_text", lambda: b"\xff\xfe\x00"),
    "another form": ("bad_args", lambda: signed(args={"duration_s": "long"})),
    "no algorithm": ("wrong_algorithm", lambda: part({"alg": "none"}) + b"." + part({}) + b"."),
    "HS256 with the public key": ("wrong_algorithm", with_public_key_as_secret),
    "a key twice": ("malformed", lambda: token(b'{"aud":"hq/door-1","aud":"hq/door-1"}')),
    "NaN": ("malformed", lambda: token(b'{"iat":NaN}')),
}


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_with_its_reason_on_the_record_and_the_relay_still(
    judge: Door, case: str
) -> None:
    reason, make = REFUSED[case]
    refuse(judge, "door.unlock", make(), reason)


def test_a_wrong_role_is_refused(judge: Door) -> None:
    claims = {"cmd": "gallery.wipe", "args": {"confirm": AUDIENCE}}
    refuse(judge, "gallery.wipe", signed(**claims), "wrong_role")


def test_an_unknown_command_is_refused(judge: Door) -> None:
    refuse(judge, "door.explode", signed(cmd="door.explode"), "unknown_command")


def test_a_retained_command_is_refused(judge: Door) -> None:
    try:
        refuse(judge, "door.unlock", signed(), "retained", retain=True)
    finally:
        judge.site.forget("door.unlock")


def refuse(door: Door, name: str, payload: bytes, reason: str, retain: bool = False) -> None:
    before, seq, answers = door.terminal.relay, door.site.seq, len(door.site.replies(name))
    door.site.publish(name, payload, retain)
    event = door.site.event("command.refused", after=seq, command=name)
    assert event["data"]["reason"] == reason
    (reply,) = wait(lambda: door.site.replies(name)[answers:])
    assert (reply["result"], reply["reason"]) == ("refused", reason)
    assert door.terminal.relay == before


def test_a_replay_is_refused_after_a_kill_and_with_the_clock_set_back_too(
    open_door: Callable[..., Door],
) -> None:
    door = open_door(believed)
    used, unused = signed(), signed()
    door.site.publish("door.unlock", used)
    door.site.event("door.unlocked")
    door.at_rest()
    refuse(door, "door.unlock", used, "replayed")
    door.terminal.kill()
    door.terminal.start().ready()
    relay = door.terminal.relay
    wait(lambda: len(door.site.on("status")) >= 3 and door.site.status("online"))
    refuse(door, "door.unlock", used, "replayed")
    door.terminal.kill()
    believed(door.terminal, ahead_s=3600)  # as it is when the clock was set back by an hour
    door.terminal.start().ready()
    online = len(door.site.on("status"))
    wait(lambda: len(door.site.on("status")) > online or door.site.status("online"))
    for payload in (used, unused):
        refuse(door, "door.unlock", payload, "expired")
    assert door.terminal.relay.count("on") == relay.count("on") == 1


def test_keys_change_at_a_running_terminal_and_the_state_tells(
    open_door: Callable[..., Door],
) -> None:
    keys = [
        {"id": "site", "roles": ["operator"], "public_key": PUBLIC_PEM},
        {"id": "chief", "roles": ["maintainer"], "public_key": OPERATOR.public},
    ]
    commands = {"unsynced_clock": "accept", "keys": keys, "rate_hz": 100}
    with_keys = {"mqtt": {"commands": commands}}
    door = open_door(believed, **with_keys)
    args = {
        "id": "site",
        "new_id": "site-2",
        "public_key": STRANGER.public,
        "proof": prove_key(STRANGER.private, AUDIENCE, "site-2", "site"),
    }
    chief = {"header": {"kid": "chief"}, "key": OPERATOR.private.encode()}
    door.site.publish("keys.rotate", signed(cmd="keys.rotate", args=args, **chief))
    told = door.site.event("command.key_rotated")["data"]
    assert (told["id"], told["replaced_by"], told["key"]) == ("site", "site-2", "chief")
    wait(lambda: [key["id"] for key in door.site.state["keys"]] == ["chief", "site", "site-2"])
    door.site.publish("keys.revoke", signed(cmd="keys.revoke", args={"id": "site"}, **chief))
    door.site.event("command.key_revoked", id="site")
    wait(lambda: [key["id"] for key in door.site.state["keys"]] == ["chief", "site-2"])
    refuse(door, "door.unlock", signed(), "revoked_key")
    door.terminal.kill()
    seq = door.site.seq
    door.terminal.start().ready()
    door.site.event("terminal.started", after=seq)
    refuse(door, "door.unlock", signed(), "revoked_key")
    new = {"header": {"kid": "site-2"}, "key": STRANGER.private.encode()}
    door.site.publish("door.unlock", signed(**new))
    door.site.event("door.unlocked", key="site-2")
