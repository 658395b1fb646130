"""``edged door inputs``: what each input of the door reads, live, for whoever wires it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from edged.cli.output import add_config, add_json, seconds
from edged.config.load import load
from edged.door.inputs import InputWatch
from edged.door.switch import make_switch

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output
    from edged.config.door import Input
    from edged.door.inputs import InputFault

_WORDS = {
    "contact": ("the door is shut", "the door is open"),
    "exit_button": ("not pressed", "pressed"),
    "fire": ("no fire", "fire"),
    "tamper": ("the case is shut", "the case is open"),
}
_UNKNOWN = "nobody knows"


def add_inputs(action: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_config(action, required=True)
    add_json(action)
    action.add_argument(
        "--for", dest="for_s", type=seconds, metavar="SECONDS", help="end then, not by Ctrl-C"
    )
    action.set_defaults(run=show)


def show(args: argparse.Namespace, output: Output) -> int:
    """A line for every change, until Ctrl-C or the end; then how each input stands.

    GPIO lines are the daemon's while that runs: they are then told to be busy.
    """
    door = load(args.config).door
    wired = door.inputs
    if not wired:
        output.result({"inputs": {}}, ["the door has no inputs; see docs/door.md"])
        return 0
    seen = _Seen(output)
    watches = [
        InputWatch(
            name,
            make_switch(settings, door.usual_chip, f"door.{name}"),
            settings.debounce_s,
            seen.value(name),
            seen.fault(name),
        )
        for name, settings in wired.items()
    ]
    try:
        for watch in watches:
            watch.open()
        _wait(args.for_s)
    finally:
        for watch in watches:
            watch.stop()
        for watch in watches:
            watch.close()
    lines = [f"{name:12} {_place(wired[name])}: {seen.words(name)}" for name in wired]
    output.result({"inputs": {name: seen.document(name) for name in wired}}, lines)
    return 0


class _Seen:
    """What was seen of each input; told by their threads."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._lock = threading.Lock()
        self._values: dict[str, bool | None] = {}
        self._faults: dict[str, str] = {}
        self._changes: dict[str, int] = {}

    def value(self, name: str) -> Any:
        def told(active: bool | None, _since_s: float) -> None:
            with self._lock:
                if self._values.get(name) is not None and active is not None:
                    self._changes[name] = self._changes.get(name, 0) + 1
                self._values[name] = active
                self._say(name, _words(name, active))

        return told

    def fault(self, name: str) -> Any:
        def told(fault: InputFault | None) -> None:
            with self._lock:
                if fault is None:
                    self._faults.pop(name, None)
                else:
                    self._faults[name] = fault.text
                    self._say(name, f"{fault.kind}: {fault.text}")

        return told

    def words(self, name: str) -> str:
        words = _words(name, self._values.get(name))
        changes = self._changes.get(name, 0)
        return f"{words}, {changes} changes" + "".join(
            f"; {fault}" for fault in [self._faults.get(name)] if fault
        )

    def document(self, name: str) -> dict[str, Any]:
        return {
            "active": self._values.get(name),
            "changes": self._changes.get(name, 0),
            "fault": self._faults.get(name),
        }

    def _say(self, name: str, what: str) -> None:
        now = datetime.fromtimestamp(time.time(), UTC).astimezone().strftime("%H:%M:%S")
        self._output.say(f"{now} {name:12} {what}")


def _wait(for_s: float | None) -> None:
    """Until then, or Ctrl-C: that is how one stops looking, and no failure."""
    try:
        threading.Event().wait(for_s)
    except KeyboardInterrupt:
        return


def _words(name: str, active: bool | None) -> str:
    return _UNKNOWN if active is None else _WORDS[name][active]


def _place(settings: Input) -> str:
    return f"file {settings.file}" if settings.file is not None else f"line {settings.line}"
