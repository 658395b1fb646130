"""``edged policy simulate EVENTS``: what a day would come to, line by line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.access.moments import moment, said, written
from edged.access.request import Factor, Subject
from edged.config.access import FACTORS
from edged.errors import SourceError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from datetime import tzinfo

    from edged.access.rulebook import Rulebook
    from edged.cli.output import Output
    from edged.config.schema import Config
    from edged.gallery.store import Gallery
    from edged.service.simulate import Event, Outcome

_LARGEST_FILE = 20_000_000
_MOST_LINES = 100_001
_FIELDS = ("time", "person", "groups", "factors", "direction", "entered", "mode", "fire")
_MODES = ("normal", "open", "secured", "locked_down")
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
Row = dict[str, Any]


def add(action: argparse.ArgumentParser) -> None:
    """Its arguments."""
    action.add_argument(
        "events",
        type=Path,
        metavar="EVENTS",
        help=f"a .csv with a header or a .jsonl; of: {', '.join(_FIELDS)}",
    )


def run(
    args: argparse.Namespace,
    config: Config,
    book: Rulebook,
    gallery: Gallery | None,
    output: Output,
) -> None:
    """Judge the events and print what comes of them.

    Raises:
        SourceError: with the line that cannot be understood.
    """
    from edged.service.simulate import Simulation

    simulation = Simulation(config, book)
    reader = _Reader(args.events, config, book.calendar.zone, gallery)
    outcomes = [simulation.take(event) for event in reader.events()]
    zone = book.calendar.zone
    summary = {
        "events": len(outcomes),
        "verdicts": dict(sorted(simulation.verdicts.items())),
        "rules": dict(sorted(simulation.decided.items())),
        "rules_that_decided_nothing": simulation.idle,
        "inside": simulation.inside,
    }
    output.result(
        {"events": [_document(one, zone) for one in outcomes], "summary": summary},
        _told(outcomes, summary, zone),
    )


class _Reader:
    """Events out of a file."""

    def __init__(self, path: Path, config: Config, zone: tzinfo, gallery: Gallery | None) -> None:
        self._path = path
        self._zone = zone
        self._gallery = gallery
        self._direction = config.access.direction if config.access is not None else "in"

    def events(self) -> Iterator[Event]:
        text = self._text()
        if text.count("\n") > _MOST_LINES:
            raise SourceError(f"{self._path}: more than {_MOST_LINES} lines")
        rows = _json_rows(text) if self._path.suffix in (".jsonl", ".json") else _csv_rows(text)
        for number, row in rows:
            try:
                yield self._event(number, row)
            except ValueError as fault:
                raise SourceError(f"{self._path}:{number}: {fault}") from fault

    def _text(self) -> str:
        try:
            if not self._path.is_file():
                raise SourceError(f"{self._path}: no such file")
            with self._path.open("rb") as file:
                data = file.read(_LARGEST_FILE + 1)
        except OSError as fault:
            raise SourceError(f"{self._path}: cannot be read: {fault.strerror}") from fault
        if len(data) > _LARGEST_FILE:
            raise SourceError(f"{self._path}: larger than {_LARGEST_FILE // 1_000_000} MB")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as fault:
            raise SourceError(f"{self._path}: not UTF-8 text") from fault

    def _event(self, line: int, row: Row | str) -> Event:
        from edged.service.simulate import Event

        if isinstance(row, str):
            raise ValueError(row)
        if unknown := [name for name in row if name not in _FIELDS]:
            raise ValueError(f"unknown {str(unknown[0])[:40]!r}; known: {', '.join(_FIELDS)}")
        at = moment(_string(row, "time"), self._zone, 0.0)
        mode, fire = _string(row, "mode") or None, _flag(row, "fire")
        if mode is not None and mode not in _MODES:
            raise ValueError(f"mode: {mode[:40]!r}; expected one of {', '.join(_MODES)}")
        person = _string(row, "person")
        if not person and not _list(row, "groups"):
            if mode is None and fire is None:
                raise ValueError("says neither who, nor mode, nor fire")
            return Event(line, at, mode=mode, fire=fire)  # type: ignore[arg-type]
        subject, absent = self._who(person, row, at)
        direction = _string(row, "direction") or self._direction
        if direction not in ("in", "out"):
            raise ValueError("direction: expected in or out")
        entered = _flag(row, "entered")
        return Event(
            line,
            at,
            subject,
            absent,
            _factors(row),
            direction,  # type: ignore[arg-type]
            entered=entered is not False,
            mode=mode,  # type: ignore[arg-type]
            fire=fire,
        )

    def _who(self, person: str, row: Row, at: float) -> tuple[Subject, str | None]:
        if groups := _list(row, "groups"):
            return Subject(person, frozenset(groups)), None
        profile = None if self._gallery is None else self._gallery.profile(person)
        if profile is None:
            return Subject(person), "nobody is enrolled under this id"
        absent = None if profile.in_force(at) else "not recognised then: validity or consent"
        return Subject(person, frozenset(profile.groups)), absent


def _csv_rows(text: str) -> Iterator[tuple[int, Row | str]]:
    """Rows with their lines, or what is wrong with one."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if None in row:
                yield reader.line_num, "has more values than the header has names"
            elif any(row.values()):
                yield reader.line_num, dict(row)
    except csv.Error as fault:
        yield reader.reader.line_num, str(fault)


