"""`edged check` and `doctor`: what an installer is told before the first start."""

from __future__ import annotations

import secrets
import socket

import pytest

from tests.cli.conftest import PORTRAIT
from tests.mosquitto import free_port

KEY_PEM = (
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
    "-----END PUBLIC KEY-----\n"
)


def line_of(site, setting):
    lines = site.config.read_text().splitlines()
    return 1 + next(n for n, line in enumerate(lines) if line.strip().startswith(f"{setting}:"))


def found(ran, part):
    return [one for one in ran.json["findings"] if one["part"] == part]


def test_a_good_configuration_passes(edged, site):
    ran = edged("check", "-c", site.config)
    assert (ran.code, ran.err) == (0, "")
    assert "the terminal can start" in ran.out
    told = edged("check", "-c", site.config, "--json")
    assert (told.json["ok"], told.json["config"]) == (True, str(site.config))
    assert site.door_record[-1] == "rest"


def test_what_the_policy_risks_is_told_by_the_number_of_people(edged, site):
    told = edged("check", "-c", site.config, "--json").json["decision"]
    assert (told["profile"], told["fpir"], told["similarity"]) == ("access", 0.003, None)
    assert [row["people"] for row in told["risk"]] == [10, 100, 1_000, 10_000, 50_000]
    assert [row["implied_fpir"] <= 0.003 for row in told["risk"]] == [True] * 5
    thresholds = [row["threshold"] for row in told["risk"]]
    assert thresholds == sorted(thresholds)
    assert told["warnings"] == []
    lines = edged("check", "-c", site.config).out.splitlines()
    assert "0.3 % may be let in" in lines[1]
    assert [line.split()[0] for line in lines[3:]] == ["10", "100", "1,000", "10,000", "50,000"]
    assert "ABOVE" not in "".join(lines)


def test_a_similarity_fixed_by_hand_is_told_with_its_risk_and_loudly_where_that_is_too_much(
    edged, site
):
    site.configure(decision={"similarity": 0.61})
    ran = edged("check", "-c", site.config)
    assert ran.code == 0
    rows = ran.out.splitlines()[3:8]
    assert ["ABOVE THE TARGET" in row for row in rows] == [False, False, True, True, True]
    assert ran.out.count("WARNING") == 1
    told = edged("check", "-c", site.config, "--json").json["decision"]
    assert told["similarity"] == 0.61
    assert {row["threshold"] for row in told["risk"]} == {0.61}
    assert told["risk"][-1]["implied_fpir"] > 0.003 > told["risk"][1]["implied_fpir"]
    assert "50,000" in told["warnings"][0]


def test_everything_that_is_wrong_is_told_at_once_with_its_place(edged, site):
    site.key.write_text(secrets.token_hex(32))
    site.configure(
        camera={"driver": "opencv", "source": "/dev/video-none"},
        door={"driver": "simulated", "record": "/proc/none/door.jsonl"},
        model={"bundle": "none-such"},
        mqtt={
            "host": "127.0.0.1",
            "password_file": "none.password",
            "tls": {"ca_file": "none.pem"},
            "commands": {
                "keys": [
                    {"id": "a", "roles": ["operator"], "public_key": "-----BEGIN PUBLIC KEY-----"}
                ]
            },
        },
    )
    ran = edged("check", "-c", site.config)
    assert ran.code == 2
    problems = ran.err.splitlines()
    expected = {
        "gallery.path": ("path", 3, "key"),
        "model": ("model", 1, "none-such"),
        "door": ("door", 1, "/proc/none"),
        "camera": ("camera", 1, "/dev/video-none"),
        "mqtt.password_file": ("password_file", 3, "none.password"),
        "mqtt.tls": ("tls", 3, "none.pem"),
        "mqtt.commands.keys": ("keys", 5, "openssl"),
    }
    places = {
        setting: (line_of(site, name), column) for setting, (name, column, _) in expected.items()
    }
    in_file = sorted(expected, key=places.__getitem__)
    for setting, line in zip(in_file, problems, strict=True):
        at = ":".join(map(str, places[setting]))
        assert line.startswith(f"{site.config}:{at}: {setting}: ")
        assert expected[setting][2] in line
    told = edged("check", "-c", site.config, "--json")
    assert (told.code, told.json["error"]) == (2, "bad_configuration")
    assert told.json["problems"] == problems


