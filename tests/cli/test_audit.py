"""`edged audit` tells a whole log from a broken one, and says where it is broken."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.load import load
from edged.events.outbox import make_outbox
from edged.events.types import CHECKPOINT_TYP, EVENT_TYP, utc_now
from edged.vault.identity import Identity
from edged.vault.keys import load_key
from edged.vault.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Ran, Site

    Edged = Callable[..., Ran]

ROOT = "edged/hq/lobby-1"


@pytest.fixture
def happened(site: Site) -> Site:
    """A site with ten events in its log, of which six were delivered."""
    config = load(site.config)
    outbox = make_outbox(config.events, load_key(config.key))
    outbox.open()
    for number in range(10):
        outbox.append("access.granted", {"person_id": f"E{number % 3}", "n": number})
    outbox.acknowledge(range(1, 7))
    outbox.close()
    return site


@pytest.fixture
def pem(happened: Site) -> Path:
    path = happened.folder / "terminal.pem"
    path.write_text(Identity(load_key(load(happened.config).key)).signing_public)
    return path


@pytest.fixture
def exported(happened: Site, edged: Edged) -> Path:
    ran = edged("audit", "export", "-c", happened.config)
    assert ran.code == 0
    path = happened.folder / "events.jsonl"
    path.write_text(ran.out)
    return path


@pytest.fixture
def captured(happened: Site) -> Path:
    """As `mosquitto_sub -v` prints it."""
    config = load(happened.config)
    key = load_key(config.key)
    identity, outbox = Identity(key), make_outbox(config.events, key)
    outbox.open()
    events, head = list(outbox.events()), outbox.head
    outbox.close()
    now = utc_now()
    point = {"v": 1, "time": now, "clock": "synced", "log": head.log, "seq": head.seq}
    point |= {"hash": head.hash, "sig": identity.sign_detached(head.canonical(now), CHECKPOINT_TYP)}
    lines = [
        f"{ROOT}/status {json.dumps({'v': 1, 'status': 'online'})}",
        f"{ROOT}/state {json.dumps({'v': 1, 'identity': identity.document})}",
        f"{ROOT}/audit {json.dumps(point)}",
        f"{ROOT}/cmd/door.unlock/result whatever",
        f"{ROOT}/audit (null)",
    ]
    for event in [*events[6:], *events[:6]]:
        sig = identity.sign_detached(event.canonical(), EVENT_TYP)
        message = event.to_message(event.seq <= 6, sig)
        kind = "backlog" if event.seq <= 6 else "event"
        lines.append(f"{ROOT}/{kind}/{event.type} {json.dumps(message)}")
    path = happened.folder / "capture.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def edit(path: Path, change: Callable[[list[str]], Any]) -> Path:
    lines = path.read_text().splitlines()
    change(lines)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def without(number: int) -> Callable[[list[str]], Any]:
    return lambda lines: lines.pop(number)


def test_the_terminal_s_own_log_is_whole(happened: Site, edged: Edged) -> None:
    ran = edged("audit", "verify", "-c", happened.config)
    assert (ran.code, ran.err) == (0, "")
    assert "events 1 to 10" in ran.out
    assert "the log is whole" in ran.out


def test_an_empty_log_is_whole_and_one_that_is_not_there_is_said(
    bare: Site, edged: Edged, site: Site
) -> None:
    assert "there is no log yet" in edged("audit", "verify", "-c", site.config).err
    config = load(site.config)
    outbox = make_outbox(config.events, load_key(config.key))
    outbox.open()
    outbox.close()
    assert edged("audit", "verify", "-c", site.config).code == 0


def test_an_export_verifies_with_the_terminal_s_key(
    exported: Path, pem: Path, edged: Edged
) -> None:
    ran = edged("audit", "verify", exported, "--key", pem, "--json")
    assert ran.code == 0
    assert (ran.json["result"], ran.json["events"], ran.json["findings"]) == ("whole", 10, [])
    assert ran.json["logs"][0]["signed"] == ran.json["logs"][0]["checkpoint"] == 10


def test_part_of_the_log_can_be_exported(happened: Site, edged: Edged) -> None:
    ran = edged("audit", "export", "-c", happened.config, "--from", 3, "--to", 5)
    assert [json.loads(line)["seq"] for line in ran.out.splitlines()] == [3, 4, 5]
    ran = edged("audit", "export", "-c", happened.config, "--from", 10)
    assert len(ran.out.splitlines()) == 2  # and the checkpoint
    assert edged("audit", "export", "-c", happened.config, "--from", 0).code == 2


def test_without_a_key_it_says_what_that_is_worth(
    exported: Path, captured: Path, edged: Edged
) -> None:
    ran = edged("audit", "verify", exported)
    assert ran.code == 0
    assert "NOT checked" in ran.out
    ran = edged("audit", "verify", captured)
    assert ran.code == 0, ran.out
    assert "with the key that the capture itself names" in ran.out
    assert "10 with a good signature" in ran.out


def test_a_capture_is_taken_from_standard_input(
    captured: Path, pem: Path, edged: Edged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(captured.read_bytes())))
    ran = edged("audit", "verify", "-", "--key", pem)
    assert ran.code == 0
    assert "the key that you trust" in ran.out


def test_a_missing_line_is_named(exported: Path, pem: Path, edged: Edged) -> None:
    ran = edged("audit", "verify", edit(exported, without(4)), "--key", pem)
    assert ran.code == 1
    assert "removed" in ran.out
    assert "event 5 is missing before line 5" in ran.out


def test_an_altered_line_is_named(exported: Path, pem: Path, edged: Edged) -> None:
    def forge(lines: list[str]) -> None:
        lines[4] = lines[4].replace('"E1"', '"E2"')

    ran = edged("audit", "verify", edit(exported, forge), "--key", pem)
    assert ran.code == 1
    assert "line 5: wrongly signed" in ran.out
    assert "line 5: altered" in ran.out


def test_lines_in_another_order_are_named(exported: Path, edged: Edged) -> None:
    ran = edged("audit", "verify", edit(exported, lambda lines: lines.insert(0, lines.pop(4))))
    assert ran.code == 1
    assert "line 2: reordered" in ran.out


def test_a_cut_off_end_is_named_by_the_checkpoint(
    exported: Path, happened: Site, pem: Path, edged: Edged
) -> None:
    kept = happened.folder / "checkpoint"
    kept.write_text(exported.read_text().splitlines()[-1])

    def cut(lines: list[str]) -> None:
        del lines[8:]

    edit(exported, cut)
    assert edged("audit", "verify", exported, "--key", pem).code == 0  # nobody could know
    ran = edged("audit", "verify", exported, "--key", pem, "--checkpoint", kept)
    assert ran.code == 1
    assert "a checkpoint speaks of 10 events, and they end with 8" in ran.out


def test_a_beginning_that_must_be_there_is_missed(exported: Path, pem: Path, edged: Edged) -> None:
    edit(exported, without(0))
    ran = edged("audit", "verify", exported, "--key", pem)
    assert ran.code == 0
    assert "what was before is not here" in ran.out
    assert edged("audit", "verify", exported, "--key", pem, "--from-seq", 1).code == 1


def test_a_capture_whose_key_is_not_the_trusted_one_is_broken(
    captured: Path, happened: Site, edged: Edged
) -> None:
    other = happened.folder / "other.pem"
    other.write_text(Identity(Secret(bytes(32))).signing_public)
    ran = edged("audit", "verify", captured, "--key", other, "--json")
    assert ran.code == 1
    assert {one["what"] for one in ran.json["findings"]} == {"wrongly_signed"}


def test_a_kept_checkpoint_contradicts_a_log_that_was_made_up(
    happened: Site, exported: Path, edged: Edged
) -> None:
    kept = happened.folder / "checkpoint"
    kept.write_text(exported.read_text().splitlines()[-1])
    config = load(happened.config)
    config.events.path.unlink()
    outbox = make_outbox(config.events, load_key(config.key))
    outbox.open()
    for _ in range(10):
        outbox.append("access.denied", {})
    outbox.close()
    ran = edged("audit", "verify", "-c", happened.config, "--checkpoint", kept)
    assert ran.code == 1
    assert "another log" in ran.out or "cut off" in ran.out


def test_erased_people_leave_a_log_that_is_still_whole(
    happened: Site, pem: Path, edged: Edged
) -> None:
    config = load(happened.config)
    outbox = make_outbox(config.events, load_key(config.key))
    outbox.open()
    assert outbox.redact("E1") == 2
    outbox.close()
    ran = edged("audit", "export", "-c", happened.config)
    path = happened.folder / "after.jsonl"
    path.write_text(ran.out)
    ran = edged("audit", "verify", path, "--key", pem)
    assert ran.code == 0
    assert "2 redacted" in ran.out
    assert edged("audit", "verify", "-c", happened.config).code == 0


DEEP = '{"v":1,"prev":"","data":' + '{"a":' * 100_000 + "1" + "}" * 100_001


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("complete garbage", "neither a JSON object nor a topic"),
        ('{"v":1,', "Expecting"),
        ("[1,2]", "neither"),
        (DEEP, "nested too deep"),
        ('{"v":1,"prev":"","seq":NaN}', "NaN"),
        ('{"v":1,"v":1,"prev":""}', "twice"),
        ('{"v":1,"prev":"","seq":1e999}', "beyond"),
        ('{"v":1,"prev":"","seq":' + "9" * 5000 + "}", "beyond"),
        (f"{ROOT}/event/access.granted []", "no JSON object"),
        (f"{ROOT}/audit " + '{"v":1}', "no checkpoint"),
        ('{"v":1,"id":"0","seq":1,"type":"a.b","prev":"","data":{}}', "no log"),
        ("x" * 3_000_000, "longer than 1 MiB"),
        (f"{ROOT}/event/\ud800 {{}}", "no message"),
    ],
)
def test_a_line_that_is_no_message_is_named(
    exported: Path, edged: Edged, line: str, why: str
) -> None:
    lines = exported.read_bytes().splitlines()
    lines.insert(3, line.encode("utf-8", "surrogatepass"))
    exported.write_bytes(b"\n".join(lines) + b"\n")
    ran = edged("audit", "verify", exported)
    assert ran.code == 2
    assert "line 4: " in ran.out
    assert why in ran.out
    assert "events 1 to 10, 10 of them here" in ran.out  # the others are judged all the same


def test_a_line_that_was_cut_off_is_said_to_be(exported: Path, edged: Edged) -> None:
    exported.write_bytes(exported.read_bytes()[:-40])
    ran = edged("audit", "verify", exported)
    assert ran.code == 2
    assert "line 11: cut off" in ran.out


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\0" * 5000, b"\xff\xfe" * 99])
def test_a_file_without_events_is_bad_input(happened: Site, edged: Edged, content: bytes) -> None:
    path = happened.folder / "empty"
    path.write_bytes(content)
    ran = edged("audit", "verify", path)
    assert ran.code == 2
    assert "there is no event in it" in ran.out


def test_bad_arguments_are_told(happened: Site, exported: Path, pem: Path, edged: Edged) -> None:
    assert edged("audit", "verify").code == 2
    assert "No such file" in edged("audit", "verify", "nowhere").err
    assert "Is a directory" in edged("audit", "verify", happened.folder).err
    assert "No such file" in edged("audit", "verify", exported, "--key", "nowhere").err
    assert "Ed25519" in edged("audit", "verify", exported, "--key", exported).err
    assert "no checkpoint" in edged("audit", "verify", exported, "--checkpoint", pem).err
    bad = happened.folder / "bad"
    bad.write_text('{"v":1,"seq":-1}\n')
    assert "no checkpoint of" in edged("audit", "verify", exported, "--checkpoint", bad).err


def test_a_hundred_megabytes_in_one_line_are_not_held_in_memory(
    exported: Path, edged: Edged
) -> None:
    import tracemalloc

    with exported.open("ab") as file:
        for _ in range(100):
            file.write(b"x" * 1_000_000)
    tracemalloc.start()
    ran = edged("audit", "verify", exported)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ran.code == 2
    assert "longer than 1 MiB" in ran.out
    assert most < 20_000_000
