"""``edged ctl sync SOURCE``: everybody of a folder or a table, at every terminal.

Each terminal looks at the photos itself, with its own networks: nothing here has to be of the
same model as theirs, and no templates travel.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.ctl_common import FAILED, OK, add_site, desk_of
from edged.errors import ImageError, SourceError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from edged.cli.ctl_common import Desk
    from edged.cli.output import Output
    from edged.service.sources import Photo, Someone
    from edged.site.roll import Roll

_AGAIN = frozenset({"too_often", "busy"})
_TRIES = 8
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 8.0
_MOST_SILENCES = 2
_TIMEOUT_S = 15.0
_MOST_LINES = 20


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """Its arguments."""
    action = actions.add_parser("sync", help="enrol everybody of a folder or table everywhere")
    action.add_argument(
        "source", type=Path, metavar="SOURCE", help="as `edged gallery import` takes it"
    )
    action.add_argument(
        "--remove",
        action="store_true",
        help="erase whom an earlier sync enrolled and who is not in SOURCE any more",
    )
    action.add_argument(
        "--again", action="store_true", help="send photos again that were refused before"
    )
    action.add_argument(
        "--roll",
        type=Path,
        metavar="FILE",
        help="what was sent (default: beside SOURCE, its name with .ctl.jsonl)",
    )
    add_site(action, run)


@dataclass(slots=True)
class _Told:
    """What came of it, by terminal."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    refusals: list[dict[str, str]] = field(default_factory=list)
    silent: Counter[str] = field(default_factory=Counter)

    def count(self, terminal: str, outcome: str) -> None:
        self.outcomes.setdefault(terminal, Counter())[outcome] += 1

    def refuse(self, terminal: str, person_id: str, photo: str, reason: str, text: str) -> None:
        self.count(terminal, "refused")
        self.refusals.append(
            {
                "terminal": terminal,
                "person_id": person_id,
                "photo": photo,
                "reason": reason,
                "text": text,
            }
        )


def run(args: argparse.Namespace, output: Output) -> int:
    """Send what is new; 0 when every photo of everybody is held everywhere."""
    from edged.service.sources import read_source
    from edged.site.roll import Roll

    people = read_source(args.source)
    if not any(someone.photos for someone in people):
        raise SourceError(f"{args.source}: holds no photos")
    roll = Roll(args.roll or _beside(args.source))
    told = _Told()
    with desk_of(args) as desk:
        terminals = desk.terminals(args)
        for name in terminals:
            told.outcomes[name] = Counter()
        roll.open()
        try:
            for someone in people:
                _send(desk, roll, told, terminals, someone, again=args.again)
            gone = _gone(desk, roll, told, terminals, {one.id for one in people}, args.remove)
        finally:
            roll.close()
    return _tell(output, told, gone, remove=args.remove)