@pytest.mark.parametrize("wrong", [KEY_PEM, "-----BEGIN PUBLIC KEY-----\noops"])
def test_keys_that_nothing_can_be_sealed_to_are_told_as_the_terminal_would_end_of_them(
    edged, site, wrong
):
    sync = {"share_enrolments": True, "site_key": wrong}
    site.configure(mqtt={"host": "127.0.0.1", "snapshot_key": wrong, "sync": sync})
    ran = edged("check", "-c", site.config)
    assert ran.code == 2
    for setting in ("snapshot_key", "site_key"):
        line = f":{line_of(site, setting)}:"
        [told] = [one for one in ran.err.splitlines() if f"{setting}: " in one]
        assert told.startswith(f"{site.config}{line}")
        assert "X25519" in told


def test_a_slip_in_the_file_does_not_hide_what_cannot_be_opened(edged, site):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        site.configure(
            camera={"driver": "opencv", "source": "/dev/video-none", "rate_hz": 0},
            door={"driver": "simulated", "record": "/proc/none/door.jsonl"},
            web={"port": taken.getsockname()[1]},
        )
        ran = edged("check", "-c", site.config)
    assert ran.code == 2
    told = {line.split(": ")[1] for line in ran.err.splitlines()}
    assert told == {"camera.rate_hz", "door", "web"}


def test_a_key_that_others_can_read_and_a_missing_one_are_told(edged, site):
    site.key.chmod(0o640)
    ran = edged("check", "-c", site.config)
    assert ran.code == 2
    assert f"edged.yaml:{line_of(site, 'key')}:1: key: " in ran.err
    assert "chmod 600" in ran.err
    site.key.unlink()
    assert "edged gallery init" in edged("check", "-c", site.config).err


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda text: text + "\tx: 1\n", "a tab cannot indent YAML"),
        (lambda text: text + "site: b\n", "site: given twice (first in line 1)"),
        (lambda text: text + "galery: {}\n", "did you mean gallery?"),
        (lambda text: text + "vision: {near_face_ms: 3}\n", "did you mean near_face_px?"),
        (lambda text: text.replace("driver: replay", "driver: eye"), "unknown driver (got 'eye')"),
        (lambda text: "", "found nothing"),
        (lambda text: "\0", "(file)"),
    ],
)
@pytest.mark.parametrize("command", ["check", "doctor", "run", "gallery list"])
def test_a_file_that_is_no_configuration_stops_every_command(edged, bare, spoil, expected, command):
    bare.config.write_text(spoil(bare.config.read_text()))
    ran = edged(*command.split(), "-c", bare.config)
    assert (ran.code, ran.out) == (2, "")
    assert expected in ran.err
    assert all(line.startswith(f"{bare.config}:") for line in ran.err.splitlines())


def test_a_configuration_that_is_missing_or_not_given_is_bad_usage(edged, tmp_path):
    ran = edged("check", "-c", tmp_path / "none.yaml")
    assert ran.code == 2
    assert "No such file" in ran.err
    assert edged("check").code == 2


def test_an_unreachable_broker_is_told_by_the_doctor_and_stops_nothing(edged, site):
    site.configure(mqtt={"host": "127.0.0.1", "port": free_port()})
    assert edged("check", "-c", site.config).code == 0
    ran = edged("doctor", "--json", "-c", site.config)
    assert ran.code == 1
    assert ran.json["ok"] is False
    (broker,) = found(ran, "broker")
    assert broker["status"] == "problem"
    assert "cannot be reached" in broker["text"]
    assert broker["advice"]


def test_the_doctor_sees_a_broker_that_answers(edged, site, mosquitto):
    site.configure(mqtt={"host": "127.0.0.1", "port": mosquitto.port})
    (broker,) = found(edged("doctor", "--json", "-c", site.config), "broker")
    assert broker["status"] == "ok"


