"""Every action of ``edged ctl``, on a real daemon and a real broker."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import yaml

from edged.cli.ctl_common import Desk
from edged.demo import scenes
from edged.events.chain import Chain
from edged.site.client import SiteClient
from edged.site.settings import load_site
from tests.mosquitto import PROGRAM, Mosquitto
from tests.service.kit import running, wait
from tests.site.kit import PORTRAIT, ROLES, Edged, Office

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.service.kit import Terminal
    from tests.site.kit import Ran


class World:
    """A terminal that stands for all tests, and the office."""

    def __init__(self, folder: Path, port: int, terminal: Terminal) -> None:
        self.folder = folder
        self.port = port
        self.terminal = terminal
        self.office = folder / "office"


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    from edged.site.keys import create_key

    folder = tmp_path_factory.mktemp("ctl")
    office = folder / "office"
    office.mkdir()
    _, public = create_key(office / "office.key", "signing")
    _, sealing = create_key(office / "pictures.key", "sealing")
    lobby = folder / "lobby"
    lobby.mkdir()
    cv2.imwrite(str(lobby / "0.jpg"), scenes.Lobby().draw(scenes.EMPTY, 0.0))
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    terminals = running([])
    try:
        broker.start()
        keys = [{"id": "office", "roles": ROLES.split(","), "public_key": public}]
        terminal = next(terminals)(
            folder,
            broker.port,
            camera={"driver": "replay", "source": str(lobby), "rate_hz": 10, "loop": True},
            model={"runtime": "onnxruntime", "threads": 1, "store": str(folder / "bundles")},
            mqtt={
                "snapshot_key": sealing,
                "commands": {"unsynced_clock": "accept", "keys": keys, "rate_hz": 200},
            },
        )
        settings = {
            "broker": {"host": "127.0.0.1", "port": broker.port},
            "site": "hq",
            "key_id": "office",
            "key_file": "office.key",
            "snapshot_key_file": "pictures.key",
        }
        (office / "ctl.yaml").write_text(yaml.safe_dump(settings))
        terminal.start().ready()
        yield World(folder, broker.port, terminal)
    finally:
        terminals.close()
        broker.kill()


class Ctl:
    def __init__(self, world: World, edged: Edged) -> None:
        self.world = world
        self.office = Office(world.office, edged)

    def __call__(self, *argv: object) -> Ran:
        return self.office.ctl(*argv)

    def door(self, *argv: object) -> dict[str, Any]:
        """The reply of the one terminal."""
        ran = self(*argv, "-t", "door-1", "--json")
        reply: dict[str, Any] = ran.json["replies"]["door-1"]
        assert ran.code == (0 if reply and reply["result"] == "ok" else 1)
        return reply


@pytest.fixture
def ctl(standing: World, capsys: pytest.CaptureFixture[str]) -> Ctl:
    made = Ctl(standing, Edged(capsys))
    wait(lambda: made("state", "-t", "door-1").code == 0)
    return made


def test_state_tells_of_every_terminal_that_the_broker_knows(ctl: Ctl) -> None:
    ran = ctl("state", "--all", "--json")
    assert ran.code == 0
    assert ran.json["terminals"]["door-1"]["status"]["status"] == "online"
    assert ran.json["terminals"]["door-1"]["state"]["gallery"]["people"] == 0


def test_one_that_says_nothing_is_told(ctl: Ctl) -> None:
    ran = ctl("state", "-t", "door-1", "-t", "door-9")
    assert ran.code == 1
    assert "door-9: says nothing" in ran.out


def test_unlock_moves_the_relay_and_names_the_cause(ctl: Ctl) -> None:
    assert ctl.door("unlock", "--for", "0.5", "--cause", "parcel")["reason"] == "done"
    wait(lambda: "on" in ctl.world.terminal.relay)


def test_a_terminal_that_does_not_answer_is_one_that_failed(ctl: Ctl) -> None:
    ran = ctl("unlock", "-t", "door-1", "-t", "door-9", "--timeout", "1", "--json")
    assert ran.code == 1
    assert ran.json["replies"]["door-1"]["result"] == "ok"
    assert ran.json["replies"]["door-9"] is None


def test_a_refusal_that_names_nobody_comes_at_once(ctl: Ctl) -> None:
    ran = ctl("unlock", "-t", "door-1", "--key-id", "stranger", "--json")
    assert ran.code == 1
    assert ran.json["replies"]["door-1"]["reason"] == "unknown_key"


def test_mode_holds_until_the_next_one(ctl: Ctl) -> None:
    assert ctl.door("mode", "locked_down", "--cause", "drill")["result"] == "ok"
    assert ctl.door("unlock")["reason"] == "locked_down"
    assert ctl.door("mode", "normal")["result"] == "ok"


def test_diagnostics_are_facts(ctl: Ctl) -> None:
    assert ctl.door("diagnostics")["data"]["events"]["head"] >= 1


def test_a_watch_verifies_saves_and_the_chain_is_whole(ctl: Ctl, tmp_path: Path) -> None:
    identity = ctl.office.edged(
        "gallery", "identity", "-c", ctl.world.terminal.config, "--json"
    ).json
    key = tmp_path / "door-1.pem"
    key.write_text(identity["signing"]["public_key"])
    save = tmp_path / "events.log"
    assert ctl.door("replay", "--from", "1")["data"]["events"] >= 1
    watching = ["--backlog", "--verify-key", key, "--save", save, "--for", "4", "--json"]
    first = ctl("watch", "-t", "door-1", *watching)
    assert ctl.door("replay", "--from", "1")["data"]["events"] >= 1
    again = ctl("watch", "-t", "door-1", *watching)
    assert first.code == again.code == 0, first.err + again.err
    chain = Chain([identity["signing"]["public_key"]])
    events = 0
    for line in save.read_text().splitlines():
        topic, text = line.split(" ", 1)
        if topic.endswith("/audit"):
            chain.add_checkpoint(json.loads(text))
        else:
            chain.add(json.loads(text))
            events += 1
    assert chain.report().findings == ()
    assert events == chain.report().parts[0].events
    assert ctl.door("replay", "--from", "5", "--to", "2")["reason"] == "bad_args"


def photo(path: Path, *, large: bool = False) -> Path:
    image = cv2.imread(PORTRAIT)
    if large:
        image = cv2.resize(image, None, fx=4, fy=4)
    assert cv2.imwrite(str(path), image)
    return path


def test_a_person_comes_by_a_photo_is_changed_and_goes(ctl: Ctl, tmp_path: Path) -> None:
    large = photo(tmp_path / "eileen.png", large=True)
    assert large.stat().st_size > 1_000_000
    reply = ctl.door("enrol", "photo", "4711", large, "--name", "Eileen", "--group", "staff")
    assert reply["data"]["views"] == 1
    assert ctl.door("set", "4711", "--valid-until", "2099-01-01", "--clear", "name")
    ran = ctl("set", "4711", "-t", "door-1")
    assert ran.code == 2
    assert "receipt" in ctl.door("remove", "4711")["data"]
    assert ctl.door("remove", "4711")["reason"] == "not_enrolled"


def test_an_enrolment_at_the_terminal_begins_and_is_ended(ctl: Ctl) -> None:
    assert ctl.door("enrol", "start", "4712", "--within", "60")["result"] == "ok"
    wait(lambda: ctl("enrol", "cancel", "4712", "-t", "door-1", "--json").json)
    wait(lambda: ctl.door("enrol", "cancel")["reason"] == "no_enrolment")


def test_what_is_no_photo_is_not_sent(ctl: Ctl, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.jpg"
    nothing.write_bytes(b"nothing")
    assert ctl("enrol", "photo", "4711", nothing, "-t", "door-1").code == 2


def test_a_folder_of_people_is_brought_to_the_terminal_once(ctl: Ctl, tmp_path: Path) -> None:
    people = tmp_path / "people"
    (people / "eileen").mkdir(parents=True)
    photo(people / "eileen" / "1.png")
    wall = np.full((300, 300, 3), 120, np.uint8)
    assert cv2.imwrite(str(people / "nobody.png"), wall)
    first = ctl("sync", people, "-t", "door-1", "--json")
    assert first.code == 1, "nobody.png shows nobody"
    assert first.json["terminals"]["door-1"] == {"enrolled": 1, "refused": 1}
    assert first.json["refused"][0]["reason"] == "no_face"
    (people / "nobody.png").unlink()
    again = ctl("sync", people, "-t", "door-1", "--json")
    assert again.code == 0
    assert again.json["terminals"]["door-1"] == {"known": 1}
    roll = tmp_path / "people.ctl.jsonl"
    assert roll.stat().st_mode & 0o777 == 0o600
    roll.write_bytes(roll.read_bytes()[:-5])  # cut off by a power cut: asked again, known there
    assert ctl("sync", people, "-t", "door-1", "--json").json["terminals"]["door-1"] == {"known": 1}
    shutil.rmtree(people / "eileen")
    (people / "other").mkdir()
    assert cv2.imwrite(str(people / "other" / "1.png"), wall)
    left = ctl("sync", people, "-t", "door-1", "--json").json
    assert left["gone"] == {"door-1": ["eileen"]}
    gone = ctl("sync", people, "-t", "door-1", "--remove", "--json").json
    assert gone["terminals"]["door-1"]["removed"] == 1
    assert ctl("sync", people, "-t", "door-1", "--remove", "--json").json["gone"] == {}


def test_an_empty_folder_removes_nobody(ctl: Ctl, tmp_path: Path) -> None:
    (tmp_path / "people").mkdir()
    assert ctl("sync", tmp_path / "people", "-t", "door-1", "--remove").code == 2


def test_a_picture_is_opened_here_and_replaces_nothing(ctl: Ctl, tmp_path: Path) -> None:
    out = tmp_path / "door.jpg"
    ran = ctl("snapshot", "-t", "door-1", "-o", out)
    assert ran.code == 0, ran.out + ran.err
    assert cv2.imread(str(out)) is not None
    assert ctl("snapshot", "-t", "door-1", "-o", out).code == 1
    other = ["--snapshot-key", ctl.world.office / "office.key"]
    assert ctl("snapshot", "-t", "door-1", "-o", tmp_path / "x.jpg", *other).code == 2


def test_a_wipe_wants_the_name(ctl: Ctl) -> None:
    assert ctl("wipe", "-t", "door-1").code == 2
    assert ctl("wipe", "-t", "door-1", "--confirm", "hq/door-2").code == 1


def test_a_bundle_is_pushed_and_the_terminal_judges_it(ctl: Ctl, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "manifest.json").write_bytes(np.random.default_rng(2).bytes(150_000))
    ran = ctl("model", "push", tmp_path / "bundle", "-t", "door-1", "--install", "--json")
    assert ran.code == 0, ran.out + ran.err
    assert ran.json["reply"]["reason"] == "started"
    archive = tmp_path / "bundle.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "bundle" / "manifest.json", "manifest.json")
    pushed = wait(
        lambda: (ran := ctl("model", "push", archive, "-t", "door-1", "--json")).code == 0 and ran
    )
    assert pushed.json["reply"]["data"]["complete"]
    assert ctl.door("model", "install", "ab" * 32)["reason"] in {"no_archive", "busy"}


def test_a_bundle_for_a_terminal_that_is_away_is_told_so(ctl: Ctl, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "manifest.yaml").write_text("name: nothing")
    ran = ctl("model", "push", tmp_path / "bundle", "-t", "away", "--timeout", "0.2")
    assert ran.code == 1
    assert "no reply from away" in ran.err


def test_a_new_key_takes_the_place_of_the_old_one(ctl: Ctl) -> None:
    office = ctl.world.office
    assert ctl.office.edged("ctl", "keygen", office / "second.key").code == 0
    new = ["--new-key", office / "second.key"]
    reply = ctl.door("keys", "rotate", "office", "office-2", *new, "--overlap", "0")
    if reply["result"] == "ok":
        assert ctl.door("unlock")["result"] == "refused"
    else:  # without a clock nothing could end
        assert reply["reason"] == "clock_unsynced"
    second = ["--key-id", "office-2", "--key-file", office / "second.key"]
    assert ctl.door("unlock", *second)["result"] == "ok"
    settings = yaml.safe_load((office / "ctl.yaml").read_text())
    (office / "ctl.yaml").write_text(
        yaml.safe_dump(settings | {"key_id": "office-2", "key_file": "second.key"})
    )
    assert ctl.door("keys", "revoke", "office-2")["reason"] == "last_maintainer"


def test_desired_settings_are_in_force_when_it_says_so(ctl: Ctl, tmp_path: Path) -> None:
    wanted = tmp_path / "desired.yaml"
    wanted.write_text("# what the YAML says anyway: nothing has to begin anew\n")
    ran = ctl("desired", wanted, "-t", "door-1", "--json")
    assert ran.code == 0, ran.out
    assert ran.json["applied"]["door-1"]["result"] == "applied"
    wanted.write_text("camera: {driver: opencv}\n")
    refused = ctl("desired", wanted, "-t", "door-1", "--json")
    assert refused.code == 1
    assert refused.json["applied"]["door-1"]["result"] == "refused"
    assert refused.json["revisions"]["door-1"] == ran.json["revisions"]["door-1"] + 1


@pytest.mark.parametrize("text", ["- a list", "{: : }", "when: 2026-01-01", "a: &a [*a]"])
def test_what_is_no_settings_is_not_published(ctl: Ctl, tmp_path: Path, text: str) -> None:
    wanted = tmp_path / "desired.yaml"
    wanted.write_text(text)
    assert ctl("desired", wanted, "-t", "door-1").code == 2


# what needs no terminal


@pytest.fixture
def edged(capsys: pytest.CaptureFixture[str]) -> Edged:
    return Edged(capsys)


@pytest.mark.parametrize("kind", ["signing", "sealing"])
def test_a_key_is_made_once_for_its_owner_alone(edged: Edged, tmp_path: Path, kind: str) -> None:
    key = tmp_path / "site.key"
    ran = edged("ctl", "keygen", key, "--kind", kind)
    assert ran.code == 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in ran.out
    before = key.read_bytes()
    assert edged("ctl", "keygen", key, "--kind", kind).code == 2
    key.rename(tmp_path / "moved.key")
    assert edged("ctl", "keygen", key).code == 2, "the public one is still there"
    assert (tmp_path / "moved.key").read_bytes() == before


def test_an_authority_is_made_once_and_issues_for_ends_only(edged: Edged, tmp_path: Path) -> None:
    from cryptography import x509

    ca = tmp_path / "ca"
    assert edged("ctl", "ca", "init", "--ca", ca).code == 0
    assert (ca / "ca.key").stat().st_mode & 0o777 == 0o600
    before = (ca / "ca.pem").read_bytes()
    assert edged("ctl", "ca", "init", "--ca", ca).code == 1
    assert (ca / "ca.pem").read_bytes() == before
    made = x509.load_pem_x509_certificate(before)
    constraints = made.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    out = tmp_path / "broker"
    assert edged("ctl", "ca", "server", "broker.example", "::1", "--ca", ca, "-o", out).code == 0
    key = Path(f"{out}.key").read_bytes()
    assert edged("ctl", "ca", "server", "broker.example", "--ca", ca, "-o", out).code == 0
    assert Path(f"{out}.key").read_bytes() == key
    assert edged("ctl", "ca", "server", "no host", "--ca", ca, "-o", out).code == 1
    assert len((ca / "issued.jsonl").read_text().splitlines()) == 2


def settings(tmp_path: Path, **more: Any) -> Path:
    path = tmp_path / "ctl.yaml"
    path.write_text(
        yaml.safe_dump({"broker": {"host": "127.0.0.1", "port": 1}, "site": "hq"} | more)
    )
    return path


def test_a_slip_in_the_settings_is_told_with_its_place(edged: Edged, tmp_path: Path) -> None:
    path = settings(tmp_path, key_flie="office.key")
    ran = edged("ctl", "state", "--all", "--site-config", path)
    assert ran.code == 2
    assert f"{path}:" in ran.err
    assert "did you mean key_file?" in ran.err
    path = settings(tmp_path, broker={"host": "h", "commands": {}})
    assert "belongs to a terminal" in edged("ctl", "state", "--all", "--site-config", path).err


def test_without_any_settings_it_says_what_is_missing(
    edged: Edged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("EDGED_CTL", raising=False)
    ran = edged("ctl", "state", "--all")
    assert ran.code == 2
    assert "site" in ran.err
    assert "docs/ctl.md" in ran.err


def test_the_environment_may_say_where_the_settings_are(
    edged: Edged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGED_CTL", str(settings(tmp_path)))
    ran = edged("ctl", "state", "--all")
    assert ran.code == 1
    assert "127.0.0.1:1 cannot be reached" in ran.err


def test_options_go_over_the_file_and_may_do_without(edged: Edged, tmp_path: Path) -> None:
    ran = edged("ctl", "state", "--all", "--site-config", settings(tmp_path), "--port", "2")
    assert "127.0.0.1:2 cannot be reached" in ran.err
    ran = edged("ctl", "state", "--all", "--host", "127.0.0.1", "--port", "3", "--site", "hq")
    assert "127.0.0.1:3 cannot be reached" in ran.err


def test_a_key_that_others_can_read_signs_nothing(ctl: Ctl, edged: Edged, tmp_path: Path) -> None:
    assert edged("ctl", "keygen", tmp_path / "open.key").code == 0
    (tmp_path / "open.key").chmod(0o644)
    ran = ctl("unlock", "-t", "door-1", "--key-file", tmp_path / "open.key")
    assert ran.code == 2
    assert "chmod 600" in ran.err


@pytest.mark.parametrize(
    "argv",
    [
        ["unlock"],
        ["unlock", "-t", "hq/door-1"],
        ["unlock", "-t", "+"],
        ["unlock", "-t", "a b"],
        ["unlock", "-t", "x" * 70_000],
        ["unlock", "-t", "\udcff"],
        ["unlock", "-t", "door-1", "--for", "nan"],
        ["unlock", "-t", "door-1", "--for", "inf"],
        ["unlock", "-t", "door-1", "--for=-3"],
        ["mode", "open", "-t", "door-1", "--for", "1e400"],
        ["watch", "-t", "door-1", "--for", "nan"],
        ["watch", "-t", "door-1", "--heal-after", "nan"],
        ["desired", "nothing.yaml", "-t", "door-1", "--wait", "1e300"],
        ["state", "--all", "--ca", "nothing.pem"],
        ["state", "--all", "--ca", __file__],
        ["state", "--all", "--password-file", "nothing"],
        ["unlock", "-t", "door-1", "--all"],
        ["mode", "ajar", "-t", "door-1"],
        ["replay", "-t", "door-1"],
        ["wipe", "-t", "door-1", "-t", "door-2", "--confirm", "hq/door-1"],
    ],
)
def test_what_cannot_be_meant_is_bad_usage(ctl: Ctl, argv: list[str]) -> None:
    assert ctl(*argv).code == 2


@pytest.mark.parametrize("content", [b"\xff\xfe", None], ids=["no text", "closed"])
def test_a_request_from_stdin_that_is_none_is_said(
    tmp_path: Path, edged: Edged, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    stdin = None if content is None else io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", stdin)
    ran = edged(
        "ctl", "provision", "-", "-o", tmp_path / "permit", "--site-config", settings(tmp_path)
    )
    assert ran.code in {1, 2}
    assert "stdin" in ran.err


def test_a_site_that_never_stops_talking_keeps_nobody_waiting_for_one_that_is_silent(
    ctl: Ctl,
) -> None:
    broker = load_site(ctl.world.office / "ctl.yaml").broker
    with SiteClient(broker) as other:
        end = threading.Event()

        def talk() -> None:
            while not end.wait(0.2):
                other.publish("edged/hq/talker/status", b"{}")

        talking = threading.Thread(target=talk)
        talking.start()
        try:
            with SiteClient(broker) as client:
                found = Desk(load_site(ctl.world.office / "ctl.yaml"), client).retained(
                    "status", ["talker", "silent"]
                )
        finally:
            end.set()
            talking.join()
    assert list(found) == ["talker"]


def test_garbage_in_a_state_does_not_stop_what_is_desired(ctl: Ctl, tmp_path: Path) -> None:
    """Nobody answers; the revision begins anew."""
    broker = load_site(ctl.world.office / "ctl.yaml").broker
    (tmp_path / "desired.yaml").write_text("door: {pulse_s: 5}")
    with SiteClient(broker) as other:
        for garbage in ("[]", '["x"]', '{"revision": "x"}', '{"revision": [], "in_force": 6}'):
            text = f'{{"applied": {garbage}}}'
            other.publish("edged/hq/ghost/state", text, retain=True)
            ran = ctl("desired", tmp_path / "desired.yaml", "-t", "ghost", "--wait", 0, "--json")
            assert ran.code == 0, ran.err
            assert ran.json["revisions"]["ghost"] in {1, 7}
        for kind in ("state", "desired"):
            other.publish(f"edged/hq/ghost/{kind}", b"", retain=True)