def plain(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a person, as JSON holds it."""
    return dict(json.loads(json.dumps(given)))


def _send(
    desk: Desk, roll: Roll, told: _Told, terminals: list[str], someone: Someone, *, again: bool
) -> None:
    from edged.site.roll import Line

    said = plain(someone.given)
    for photo in someone.photos:
        image = _image(photo)
        if isinstance(image, tuple):
            for name in terminals:
                told.refuse(name, someone.id, photo.name, *image)
            continue
        digest = _digest(image, said)
        waiting = []
        for name in terminals:
            before = roll.of(name, someone.id, digest)
            if before is None or (before.outcome == "refused" and again):
                waiting.append(name)
            elif before.outcome == "refused":
                told.refuse(name, someone.id, photo.name, before.reason, "as before")
            else:
                told.count(name, "known")
        encoded = base64.b64encode(image).decode("ascii")
        args = {**said, "person_id": someone.id, "image": encoded}
        for name, reply in _asked(desk, told, waiting, "enrol.photo", args).items():
            if reply is None:
                told.count(name, "silent")
            elif reply.get("result") == "ok":
                known = bool(reply.get("data", {}).get("known"))
                outcome = "known" if known else "enrolled"
                roll.add(Line(name, someone.id, digest, outcome))
                told.count(name, outcome)
            else:
                reason = str(reply.get("reason"))
                told.refuse(name, someone.id, photo.name, reason, str(reply.get("text")))
                if reason not in _AGAIN and reply.get("result") == "refused" and _of_photo(reply):
                    roll.add(Line(name, someone.id, digest, "refused", reason))


def _gone(
    desk: Desk, roll: Roll, told: _Told, terminals: list[str], here: set[str], remove: bool
) -> dict[str, list[str]]:
    """Who was enrolled by an earlier run and is not in the source any more."""
    from edged.site.roll import Line

    gone: dict[str, list[str]] = {}
    for name in terminals:
        for person_id in roll.held(name):
            if person_id in here:
                continue
            gone.setdefault(name, []).append(person_id)
            if not remove:
                continue
            reply = _asked(desk, told, [name], "gallery.remove", {"person_id": person_id})[name]
            if reply is None:
                told.count(name, "silent")
            elif reply.get("result") == "ok" or reply.get("reason") == "not_enrolled":
                roll.add(Line(name, person_id, "", "removed"))
                told.count(name, "removed")
            else:
                told.refuse(name, person_id, "", str(reply.get("reason")), str(reply.get("text")))
    return gone


def _asked(
    desk: Desk, told: _Told, terminals: list[str], name: str, args: dict[str, Any]
) -> dict[str, dict[str, Any] | None]:
    """Each terminal's reply; one that has too much to do is asked again, ever more slowly."""
    answers: dict[str, dict[str, Any] | None] = dict.fromkeys(terminals)
    waiting = [one for one in terminals if told.silent[one] < _MOST_SILENCES]
    pause_s = _FIRST_PAUSE_S
    timeout_s = max(_TIMEOUT_S, desk.settings.timeout_s)
    for attempt in range(_TRIES):
        if not waiting:
            break
        if attempt:
            time.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
        replies = desk.orders.send_all(waiting, name, lambda _: args, timeout_s)
        for terminal, reply in replies.items():
            answers[terminal] = reply
            told.silent[terminal] = 0 if reply is not None else told.silent[terminal] + 1
        waiting = [one for one, reply in replies.items() if reply and reply.get("reason") in _AGAIN]
    return answers


def _of_photo(reply: Mapping[str, Any]) -> bool:
    """Whether the photo was looked at: its own faults stay, those of a key or a clock do not."""
    data = reply.get("data")
    return isinstance(data, dict) and "person_id" in data


def _image(photo: Photo) -> bytes | tuple[str, str]:
    from edged.camera.images import read_bytes
    from edged.site.photo import fit_photo

    if photo.refused is not None:
        return photo.refused
    try:
        return fit_photo(read_bytes(photo.path), photo.name)
    except ImageError as fault:
        return "unreadable", str(fault)


def _digest(image: bytes, said: dict[str, Any]) -> str:
    text = json.dumps(said, sort_keys=True).encode()
    return hashlib.sha256(hashlib.sha256(image).digest() + text).hexdigest()


def _beside(source: Path) -> Path:
    place = source.resolve()
    return place.with_name(f"{place.name}.ctl.jsonl")


def _tell(output: Output, told: _Told, gone: dict[str, list[str]], *, remove: bool) -> int:
    names = ("enrolled", "known", "removed", "refused", "silent")
    lines = [
        f"{terminal}: " + ", ".join(f"{counts[name]} {name}" for name in names if counts[name])
        if counts
        else f"{terminal}: nothing to do"
        for terminal, counts in told.outcomes.items()
    ]
    lines += [
        f"{one['terminal']}: {one['person_id']} {one['photo']}: {one['reason']}: {one['text']}"
        for one in told.refusals[:_MOST_LINES]
    ]
    if len(told.refusals) > _MOST_LINES:
        lines.append(f"and {len(told.refusals) - _MOST_LINES} more; see --json")
    if gone and not remove:
        lines += [
            f"{terminal}: {len(people)} are not in the source any more; --remove erases them"
            for terminal, people in gone.items()
        ]
    output.result(
        {
            "terminals": {name: dict(counts) for name, counts in told.outcomes.items()},
            "refused": told.refusals,
            "gone": gone,
        },
        lines,
    )
    bad = any(counts["refused"] or counts["silent"] for counts in told.outcomes.values())
    return FAILED if bad else OK
