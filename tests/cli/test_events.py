"""``edged events query``: what is in the log, by person, type and time."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from edged.config.load import load
from edged.events.outbox import make_outbox
from edged.vault.keys import load_key
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edged.events.outbox import Outbox
    from tests.cli.conftest import Ran, Site

NOON_S = 1_772_366_400.0  # 2026-03-01T12:00Z


@pytest.fixture
def log(site: Site) -> Iterator[Outbox]:
    """Open, as the daemon holds it; three events an hour apart, by a clock that was right."""
    site.configure(time_zone="Europe/Berlin")
    config, clock = load(site.config), [NOON_S]
    outbox = make_outbox(config.events, load_key(config.key), lambda: clock[0])
    outbox.believe = lambda: "synced"
    outbox.open()
    for kind, data in (
        ("access.granted", {"person_id": "E1"}),
        ("access.denied", {"person_id": "=1+1", "why": "a\nb\x1b[31m"}),
        ("door.unlocked", {"command": "j", "who": {"person_id": "E1"}}),
    ):
        outbox.append(kind, data)
        clock[0] += 3600
    yield outbox
    outbox.close()


@pytest.fixture
def query(site: Site, log: Outbox, edged: Callable[..., Ran]) -> Callable[..., Ran]:
    return lambda *more: edged("events", "query", "-c", site.config, *more)


ASKED: list[tuple[tuple[str, ...], list[int]]] = [
    ((), [1, 2, 3]),
    (("--person", "E1"), [1, 3]),
    (("--person", "nobody"), []),
    (("--type", "access.*"), [1, 2]),
    (("--type", "access.denied", "--type", "door.*"), [2, 3]),
    (("--type", "access"), []),
    (("--person", "E1", "--type", "access.*"), [1]),
    (("--last", "2"), [2, 3]),
    (("--from", "2026-03-01"), [1, 2, 3]),
    (("--from", "2026-03-02"), []),
    (("--to", "2026-03-01"), [1, 2, 3]),
    (("--to", "2026-02-28"), []),
    (("--from", "2026-03-01T14:00"), [2, 3]),  # of the terminal's zone
    (("--from", "2026-03-01T14:00Z"), [3]),
    (("--to", "2026-03-01T14:00:00+01:00"), [1]),
    (("--from", "2026-03-01", "--last", "1"), [3]),
]


def test_what_was_asked_for_is_found_beside_a_running_terminal(query: Callable[..., Ran]) -> None:
    for asked, found in ASKED:
        ran = query(*asked, "--json")
        assert ran.code == 0
        assert [event["seq"] for event in ran.json["events"]] == found, asked


def test_lines_and_csv_say_the_same_and_steer_no_terminal(query: Callable[..., Ran]) -> None:
    lines = query().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("2026-03-01T12:00:00.000Z ")
    assert '"person_id": "E1"' in lines[0]
    assert "\x1b" not in "".join(lines)
    rows = list(csv.DictReader(io.StringIO(query("--csv").out)))
    assert [row["seq"] for row in rows] == ["1", "2", "3"]
    assert rows[1]["person_id"] == "'=1+1"


def test_what_was_redacted_is_told_as_that(query: Callable[..., Ran], log: Outbox) -> None:
    log.acknowledge([1, 2, 3])
    log.redact("E1")
    assert "redacted" in query("--last", "1").out
    assert "data" not in query("--last", "1", "--json").json["events"][0]
    assert list(csv.DictReader(io.StringIO(query("--csv").out)))[2]["data"] == ""


def test_what_cannot_be_meant_is_bad_usage(query: Callable[..., Ran]) -> None:
    for asked in (
        ("--json", "--csv"),
        ("--from", "soon"),
        ("--from", "2026-02-29"),
        ("--to", "9999-12-31"),
        ("--from", "2026-03-02", "--to", "2026-03-01"),
        ("--last", "0"),
        ("--last", "99999999999"),
        ("--person", "\udcff"),
        ("--follow", "--json"),
        ("--follow", "--to", "2026-03-01"),
    ):
        assert query(*asked).code == 2, asked


def test_with_nothing_said_the_newest_are_printed(query: Callable[..., Ran], log: Outbox) -> None:
    for _ in range(120):
        log.append("a.b", {})
    assert [event["seq"] for event in query("--json").json["events"]] == list(range(24, 124))


def test_it_goes_on_with_those_to_come_once_each(site: Site, log: Outbox) -> None:
    argv = [sys.executable, "-m", "edged", "events", "query", "-c", str(site.config), "--follow"]
    process = subprocess.Popen(
        [*argv, "--type", "access.*", "--person", "E1", "--csv"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    heard = b""

    def lines() -> list[bytes]:
        nonlocal heard
        heard += process.stdout.read() or b""  # type: ignore[union-attr]
        return heard.splitlines()

    try:
        until(lambda: len(lines()) == 2, 40)
        log.append("door.unlocked", {"person_id": "E1"})
        log.append("access.granted", {"person_id": "E2"})
        log.append("access.granted", {"person_id": "E1"})
        until(lambda: len(lines()) == 3, 40)
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 130
    finally:
        process.kill()
        process.stdout.close()
    assert [line.split(b",")[0] for line in heard.splitlines()] == [b"seq", b"1", b"6"]
