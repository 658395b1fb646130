"""``edged explain`` finds an event on the terminal or in a capture and says why."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.load import load
from edged.events.outbox import make_outbox
from edged.vault.keys import load_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.events.types import Event
    from tests.cli.conftest import Ran, Site

DENIED = {
    "reason": "not_enrolled",
    "rule": "below_review",
    "similarity": 0.21,
    "runner_up": 0.17,
    "threshold": 0.45,
    "review_threshold": 0.38,
    "people": 7,
    "margin": 0.03,
    "frames": 10,
}


@pytest.fixture
def log(site: Site) -> dict[str, Event]:
    """A short day: three events, of which two are decisions."""
    config = load(site.config)
    outbox = make_outbox(config.events, load_key(config.key))
    outbox.open()
    events = [
        outbox.append("access.granted", {"reason": "matched", "person_id": "E1"}),
        outbox.append("access.denied", DENIED),
        outbox.append("door.unlocked", {"command": "j1", "key": "site", "cause": "post"}),
    ]
    outbox.close()
    return {event.type: event for event in events}


@pytest.fixture
def capture(log: dict[str, Event], tmp_path: Path) -> Path:
    """What a site wrote down: mixed, doubled, with a topic here and there, and noise."""
    first, second, third = (json.dumps(event.to_message(True)) for event in log.values())
    lines = [
        f"edged/hq/lobby-1/event/door.unlocked {third}",
        "edged/hq/lobby-1/status (null)",
        second,
        second,
        "",
        '{"half": ',
        "[" * 50_000,
        '{"id": 7, "type": []}',
        first,
    ]
    path = tmp_path / "capture.jsonl"
    path.write_bytes("\n".join(lines).encode() + b"\n\xff\xfe\n" + b"x" * (1 << 21))
    return path


@pytest.mark.parametrize("source", ["terminal", "file"])
@pytest.mark.parametrize("by", ["id", "prefix", "seq", "last"])
def test_an_event_is_found_and_explained(
    log: dict[str, Event],
    capture: Path,
    site: Site,
    edged: Callable[..., Ran],
    source: str,
    by: str,
) -> None:
    event = log["access.denied"]
    which: dict[str, list[Any]] = {
        "id": [event.id],
        "prefix": [event.id[:12].upper()],
        "seq": ["--seq", event.seq],
        "last": ["--last"],
    }
    where = ["-c", site.config] if source == "terminal" else ["--file", capture]
    ran = edged("explain", *which[by], *where)
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert event.id in lines[0]
    assert lines[1] == "  (the terminal's clock was not known to be right)" or (
        event.clock == "synced"
    )
    assert "what: access was denied" in lines
    assert "why:  nobody in the gallery was similar [below_review]" in lines
    assert "  - 0.170 more similarity, to be looked at as doubtful 0.380" in lines


def test_what_programs_get_holds_the_words_and_the_facts(
    log: dict[str, Event], site: Site, edged: Callable[..., Ran]
) -> None:
    told = edged("explain", log["access.denied"].id, "-c", site.config, "--json").json
    assert told["event"]["type"] == "access.denied"
    assert told["rule"] == "below_review"
    assert told["data"] == DENIED
    assert set(told) == {"event", "rule", "what", "why", "facts", "otherwise", "data"}


def test_a_capture_comes_by_a_pipe_too(
    log: dict[str, Event],
    capture: Path,
    edged: Callable[..., Ran],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(capture.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    ran = edged("explain", log["door.unlocked"].id, "--file", "-")
    assert "what: the door was opened" in ran.out.splitlines()


@pytest.mark.parametrize("argv", [["00000000"], ["--seq", "4000"], ["0" * 32]])
@pytest.mark.parametrize("source", ["terminal", "file"])
def test_an_event_that_is_not_there_is_said_to_be_missing(
    log: dict[str, Event],
    capture: Path,
    site: Site,
    edged: Callable[..., Ran],
    argv: list[str],
    source: str,
) -> None:
    assert log
    where = ["-c", site.config] if source == "terminal" else ["--file", capture]
    ran = edged("explain", *argv, *where)
    assert ran.code == 2
    assert "(any more)" in ran.err


def test_a_beginning_that_two_events_have_is_not_enough(
    tmp_path: Path, edged: Callable[..., Ran]
) -> None:
    path = tmp_path / "two.jsonl"
    ids = ("abcd" + "0" * 28, "abcd" + "1" * 28)
    path.write_text("".join(f'{{"id":"{one}","type":"a.b","data":{{}}}}\n' for one in ids))
    ran = edged("explain", "abcd", "--file", path)
    assert (ran.code, "more than one" in ran.err) == (2, True)
    assert edged("explain", "abcd0", "--file", path).code == 0


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["abcd"],
        ["abc", "--file", "x"],
        ["hello-you", "--file", "x"],
        ["a" * 33, "--file", "x"],
        ["--seq", "0", "--file", "x"],
        ["abcd", "--seq", "1", "--file", "x"],
        ["abcd", "--file", "x", "-c", "y"],
        ["abcd", "--file", "/nowhere/at/all"],
    ],
)
def test_what_cannot_be_asked_is_refused(argv: list[str], edged: Callable[..., Ran]) -> None:
    assert edged("explain", *argv).code == 2


def test_a_terminal_that_never_ran_says_so(site: Site, edged: Callable[..., Ran]) -> None:
    ran = edged("explain", "--last", "-c", site.config)
    assert ran.code == 1
    assert "never ran" in ran.err


def test_a_log_without_a_decision_says_so(site: Site, edged: Callable[..., Ran]) -> None:
    config = load(site.config)
    outbox = make_outbox(config.events, load_key(config.key))
    outbox.open()
    outbox.append("terminal.started", {})
    outbox.close()
    ran = edged("explain", "--last", "-c", site.config)
    assert "no decision about a face" in ran.err


def test_an_empty_file_has_no_decision(tmp_path: Path, edged: Callable[..., Ran]) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert edged("explain", "--last", "--file", path).code == 2


@pytest.mark.parametrize("number", ["1e400", "NaN", "-Infinity"])
def test_what_is_no_json_is_no_event(
    number: str, tmp_path: Path, edged: Callable[..., Ran]
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(f'{{"id": "{"a" * 32}", "type": "door.fault", "data": {{"x": {number}}}}}\n')
    for more in ([], ["--json"]):
        assert edged("explain", "aaaa", "--file", path, *more).code == 2


def test_an_event_writes_no_lines_of_its_own(tmp_path: Path, edged: Callable[..., Ran]) -> None:
    path = tmp_path / "events.jsonl"
    bad = {"id": "a" * 32, "type": "door.unlocked", "data": {"cause": "x\nwhy:  all is well"}}
    path.write_text(json.dumps({**bad, "time": "now\nwhat: nothing\x1b[2J"}) + "\n")
    ran = edged("explain", "aaaa", "--file", path)
    assert ran.code == 0
    assert sum(line.startswith(("why:", "what:")) for line in ran.out.splitlines()) == 2
    assert "\x1b" not in ran.out