def test_the_doctor_looks_at_every_part(edged, site):
    ran = edged("doctor", "--json", "-c", site.config)
    parts = {one["part"]: one for one in ran.json["findings"]}
    assert set(parts) == {
        "edged", "runtime", "model", "camera", "gpio", "clock", "key", "broker"
    }  # fmt: skip
    assert parts["model"]["status"] == "ok"
    assert found(ran, "camera")[-1]["text"].startswith(str(PORTRAIT))
    site.key.unlink()
    site.configure(camera={"driver": "replay", "source": "none.mp4"}, model={"bundle": "none"})
    ill = edged("doctor", "--json", "-c", site.config)
    assert ill.code == 1
    bad = {one["part"] for one in ill.json["findings"] if one["status"] == "problem"}
    assert {"model", "camera", "key"} <= bad


def test_the_doctor_works_without_a_configuration(edged):
    ran = edged("doctor")
    assert ran.code in (0, 1)  # a machine may have devices that this user cannot use
    assert "give -c FILE" in ran.out
    assert "model" in ran.out


def test_signing_keys_are_read_by_check(edged, site):
    commands = {"keys": [{"id": "a", "roles": ["operator"], "public_key": KEY_PEM}]}
    site.configure(mqtt={"host": "127.0.0.1", "port": free_port(), "commands": commands})
    assert edged("check", "-c", site.config).code == 0


@pytest.mark.parametrize("setting", ["events", "history", "recording"])
def test_two_parts_that_share_a_file_are_told(edged, site, setting):
    site.configure(**{setting: {"path": "gallery.db"}})
    ran = edged("check", "-c", site.config)
    assert ran.code == 2
    (line,) = ran.err.splitlines()
    assert f": {setting}.path: is the file of gallery.path already" in line


def test_a_history_and_a_recording_that_cannot_be_kept_are_told(edged, site):
    site.gallery.with_name("kept.rec").write_text("hello")
    site.configure(history={"path": "/proc/none/history.db"}, recording={"path": "kept.rec"})
    ran = edged("check", "-c", site.config)
    assert ran.code == 2
    told = [line.split(": ")[1] for line in ran.err.splitlines()]
    assert told == ["history.path", "recording.path"]


def test_a_wrong_key_makes_neither_a_history_nor_a_recording(edged, site):
    site.key.write_text(secrets.token_hex(32))
    site.configure(history={"path": "own.db"}, recording={"path": "kept.rec"})
    assert edged("check", "-c", site.config).code == 2
    assert not site.gallery.with_name("own.db").exists()
    assert not site.gallery.with_name("kept.rec").exists()


def test_another_terminals_key_that_is_none_is_told_at_its_place(edged, site):
    broken = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
    peers = [{"terminal": "door-9", "public_key": broken}]
    site.configure(peers=peers, mqtt={"host": "127.0.0.1", "port": free_port()})
    ran = edged("check", "-c", site.config)
    assert ran.code == 2
    assert f"edged.yaml:{line_of(site, 'public_key')}:" in ran.err
    assert "peers.0.public_key: not an Ed25519 public key in PEM form; `edged gallery" in ran.err


def test_a_key_for_visitors_codes_that_is_not_there_is_a_problem(edged, site):
    site.configure(access={"qr": {"keys": ["nobody.pem"]}})
    ran = edged("check", "-c", site.config)
    assert ran.code == 2
    assert "access.qr.keys.0:" in ran.err
    assert "nobody.pem: No such file" in ran.err


def test_a_reader_that_cannot_work_is_a_warning_with_its_place(edged, site):
    (site.folder / "tty").touch()
    line = {"device": str(site.folder / "tty"), "key_file": "no.key"}
    site.configure(
        readers={
            "way-in": {"driver": "osdp", **line},
            "pad": {"driver": "keyboard", "device": str(site.folder / "pad")},
        },
        panel={**line, "device": str(site.folder / "tty2")},
    )
    ran = edged("check", "-c", site.config)
    told = [one.split(": ")[2] for one in ran.out.splitlines() if one.startswith("WARNING")]
    assert (ran.code, sorted(told)) == (
        0,
        ["panel.device", "panel.key_file", "readers.pad.device", "readers.way-in.key_file"],
    )
    assert len(edged("check", "-c", site.config, "--json").json["readers"]) == 4
