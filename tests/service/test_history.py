"""A terminal at work keeps the history of its presentations, or says that it cannot."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

from edged.cli.main import main
from tests.mosquitto import free_port
from tests.service.kit import PERSON, wait

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.service.kit import Door, Terminal, Views


def test_what_followed_a_hint_is_told_beside_the_running_terminal(
    open_door: Callable[..., Door], views: Views, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    door = open_door(before=lambda terminal: terminal.enrol(views), web={"port": port})
    door.stage.show("far")
    door.site.event("capture.retake", reason="come_closer")
    door.stage.show("near")
    door.site.event("access.granted")

    def told() -> bool:
        capsys.readouterr()
        assert main(["hints", "-c", str(door.terminal.config), "--json"]) == 0
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        hints = {hint["code"]: hint["granted"] for hint in document["hints"]}
        # who jumps from far to near may count as another, who needed no hint
        granted = [document["granted_without_hint"], *hints.values()]
        return "come_closer" in hints and any(share["count"] for share in granted)

    assert wait(told)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        metrics = answer.read().decode()
    assert 'edged_hint_total{code="come_closer",rose="' in metrics
    assert PERSON.encode() not in (door.terminal.folder / "history.db").read_bytes()


def test_a_door_without_its_history_is_a_door(open_door: Callable[..., Door], views: Views) -> None:
    def before(terminal: Terminal) -> None:
        terminal.enrol(views)
        (terminal.folder / "history.db").mkdir()

    door = open_door(before=before)
    assert "history.db" in wait(lambda: door.site.state["degraded"].get("history"))
    door.stage.show("near")
    door.site.event("access.granted")
    door.terminal.stop()
    assert door.terminal.log.count("the history cannot be kept") == 1
