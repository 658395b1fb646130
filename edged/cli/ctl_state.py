"""``edged ctl state | desired``: how terminals are, and how they shall be."""

from __future__ import annotations

import json
import queue
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.ctl_common import FAILED, OK, add_site, desk_of, read_json, signing_key
from edged.cli.output import BadUsage, positive, seconds
from edged.config.load import NOT_A_VALUE, read_text
from edged.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from edged.cli.ctl_common import Desk
    from edged.cli.output import Output
    from edged.site.client import Heard

_DESIRED = "edged-desired"
_SAID = ("revision", "in_force")


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """The actions and their arguments."""
    action = actions.add_parser("state", help="how terminals are, as they last said")
    add_site(action, state)
    action = actions.add_parser("desired", help="how terminals shall be set")
    action.add_argument(
        "file", type=Path, metavar="FILE", help="YAML or JSON: the settings, as in edged.yaml"
    )
    action.add_argument(
        "--revision", type=positive, metavar="N", help="default: one more than the terminal has"
    )
    action.add_argument(
        "--wait",
        type=seconds,
        default=180.0,
        metavar="SECONDS",
        help="for the terminal to say that they are in force (default 180; 0: do not)",
    )
    add_site(action, desired)


def state(args: argparse.Namespace, output: Output) -> int:
    """``status`` and ``state``; 1 where a terminal is not online or says nothing."""
    with desk_of(args) as desk:
        terminals = desk.terminals(args)
        status = desk.retained("status", terminals)
        facts = desk.retained("state", [name for name in terminals if name in status])
    found = {name: {"status": status.get(name), "state": facts.get(name)} for name in terminals}
    lines = [line for name, one in found.items() for line in _lines(name, **one)]
    output.result({"terminals": found}, lines)
    online = all(
        one["status"] is not None and one["status"].get("status") == "online"
        for one in found.values()
    )
    return OK if online else FAILED


def _lines(name: str, status: dict[str, Any] | None, state: dict[str, Any] | None) -> list[str]:
    if status is None and state is None:
        return [f"{name}: says nothing"]
    since = f" since {status['time']}" if status and "time" in status else ""
    lines = [f"{name}: {(status or {}).get('status', 'unknown')}{since}"]
    for key, value in (state or {}).items():
        if key not in {"v", "time", "clock"} or isinstance(value, dict):
            text = value if isinstance(value, str) else json.dumps(value, separators=(", ", ": "))
            lines.append(f"    {key}: {text}")
    return lines


def desired(args: argparse.Namespace, output: Output) -> int:
    """Sign the settings, publish them retained, and wait until they are in force or refused."""
    settings = _settings(args.file)
    with desk_of(args) as desk:
        kid, pem = signing_key(desk.settings)
        terminals = desk.terminals(args)
        inbox: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        before = desk.retained("state", terminals)
        revisions: dict[str, int] = {}
        roots = [desk.settings.topics(name).state for name in terminals]
        desk.client.hear(roots, inbox.put)
        for name in terminals:
            if args.revision is None and name not in before:
                raise BadUsage(f"{name} says nothing of itself; give --revision")
            revisions[name] = args.revision or _last(before.get(name)) + 1
            _publish(desk, name, revisions[name], settings, (kid, pem))
        answers = _applied(desk, inbox, revisions, args.wait)
    good = all(one is not None and one.get("result") == "applied" for one in answers.values())
    output.result(
        {"revisions": revisions, "applied": answers},
        [_told(name, revisions[name], answers.get(name), args.wait) for name in terminals],
    )
    return OK if good or not args.wait else FAILED


def _last(state: dict[str, Any] | None) -> int:
    """The last revision that a terminal says it had; 0 where that is none."""
    applied = (state or {}).get("applied")
    said = [applied.get(name) for name in _SAID] if isinstance(applied, dict) else []
    return max((number for number in said if isinstance(number, int)), default=0)


def _publish(
    desk: Desk, name: str, revision: int, settings: dict[str, Any], key: tuple[str, bytes]
) -> None:
    from edged.mqtt.sign import sign_claims

    topics = desk.settings.topics(name)
    claims = {
        "aud": topics.audience,
        "iat": round(time.time(), 3),
        "revision": revision,
        "settings": settings,
    }
    token = sign_claims(key[1], key[0], claims, _DESIRED)
    desk.client.publish(topics.desired, token, retain=True)


def _applied(
    desk: Desk, inbox: queue.SimpleQueue[Heard], revisions: dict[str, int], wait_s: float
) -> dict[str, dict[str, Any] | None]:
    """What each terminal says of its revision, as soon as it is decided."""
    answers: dict[str, dict[str, Any] | None] = dict.fromkeys(revisions)
    names = {desk.settings.topics(name).state: name for name in revisions}
    deadline_s = time.monotonic() + wait_s
    while (left_s := deadline_s - time.monotonic()) > 0:
        if all(one and one.get("result") != "pending" for one in answers.values()):
            break
        try:
            heard = inbox.get(timeout=left_s)
        except queue.Empty:
            break
        name = names.get(heard.topic)
        applied = (read_json(heard.payload) or {}).get("applied")
        if name and isinstance(applied, dict) and applied.get("revision") == revisions[name]:
            answers[name] = applied
    return answers


def _told(name: str, revision: int, answer: dict[str, Any] | None, wait_s: float) -> str:
    if answer is None:
        heard = "" if not wait_s else f"; {name} has not said anything of it yet"
        return f"{name}: revision {revision} is published{heard}"
    text = f": {answer['text']}" if answer.get("text") else ""
    return f"{name}: revision {revision} {answer.get('result')} ({answer.get('reason')}){text}"


def _settings(path: Path) -> dict[str, Any]:
    """The settings of a file; the terminal judges them."""
    import yaml

    text = read_text(path)
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, *NOT_A_VALUE) as fault:
        why = " ".join(str(fault).split())
        raise ConfigError([f"{path}: not readable as YAML: {why}"]) from fault
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError([f"{path}: expected settings, such as decision: {{profile: …}}"])
    try:
        return dict(json.loads(json.dumps(found, allow_nan=False)))
    except (TypeError, ValueError) as fault:
        raise ConfigError([f"{path}: holds what JSON cannot say: {fault}"]) from fault