def _json_rows(text: str) -> Iterator[tuple[int, Row | str]]:
    """Likewise."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _object(line)


def _object(line: str) -> Row | str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return "no JSON"
    return row if isinstance(row, dict) else "no JSON object"


def _string(row: Row, name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected text")
    return value.strip()


def _list(row: Row, name: str) -> list[str]:
    """Several names: ``a;b``, or a list of JSON's."""
    value = row.get(name)
    if isinstance(value, list):
        if not all(isinstance(one, str) for one in value):
            raise ValueError(f"{name}: expected texts")
        return value
    text = _string(row, name).replace("+", ";") if name == "factors" else _string(row, name)
    return [one.strip() for one in text.split(";") if one.strip()]


def _factors(row: Row) -> frozenset[Factor]:
    found = _list(row, "factors") or ["face"]
    if unknown := [one for one in found if one not in FACTORS]:
        raise ValueError(f"{unknown[0][:40]!r} is no factor; known: {', '.join(FACTORS)}")
    return frozenset(map(Factor, found))


def _flag(row: Row, name: str) -> bool | None:
    value = row.get(name)
    if value is None or isinstance(value, bool):
        return value
    text = _string(row, name).lower()
    if text and text not in _YES + _NO:
        raise ValueError(f"{name}: expected true or false")
    return None if not text else text in _YES


def _document(outcome: Outcome, zone: tzinfo) -> dict[str, Any]:
    event, ruling = outcome.event, outcome.ruling
    return {
        "line": event.line,
        "time": written(event.at, zone),
        "person": event.subject.person_id if event.subject is not None else None,
        "verdict": outcome.verdict,
        "reason": outcome.reason,
        "why": outcome.why,
        "rule": None if ruling is None else ruling.rule,
        "rule_line": None if ruling is None else ruling.line,
        "missing": []
        if ruling is None
        else [[f for f in FACTORS if f in one] for one in ruling.missing],
    }


def _told(outcomes: list[Outcome], summary: dict[str, Any], zone: tzinfo) -> Iterator[str]:
    for one in outcomes:
        event, ruling = one.event, one.ruling
        who = "" if event.subject is None else event.subject.person_id or "somebody"
        line = "" if ruling is None or ruling.line is None else f" (line {ruling.line})"
        yield (
            f"{event.line:>5}  {said(event.at, zone)}  {who:<16} {one.verdict:<10}  "
            f"{one.reason}: {one.why}{line}"
        )
    yield ""
    told = ", ".join(f"{count} {verdict}" for verdict, count in summary["verdicts"].items())
    yield f"{summary['events']} events: {told or 'nothing happens'}"
    for name, count in summary["rules"].items():
        yield f"  rule {name} decided {count}"
    for name in summary["rules_that_decided_nothing"]:
        yield f"  rule {name} decided nothing"
    if summary["inside"] is not None:
        yield f"  inside at the end: {summary['inside']}"
